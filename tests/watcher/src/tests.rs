#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::{cell::RefCell, collections::VecDeque};

use tokio::time::Instant;

use super::*;

type Asked = (f64, Option<String>);

fn document(poll: u64, counts: u64) -> Document<u64> {
    let etag = format!("\"{poll}.{counts}\"");
    Document { etag, version: Version { poll, counts }, is_final: false, results: counts }
}

fn results(poll: u64, counts: u64, after: u64) -> Answer<u64> {
    Answer::Results(document(poll, counts), Some(after))
}

fn last(poll: u64, counts: u64) -> Answer<u64> {
    Answer::Results(Document { is_final: true, ..document(poll, counts) }, Some(60))
}

/// Watches while these answers are given: when it asked, with which tag, what it showed, how it ended.
async fn watched(seed: u64, answers: impl IntoIterator<Item = Answer<u64>>) -> (Vec<Asked>, Vec<u64>, Outcome) {
    let (mut answers, started) = (answers.into_iter().collect::<VecDeque<_>>(), Instant::now());
    let (mut asked, shown) = (Vec::new(), RefCell::new(Vec::new()));
    let ask = async |tag: Option<&str>| {
        asked.push((started.elapsed().as_secs_f64(), tag.map(str::to_owned)));
        answers.pop_front().unwrap()
    };
    let outcome = watch(Watcher::new(seed), ask, |results| shown.borrow_mut().push(*results)).await;
    (asked, shown.into_inner(), outcome)
}

/// The pauses between requests, in seconds.
fn pauses(asked: &[Asked]) -> Vec<f64> {
    asked.windows(2).map(|pair| pair[1].0 - pair[0].0).collect()
}

#[track_caller]
fn assert_within(pause: f64, least: f64, most: f64) {
    // Tokio's clock has milliseconds.
    assert!((least..=most + 0.002).contains(&pause), "{pause} s, not {least} s to {most} s");
}

#[tokio::test(start_paused = true)]
async fn it_asks_when_it_is_told_to_and_up_to_a_quarter_later_but_for_the_first_time() {
    for seed in 0..100 {
        let answers = [results(1, 1, 1), results(1, 2, 10), Answer::Unchanged(Some(3)), Answer::Unchanged(None)];
        let (asked, _, _) = watched(seed, answers.into_iter().chain([last(1, 3)])).await;
        let pauses = pauses(&asked);
        assert_within(pauses[0], 1.0, 2.0);
        for (pause, told) in pauses.iter().skip(1).zip([10.0, 3.0, 2.0]) {
            assert_within(*pause, told, told * 1.25);
        }
        assert_eq!(pauses.len(), 4);
    }
}

#[tokio::test(start_paused = true)]
async fn those_who_came_together_do_not_go_on_together() {
    for requests in [1, 20] {
        let mut tenths = [0; 10];
        for seed in 0..1_000 {
            let answers = (1..=requests).map(|counts| results(1, counts, 1)).chain([last(1, 99)]);
            let (asked, _, _) = watched(seed, answers).await;
            tenths[(asked.last().unwrap().0 * 10.0) as usize % 10] += 1;
        }
        assert!(
            tenths.iter().all(|asked| (60..=140).contains(asked)),
            "after {requests}: {tenths:?} by tenths of a second"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn it_names_what_it_shows_and_shows_nothing_else_for_a_304() {
    let (asked, shown, outcome) = watched(1, [results(1, 7, 1), Answer::Unchanged(Some(1)), last(1, 8)]).await;
    let tags: Vec<_> = asked.iter().map(|(_, tag)| tag.as_deref()).collect();
    assert_eq!(tags, [None, Some("\"1.7\""), Some("\"1.7\"")]);
    assert_eq!((shown, outcome), (vec![7, 7, 8], Outcome::Final));
}

#[tokio::test(start_paused = true)]
async fn a_document_that_is_behind_in_either_number_is_dropped() {
    let answers =
        [results(2, 7, 1), results(2, 6, 1), results(1, 9, 1), results(2, 7, 1), results(3, 7, 1), last(3, 8)];
    let (asked, shown, _) = watched(1, answers).await;
    assert_eq!(shown, [7, 7, 7, 7, 7, 8]);
    let tags: Vec<_> = asked.iter().skip(1).map(|(_, tag)| tag.as_deref().unwrap()).collect();
    assert_eq!(tags, ["\"2.7\"", "\"2.7\"", "\"2.7\"", "\"2.7\"", "\"3.7\""], "what was dropped is asked for again");
}

#[tokio::test(start_paused = true)]
async fn a_final_document_that_is_behind_does_not_end_it() {
    let (_, shown, outcome) = watched(1, [results(2, 7, 1), last(1, 7), last(2, 7)]).await;
    assert_eq!((shown, outcome), (vec![7, 7, 7], Outcome::Final));
}

#[tokio::test(start_paused = true)]
async fn it_backs_off_further_with_each_failure_and_never_sooner_than_it_is_told() {
    for seed in 0..100 {
        let failed = |retry_after| Answer::Failed(retry_after);
        let answers = [results(1, 1, 1), failed(None), failed(None), failed(None), failed(Some(30)), results(1, 2, 1)];
        let (asked, shown, _) = watched(seed, answers.into_iter().chain([failed(None), last(1, 3)])).await;
        let pauses = pauses(&asked);
        for (pause, told) in pauses.iter().skip(1).zip([1.0, 2.0, 4.0, 30.0]) {
            assert_within(*pause, told, told * 2.0);
        }
        assert_within(pauses[6], 1.0, 2.0);
        assert_eq!(shown, [1, 1, 1, 1, 1, 2, 2, 3], "what is shown stays");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_no_reason_to_ask_sooner_than_before_it() {
    let (asked, _, _) = watched(1, [results(1, 1, 10), Answer::Failed(Some(1)), last(1, 2)]).await;
    assert_within(pauses(&asked)[1], 10.0, 20.0);
}

#[tokio::test(start_paused = true)]
async fn a_long_outage_is_asked_about_once_in_one_or_two_minutes() {
    let (asked, _, _) = watched(1, std::iter::repeat_n(Answer::Failed(None), 60).chain([last(1, 1)])).await;
    for pause in pauses(&asked).iter().skip(6) {
        assert_within(*pause, 60.0, 120.0);
    }
}

#[tokio::test(start_paused = true)]
async fn it_does_not_ask_again_where_it_is_refused() {
    let (asked, shown, outcome) = watched(1, [results(1, 1, 1), Answer::Refused(404)]).await;
    assert_eq!((asked.len(), shown, outcome), (2, vec![1, 1], Outcome::Refused(404)));
}
