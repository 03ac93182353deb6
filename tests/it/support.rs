//! The driver: the API as its callers use it, and the stack behind it as an operator sees it.

mod answer;
mod app;
mod aws;
mod changed_stack;
mod copies;
mod counts;
mod finality;
mod gate;
mod issuer;
mod messages;
mod openid_provider;
mod operator;
mod own_process;
mod pipeline;
mod processes;
mod stack;
mod time;
mod varnish;

pub use self::{
    answer::{
        Answer, assert_headers_of_all, assert_problem, assert_public_results, for_anyone, says_that_results_are_public,
    },
    app::{App, CONNECTIONS, someone},
    aws::{Aws, StreamReader},
    changed_stack::{while_changed, while_set, while_tries_run_out_soon},
    copies::{Copies, analytics_servers},
    counts::votes_by_option,
    finality::{CLOSED_AGO_MS, begin, close_and_begin, event_of, is_due, is_final},
    issuer::{Issuer, sign_by},
    messages::{made_up_votes, message, message_is_of, of_later_version},
    openid_provider::{OpenIdProvider, cookie_header, remember_cookies, with_issuers},
    operator::{audit, audit_of_votes_older_than, landslide, operator_environment, run_operator},
    own_process::{OwnProcess, event, vote_event},
    pipeline::{new_record, relay, replay, stream_event, tally_queue_is_empty},
    processes::{Process, assert_several_processes},
    stack::Stack,
    time::{SKEW_MS, eventually, in_ms, now_ms, passes},
    varnish::{Origin, PROOF, Says, Varnish},
};
