//! Polls: what their owner asks for, and what a vote needs to know of them.

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::{
    caller::{Caller, TokenKind},
    choices::{Choices, ChoicesError},
    time::Timestamp,
    vote::CastVote,
};

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

/// What a poll is by its owner's wish, and what the API shows of it besides its options' labels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Settings {
    /// The poll's id.
    pub poll_id: PollId,
    /// What is asked.
    pub question: String,
    /// How many options a voter chooses.
    pub kind: Kind,
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
    /// How often it was written: 1, 2, …
    pub revision: u64,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A poll's place among its owner's: newest first, by id where two were made in one millisecond.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnerOrder {
    /// When it was made.
    pub created_at: Timestamp,
    /// Which it is.
    pub poll_id: PollId,
}

impl Settings {
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

    /// The settings as the API shows them at a time, without the options.
    pub fn view(&self, now: Timestamp) -> PollView<'_> {
        PollView { status: self.status(now), options: None, settings: self }
    }
}

/// All that a vote needs to know of a poll.
#[derive(Clone, PartialEq, Eq)]
pub struct Rules {
    /// What its owner wishes.
    pub settings: Settings,
    /// Whose it is: issuer and subject.
    pub owner: String,
    /// How many options there are.
    pub options: u8,
    /// How many lanes count it.
    pub lanes: u8,
    /// What voters are hashed with. Never leaves the service.
    pub salt: [u8; 32],
    /// SHA-256 of the request that made it.
    pub request_hash: [u8; 32],
}

impl std::fmt::Debug for Rules {
    /// Without the salt, so that no log can show it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rules").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Rules {
    /// Where the poll stands at a time.
    pub fn status(&self, now: Timestamp) -> Status {
        self.settings.status(now)
    }

    /// The choices that a vote names, if this poll takes them.
    pub fn choices(&self, sent: &CastVote) -> Result<Choices, ChoicesError> {
        Choices::parse(&sent.choices, self.options, self.settings.max_choices)
    }

    /// Whether the poll is the caller's.
    pub fn is_owned_by(&self, caller: &Caller) -> bool {
        self.owner == caller.owner()
    }

    /// Whether anyone may see the results now.
    pub fn results_are_public(&self, now: Timestamp) -> bool {
        match self.settings.results {
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
    #[serde(flatten)]
    settings: &'a Settings,
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    options: Option<Vec<OptionView<'a>>>,
}

impl Poll {
    /// The poll as the API shows it at a time.
    pub fn view(&self, now: Timestamp) -> PollView<'_> {
        let options = self.options.iter().enumerate().map(|(id, label)| OptionView { id, label }).collect();
        PollView { options: Some(options), ..self.rules.settings.view(now) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
        fn an_id_is_safe_in_a_path_and_a_key(text in "[A-Za-z0-9_#/. -]{0,45}") {
            let safe = !text.is_empty() && text.len() <= 40 && !text.contains(['#', '/', '.', ' ']);
            prop_assert_eq!(PollId::parse(&text).is_some(), safe);
        }
    }
}
