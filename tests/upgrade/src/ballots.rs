//! Ballots, old and new, as polls and voters ask for them.

use serde_json::{Value, json};

/// A poll's settings, and a vote in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Ballot {
    pub settings: Value,
    pub vote: Value,
}

/// What votes hold that the last release can't read. A new kind of ballot is one more line, or two where a vote changes
/// within it.
pub fn new() -> Vec<Ballot> {
    let series = json!({"kind": "single", "series": true});
    ballots([
        (json!({"kind": "ranked"}), json!({"ranking": [2, 0]})),
        (json!({"kind": "ranked"}), json!({"ranking": [1]})),
        (rating(), json!({"ratings": [{"option": 0, "value": 5}, {"option": 2, "value": 1}]})),
        (rating(), json!({"ratings": [{"option": 0, "value": 4}]})),
        (text(), json!({"text": "tea"})),
        (text(), json!({"text": "Grüner Tee"})),
        (write_in(), json!({"other": "tea"})),
        (write_in(), json!({"choices": [1], "other": "tea"})),
        (quiz(), json!({"choices": [0, 2]})),
        (quiz(), json!({"choices": [1]})),
        (segments(), json!({"choices": [0], "segments": {"age": "old"}})),
        (segments(), json!({"choices": [0]})),
        (series.clone(), json!({"choices": [0]})),
        (series, json!({"choices": [1]})),
    ])
}

/// What it can read.
pub fn plain() -> Vec<Ballot> {
    ballots([
        (json!({"kind": "single"}), json!({"choices": [1]})),
        (json!({"kind": "multiple"}), json!({"choices": [0, 2]})),
        (write_in(), json!({"choices": [0, 1]})),
    ])
}

fn ballots<const N: usize>(all: [(Value, Value); N]) -> Vec<Ballot> {
    all.map(|(settings, vote)| Ballot { settings, vote }).into()
}

fn rating() -> Value {
    json!({"kind": "rating", "scale": {"min": 1, "max": 5}})
}

fn text() -> Value {
    json!({"kind": "text", "options": null})
}

fn write_in() -> Value {
    json!({"kind": "multiple", "write_in": true})
}

fn quiz() -> Value {
    json!({"kind": "multiple", "correct": [0, 2]})
}

fn segments() -> Value {
    json!({"kind": "single", "segments": [{"name": "age", "values": ["young", "old"], "from": "vote"}]})
}

/// All of them, poll by poll: a poll's votes are of its kind alone.
pub fn by_poll() -> Vec<Vec<Ballot>> {
    let mut polls: Vec<Vec<Ballot>> = Vec::new();
    for ballot in plain().into_iter().chain(new()) {
        match polls.iter_mut().find(|poll| poll[0].settings == ballot.settings) {
            Some(poll) => poll.push(ballot),
            None => polls.push(vec![ballot]),
        }
    }
    polls
}

/// A voter's ballots, one after the other; `None` where the vote is retracted.
pub type History = Vec<Option<Ballot>>;

/// Histories with a change of each of these ballots, or a retracted vote, into each of the others.
pub fn histories(ballots: &[Ballot]) -> Vec<History> {
    let pairs = |from: &Ballot| {
        let from = from.clone();
        let others = ballots.iter().filter(|to| **to != from).cloned().map(Some).chain([None]).collect::<Vec<_>>();
        others.into_iter().map(move |to| vec![Some(from.clone()), to]).collect::<Vec<_>>()
    };
    let again = |from: &Ballot| {
        let from = Some(from.clone());
        ballots.iter().cloned().map(move |to| vec![from.clone(), None, Some(to)]).collect::<Vec<_>>()
    };
    ballots.iter().flat_map(pairs).chain(ballots.iter().take(1).flat_map(again)).collect()
}
