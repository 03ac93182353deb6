//! Bodies of create and change requests, checked; every mistake is reported at once with its place.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser::SerializeMap};
use sha2::{Digest, Sha256};

pub use super::valid::{
    LABEL_CHARS_MAX, OPTIONS_MIN, PEAK_VOTES_PER_SECOND_DEFAULT, PEAK_VOTES_PER_SECOND_MAX, QUESTION_CHARS_MAX,
    SEATS_MAX,
};
use super::{
    Kind, Poll, PollSpec, Rules, Settings,
    spec::{MIN_CELL_DEFAULT, SentSettings},
    valid,
};
use crate::{
    field_error::FieldError,
    ids::PollId,
    lane::{Partitions, lanes_for},
    member::Stamp,
    method::LotSeed,
    tenant::Tenant,
    time::Timestamp,
};

/// The body of `POST /v1/polls` as sent: the types are right, nothing else is checked.
#[derive(Clone, Debug)]
pub struct CreatePoll(SentSettings);

impl<'de> Deserialize<'de> for CreatePoll {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let sent = SentSettings::deserialize(deserializer)?;
        if sent.question.is_none() {
            return Err(de::Error::missing_field("question"));
        }
        if sent.options.is_none() && sent.kind != Some(Kind::Text) {
            return Err(de::Error::missing_field("options"));
        }
        Ok(Self(sent))
    }
}

/// A poll that its owner asks for, valid except for its times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPoll {
    spec: PollSpec,
    labels: Vec<String>,
    copied: Option<Copied>,
}

/// What is drawn at random for a new poll, each independent of the other and of the poll's id.
#[derive(Clone)]
pub struct Drawn {
    /// The salt that voters are hashed with.
    pub salt: [u8; 32],
    /// The seed of its lot. Only a ranked poll keeps it.
    pub lot_seed: LotSeed,
}

/// From which poll a new one is copied, and the hash of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Copied {
    from: PollId,
    request_hash: [u8; 32],
}

impl CreatePoll {
    /// Checks every field except the times against the clock, and reports everything that is wrong at once.
    pub fn validate(self) -> Result<NewPoll, Vec<FieldError>> {
        let mut errors = Vec::new();
        let sent = self.0.with_valid_texts(&mut errors);
        NewPoll::of(sent, errors)
    }
}

impl SentSettings {
    /// The same request with texts as they will be stored. A text with an error is empty.
    pub(super) fn with_valid_texts(self, errors: &mut Vec<FieldError>) -> Self {
        Self {
            question: self.question.map(|question| valid::question(&question, errors)),
            options: self.options.map(|options| valid::options(&options, errors)),
            segments: self.segments.map(|segments| valid::segments(&segments, errors)),
            ..self
        }
    }
}

impl SentSettings {
    /// The same request without what only some kinds have. Labels are what a poll of texts has not.
    pub(super) fn of_no_kind(self) -> Self {
        Self {
            max_choices: None,
            min_choices: None,
            write_in: None,
            scale: None,
            correct: None,
            seats: None,
            method: None,
            ..self
        }
    }
}

impl NewPoll {
    /// Checks settings whose texts are already checked. An absent setting gets its default.
    pub(super) fn of(sent: SentSettings, mut errors: Vec<FieldError>) -> Result<Self, Vec<FieldError>> {
        let kind = sent.kind.unwrap_or_default();
        let labels = sent.options.clone().unwrap_or_default();
        valid::options_of_kind(kind, &labels, &mut errors);
        let valid::OfKind { max_choices, min_choices, write_in, scale, correct, seats, method } =
            valid::of_kind(&sent, kind, labels.len(), &mut errors);
        let mut spec = PollSpec {
            question: sent.question.unwrap_or_default(),
            kind,
            max_choices,
            min_choices,
            write_in,
            scale,
            correct,
            seats,
            method,
            segments: sent.segments.unwrap_or_default(),
            min_cell: valid::min_cell(sent.min_cell, MIN_CELL_DEFAULT, &mut errors),
            series: sent.series.unwrap_or_default(),
            opens_at: sent.opens_at.flatten(),
            closes_at: sent.closes_at.flatten(),
            identity: sent.identity.unwrap_or_default(),
            vote_change: sent.vote_change.unwrap_or_default(),
            results: sent.results.unwrap_or_default(),
            peak_votes_per_second: 1,
            viewers: valid::viewers(sent.viewers.flatten(), &mut errors),
            own_vote: sent.own_vote.unwrap_or_default(),
            devices: valid::devices(sent.devices, sent.identity.unwrap_or_default(), &mut errors),
            embed: valid::embed(sent.embed.unwrap_or_default(), &mut errors),
            listed: sent.listed.unwrap_or_default(),
        };
        spec.peak_votes_per_second = valid::peak(sent.peak_votes_per_second, spec.weight(), &mut errors);
        if let (Some(opens_at), Some(closes_at)) = (spec.opens_at, spec.closes_at)
            && closes_at <= opens_at
        {
            errors.push(FieldError::new("/closes_at", "must be after opens_at"));
        }
        if errors.is_empty() { Ok(Self { spec, labels, copied: None }) } else { Err(errors) }
    }
}

impl NewPoll {
    /// The same poll as a copy, asked for by a request with this hash.
    pub(super) fn copied(self, from: PollId, request_hash: [u8; 32]) -> Self {
        Self { copied: Some(Copied { from, request_hash }), ..self }
    }

    /// SHA-256 of the request: of the poll with defaults filled in, so that equal requests have equal hashes; of a copy,
    /// what its request names.
    pub fn hash(&self) -> [u8; 32] {
        if let Some(copied) = &self.copied {
            return copied.request_hash;
        }
        // Strings, numbers and unit variants: nothing in it can fail to serialise.
        let canonical = serde_json::to_vec(self).unwrap_or_default();
        Sha256::digest(canonical).into()
    }

    /// Replaces an existing poll's settings. Id, owner, salt, seed, partitions and revision stay, and lanes never become
    /// fewer.
    pub(super) fn in_place_of(self, poll: &Poll) -> Poll {
        let rules = Rules {
            options: self.labels.len() as u8,
            lanes: lanes_for(self.spec.peak_plain_votes(), poll.rules.lanes),
            settings: Settings { spec: self.spec, ..poll.rules.settings.clone() },
            ..poll.rules.clone()
        };
        Poll { rules, options: self.labels }
    }

    /// Creates the poll for a tenant at `now`. Fails if it would never be open.
    pub fn create(
        self,
        poll_id: PollId,
        tenant: &Tenant,
        stamp: Stamp,
        drawn: Drawn,
        lanes_min: u8,
        now: Timestamp,
    ) -> Result<Poll, FieldError> {
        if self.spec.closes_at.is_some_and(|closes_at| closes_at <= now) {
            return Err(FieldError::new("/closes_at", "must be in the future"));
        }
        let request_hash = self.hash();
        // The lot breaks ties between rankings, and a poll's kind never changes.
        let lot_seed = Some(drawn.lot_seed).filter(|_| self.spec.kind == Kind::Ranked);
        let mut rules = Rules {
            // 2 to 100, so it fits.
            options: self.labels.len() as u8,
            options_revision: 1,
            partitions: Partitions::for_peak(self.spec.peak_votes_per_second),
            lanes: lanes_for(self.spec.peak_plain_votes(), lanes_min),
            lanes_doubled_at: None,
            finality: None,
            tenant: tenant.key(),
            stamp: Some(stamp),
            hiding: None,
            copied_from: self.copied.map(|copied| copied.from),
            salt: drawn.salt,
            request_hash,
            settings: Settings {
                poll_id,
                spec: self.spec,
                paused_from: None,
                offered_to: None,
                slot_width: None,
                lot_seed_sha256: lot_seed.as_ref().map(LotSeed::hash),
                revision: 1,
                created_at: now,
            },
            lot_seed,
        };
        rules.settings.slot_width = rules.settings.declared_slot_width();
        valid::must_have_few_cells(&rules)?;
        Ok(Poll { rules, options: self.labels })
    }
}

impl Serialize for NewPoll {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.spec.write(&self.labels, &mut map)?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, poll_asked_for};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn validate(body: Value) -> Result<NewPoll, Vec<FieldError>> {
        serde_json::from_value::<CreatePoll>(body).unwrap().validate()
    }

    fn pointers(body: Value) -> Vec<String> {
        validate(body).unwrap_err().into_iter().map(|error| error.pointer).collect()
    }

    #[test]
    fn defaults_are_as_documented() {
        let poll = validate(json!({"question": "Q", "options": ["a", "b"]})).unwrap();
        let spelled_out = validate(json!({"question": "Q", "options": ["a", "b"], "kind": "single", "max_choices": 1,
            "opens_at": null, "closes_at": null, "identity": "device", "vote_change": "never", "results": "always",
            "peak_votes_per_second": 1000}))
        .unwrap();
        assert_eq!(poll, spelled_out);
        assert_eq!(poll.hash(), spelled_out.hash());
    }

    #[test]
    fn polls_that_differ_have_different_hashes() {
        let hash = |question, results| {
            validate(json!({"question": question, "options": ["a", "b"], "results": results})).unwrap().hash()
        };
        assert_ne!(hash("Q", "always"), hash("R", "always"));
        assert_ne!(hash("Q", "always"), hash("Q", "owner"));
    }

    #[test]
    fn the_hash_of_a_request_is_what_it_always_was() {
        // It is stored with each poll. A different hash would turn a repeated older request into a conflict.
        let hash = |peak| {
            let poll =
                validate(json!({"question": "Q", "options": ["a", "b"], "peak_votes_per_second": peak})).unwrap();
            poll.hash()[..4].iter().map(|byte| format!("{byte:02x}")).collect::<String>()
        };
        assert_eq!([1_000, 250_000].map(hash), ["9aa5d83b", "a13d4ea9"]);
    }

    #[test]
    fn a_ranked_poll_keeps_the_seed_of_its_lot_and_shows_the_hash() {
        let seed = |kind| {
            let body = json!({"question": "Q", "options": ["a", "b"], "kind": kind});
            let rules = poll_asked_for(body, at(0)).unwrap().rules;
            (rules.lot_seed, rules.settings.lot_seed_sha256)
        };
        let drawn = LotSeed::from_bytes([9; 32]);
        assert_eq!(seed("ranked"), (Some(drawn.clone()), Some(drawn.hash())));
        assert_eq!(["single", "rating"].map(seed), [(None, None), (None, None)], "they have no lot");
    }

    #[test]
    fn the_peak_that_a_poll_is_created_with_decides_about_its_partitions() {
        let partitions = |peak| {
            let body = json!({"question": "Q", "options": ["a", "b"], "peak_votes_per_second": peak});
            poll_asked_for(body, at(0)).unwrap().rules.partitions
        };
        assert_eq!([1_000, 60_000].map(partitions), [Partitions::Few; 2]);
        assert_eq!([60_001, 250_000].map(partitions), [Partitions::Many; 2]);
    }

    #[test]
    fn max_choices_of_multiple_is_the_number_of_options() {
        let poll = validate(json!({"question": "Q", "options": ["a", "b", "c"], "kind": "multiple"})).unwrap();
        assert_eq!(poll.spec.max_choices, 3);
    }

    #[test]
    fn every_fault_is_named_with_its_place() {
        assert_eq!(
            pointers(json!({"question": " ", "options": ["a", "a ", ""], "kind": "multiple", "max_choices": 4,
                "peak_votes_per_second": 0, "opens_at": "2030-01-02T00:00:00Z", "closes_at": "2030-01-01T00:00:00Z"})),
            ["/question", "/options/1", "/options/2", "/peak_votes_per_second", "/closes_at"]
        );
        assert_eq!(pointers(json!({"question": "Q", "options": ["a"]})), ["/options"]);
        assert_eq!(pointers(json!({"question": "Q", "options": [], "kind": "multiple"})), ["/options"]);
        assert_eq!(
            pointers(json!({"question": "Q", "options": ["a", "b"], "kind": "multiple", "max_choices": 3})),
            ["/max_choices"]
        );
        assert_eq!(pointers(json!({"question": "Q", "options": ["a", "b"], "max_choices": 2})), ["/max_choices"]);
    }

    #[test]
    fn labels_are_compared_by_what_people_see_and_kept_as_they_were_sent() {
        for other in ["Cafe\u{301}  au lait", "Caf\u{e9}\u{200b} au\u{a0}lait", "\u{ff23}af\u{e9} au lait"] {
            let body = json!({"question": "Q", "options": ["Caf\u{e9} au lait", other]});
            assert_eq!(pointers(body), ["/options/1"], "{other}");
        }
        let options = ["caf\u{e9}  au\u{a0}lait\u{200b}", "Caf\u{e9} au lait"];
        assert_eq!(validate(json!({"question": "Q", "options": options})).unwrap().labels, options);
    }

    #[test]
    fn null_is_taken_for_times_only() {
        for field in ["kind", "max_choices", "identity", "vote_change", "results", "peak_votes_per_second"] {
            let body = json!({"question": "Q", "options": ["a", "b"], field: null});
            assert!(serde_json::from_value::<CreatePoll>(body).is_err(), "{field}");
        }
    }

    proptest! {
        #[test]
        fn no_fields_make_the_validation_panic(
            question in "\\PC{0,20}", options in proptest::collection::vec("\\PC{0,4}", 0..5), multiple in any::<bool>(),
            max_choices in any::<u64>(), peak in any::<u64>(), opens_at in 0u64..300_000_000_000_000,
        ) {
            let body = json!({"question": question, "options": options, "kind": if multiple { "multiple" } else { "single" },
                "max_choices": max_choices, "peak_votes_per_second": peak, "opens_at": Timestamp::from_millis(opens_at)});
            match validate(body) {
                Ok(poll) => prop_assert!(poll.labels.len() == options.len() && usize::from(poll.spec.max_choices) <= options.len()),
                Err(errors) => prop_assert!(!errors.is_empty() && errors.iter().all(|error| error.pointer.starts_with('/'))),
            }
        }
    }
}
