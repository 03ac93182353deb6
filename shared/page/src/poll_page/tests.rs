//! Which parts a page has, by where the poll and the vote stand.

use landslide_domain::testing::at;
use serde_json::json;

use super::*;
use crate::testing::{OwnText, State, states};

fn state(name: &str) -> State {
    states(&OwnText::default()).into_iter().find(|state| state.name == name).unwrap()
}

fn html(name: &str) -> String {
    state(name).render(Language::En)
}

#[test]
fn there_is_a_ballot_only_where_a_vote_would_be_taken() {
    for state in states(&OwnText::default()) {
        let html = state.render(Language::En);
        let takes = ["open", "change", "refused"].iter().any(|start| state.name.starts_with(start));
        assert_eq!(html.contains("<fieldset"), takes, "{}", state.name);
        assert_eq!(html.contains("data-sending"), takes, "{}", state.name);
    }
}

#[test]
fn a_ballot_shows_no_results_and_results_no_ballot() {
    for state in states(&OwnText::default()) {
        let html = state.render(Language::En);
        assert!(!(html.contains("<fieldset") && html.contains("data-version")), "{}", state.name);
    }
}

#[test]
fn a_vote_can_be_changed_only_where_the_poll_allows_it() {
    let changes = |name| [html(name).contains("Change my vote"), html(name).contains("value=\"withdraw\"")];
    assert_eq!(
        ["voted", "voted-may-change", "paused", "closed"].map(changes),
        [[false; 2], [true; 2], [false; 2], [false; 2]]
    );
    let state = state("voted");
    let page = PollPage { view: View::Ballot, ..state.page() };
    assert!(!page.render(Language::En).contains("<fieldset"), "whatever is asked for");
}

#[test]
fn results_are_renewed_until_they_are_final() {
    assert!(html("voted").contains("data-live=\"p1/live?lang=en\" data-after=\"2\""));
    assert!(!html("closed").contains("data-live=\""));
}

#[test]
fn the_own_options_are_marked_and_added_to_no_number() {
    let others = html("results-first").matches("class=\"mark own\"").count();
    let own = html("results-multiple");
    assert_eq!((others, own.matches("class=\"mark own\"").count()), (0, 2));
    let numbers = |html: &str| html.matches("<b>4</b>").count();
    assert_eq!((numbers(&html("overtaken")), numbers(&html("own-vote-hidden"))), (1, 1));
}

#[test]
fn what_a_voter_voted_is_nowhere_if_its_owner_hides_it() {
    let hidden = html("own-vote-hidden");
    assert!(hidden.contains("Your vote is recorded.") && !hidden.contains("Your choice"));
    assert!(!hidden.contains("Your vote:"));
    let state = state("own-vote-hidden");
    let ballot = PollPage { view: View::Ballot, ..state.page() }.render(Language::En);
    assert!(ballot.contains("<fieldset") && !ballot.contains("\" checked"), "{ballot}");
}

#[test]
fn a_device_that_many_share_is_the_next_ones_and_tells_nothing_of_the_last() {
    let next = html("next-please");
    let state = state("next-please");
    let results = PollPage { view: View::Results, ..state.page() }.render(Language::En);
    assert!(!results.contains("<bdi>Prosciutto") && !next.contains("<bdi>Prosciutto"));
}

#[test]
fn in_another_sites_page_there_is_no_form_and_a_way_to_the_ballot() {
    for name in ["framed", "framed-account"] {
        let framed = html(name);
        assert!(!framed.contains("<form") && !framed.contains("/sign-in"), "{framed}");
        assert!(framed.contains("target=\"_blank\" rel=\"noopener\""), "{framed}");
    }
}

#[test]
fn each_form_says_whose_it_is_and_which_vote_it_changes() {
    for (name, revision) in [("open", 0), ("refused", 0), ("change", 1), ("voted-may-change", 1)] {
        let html = html(name);
        let named = html.contains(&format!("name=\"as\" value=\"{}\"", "t".repeat(300)));
        assert!(named && html.contains(&format!("name=\"rev\" value=\"{revision}\"")), "{name}");
    }
}

#[test]
fn results_that_wait_for_the_closing_are_asked_for_then() {
    assert!(html("hidden-until-close").contains("data-live=\"p1/results?lang=en\" data-left=\"800000\""));
    assert!(!html("hidden-until-some-close").contains("data-live=\""));
}

#[test]
fn another_language_shows_the_same_view() {
    assert!(html("results-first").contains("href=\"?lang=de&amp;view=results\""));
    assert!(html("change").contains("href=\"?lang=de&amp;view=ballot\""));
    assert!(html("open").contains("href=\"?lang=de\""));
}

#[test]
fn search_engines_list_a_poll_only_if_it_is_listed() {
    let refuses = |name| html(name).contains("<meta name=\"robots\" content=\"noindex\">");
    assert_eq!(["open", "open-listed"].map(refuses), [true, false]);
}

#[test]
fn the_time_that_is_left_is_by_the_servers_clock() {
    assert!(html("open-closing").contains("data-left=\"90000\""));
    assert!(!html("open").contains("data-left=\""));
}

#[test]
fn the_next_voter_gets_a_link_to_a_new_page_that_the_script_follows() {
    let html = html("next-please");
    assert!(html.contains("data-next=\"5\" href=\"p1?lang=en&amp;view=next\"") && !html.contains("http-equiv"));
    assert!(!html.contains("Prosciutto e funghi</bdi>"), "nothing of the vote before");
}

#[test]
fn of_very_many_options_those_with_the_most_votes_are_shown() {
    let options: Vec<String> = (0..100).map(|number| format!("Option {number}")).collect();
    let text = OwnText { options, ..OwnText::default() };
    let states = states(&text);
    let html = states.iter().find(|state| state.name == "results-first").unwrap().render(Language::En);
    assert!(html.contains("Option 39<") && !html.contains("Option 40<") && html.contains("60 more options"));
    let ballot = states[1].render(Language::En);
    assert!(ballot.contains("Option 99<"), "a ballot has all");
}

#[test]
fn a_query_that_is_unknown_asks_for_the_usual_page() {
    let views = [None, Some("ballot"), Some("results"), Some("stage"), Some("Stage"), Some("\"><")].map(View::of_query);
    assert_eq!(views, [View::Usual, View::Ballot, View::Results, View::Stage, View::Usual, View::Usual]);
}

#[test]
fn a_document_that_is_no_results_is_an_error() {
    let state = state("open");
    let spec = &state.page().poll.rules.settings.spec;
    for document in [
        "",
        "{}",
        "[]",
        &json!({"ballots": -1, "options": [], "version": {"poll": 1, "counts": 1}, "as_of": at(0)}).to_string(),
    ] {
        assert!(Fragment::read(spec, document, None).is_err(), "{document}");
    }
}

#[test]
fn a_poll_of_accounts_has_a_link_for_each_provider_until_one_is_signed_in() {
    let (none, signed_out, signed_in) = (html("account"), html("account-signed-out"), html("open-account"));
    assert!(none.contains("this page can't sign you in") && !none.contains("/sign-in"));
    let link = |place: usize, name: &str| {
        format!("href=\"p1/sign-in?issuer={place}&amp;lang=en\"><span>Sign in with <bdi>{name}</bdi></span>")
    };
    for (place, name) in ["Example ID", "id.example.net"].into_iter().enumerate() {
        assert!(signed_out.contains(&link(place, name)), "{signed_out}");
    }
    assert!(!signed_in.contains("/sign-in?") && signed_in.contains("Signed in with <bdi>Example ID</bdi>."));
    let signs_out = |html: &str| html.matches("name=\"do\" value=\"sign-out\"").count();
    let of =
        ["account", "account-signed-out", "open-account", "voted-account", "open"].map(|name| signs_out(&html(name)));
    assert_eq!(of, [0, 0, 1, 1, 0]);
    // The script takes the first form for the ballot.
    assert!(signed_in.find("<form method=\"post\" data-sending").unwrap() < signed_in.find("\"sign-out\"").unwrap());
}
