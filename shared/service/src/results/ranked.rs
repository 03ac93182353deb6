//! Results of ranked polls, from what is assembled of them.

use std::{borrow::Cow, collections::BTreeMap};

use landslide_aws::store::RankedSnapshot;
use landslide_domain::{
    error::Error,
    ids::PollId,
    method::Method,
    poll::{Poll, Status},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Why there is no tally before the first was assembled.
const NOT_ASSEMBLED: &str = "not_assembled";

/// An object whose values stay text.
type Fields<'a> = BTreeMap<Cow<'a, str>, &'a RawValue>;

/// What is assembled, of which the parts that only a client reads stay text.
#[derive(Deserialize)]
struct Document<'a> {
    ballots: i64,
    votes: Vec<i64>,
    as_of: Option<Timestamp>,
    seats: u8,
    #[serde(borrow)]
    summary: Option<Fields<'a>>,
    #[serde(borrow)]
    counts: BTreeMap<Cow<'a, str>, Fields<'a>>,
    unavailable: Option<Cow<'a, str>>,
}

#[derive(Serialize)]
struct RankedView<'a> {
    poll_id: &'a PollId,
    status: Status,
    ballots: i64,
    options: Vec<OptionView<'a>>,
    as_of: Option<Timestamp>,
    tally: Option<TallyView<'a>>,
    unavailable: Option<&'a str>,
}

#[derive(Serialize)]
struct OptionView<'a> {
    id: u8,
    label: &'a str,
    votes: i64,
}

#[derive(Serialize)]
struct TallyView<'a> {
    seats: u8,
    #[serde(flatten)]
    summary: &'a Fields<'a>,
    #[serde(flatten)]
    count: &'a Fields<'a>,
}

/// A ranked poll, and what is assembled of it.
pub(super) struct Ranked {
    poll: Poll,
    document: Option<String>,
    as_of: Timestamp,
}

impl Ranked {
    /// As it was read at `now`.
    pub(super) fn new(snapshot: RankedSnapshot, now: Timestamp) -> Self {
        let RankedSnapshot { poll, assembled, .. } = snapshot;
        Self { poll, document: assembled.map(|assembled| assembled.document), as_of: now }
    }

    /// The results as JSON, with the count by this method; if `None`, by the poll's own. Fails if the poll's seats don't
    /// allow it.
    pub(super) fn text(&self, method: Option<Method>) -> Result<String, Error> {
        let spec = &self.poll.rules.settings.spec;
        let method = method.or(spec.method).unwrap_or(Method::default_for(spec.seats));
        if !method.fills(spec.seats) {
            let (name, seats) = (method.name(), spec.seats);
            return Err(Error::NoSuchCount(format!("The method {name} can't fill the poll's {seats} seats.")));
        }
        let broken = |error: serde_json::Error| Error::Internal(format!("results: {error}"));
        let document: Option<Document<'_>> =
            self.document.as_deref().map(serde_json::from_str).transpose().map_err(broken)?;
        serde_json::to_string(&self.view(document.as_ref(), method)).map_err(broken)
    }

    fn view<'a>(&'a self, document: Option<&'a Document<'_>>, method: Method) -> RankedView<'a> {
        let rules = &self.poll.rules;
        let votes = |id: u8| document.and_then(|it| it.votes.get(usize::from(id))).copied().unwrap_or_default();
        let option = |(id, label): (u8, &'a String)| OptionView { id, label, votes: votes(id) };
        let tally = document.and_then(|document| {
            let (summary, count) = (document.summary.as_ref()?, document.counts.get(method.name())?);
            Some(TallyView { seats: document.seats, summary, count })
        });
        RankedView {
            poll_id: &rules.settings.poll_id,
            status: rules.status(self.as_of),
            ballots: document.map(|document| document.ballots).unwrap_or_default(),
            options: (0..).zip(&self.poll.options).map(option).collect(),
            as_of: document.and_then(|document| document.as_of),
            tally,
            unavailable: document.map_or(Some(NOT_ASSEMBLED), |document| document.unavailable.as_deref()),
        }
    }
}

#[cfg(test)]
mod tests {
    use landslide_aws::store::Assembled;
    use landslide_domain::testing::{at, poll_asked_for};
    use serde_json::{Value, json};

    use super::*;

    /// A ranked poll, and what is assembled of it.
    fn ranked(document: Option<Value>) -> Ranked {
        let body = json!({"question": "Q", "options": ["a", "b", "c"], "kind": "ranked", "method": "condorcet"});
        let document = document.map(|document| document.to_string());
        let assembled = document.map(|document| Assembled { generation: 1, versions: vec![1], document });
        let poll = poll_asked_for(body, at(0)).unwrap();
        Ranked::new(RankedSnapshot { poll, assembled, lease_until: None }, at(1))
    }

    fn document() -> Value {
        json!({"ballots": 3, "votes": [2, 1, 0], "as_of": at(1), "seats": 1, "summary": {"pairwise": [[0]]},
            "counts": {"irv": {"method": "irv"}, "condorcet": {"method": "condorcet", "pairs": []}}, "unavailable": null})
    }

    fn shown(ranked: &Ranked, method: Option<Method>) -> Value {
        serde_json::from_str(&ranked.text(method).unwrap()).unwrap()
    }

    #[test]
    fn the_polls_own_method_is_shown_or_the_one_that_is_asked_for() {
        let ranked = ranked(Some(document()));
        let own = shown(&ranked, None);
        let tally = json!({"seats": 1, "pairwise": [[0]], "method": "condorcet", "pairs": []});
        assert_eq!((&own["tally"], &own["ballots"], &own["unavailable"]), (&tally, &json!(3), &Value::Null));
        assert_eq!(own["options"][1], json!({"id": 1, "label": "b", "votes": 1}));
        assert_eq!(shown(&ranked, Some(Method::Irv))["tally"]["method"], "irv");
    }

    #[test]
    fn a_method_that_the_seats_do_not_allow_is_refused() {
        let mut ranked = ranked(Some(document()));
        ranked.poll.rules.settings.spec.seats = 2;
        assert!(matches!(ranked.text(Some(Method::Irv)), Err(Error::NoSuchCount(_))));
    }

    #[test]
    fn what_is_not_there_has_its_reason() {
        let none = shown(&ranked(None), None);
        assert_eq!((&none["tally"], &none["unavailable"]), (&Value::Null, &json!("not_assembled")));
        assert_eq!((&none["ballots"], &none["as_of"]), (&json!(0), &Value::Null));
        let mut dropped = document();
        dropped["summary"] = Value::Null;
        dropped["counts"] = json!({});
        dropped["unavailable"] = json!("too_many_rankings");
        let dropped = shown(&ranked(Some(dropped)), None);
        assert_eq!((&dropped["tally"], &dropped["ballots"]), (&Value::Null, &json!(3)));
        assert_eq!(dropped["unavailable"], "too_many_rankings");
    }
}
