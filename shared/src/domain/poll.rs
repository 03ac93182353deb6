//! Polls: what their owner asks for, and what a vote needs to know of them.

use std::collections::HashSet;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest, Sha256};

use super::{
    caller::{Caller, TokenKind},
    choices::{Choices, ChoicesError, OPTIONS_MAX},
    text,
    time::Timestamp,
    vote::CastVote,
};

/// The fewest options that make a poll.
pub const OPTIONS_MIN: usize = 2;
/// The most characters of a question.
pub const QUESTION_CHARS_MAX: usize = 500;
/// The most characters of an option's label.
pub const LABEL_CHARS_MAX: usize = 200;
/// The highest peak that a poll may announce, in votes a second.
pub const PEAK_VOTES_PER_SECOND_MAX: u32 = 250_000;
/// The peak of a poll that announces none, in votes a second.
pub const PEAK_VOTES_PER_SECOND_DEFAULT: u32 = 1_000;
/// The most characters of a poll's id.
const POLL_ID_CHARS_MAX: usize = 40;

/// A poll's id: 1 to 40 of `A-Z a-z 0-9 _ -`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct PollId(String);

impl PollId {
    /// The id that a text is, `None` if it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let valid = (1..=POLL_ID_CHARS_MAX).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
        valid.then(|| Self(text.to_owned()))
    }

    /// The id of 16 bytes: 22 characters.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
        Self(BASE64_URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The id of the poll that `owner` makes with an idempotency key. Only who knows the service's secret can
    /// tell it, so nobody guesses the ids of others.
    pub fn of_idempotency_key(secret: &[u8], owner: &str, key: &str) -> Self {
        Self::from_bytes(keyed_hash(secret, owner, key))
    }

    /// The id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for PollId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The first 16 bytes of HMAC-SHA256(key, first ‖ 0 ‖ second).
pub(super) fn keyed_hash(key: &[u8], first: &str, second: &str) -> [u8; 16] {
    // A key of any length is one for HMAC, so the error can't come up.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; 16] };
    mac.update(first.as_bytes());
    mac.update(&[0]);
    mac.update(second.as_bytes());
    let tag = mac.finalize().into_bytes();
    let mut head = [0; 16];
    head.iter_mut().zip(tag.iter()).for_each(|(to, from)| *to = *from);
    head
}

/// How many options a voter chooses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Exactly one.
    #[default]
    Single,
    /// One to `max_choices`.
    Multiple,
}

/// What a voter must show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Identity {
    /// An account token.
    Account,
    /// A device token, or an account token.
    #[default]
    Device,
}

impl Identity {
    /// Whether a token of that kind may vote.
    pub fn admits(self, token: TokenKind) -> bool {
        match (self, token) {
            (Identity::Account, TokenKind::Device) => false,
            (Identity::Account, TokenKind::Account) | (Identity::Device, _) => true,
        }
    }
}

/// Whether a vote may be changed or taken back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VoteChange {
    /// Never.
    #[default]
    Never,
    /// Until the poll closes.
    UntilClose,
}

/// Who may see the results, and when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Results {
    /// Anyone at any time.
    #[default]
    Always,
    /// Who has voted.
    AfterVote,
    /// Anyone once the poll is closed.
    AfterClose,
    /// The poll's owner.
    Owner,
}

/// Where a poll stands at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Not open yet.
    Scheduled,
    /// Takes votes.
    Open,
    /// Takes votes no more.
    Closed,
}

/// The body of `POST /v1/polls`, as sent: right types, nothing else looked at.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreatePoll {
    question: String,
    options: Vec<String>,
    #[serde(default)]
    kind: Kind,
    #[serde(default, deserialize_with = "given")]
    max_choices: Option<u64>,
    #[serde(default)]
    opens_at: Option<Timestamp>,
    #[serde(default)]
    closes_at: Option<Timestamp>,
    #[serde(default)]
    identity: Identity,
    #[serde(default)]
    vote_change: VoteChange,
    #[serde(default)]
    results: Results,
    #[serde(default, deserialize_with = "given")]
    peak_votes_per_second: Option<u64>,
}

/// A field that may be absent but not null.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// A field of a body that is to blame, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// Where the field is: a JSON pointer (RFC 6901), such as `/options/2`.
    pub pointer: String,
    /// Why it is refused.
    pub detail: String,
}

impl FieldError {
    /// A field error of a pointer and a reason.
    pub fn new(pointer: impl Into<String>, detail: impl std::fmt::Display) -> Self {
        Self { pointer: pointer.into(), detail: detail.to_string() }
    }
}

/// A poll as its owner asks for it, valid but for its times.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NewPoll {
    question: String,
    options: Vec<String>,
    kind: Kind,
    max_choices: u8,
    opens_at: Option<Timestamp>,
    closes_at: Option<Timestamp>,
    identity: Identity,
    vote_change: VoteChange,
    results: Results,
    peak_votes_per_second: u32,
}

impl CreatePoll {
    /// Checks every field but the times against the clock, and reports all that is wrong at once.
    pub fn validate(self) -> Result<NewPoll, Vec<FieldError>> {
        let mut errors = Vec::new();
        let question = text::normalise(&self.question, QUESTION_CHARS_MAX)
            .map_err(|error| errors.push(FieldError::new("/question", error)))
            .unwrap_or_default();
        let options = valid_options(&self.options, &mut errors);
        let max_choices = valid_max_choices(self.kind, self.max_choices, self.options.len(), &mut errors);
        let peak = self.peak_votes_per_second.unwrap_or(u64::from(PEAK_VOTES_PER_SECOND_DEFAULT));
        let peak = u32::try_from(peak).unwrap_or(u32::MAX);
        if !(1..=PEAK_VOTES_PER_SECOND_MAX).contains(&peak) {
            errors.push(FieldError::new(
                "/peak_votes_per_second",
                format!("must be from 1 to {PEAK_VOTES_PER_SECOND_MAX}"),
            ));
        }
        if let (Some(opens_at), Some(closes_at)) = (self.opens_at, self.closes_at)
            && closes_at <= opens_at
        {
            errors.push(FieldError::new("/closes_at", "must be after opens_at"));
        }
        if self.vote_change != VoteChange::Never {
            errors.push(FieldError::new("/vote_change", "takes only \"never\" in this version"));
        }
        if self.results != Results::Always {
            errors.push(FieldError::new("/results", "takes only \"always\" in this version"));
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(NewPoll {
            question,
            options,
            kind: self.kind,
            max_choices,
            opens_at: self.opens_at,
            closes_at: self.closes_at,
            identity: self.identity,
            vote_change: self.vote_change,
            results: self.results,
            peak_votes_per_second: peak,
        })
    }
}

fn valid_options(raw: &[String], errors: &mut Vec<FieldError>) -> Vec<String> {
    if !(OPTIONS_MIN..=OPTIONS_MAX).contains(&raw.len()) {
        errors.push(FieldError::new("/options", format!("must have {OPTIONS_MIN} to {OPTIONS_MAX} labels")));
        return Vec::new();
    }
    let mut labels = Vec::with_capacity(raw.len());
    let mut known = HashSet::new();
    for (id, raw_label) in raw.iter().enumerate() {
        match text::normalise(raw_label, LABEL_CHARS_MAX) {
            Ok(label) if known.insert(label.clone()) => labels.push(label),
            Ok(_) => errors.push(FieldError::new(format!("/options/{id}"), "repeats an earlier label")),
            Err(error) => errors.push(FieldError::new(format!("/options/{id}"), error)),
        }
    }
    labels
}

fn valid_max_choices(kind: Kind, given: Option<u64>, options: usize, errors: &mut Vec<FieldError>) -> u8 {
    let (max, default) = match kind {
        Kind::Single => (1, 1),
        Kind::Multiple => (options.min(OPTIONS_MAX), options.min(OPTIONS_MAX)),
    };
    let given = given.unwrap_or(default as u64);
    match u8::try_from(given) {
        Ok(valid) if valid >= 1 && usize::from(valid) <= max => valid,
        _ => {
            let detail = match kind {
                Kind::Single => "must be 1, or absent, in a poll of kind single".to_owned(),
                Kind::Multiple => format!("must be from 1 to the number of options, {max}"),
            };
            errors.push(FieldError::new("/max_choices", detail));
            1
        }
    }
}

impl NewPoll {
    /// SHA-256 of the poll as asked for, defaults filled in: equal for two bodies that ask for the same.
    pub fn hash(&self) -> [u8; 32] {
        // Strings, numbers and unit variants: nothing in it can fail to serialise.
        let canonical = serde_json::to_vec(self).unwrap_or_default();
        Sha256::digest(canonical).into()
    }

    /// The poll, made by `owner` at `now`. Refused if it would never be open.
    pub fn create(
        self,
        poll_id: PollId,
        owner: &Caller,
        salt: [u8; 32],
        lanes_min: u8,
        now: Timestamp,
    ) -> Result<Poll, FieldError> {
        if self.closes_at.is_some_and(|closes_at| closes_at <= now) {
            return Err(FieldError::new("/closes_at", "must be in the future"));
        }
        let request_hash = self.hash();
        Ok(Poll {
            rules: Rules {
                poll_id,
                owner: owner.owner(),
                question: self.question,
                kind: self.kind,
                // 2 to 100, so it fits.
                options: self.options.len() as u8,
                max_choices: self.max_choices,
                opens_at: self.opens_at,
                closes_at: self.closes_at,
                identity: self.identity,
                vote_change: self.vote_change,
                results: self.results,
                peak_votes_per_second: self.peak_votes_per_second,
                lanes: super::lane::lanes_for(self.peak_votes_per_second, lanes_min),
                salt,
                revision: 1,
                created_at: now,
                request_hash,
            },
            options: self.options,
        })
    }
}

/// All that a vote needs to know of a poll.
#[derive(Clone, PartialEq, Eq)]
pub struct Rules {
    /// The poll's id.
    pub poll_id: PollId,
    /// Whose it is: issuer and subject.
    pub owner: String,
    /// What is asked.
    pub question: String,
    /// How many options a voter chooses.
    pub kind: Kind,
    /// How many options there are.
    pub options: u8,
    /// The most that a vote may name.
    pub max_choices: u8,
    /// From when on it takes votes; none: from its creation.
    pub opens_at: Option<Timestamp>,
    /// From when on it takes none; none: it stays open.
    pub closes_at: Option<Timestamp>,
    /// What a voter must show.
    pub identity: Identity,
    /// Whether votes may change.
    pub vote_change: VoteChange,
    /// Who sees results.
    pub results: Results,
    /// The peak that it is built for, in votes a second.
    pub peak_votes_per_second: u32,
    /// How many lanes count it.
    pub lanes: u8,
    /// What voters are hashed with. Never leaves the service.
    pub salt: [u8; 32],
    /// How often it was written: 1, 2, …
    pub revision: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// SHA-256 of the request that made it.
    pub request_hash: [u8; 32],
}

impl std::fmt::Debug for Rules {
    /// Without the salt, so that no log can show it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rules")
            .field("poll_id", &self.poll_id)
            .field("revision", &self.revision)
            .finish_non_exhaustive()
    }
}

impl Rules {
    /// Where the poll stands at a time.
    pub fn status(&self, now: Timestamp) -> Status {
        if self.closes_at.is_some_and(|closes_at| closes_at <= now) {
            Status::Closed
        } else if self.opens_at.is_some_and(|opens_at| opens_at > now) {
            Status::Scheduled
        } else {
            Status::Open
        }
    }

    /// The choices that a vote names, if this poll takes them.
    pub fn choices(&self, sent: &CastVote) -> Result<Choices, ChoicesError> {
        Choices::parse(&sent.choices, self.options, self.max_choices)
    }

    /// Whether anyone may see the results now.
    pub fn results_are_public(&self, now: Timestamp) -> bool {
        match self.results {
            Results::Always => true,
            Results::AfterClose => self.status(now) == Status::Closed,
            Results::AfterVote | Results::Owner => false,
        }
    }
}

/// A poll whole: its rules and its options' labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Poll {
    /// What a vote needs.
    pub rules: Rules,
    /// The labels; an option's id is its place.
    pub options: Vec<String>,
}

/// An option as the API shows it.
#[derive(Debug, Serialize)]
pub struct OptionView<'a> {
    id: usize,
    label: &'a str,
}

/// A poll as the API shows it.
#[derive(Debug, Serialize)]
pub struct PollView<'a> {
    poll_id: &'a PollId,
    status: Status,
    question: &'a str,
    options: Vec<OptionView<'a>>,
    kind: Kind,
    max_choices: u8,
    opens_at: Option<Timestamp>,
    closes_at: Option<Timestamp>,
    identity: Identity,
    vote_change: VoteChange,
    results: Results,
    peak_votes_per_second: u32,
    revision: u64,
    created_at: Timestamp,
}

impl Poll {
    /// The poll as the API shows it at a time.
    pub fn view(&self, now: Timestamp) -> PollView<'_> {
        let rules = &self.rules;
        PollView {
            poll_id: &rules.poll_id,
            status: rules.status(now),
            question: &rules.question,
            options: self.options.iter().enumerate().map(|(id, label)| OptionView { id, label }).collect(),
            kind: rules.kind,
            max_choices: rules.max_choices,
            opens_at: rules.opens_at,
            closes_at: rules.closes_at,
            identity: rules.identity,
            vote_change: rules.vote_change,
            results: rules.results,
            peak_votes_per_second: rules.peak_votes_per_second,
            revision: rules.revision,
            created_at: rules.created_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
    fn max_choices_of_multiple_is_the_number_of_options() {
        let poll = validate(json!({"question": "Q", "options": ["a", "b", "c"], "kind": "multiple"})).unwrap();
        assert_eq!(poll.max_choices, 3);
    }

    #[test]
    fn every_fault_is_named_with_its_place() {
        assert_eq!(
            pointers(json!({"question": " ", "options": ["a", "a ", ""], "kind": "multiple", "max_choices": 4,
                "peak_votes_per_second": 0, "opens_at": "2030-01-02T00:00:00Z", "closes_at": "2030-01-01T00:00:00Z"})),
            ["/question", "/options/1", "/options/2", "/max_choices", "/peak_votes_per_second", "/closes_at"]
        );
        assert_eq!(pointers(json!({"question": "Q", "options": ["a"]})), ["/options"]);
        assert_eq!(pointers(json!({"question": "Q", "options": ["a", "b"], "max_choices": 2})), ["/max_choices"]);
    }

    #[test]
    fn labels_are_compared_in_their_normal_form() {
        assert_eq!(pointers(json!({"question": "Q", "options": ["Caf\u{e9}", "Cafe\u{301}"]})), ["/options/1"]);
    }

    #[test]
    fn null_is_taken_for_times_only() {
        for field in ["kind", "max_choices", "identity", "vote_change", "results", "peak_votes_per_second"] {
            let body = json!({"question": "Q", "options": ["a", "b"], field: null});
            assert!(serde_json::from_value::<CreatePoll>(body).is_err(), "{field}");
        }
    }

    #[test]
    fn an_idempotency_key_has_one_id_an_owner() {
        let id = PollId::of_idempotency_key(b"secret", "owner", "key");
        assert_eq!(id, PollId::of_idempotency_key(b"secret", "owner", "key"));
        assert_ne!(id, PollId::of_idempotency_key(b"secret", "other", "key"));
        assert_ne!(id, PollId::of_idempotency_key(b"other", "owner", "key"));
        assert_eq!(id.as_str().len(), 22);
    }

    proptest! {
        #[test]
        fn no_body_makes_the_parser_panic(body in "\\{?\"?(question|options|kind|[a-z\"\\\\{}\\[\\]:,0-9.eE+-]|\\PC){0,60}") {
            if let Ok(parsed) = serde_json::from_str::<CreatePoll>(&body) {
                drop(parsed.validate());
            }
        }

        #[test]
        fn an_id_is_safe_in_a_path_and_a_key(text in "\\PC{0,50}") {
            if let Some(id) = PollId::parse(&text) {
                prop_assert!(id.as_str().chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-'));
                prop_assert!((1..=40).contains(&id.as_str().len()));
            }
        }
    }
}
