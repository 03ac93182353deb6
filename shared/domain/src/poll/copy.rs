//! A copy of a poll: a new one with the same settings and labels, some of them changed.

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{Kind, Poll, request::NewPoll, spec::SentSettings};
use crate::{field_error::FieldError, ids::PollId, time::Timestamp};

/// The body of `POST /v1/polls/{poll_id}/copy`. An absent field is as in the poll; null clears a time.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct CopyPoll(SentSettings);

impl CopyPoll {
    /// SHA-256 of which poll is copied and what is changed. What the poll says is not part of it, so a repeated request
    /// is known though the poll was edited in between.
    pub fn hash(&self, source: &PollId) -> [u8; 32] {
        // Strings, numbers and unit variants: nothing in it can fail to serialise.
        let canonical = serde_json::to_vec(&("copy", source, &self.0)).unwrap_or_default();
        Sha256::digest(canonical).into()
    }

    /// The poll's copy as a request at `now` would ask for it. Times that have passed are left out, and so is a pause.
    /// Texts that stay are not judged again: they may be older than a rule.
    pub fn of(&self, source: &Poll, now: Timestamp) -> Result<NewPoll, Vec<FieldError>> {
        let mut errors = Vec::new();
        let sent = self.0.clone().with_valid_texts(&mut errors);
        let spec = &source.rules.settings.spec;
        let ahead = |time: Option<Timestamp>| Some(time.filter(|time| *time > now));
        let mut copied = SentSettings {
            options: Some(source.options.clone()),
            opens_at: ahead(spec.opens_at),
            closes_at: ahead(spec.closes_at),
            ..spec.as_sent()
        };
        // The default of max_choices follows the option count unless it was set lower.
        if spec.max_choices == source.rules.options && sent.options.is_some() {
            copied.max_choices = None;
        }
        if let Some(kind) = sent.kind.filter(|kind| *kind != spec.kind) {
            copied = copied.of_no_kind();
            copied.options = copied.options.filter(|_| kind != Kind::Text);
        }
        let poll_id = source.rules.settings.poll_id.clone();
        let request_hash = self.hash(&poll_id);
        Ok(NewPoll::of(sent.or(copied), errors)?.copied(poll_id, request_hash))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        member::Action,
        method::LotSeed,
        poll::hidden::Hiding,
        poll::{Kind, ResultsVisibility, Status, request::Drawn},
        testing::{at, owner, poll_asked_for},
    };

    fn source() -> Poll {
        let body = json!({"question": "Q", "options": ["a", "b", "c"], "kind": "multiple", "opens_at": at(10),
            "closes_at": at(100), "identity": "account", "results": "owner", "peak_votes_per_second": 60_001});
        poll_asked_for(body, at(0)).unwrap()
    }

    fn asked(body: Value) -> CopyPoll {
        serde_json::from_value(body).unwrap()
    }

    fn copied(source: &Poll, now: u64, body: Value) -> Result<Poll, Vec<FieldError>> {
        let id = PollId::parse("p2").unwrap();
        let stamp = owner().stamp(Action::PollCreated, at(now));
        let new = asked(body).of(source, at(now))?;
        new.create(
            id,
            &owner().tenant,
            stamp,
            Drawn { salt: [8; 32], lot_seed: LotSeed::from_bytes([6; 32]) },
            1,
            at(now),
        )
        .map_err(|error| vec![error])
    }

    #[test]
    fn a_copy_has_the_settings_and_labels_of_its_source_and_is_a_poll_of_its_own() {
        let copy = copied(&source(), 5, json!({})).unwrap();
        assert_eq!((&copy.options, &copy.rules.settings.spec), (&source().options, &source().rules.settings.spec));
        assert_eq!(copy.rules.copied_from, Some(source().rules.settings.poll_id));
        assert_eq!(
            (copy.rules.settings.revision, copy.rules.settings.created_at, copy.rules.salt),
            (1, at(5), [8; 32])
        );
        assert_eq!((copy.rules.partitions, copy.rules.lanes), (source().rules.partitions, source().rules.lanes));
    }

    #[test]
    fn a_copy_has_a_lot_of_its_own_and_hides_nothing() {
        let body = json!({"question": "Q", "options": ["a", "b", "c"], "kind": "ranked"});
        let mut source = poll_asked_for(body, at(0)).unwrap();
        source.rules.hiding = Some(Hiding { revision: 1, answers: 1, since: at(1) });
        let copy = copied(&source, 5, json!({})).unwrap().rules;
        assert_eq!((&copy.lot_seed, &copy.hiding), (&Some(LotSeed::from_bytes([6; 32])), &None));
        assert_ne!(copy.settings.lot_seed_sha256, source.rules.settings.lot_seed_sha256);
    }

    #[test]
    fn times_that_have_passed_a_pause_and_an_offer_are_left_out() {
        let mut paused = source();
        paused.rules.settings.paused_from = Some(at(20));
        paused.rules.settings.offered_to = Some(owner().tenant.key());
        let times = |now, body| {
            let settings = copied(&paused, now, body).unwrap().rules.settings;
            (settings.spec.opens_at, settings.spec.closes_at, settings.status(at(now)))
        };
        assert_eq!(times(9, json!({})), (Some(at(10)), Some(at(100)), Status::Scheduled));
        assert_eq!(times(50, json!({})), (None, Some(at(100)), Status::Open));
        assert_eq!(times(100, json!({})), (None, None, Status::Open));
        assert_eq!(times(200, json!({"closes_at": at(300)})), (None, Some(at(300)), Status::Open));
        assert_eq!(times(50, json!({"closes_at": null})), (None, None, Status::Open));
        assert_eq!(copied(&paused, 50, json!({})).unwrap().rules.settings.offered_to, None);
    }

    #[test]
    fn a_copy_may_differ_in_everything_that_is_given() {
        let copy = copied(&source(), 50, json!({"question": "R", "options": ["x", "y"], "results": "always"})).unwrap();
        let spec = &copy.rules.settings.spec;
        assert_eq!((spec.question.as_str(), copy.options.len(), spec.max_choices), ("R", 2, 2));
        assert_eq!(spec.results, ResultsVisibility::Always);
        let single = copied(&source(), 50, json!({"kind": "single", "identity": "device"})).unwrap();
        assert_eq!((single.rules.settings.spec.kind, single.rules.settings.spec.max_choices), (Kind::Single, 1));
    }

    #[test]
    fn a_limit_of_choices_below_all_options_stays_in_a_copy_with_others() {
        let mut source = source();
        source.rules.settings.spec.max_choices = 2;
        let copy = copied(&source, 50, json!({"options": ["a", "b", "c", "d"]})).unwrap();
        assert_eq!((copy.options.len(), copy.rules.settings.spec.max_choices), (4, 2));
    }

    #[test]
    fn a_copy_is_checked_as_a_new_poll_is() {
        let pointers = |body: Value| {
            let errors = copied(&source(), 50, body).unwrap_err();
            errors.into_iter().map(|error| error.pointer).collect::<Vec<_>>()
        };
        assert_eq!(pointers(json!({"question": " ", "options": ["a"]})), ["/question", "/options"]);
        assert_eq!(pointers(json!({"closes_at": at(50)})), ["/closes_at"]);
        assert_eq!(pointers(json!({"opens_at": at(100)})), ["/closes_at"]);
        assert_eq!(pointers(json!({"max_choices": 4})), ["/max_choices"]);
        let mut old = source();
        old.options[1] = "a\u{200b}".to_owned();
        assert_eq!(copied(&old, 50, json!({})).unwrap().options, old.options, "what stays is not judged again");
        assert!(copied(&old, 50, json!({"options": old.options})).is_err());
    }

    #[test]
    fn a_request_is_known_by_its_source_and_body_whatever_the_source_says_by_now() {
        let mut edited = source();
        edited.rules.settings.spec.question = "R".to_owned();
        let hash = |source: &Poll, body: Value| copied(source, 50, body).unwrap().rules.request_hash;
        assert_eq!(hash(&source(), json!({})), hash(&edited, json!({})));
        assert_ne!(hash(&source(), json!({})), hash(&source(), json!({"question": "Q"})));
        assert_ne!(hash(&source(), json!({"closes_at": null})), hash(&source(), json!({})));
        let other = PollId::parse("p3").unwrap();
        assert_ne!(asked(json!({})).hash(&other), asked(json!({})).hash(&source().rules.settings.poll_id));
    }

    #[test]
    fn a_copy_of_another_kind_has_none_of_the_settings_of_the_first() {
        let text = copied(&source(), 5, json!({"kind": "text", "peak_votes_per_second": 1_000})).unwrap();
        assert_eq!((text.options.len(), text.rules.settings.spec.max_choices), (0, 1));
        let body = json!({"question": "Q", "options": ["a", "b", "c"], "kind": "ranked", "seats": 2});
        let ranked = poll_asked_for(body, at(0)).unwrap();
        let single = copied(&ranked, 5, json!({"kind": "single"})).unwrap().rules.settings.spec;
        assert_eq!((single.seats, single.method, single.max_choices), (1, None, 1));
        let refused = copied(&text, 5, json!({"kind": "rating"})).unwrap_err();
        assert_eq!(refused[0].pointer, "/options");
        assert!(copied(&text, 5, json!({"kind": "rating", "options": ["a", "b"]})).is_ok());
    }
}
