//! Queries that mean harm: `hostile.json`, and random ones.

use std::fs;

use proptest::prelude::*;

use super::*;
use crate::{kept::KEPT, scan::scan};

/// The queries: those of graphql-cop, those that public advisories are about, and ours.
const HOSTILE: &str = include_str!("../../hostile.json");

/// How often each is sent: the kernel counts processor time in ticks of some milliseconds.
const REPEATS: u32 = 20;

/// A text in parts, some of them repeated.
fn joined(parts: &Value) -> String {
    let part = |part: &Value| match part {
        Value::String(text) => text.clone(),
        other => other[0].as_str().unwrap().repeat(other[1].as_u64().unwrap() as usize),
    };
    parts.as_array().unwrap().iter().map(part).collect()
}

/// Nanoseconds of processor time that this thread has taken; 0 where that is not known.
fn cpu_ns() -> u64 {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    stat.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or_default()
}

/// Prints the processor time of each: `cargo test --release --package graphql hostile -- --nocapture`.
#[test]
fn every_hostile_query_is_refused_before_anything_is_read() {
    let stand = Stand::new();
    let cases: Vec<Value> = serde_json::from_str(HOSTILE).unwrap();
    let mut wrong = Vec::new();
    for case in &cases {
        let (why, code) = (case["why"].as_str().unwrap(), case["code"].as_str().unwrap());
        let body = match case.get("query") {
            Some(parts) => json!({"query": joined(parts), "variables": case["variables"]}).to_string(),
            None => joined(&case["body"]),
        };
        assert!(code == "body_too_large" || body.len() <= BODY_BYTES_MAX, "{why}: {} bytes", body.len());
        let event = posted_event(case["media_type"].as_str().unwrap_or("application/json"), &body, "owner");
        let before = cpu_ns();
        let (status, answer, _) = (0..REPEATS).fold(Default::default(), |_, _| stand.answer(event.clone()));
        let each_ms = (cpu_ns() - before) as f64 / 1e6 / f64::from(REPEATS);
        println!("{each_ms:>8.3} ms  {why} ({}): {status} {code}", case["from"].as_str().unwrap());
        let found = answer["code"].as_str().or_else(|| answer["errors"][0]["extensions"]["code"].as_str());
        if found != Some(code) || !(400..500).contains(&status) {
            wrong.push(format!("{why}: {status}, {answer}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(stand.calls.operations(), Vec::<String>::new());
}

/// Words and marks of queries, and what is none.
fn soup() -> impl Strategy<Value = String> {
    let words = [
        "{",
        "}",
        "(",
        ")",
        "[",
        "]",
        ":",
        "$",
        "@",
        "!",
        "=",
        "...",
        "|",
        "&",
        ",",
        "\n",
        "#",
        "\"",
        "\"\"\"",
        "\\",
        "\"\\uD800\"",
        "query",
        "fragment",
        "on",
        "mutation",
        "createPoll",
        "closePoll",
        "polls",
        "poll",
        "counts",
        "results",
        "nodes",
        "question",
        "first",
        "poll_id",
        "__typename",
        "__schema",
        "null",
        "true",
        "1",
        "-1.5e9",
        "\"p1\"",
        "a",
        "Query",
        "Poll",
        "$a",
        "é",
        "\u{feff}",
        "\u{0}",
    ];
    prop::collection::vec(prop::sample::select(words.to_vec()), 0..60).prop_map(|words| words.join(" "))
}

/// A kept query of which some bytes are taken away, or others put in.
fn mutated() -> impl Strategy<Value = String> {
    let edit = (any::<prop::sample::Index>(), any::<prop::sample::Index>(), soup());
    (0..KEPT.len(), prop::collection::vec(edit, 1..4)).prop_map(|(kept, edits)| {
        let mut text = KEPT[kept].text.to_owned();
        for (from, length, put_in) in edits {
            let from = text.floor_char_boundary(from.index(text.len() + 1));
            let to = text.floor_char_boundary((from + length.index(30)).min(text.len()));
            text.replace_range(from..to, &put_in);
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    /// The parser's own trees of a text are no deeper than its brackets, which is what keeps it from the stack's end.
    #[test]
    fn whatever_is_sent_is_answered_or_refused(query in prop_oneof![soup(), mutated()], variables in prop::option::of(any::<i32>())) {
        let stand = Stand::new();
        let (status, answer) = stand.post(&json!({"query": query, "variables": {"poll_id": "p1", "first": variables}}));
        prop_assert!(status == 200 || status == 400, "{status}: {answer}");
        prop_assert_eq!(status == 200, answer["data"].is_object(), "{}", answer);
        prop_assert_eq!(status == 200, answer["extensions"]["cost"].is_u64(), "{}", answer);
        if scan(&query).is_err() {
            prop_assert_eq!(status, 400);
        }
    }
}
