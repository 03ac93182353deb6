//! Results of polls that are assembled, from what is assembled of them.

mod kinds;
mod segments;
mod series;

use std::{borrow::Cow, collections::BTreeMap};

use landslide_aws::store::AssembledSnapshot;
use landslide_domain::{
    error::Error,
    ids::PollId,
    method::Method,
    poll::{Kind, Poll, Status},
    results::{
        assembled::Further,
        reading::{Reading, Version},
    },
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use self::kinds::{AnswersView, QuizView, RatingView};
pub use self::series::SeriesQuery;

/// Why a poll does not have what is asked for.
pub(super) const NOT_RANKED: &str = "The query's method is for ranked polls.";
pub(super) const NO_SEGMENTS: &str = "The poll has no segments.";
pub(super) const NO_SERIES: &str = "The poll has no series.";
/// Why answers are not there for a moment: others are hidden since they were assembled.
const ANSWERS_OUTDATED: &str = "answers_outdated";
/// Why there is nothing before the first was assembled.
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
    #[serde(default)]
    is_final: bool,
}

/// What is in a poll of one kind only is absent in all others.
#[derive(Serialize)]
struct ResultsView<'a> {
    poll_id: &'a PollId,
    status: Status,
    ballots: i64,
    options: Vec<OptionView<'a>>,
    as_of: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tally: Option<Option<TallyView<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answers: Option<Option<AnswersView<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    write_ins: Option<Option<AnswersView<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quiz: Option<Option<QuizView<'a>>>,
    #[serde(rename = "final")]
    is_final: bool,
    version: Version,
    unavailable: Option<&'a str>,
}

#[derive(Serialize)]
struct OptionView<'a> {
    id: u8,
    label: &'a str,
    votes: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    rating: Option<Option<RatingView>>,
}

#[derive(Serialize)]
struct TallyView<'a> {
    seats: u8,
    #[serde(flatten)]
    summary: &'a Fields<'a>,
    #[serde(flatten)]
    count: &'a Fields<'a>,
}

/// A poll, and what is assembled of it.
pub(super) struct AssembledPoll {
    poll: Poll,
    version: Version,
    document: Option<String>,
    further: Further,
    read_at: Timestamp,
}

fn broken(error: serde_json::Error) -> Error {
    Error::Internal(format!("results: {error}"))
}

impl AssembledPoll {
    /// As it was read at `now`. Fails if what is assembled can't be read.
    pub(super) fn new(snapshot: AssembledSnapshot, now: Timestamp) -> Result<Self, Error> {
        let AssembledSnapshot { poll, assembled, .. } = snapshot;
        let lanes = assembled.iter().flat_map(|assembled| &assembled.versions).copied();
        let version = Version::of(&poll.rules.settings, lanes);
        let document = assembled.map(|assembled| assembled.document);
        let has_further = poll.rules.settings.spec.has_further_parts();
        let further = document.as_deref().filter(|_| has_further).map(Further::read).transpose().map_err(broken)?;
        let further = further.unwrap_or_default();
        Ok(Self { poll, version, document, further, read_at: now })
    }

    /// The results as JSON, with the count by this method; if `None`, by the poll's own. And what was read for them. Fails if
    /// the poll's seats don't allow the method, or it is not ranked.
    pub(super) fn results(&self, method: Option<Method>) -> Result<(String, Reading), Error> {
        let spec = &self.poll.rules.settings.spec;
        if method.is_some() && spec.kind != Kind::Ranked {
            return Err(Error::NoSuchCount(NOT_RANKED.to_owned()));
        }
        let method = method.or(spec.method).unwrap_or(Method::default_for(spec.seats));
        if !method.fills(spec.seats) {
            let (name, seats) = (method.name(), spec.seats);
            return Err(Error::NoSuchCount(format!("The method {name} can't fill the poll's {seats} seats.")));
        }
        let document = self.document()?;
        let view = self.view(document.as_ref(), method);
        let text = serde_json::to_string(&view).map_err(broken)?;
        let ResultsView { version, is_final, ballots, as_of, .. } = view;
        Ok((text, Reading { at: self.read_at, version, is_final, ballots, as_of }))
    }

    fn document(&self) -> Result<Option<Document<'_>>, Error> {
        self.document.as_deref().map(serde_json::from_str).transpose().map_err(broken)
    }

    fn view<'a>(&'a self, document: Option<&'a Document<'_>>, method: Method) -> ResultsView<'a> {
        let rules = &self.poll.rules;
        let spec = &rules.settings.spec;
        let votes = |id: u8| document.and_then(|it| it.votes.get(usize::from(id))).copied().unwrap_or_default();
        let levels = self.further.cells.as_ref().map(|cells| &cells.levels[..]);
        let rating = |id: u8| spec.scale.map(|scale| RatingView::of(id, levels?, scale));
        let option = |(id, label): (u8, &'a String)| OptionView { id, label, votes: votes(id), rating: rating(id) };
        let tally = || {
            let document = document?;
            let (summary, count) = (document.summary.as_ref()?, document.counts.get(method.name())?);
            Some(TallyView { seats: document.seats, summary, count })
        };
        let answers = || self.further.answers.as_ref().filter(|_| !self.is_outdated()).map(AnswersView::of);
        let quiz = || QuizView::of(rules.settings.correct(self.read_at)?, self.further.right?, document?.ballots);
        ResultsView {
            poll_id: &rules.settings.poll_id,
            status: rules.status(self.read_at),
            ballots: document.map(|document| document.ballots).unwrap_or_default(),
            options: (0..).zip(&self.poll.options).map(option).collect(),
            as_of: document.and_then(|document| document.as_of),
            is_final: document.is_some_and(|document| document.is_final),
            version: self.version,
            tally: (spec.kind == Kind::Ranked).then(tally),
            answers: (spec.kind == Kind::Text).then(answers),
            write_ins: spec.write_in.then(answers),
            quiz: spec.correct.is_some().then(quiz),
            unavailable: self.unavailable(document),
        }
    }

    /// Why a part is missing.
    fn unavailable<'a>(&self, document: Option<&'a Document<'_>>) -> Option<&'a str> {
        let Some(document) = document else { return Some(NOT_ASSEMBLED) };
        let outdated = || self.is_outdated().then_some(ANSWERS_OUTDATED);
        document.unavailable.as_deref().or_else(outdated).or_else(|| self.cells_unavailable())
    }

    /// Whether its answers may show what is hidden by now.
    fn is_outdated(&self) -> bool {
        let rules = &self.poll.rules;
        rules.settings.spec.has_answers() && rules.outdates(self.further.hidden_revision, self.read_at)
    }

    /// Why there are no cells, in a poll that has some.
    fn cells_unavailable(&self) -> Option<&'static str> {
        match (&self.document, &self.further.cells) {
            (None, _) => Some(NOT_ASSEMBLED),
            (Some(_), None) if self.poll.rules.settings.spec.has_cells() => Some("cells_lost"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use landslide_aws::store::Assembled;
    use landslide_domain::{
        poll::hidden::Hiding,
        testing::{at, poll_asked_for},
    };
    use serde_json::{Value, json};

    use super::*;

    /// A ranked poll, and what is assembled of it.
    fn ranked(document: Option<Value>) -> AssembledPoll {
        let body = json!({"question": "Q", "options": ["a", "b", "c"], "kind": "ranked", "method": "condorcet"});
        let document = document.map(|document| document.to_string());
        let assembled = document.map(|document| Assembled { generation: 1, versions: vec![1], document });
        let poll = poll_asked_for(body, at(0)).unwrap();
        AssembledPoll::new(AssembledSnapshot { poll, assembled, lease_until: None }, at(1)).unwrap()
    }

    fn document() -> Value {
        json!({"ballots": 3, "votes": [2, 1, 0], "as_of": at(1), "seats": 1, "summary": {"pairwise": [[0]]},
            "counts": {"irv": {"method": "irv"}, "condorcet": {"method": "condorcet", "pairs": []}}, "unavailable": null})
    }

    fn shown(ranked: &AssembledPoll, method: Option<Method>) -> Value {
        serde_json::from_str(&ranked.results(method).unwrap().0).unwrap()
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
        assert!(matches!(ranked.results(Some(Method::Irv)), Err(Error::NoSuchCount(_))));
    }

    #[test]
    fn answers_of_an_older_list_of_hidden_ones_are_shown_for_a_moment_only() {
        let body = json!({"question": "Q", "kind": "text"});
        let mut poll = poll_asked_for(body, at(0)).unwrap();
        poll.rules.hiding = Some(Hiding { revision: 4, answers: 1, since: at(10) });
        let shown = |hidden_revision: u64, now: u64| {
            let top = json!([{"text": "bad", "count": 3}]);
            let answers = json!({"top": top, "distinct": 1, "further": 0, "hidden": 0, "missed": 0});
            let document = json!({"ballots": 3, "votes": [], "as_of": at(1), "seats": 1, "summary": null, "counts": {},
                "unavailable": null, "cells": null, "answers": answers, "right": null,
                "hidden_revision": hidden_revision});
            let assembled = Some(Assembled { generation: 1, versions: vec![1], document: document.to_string() });
            let snapshot = AssembledSnapshot { poll: poll.clone(), assembled, lease_until: None };
            let shown = AssembledPoll::new(snapshot, at(now)).unwrap().results(None).unwrap().0;
            serde_json::from_str::<Value>(&shown).unwrap()
        };
        for (hidden_revision, now, is_shown) in [(0, 14, true), (2, 15, false), (4, 15, true), (6, 99, true)] {
            let shown = shown(hidden_revision, now);
            assert_eq!(shown["answers"].is_object(), is_shown, "{hidden_revision} {now}");
            assert_eq!(shown["unavailable"] == "answers_outdated", !is_shown, "{hidden_revision} {now}");
            assert_eq!(shown["ballots"], 3);
        }
    }

    #[test]
    fn what_is_not_there_has_its_reason() {
        let none = shown(&ranked(None), None);
        assert_eq!((&none["tally"], &none["unavailable"]), (&Value::Null, &json!("not_assembled")));
        assert_eq!((&none["ballots"], &none["as_of"]), (&json!(0), &Value::Null));
        assert_eq!(none["version"], json!({"poll": 1, "counts": 0}));
        let mut dropped = document();
        dropped["summary"] = Value::Null;
        dropped["counts"] = json!({});
        dropped["unavailable"] = json!("too_many_rankings");
        let dropped = shown(&ranked(Some(dropped)), None);
        assert_eq!((&dropped["tally"], &dropped["ballots"]), (&Value::Null, &json!(3)));
        assert_eq!(dropped["unavailable"], "too_many_rankings");
    }
}
