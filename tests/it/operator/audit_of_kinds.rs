//! The audit of polls whose votes are more than choices: what is damaged by hand in their entries, whole ballots and cells,
//! is found and mended.

use base64::{Engine, prelude::BASE64_STANDARD};
use landslide_domain::entries::Entries;
use serde_json::{Value, json};

use super::audit::{CLOSED_AGO_MS, UNTIMELY, is_rebuilt_by_a_repair, rows_of_runs, tamper};
use crate::support::{App, audit, someone};

/// The attributes of HEAD and COUNT with entries of whole ballots, and with cells.
const BALLOTS: &str = "entries";
const CELLS: &str = "cells";

/// A poll with these settings in which each of these ballots is cast and counted.
async fn counted_poll(app: &App, settings: Value, ballots: &[Value]) -> String {
    let mut body = json!({"question": "Which?"});
    body.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    let poll = app.poll(body).await;
    for ballot in ballots {
        let vote = app.post(&format!("/v1/polls/{poll}/votes"), &app.account(&someone()), ballot).await;
        assert_eq!(vote.status, 201, "{ballot}: {vote}");
    }
    app.results_settle_at(&poll, ballots.len() as u64).await;
    poll
}

/// Counts each entry of a set that lies in the item itself once more for each time that it is counted.
async fn double(app: &App, poll: &str, item: &str, set: &str) {
    tamper(app, poll, item, |tally| {
        let near = &mut tally[set]["M"]["near"]["B"];
        let mut entries = Entries::decode(BASE64_STANDARD.decode(near.as_str().unwrap()).unwrap()).unwrap();
        assert!(!entries.is_empty(), "{set} of {item}");
        entries.merge(&entries.clone());
        *near = json!(BASE64_STANDARD.encode(entries.as_bytes()));
    })
    .await;
}

/// Fails unless damage to a poll with this number of entries, in these sets, is found and mended.
async fn is_found_and_mended(app: &App, poll: &str, keys: u64, sets: &[&str]) {
    let (code, document) = audit(app, poll, &[]);
    let counted = &document["lanes"][0]["entries"]["keys"];
    assert_eq!((code, &document["verdict"], counted), (0, &json!("exact"), &json!(keys)), "{document}");
    for set in sets {
        double(app, poll, "COUNT", set).await;
        let (code, document) = audit(app, poll, &[]);
        let copy = &document["lanes"][0]["count_item"];
        assert_eq!((code, copy), (3, &json!("other_entries")), "{set}: {document}");
        let (code, document) = audit(app, poll, &["--repair"]);
        assert_eq!((code, &document["verdict"]), (0, &json!("exact")), "{set}, written again: {document}");
    }
    for set in sets {
        double(app, poll, "HEAD", set).await;
        let (code, document) = audit(app, poll, &["--repair"]);
        let lane = &document["lanes"][0];
        let differ = lane["entries"]["differ"]["number"].as_u64();
        assert_eq!((code, &lane["counters_differ"], &lane["sealed"]), (3, &json!(false), &json!(false)), "{document}");
        assert!(differ > Some(0), "{set}, and an open poll is left alone: {document}");
    }
    app.aws.set_closed_ago(poll, CLOSED_AGO_MS).await;
    is_rebuilt_by_a_repair(app, poll, keys);
    tamper(app, poll, "HEAD", |head| head["ballots"] = json!({"N": "90"})).await;
    let (code, document) = audit(app, poll, &[]);
    assert_eq!((code, &document["lanes"][0]["counters_differ"]), (3, &json!(true)), "another sum: {document}");
    is_rebuilt_by_a_repair(app, poll, keys);
    app.aws.delete_tally(poll, 0, "HEAD").await;
    let (code, document) = audit(app, poll, &[]);
    assert_eq!((code, &document["lanes"][0]["count_item"]), (3, &json!("ahead")), "no HEAD: {document}");
    is_rebuilt_by_a_repair(app, poll, keys);
}

fn rate(ratings: &[(u64, i64)]) -> Value {
    let rating = |(option, value): &(u64, i64)| json!({"option": option, "value": value});
    json!({"ratings": ratings.iter().map(rating).collect::<Vec<_>>()})
}

#[tokio::test]
async fn damage_to_a_poll_of_ratings_is_found_and_mended() {
    let app = App::new();
    let settings = json!({"options": ["a", "b", "c"], "kind": "rating"});
    let poll = counted_poll(&app, settings, &[rate(&[(0, 5), (2, 3)]), rate(&[(0, 4)]), rate(&[(0, 5)])]).await;
    is_found_and_mended(&app, &poll, 3, &[CELLS]).await;
}

#[tokio::test]
async fn damage_to_a_poll_of_answers_is_found_and_mended() {
    let app = App::new();
    let ballots = ["great", "great", "so so"].map(|text| json!({"text": text}));
    let poll = counted_poll(&app, json!({"kind": "text"}), &ballots).await;
    is_found_and_mended(&app, &poll, 2, &[BALLOTS]).await;
}

#[tokio::test]
async fn damage_to_a_quiz_is_found_and_mended() {
    let app = App::new();
    let ballots = [1, 1, 0].map(|choice| json!({"choices": [choice]}));
    let poll = counted_poll(&app, json!({"options": ["a", "b"], "correct": [1]}), &ballots).await;
    is_found_and_mended(&app, &poll, 2, &[BALLOTS]).await;
}

#[tokio::test]
async fn damage_to_write_ins_segments_and_a_series_is_found_and_mended() {
    let app = App::new();
    let region = json!({"name": "region", "values": ["north", "south"], "from": "vote"});
    let settings = json!({
        "options": ["a", "b"], "write_in": true, "segments": [region], "series": true, "closes_at": "2099-01-01T00:00:00Z",
    });
    let ballots = [
        json!({"choices": [0], "segments": {"region": "north"}}),
        json!({"choices": [1], "segments": {"region": "south"}}),
        json!({"other": "c"}),
    ];
    let poll = counted_poll(&app, settings, &ballots).await;
    // A write-in; three regions, two of them with an option; a day with two options.
    is_found_and_mended(&app, &poll, 1 + 5 + 3, &[BALLOTS, CELLS]).await;
}

/// Fails unless a run that is gone, and one that can't be read, are found, and rebuilt once the poll is closed.
async fn a_run_is_found_and_rebuilt(app: &App, poll: &str, keys: u64) {
    let rows = rows_of_runs(app, poll).await;
    let ((number, row), of_runs) = (rows.first().unwrap(), format!("{poll}#0"));
    let mut item = app.aws.tally(&of_runs, *number, row).await;
    app.aws.delete_tally(&of_runs, *number, row).await;
    let (code, document) = audit(app, poll, &[]);
    let gone = &document["lanes"][0]["entries"]["gone"];
    assert_eq!((code, gone), (3, &json!({"number": 1, "first": [row]})), "{document}");
    item["entries"] = json!({"B": BASE64_STANDARD.encode("x")});
    assert_eq!(app.aws.refusal_of_tally_item(&item).await, None);
    let (code, document) = audit(app, poll, &[]);
    assert_eq!((code, &document["lanes"][0]["entries"]["unreadable"]["number"]), (3, &json!(1)), "{document}");
    app.aws.set_closed_ago(poll, CLOSED_AGO_MS).await;
    is_rebuilt_by_a_repair(app, poll, keys);
    let (code, document) = audit(app, poll, &[]);
    assert_eq!((code, &document["verdict"]), (UNTIMELY, &json!("untimely")), "{document}");
}

#[tokio::test]
async fn a_damaged_run_of_answers_is_found_and_rebuilt() {
    let app = App::new();
    let ballots: Vec<Value> = ["a", "b", "c", "d", "e"].iter().map(|text| json!({"text": text.repeat(140)})).collect();
    let poll = counted_poll(&app, json!({"kind": "text"}), &ballots).await;
    a_run_is_found_and_rebuilt(&app, &poll, 5).await;
}

#[tokio::test]
async fn a_damaged_run_of_cells_is_found_and_rebuilt() {
    let app = App::new();
    let labels: Vec<String> = (0..100).map(|number| format!("option {number}")).collect();
    let all_at = |value: i64| rate(&(0..100).map(|option| (option, value)).collect::<Vec<_>>());
    let settings = json!({"options": labels, "kind": "rating"});
    let poll = counted_poll(&app, settings, &[all_at(1), all_at(2)]).await;
    a_run_is_found_and_rebuilt(&app, &poll, 200).await;
}
