//! `landslide demo` against a stack in memory.

use std::path::PathBuf;

use crate::fake_stack::{FakeStack, Faults, Miscount};
use crate::tokens::key_file;
use crate::{landslide, text};

/// Runs the demo. Returns its exit status, its output, and its messages.
fn run(stack: &FakeStack, arguments: &[&str]) -> (Option<i32>, String, String) {
    let base = ["demo", "--url", &stack.url, "--token", "account"];
    let output = landslide(&[&base[..], arguments].concat());
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// The number after `name` in the figures below the table.
fn figure(report: &str, name: &str) -> u64 {
    let line = report.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name} in {report}"));
    line[name.len()..].split_whitespace().next().unwrap().replace(',', "").parse().unwrap()
}

#[test]
fn the_whole_election_is_counted_exactly() {
    let stack = FakeStack::start(Faults::default());
    let (status, report, messages) = run(&stack, &[]);
    assert_eq!(status, Some(0), "{messages}");
    assert_eq!(stack.stored(), [2_951, 2_585, 2_063, 1_306, 36, 35]);
    assert!(report.contains("official"), "{report}");
    assert_eq!(figure(&report, "registrations"), 8_976);
    assert_eq!(figure(&report, "votes, 201"), 8_976);
    assert_eq!(figure(&report, "repeats, 200"), 225);
    assert_eq!(figure(&report, "second votes, 409"), 224);
    assert_eq!(figure(&report, "retries"), 0);
    // Kept alive: 16 voters' and one to watch the count; and a few more if the client opens one while another becomes
    // free.
    assert!(stack.connections() <= 100, "{} connections for 18,000 requests", stack.connections());
}

#[test]
fn throttling_trouble_and_lost_answers_change_nothing() {
    let faults =
        Faults { throttle_every: Some(17), unavailable_every: Some(31), drop_every: Some(23), ..Faults::default() };
    let stack = FakeStack::start(faults);
    let (status, report, messages) = run(&stack, &["--voters", "600", "--connections", "8", "--seed", "1"]);
    assert_eq!(status, Some(0), "{messages}");
    assert_eq!(stack.stored().iter().sum::<u64>(), 600);
    assert!(report.contains("sample"), "{report}");
    let found = figure(&report, "votes, 200 on retry");
    assert!(found > 20, "{report}");
    assert_eq!(figure(&report, "votes, 201") + found, 600);
    assert_eq!(figure(&report, "repeats, 200") + figure(&report, "second votes, 409"), 30);
    assert!(figure(&report, "retries") > 100, "{report}");
}

#[test]
fn one_vote_moved_to_another_option_fails() {
    let stack = FakeStack::start(Faults { miscount: Some(Miscount::Moved), ..Faults::default() });
    let (status, report, messages) = run(&stack, &["--voters", "100"]);
    assert_eq!(status, Some(1), "{report}");
    assert!(report.contains("NO"), "{report}");
    assert!(messages.contains("Kurt Wright: 33 expected, 32 counted; Bob Kiss: 29 expected, 30 counted"), "{messages}");
}

#[test]
fn one_vote_counted_twice_fails() {
    let stack = FakeStack::start(Faults { miscount: Some(Miscount::Twice), ..Faults::default() });
    let (status, _, messages) = run(&stack, &["--voters", "100"]);
    assert_eq!(status, Some(1));
    assert!(messages.contains("100 votes were cast, but 101 are counted"), "{messages}");
}

#[test]
fn one_vote_lost_fails_when_the_wait_is_over() {
    let stack = FakeStack::start(Faults { miscount: Some(Miscount::Lost), ..Faults::default() });
    let (status, _, messages) = run(&stack, &["--voters", "100", "--count-wait-seconds", "1"]);
    assert_eq!(status, Some(1));
    assert!(messages.contains("100 votes were cast, but only 99 are counted 1 s after the last one"), "{messages}");
}

#[test]
fn a_second_vote_that_passes_fails_the_demo() {
    let stack = FakeStack::start(Faults { second_votes_pass: true, ..Faults::default() });
    let (status, _, messages) = run(&stack, &["--voters", "100"]);
    assert_eq!(status, Some(1));
    assert!(messages.contains("try a second vote: expected 409 already_voted, got 200 OK"), "{messages}");
}

#[test]
fn an_unexpected_status_is_named_with_what_was_asked() {
    let stack = FakeStack::start(Faults { internal_every: Some(50), ..Faults::default() });
    let (status, _, messages) = run(&stack, &["--voters", "100"]);
    assert_eq!(status, Some(1));
    assert!(messages.contains("got 500 Internal Server Error") && messages.contains("internal"), "{messages}");
}

#[test]
fn a_stack_that_only_throttles_is_given_up() {
    let stack = FakeStack::start(Faults { throttle_every: Some(1), ..Faults::default() });
    let (status, _, messages) = run(&stack, &["--voters", "1"]);
    assert_eq!(status, Some(1));
    assert!(messages.contains("create the poll: gave up after 3 attempts; the last one got 429"), "{messages}");
}

#[test]
fn a_stack_that_is_not_there_fails_at_once() {
    let output = landslide(&["demo", "--url", "http://127.0.0.1:9", "--token", "account"]);
    assert_eq!(output.status.code(), Some(1));
    let messages = text(&output.stderr);
    assert!(
        messages.contains("create the poll: gave up after 3 attempts") && messages.contains("refused"),
        "{messages}"
    );
}

#[test]
fn a_wrong_token_is_not_shown() {
    let stack = FakeStack::start(Faults::default());
    let output = landslide(&["demo", "--url", &stack.url, "--token", "a-secret"]);
    assert_eq!(output.status.code(), Some(1));
    let messages = text(&output.stderr);
    assert!(
        messages.contains("create the poll: expected 201, got 401") && !messages.contains("a-secret"),
        "{messages}"
    );
}

#[test]
fn a_local_issuers_key_stands_in_for_a_token() {
    let stack = FakeStack::start(Faults::default());
    let key = key_file("demo");
    let key = key.to_str().unwrap();
    assert!(landslide(&["issuer", "--key", key]).status.success());
    let output = landslide(&["demo", "--url", &stack.url, "--key", key, "--voters", "20"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let output = landslide(&["demo", "--url", &stack.url]);
    assert_eq!(output.status.code(), Some(2), "one of them");
}

/// A file for a picture, which is not there yet.
fn picture(name: &str) -> PathBuf {
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.svg"));
    if file.exists() {
        std::fs::remove_file(&file).unwrap();
    }
    file
}

#[test]
fn the_votes_of_each_minute_are_drawn_into_a_file() {
    let stack = FakeStack::start(Faults::default());
    let file = picture("series");
    let asked = ["--voters", "100", "--spread-seconds", "1", "--chart", file.to_str().unwrap()];
    let (status, report, messages) = run(&stack, &asked);
    assert_eq!(status, Some(0), "{messages}");
    assert!(report.contains("The series has the same votes, and is drawn in"), "{report}");
    let drawn = std::fs::read_to_string(&file).unwrap();
    for text in ["Kurt Wright", "James Simpson", "votes each minute", "votes so far"] {
        assert!(drawn.contains(text), "{text}: {drawn}");
    }
}

#[test]
fn a_series_with_other_votes_fails_and_is_not_drawn() {
    let stack = FakeStack::start(Faults { miscount: Some(Miscount::MovedInSeries), ..Faults::default() });
    let file = picture("moved");
    let asked = ["--voters", "100", "--spread-seconds", "1", "--chart", file.to_str().unwrap()];
    let (status, _, messages) = run(&stack, &asked);
    assert_eq!(status, Some(1));
    assert!(messages.contains("The series has other votes: [33, 29, "), "{messages}");
    assert!(!file.exists());
}

#[test]
fn a_chart_of_voters_who_all_come_at_once_is_refused() {
    let output = landslide(&["demo", "--url", "http://localhost", "--token", "account", "--chart", "series.svg"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("--spread-seconds"), "{}", text(&output.stderr));
}

#[test]
fn numbers_out_of_range_are_refused() {
    for arguments in [["--voters", "0"], ["--voters", "8977"], ["--connections", "0"]] {
        let output =
            landslide(&[&["demo", "--url", "http://localhost", "--token", "account"], &arguments[..]].concat());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
}
