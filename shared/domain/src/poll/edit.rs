//! What an owner may change of a poll, and until when.

use serde::Deserialize;

use super::{
    Changeable, Poll, Settings, closing::is_fixed, request::NewPoll, spec::SentSettings, valid::must_have_few_cells,
};
use crate::{error::Error, field_error::FieldError, lease::PROPAGATION_MS, time::Timestamp};

/// The body of `PATCH /v1/polls/{poll_id}`. An absent field stays as it is; null clears a time.
#[derive(Clone, Debug, Deserialize)]
pub struct EditPoll(SentSettings);

/// Why an edit is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EditRefused {
    /// The fields are not valid.
    Invalid(Vec<FieldError>),
    /// The field can't be changed, or not any longer.
    NotEditable(String),
}

impl From<EditRefused> for Error {
    fn from(refused: EditRefused) -> Self {
        match refused {
            EditRefused::Invalid(errors) => Self::InvalidFields(errors),
            EditRefused::NotEditable(detail) => Self::NotEditable(detail),
        }
    }
}

fn not_editable(detail: impl Into<String>) -> EditRefused {
    EditRefused::NotEditable(detail.into())
}

impl EditPoll {
    /// Returns the poll with the change, one revision later; the very poll if nothing changes.
    ///
    /// `again` says that the poll is an earlier try at this very change, which may have landed late. Its closing then
    /// moves away while it may, so that every process knows it in time.
    pub fn apply(&self, poll: &Poll, now: Timestamp, again: bool) -> Result<Poll, EditRefused> {
        let current = &poll.rules.settings;
        if self.0.changes_what_never_does(&current.spec.as_sent()) {
            return Err(not_editable("The kind and the identity of a poll never change."));
        }
        let mut edited = self.merged(poll)?;
        let earliest = now.plus_millis(PROPAGATION_MS);
        if again && let Some(Some(closes_at)) = self.0.closes_at {
            let later = if is_fixed(current, now) { current.spec.closes_at } else { Some(closes_at.max(earliest)) };
            edited.rules.settings.spec.closes_at = later;
        } else if edited.rules.settings.spec.closes_at != current.spec.closes_at {
            may_close_at(current, edited.rules.settings.spec.closes_at, now)?;
        }
        let is_settled = current.spec.opens_at.is_none_or(|opens_at| opens_at < earliest);
        if is_settled && differs_in_substance(poll, &edited) {
            return Err(not_editable(
                "From 9 s before a poll opens, only closes_at, peak_votes_per_second, viewers, own_vote, devices, embed and listed may \
                 change.",
            ));
        }
        if !is_settled {
            edited.rules.settings.slot_width = edited.rules.settings.declared_slot_width();
        }
        must_have_few_cells(&edited.rules).map_err(|error| EditRefused::Invalid(vec![error]))?;
        let new = &edited.rules.settings.spec;
        if is_settled && new.peak_votes_per_second < current.spec.peak_votes_per_second {
            return Err(not_editable("Once a poll opens, peak_votes_per_second may only be raised."));
        }
        if edited != *poll {
            edited.rules.settings.revision += 1;
        }
        if edited.options != poll.options {
            edited.rules.options_revision = edited.rules.settings.revision;
        }
        Ok(edited)
    }

    /// The poll with the fields that were sent, checked like a new one. Texts that stay are not judged again: they may
    /// be older than a rule.
    fn merged(&self, poll: &Poll) -> Result<Poll, EditRefused> {
        let mut errors = Vec::new();
        let sent = self.0.clone().with_valid_texts(&mut errors);
        let mut current = SentSettings { options: Some(poll.options.clone()), ..poll.rules.settings.spec.as_sent() };
        // The default of max_choices follows the option count, unless it was set lower. A single poll's is always
        // lower.
        if poll.rules.settings.spec.max_choices == poll.rules.options && sent.options.is_some() {
            current.max_choices = None;
        }
        let new = NewPoll::of(sent.or(current), errors).map_err(EditRefused::Invalid)?;
        Ok(new.in_place_of(poll))
    }
}

/// Fails if the closing can't move there now.
fn may_close_at(current: &Settings, closes_at: Option<Timestamp>, now: Timestamp) -> Result<(), EditRefused> {
    if is_fixed(current, now) {
        return Err(not_editable("The poll is closed or closes within 4 s: its closing stays as it is."));
    }
    if closes_at.is_some_and(|closes_at| closes_at < now.plus_millis(PROPAGATION_MS)) {
        return Err(not_editable("closes_at must lie at least 9 s ahead, so that every process knows it in time."));
    }
    Ok(())
}

/// Whether anything differs that can't change while the poll is open.
fn differs_in_substance(poll: &Poll, edited: &Poll) -> bool {
    let mut differences = poll.rules.settings.spec.differences(&edited.rules.settings.spec);
    poll.options != edited.options || differences.any(|changes| changes != Changeable::WhileOpen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        lane::{Partitions, lanes_for},
        poll::{ResultsVisibility, VoteChange, closing::close},
        testing::{at, poll_asked_for},
    };
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn poll(opens: Option<u64>, closes: Option<u64>) -> Poll {
        let body = json!({"question": "Q", "options": ["a", "b"], "kind": "multiple",
            "opens_at": opens.map(at), "closes_at": closes.map(at)});
        poll_asked_for(body, at(0)).unwrap()
    }

    fn edit(poll: &Poll, now: u64, body: Value) -> Result<Poll, EditRefused> {
        serde_json::from_value::<EditPoll>(body).unwrap().apply(poll, at(now), false)
    }

    fn is_refused(outcome: Result<Poll, EditRefused>) -> bool {
        matches!(outcome, Err(EditRefused::NotEditable(_)))
    }

    #[test]
    fn a_scheduled_poll_changes_in_all_but_kind_and_identity() {
        let scheduled = poll(Some(100), Some(200));
        let edited = edit(
            &scheduled,
            90,
            json!({"question": "R", "options": ["x", "y", "z"], "results": "owner",
            "vote_change": "until_close", "opens_at": at(150), "closes_at": null, "peak_votes_per_second": 20_000}),
        )
        .unwrap();
        assert_eq!(
            (edited.rules.settings.spec.question.as_str(), edited.options.len(), edited.rules.options),
            ("R", 3, 3)
        );
        assert_eq!(
            (edited.rules.settings.spec.max_choices, edited.rules.lanes, edited.rules.settings.revision),
            (3, 4, 2)
        );
        assert_eq!((edited.rules.settings.spec.opens_at, edited.rules.settings.spec.closes_at), (Some(at(150)), None));
        assert_eq!(
            (edited.rules.settings.spec.vote_change, edited.rules.settings.spec.results),
            (VoteChange::UntilClose, ResultsVisibility::Owner)
        );
        assert!(is_refused(edit(&scheduled, 10, json!({"kind": "single"}))));
        assert!(is_refused(edit(&scheduled, 10, json!({"identity": "account"}))));
        assert!(edit(&scheduled, 10, json!({"kind": "multiple", "identity": "device"})).is_ok());
    }

    #[test]
    fn no_edit_changes_the_partitions_that_a_poll_was_created_with() {
        let peak = |poll: &Poll, peak: u32| edit(poll, 0, json!({"peak_votes_per_second": peak})).unwrap();
        for opens in [Some(100), None] {
            let raised = peak(&poll(opens, None), 250_000);
            assert_eq!((raised.rules.lanes, raised.rules.partitions), (32, Partitions::Few));
        }
        let mut large = poll(Some(100), None);
        large.rules.partitions = Partitions::Many;
        assert_eq!(peak(&large, 1).rules.partitions, Partitions::Many);
    }

    #[test]
    fn a_limit_of_choices_below_all_options_stays_as_they_change() {
        let limited = edit(&poll(Some(100), None), 0, json!({"options": ["a", "b", "c"], "max_choices": 2})).unwrap();
        for body in [json!({"question": "R"}), json!({"options": ["w", "x", "y", "z"]})] {
            assert_eq!(edit(&limited, 0, body).unwrap().rules.settings.spec.max_choices, 2);
        }
    }

    #[test]
    fn from_nine_seconds_before_opening_only_closing_peak_and_viewers_change() {
        let soon = poll(Some(100), Some(200));
        assert!(edit(&soon, 91, json!({"question": "R"})).is_ok());
        assert!(is_refused(edit(&soon, 92, json!({"question": "R"}))));
        assert!(is_refused(edit(&poll(None, None), 0, json!({"options": ["x", "y"]}))));
        assert!(is_refused(edit(&poll(None, None), 0, json!({"opens_at": at(500)}))));
        let raised = edit(&soon, 150, json!({"peak_votes_per_second": 9_000, "closes_at": at(159)})).unwrap();
        assert_eq!((raised.rules.lanes, raised.rules.settings.spec.closes_at), (2, Some(at(159))));
        assert!(is_refused(edit(&raised, 150, json!({"peak_votes_per_second": 8_999}))));
        for viewers in [json!(1_000_000), json!(7), Value::Null] {
            let watched = edit(&raised, 250, json!({"viewers": viewers})).unwrap();
            assert_eq!(watched.rules.settings.spec.viewers, viewers.as_u64());
        }
        assert_eq!(edit(&raised, 150, json!({"question": "Q"})), Ok(raised), "what does not change is no change");
    }

    #[test]
    fn a_closing_lies_nine_seconds_ahead_and_stays_from_four_seconds_before_it() {
        let open = poll(None, Some(200));
        assert!(is_refused(edit(&open, 100, json!({"closes_at": at(108)}))));
        assert!(edit(&open, 100, json!({"closes_at": at(109)})).is_ok());
        for closes_at in [json!(at(300)), Value::Null] {
            assert!(edit(&open, 195, json!({"closes_at": closes_at})).is_ok());
            // A write sent now might land just after someone was told that the poll is closed.
            for now in [196, 199, 200, 300] {
                assert!(is_refused(edit(&open, now, json!({"closes_at": closes_at}))), "{closes_at} at {now}");
            }
        }
        assert!(edit(&open, 199, json!({"peak_votes_per_second": 9_000})).is_ok(), "only the closing stays");
        assert!(edit(&open, 199, json!({"closes_at": at(200)})).is_ok(), "what does not change is no change");
    }

    #[test]
    fn labels_have_the_revision_in_which_they_changed() {
        let scheduled = poll(Some(100), None);
        let renamed = edit(&scheduled, 0, json!({"options": ["x", "y"]})).unwrap();
        assert_eq!((renamed.rules.settings.revision, renamed.rules.options_revision), (2, 2));
        let raised = edit(&renamed, 0, json!({"peak_votes_per_second": 9_000})).unwrap();
        assert_eq!((raised.rules.settings.revision, raised.rules.options_revision), (3, 2));
        assert_eq!(close(&raised, at(200), false).rules.options_revision, 2);
    }

    #[test]
    fn a_change_that_landed_late_moves_its_closing_away() {
        let asked: EditPoll = serde_json::from_value(json!({"closes_at": at(109)})).unwrap();
        let landed = asked.apply(&poll(None, Some(200)), at(100), false).unwrap();
        for stands in [poll(None, Some(200)), landed.clone()] {
            let late = asked.apply(&stands, at(104), true).unwrap();
            assert_eq!(late.rules.settings.spec.closes_at, Some(at(113)));
            assert_eq!(late.rules.settings.revision, stands.rules.settings.revision + 1);
        }
        assert_eq!(asked.apply(&landed, at(100), true), Ok(landed.clone()), "it landed in time");
        assert_eq!(asked.apply(&landed, at(105), true), Ok(landed.clone()), "it is too near to be moved");
    }

    #[test]
    fn texts_that_stay_are_not_judged_again() {
        let mut old = poll(Some(100), None);
        old.options = vec!["a".to_owned(), "a\u{200b}".to_owned()];
        old.rules.settings.spec.question = "\u{202e}Q".to_owned();
        let raised = edit(&old, 0, json!({"peak_votes_per_second": 20_000})).unwrap();
        assert_eq!((&raised.options, raised.rules.settings.spec.peak_votes_per_second), (&old.options, 20_000));
        assert!(edit(&old, 0, json!({"options": old.options})).is_err());
        assert!(edit(&old, 0, json!({"question": old.rules.settings.spec.question})).is_err());
    }

    #[test]
    fn a_change_is_checked_as_a_new_poll_is() {
        let pointers = |body: Value| match edit(&poll(Some(100), None), 0, body) {
            Err(EditRefused::Invalid(errors)) => errors.into_iter().map(|error| error.pointer).collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        };
        assert_eq!(pointers(json!({"question": " ", "options": ["a"]})), ["/question", "/options"]);
        assert_eq!(pointers(json!({"closes_at": at(50)})), ["/closes_at"]);
        assert_eq!(pointers(json!({"max_choices": 3})), ["/max_choices"]);
        for field in ["question", "options", "kind", "max_choices", "identity", "results", "peak_votes_per_second"] {
            assert!(serde_json::from_value::<EditPoll>(json!({field: null})).is_err(), "{field}");
        }
    }

    proptest! {
        #[test]
        fn lanes_never_go_down(peaks in proptest::collection::vec(1u32..=250_000, 1..6)) {
            let mut edited = poll(Some(1_000), None);
            for peak in peaks {
                let before = edited.rules.lanes;
                edited = edit(&edited, 0, json!({"peak_votes_per_second": peak})).unwrap();
                prop_assert!(edited.rules.lanes >= before);
                prop_assert!(edited.rules.lanes >= lanes_for(peak, 1));
            }
        }

        #[test]
        fn no_body_makes_the_parser_panic(body in "\\{?\"?(question|closes_at|opens_at|[a-z\"\\\\{}\\[\\]:,0-9TZ.-]|\\PC){0,60}") {
            if let Ok(parsed) = serde_json::from_str::<EditPoll>(&body) {
                drop(parsed.apply(&poll(None, None), at(0), false));
            }
        }
    }
}
