//! The page that people vote on, as HTML: a poll, its ballot, its results and what went wrong, in 14 languages.
//!
//! Pure, like the domain: the poll, the results' document, the voter's vote and the time are arguments. Everything that a
//! person sees and that is not the poll's own text is in `messages`. The poll's own text stands in `<bdi>`.

mod answer;
mod assets;
mod document;
mod entry;
mod error_page;
#[cfg(test)]
mod gateway;
mod language;
mod messages;
mod poll_page;
mod results;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;
mod visit;
mod words;

pub use self::{
    answer::{Answer, Freshness},
    assets::csp,
    entry::{Entry, Malformed, Mistake},
    error_page::{ErrorPage, Trouble},
    language::Language,
    poll_page::{Accounts, Address, Notice, OfVoter, PollPage, Shown, View},
    results::{Fragment, Unreadable},
    visit::{NoPublicUrl, PublicUrl, account_cookie, device_token, has_signed_out, sign_in_cookie, view_link},
};
