//! Polls: their settings, and the rules that a vote needs.

pub mod ballot_kinds;
pub mod closing;
#[cfg(any(test, feature = "text"))]
pub mod copy;
mod counted;
pub mod cursor;
mod dimension;
#[cfg(any(test, feature = "text"))]
pub mod edit;
mod finality;
pub mod hidden;
pub mod pausing;
#[cfg(any(test, feature = "text"))]
pub mod request;
mod spec;
pub mod transfer;
#[cfg(any(test, feature = "text"))]
mod valid;
#[cfg(any(test, feature = "text"))]
mod voting;

use serde::{Deserialize, Serialize};

pub use self::dimension::{Dimension, Source};
pub use self::finality::{FinalEvent, Finality, Off, RESULTS_FINAL};
pub use self::hidden::Hiding;
pub use self::spec::{
    Changeable, Correct, Devices, Identity, Kind, OwnVote, PollSpec, ResultsVisibility, Stored, UnreadableSetting,
    VoteChange,
};
use crate::{
    ballot::Ballot,
    caller::Caller,
    error::Error,
    ids::{PollId, VoterKey},
    lane::Partitions,
    lease::CLOCK_SKEW_MS,
    member::Stamp,
    method::{Lot, LotSeed, LotSeedHash},
    series::{Slot, SlotWidth},
    tenant::{Tenant, TenantKey},
    time::Timestamp,
};

/// Where a poll stands at a given time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It is not open yet.
    Scheduled,
    /// It takes votes.
    Open,
    /// It is open, but takes no votes until it is resumed.
    Paused,
    /// It no longer takes votes.
    Closed,
}

impl Status {
    /// All of them.
    pub const ALL: [Status; 4] = [Status::Scheduled, Status::Open, Status::Paused, Status::Closed];

    /// Its name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Status::Scheduled => "scheduled",
            Status::Open => "open",
            Status::Paused => "paused",
            Status::Closed => "closed",
        }
    }
}

/// A poll's settings, and what else the API shows besides labels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Settings {
    /// The poll's id.
    pub poll_id: PollId,
    /// What its owner chose.
    #[serde(flatten)]
    pub spec: PollSpec,
    /// From when on it takes no votes until it is resumed. If `None`, it is not paused.
    pub paused_from: Option<Timestamp>,
    /// The tenant that it is offered to. Only its own tenant is shown that.
    #[serde(skip)]
    pub offered_to: Option<TenantKey>,
    /// The width of its series' slots. If `None`, it has no series.
    #[serde(skip)]
    pub slot_width: Option<SlotWidth>,
    /// The hash of the seed of its lot. `None` in a poll that is not ranked, or from before there were seeds.
    pub lot_seed_sha256: Option<LotSeedHash>,
    /// How often it was written: 1, 2, …
    pub revision: u64,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A poll's place in its owner's list: newest first, then by id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnerOrder {
    /// When it was made.
    pub created_at: Timestamp,
    /// Which it is.
    pub poll_id: PollId,
}

impl Settings {
    /// Where the poll stands at `now`.
    pub fn status(&self, now: Timestamp) -> Status {
        if self.spec.closes_at.is_some_and(|closes_at| closes_at <= now) {
            Status::Closed
        } else if self.spec.opens_at.is_some_and(|opens_at| opens_at > now) {
            Status::Scheduled
        } else if self.paused_from.is_some_and(|paused_from| paused_from <= now) {
            Status::Paused
        } else {
            Status::Open
        }
    }

    /// When the poll opens, or opened.
    pub fn start(&self) -> Timestamp {
        self.spec.opens_at.unwrap_or(self.created_at)
    }

    /// For how long the poll is declared to be open, in milliseconds. `None`: without an end.
    pub fn declared_millis(&self) -> Option<u64> {
        self.spec.closes_at.map(|closes_at| closes_at.as_millis().saturating_sub(self.start().as_millis()))
    }

    /// The width of slots for what is declared now.
    #[cfg(any(test, feature = "text"))]
    pub(crate) fn declared_slot_width(&self) -> Option<SlotWidth> {
        self.spec.series.then(|| SlotWidth::for_duration(self.declared_millis()))
    }

    /// The slot of a vote, if there is a series.
    pub fn slot_of(&self, cast_at: Timestamp) -> Option<Slot> {
        self.slot_width.map(|width| Slot::of(cast_at, self.start(), width))
    }

    /// Whether no process, by any clock, accepts a vote any more.
    pub fn is_closed_by_every_clock(&self, now: Timestamp) -> bool {
        self.spec.closes_at.is_some_and(|closes_at| closes_at.plus_millis(CLOCK_SKEW_MS) <= now)
    }

    /// The right options of a quiz, once anyone may know them.
    pub fn correct(&self, now: Timestamp) -> Option<&Correct> {
        self.spec.correct.as_ref().filter(|_| self.is_closed_by_every_clock(now))
    }

    /// The poll's entity tag at `now`: `<revision>-<status>`.
    pub fn tag(&self, now: Timestamp) -> String {
        format!("{}-{}", self.revision, self.status(now).name())
    }

    /// The settings as the API shows them at `now`, without the options.
    pub fn view(&self, now: Timestamp) -> PollView<'_> {
        let correct = self.correct(now);
        PollView { status: self.status(now), options: None, offered_to: None, correct, settings: self }
    }

    /// The settings as the API shows them to the poll's own tenant.
    pub fn own_view(&self, now: Timestamp) -> PollView<'_> {
        let offered_to = self.offered_to.as_ref().and_then(TenantKey::tenant);
        PollView { offered_to: Some(offered_to), correct: self.spec.correct.as_ref(), ..self.view(now) }
    }
}

/// Everything that a vote needs to know about a poll.
#[derive(Clone, PartialEq, Eq)]
pub struct Rules {
    /// What its owner chose.
    pub settings: Settings,
    /// Whose it is.
    pub tenant: TenantKey,
    /// Who wrote this revision, and how. If `None`, it is from before there were stamps.
    pub stamp: Option<Stamp>,
    /// The answers that it hides. `None` if it never hid any.
    pub hiding: Option<Hiding>,
    /// The poll that it was copied from, if any.
    pub copied_from: Option<PollId>,
    /// How many options there are.
    pub options: u8,
    /// The revision that wrote the options' labels.
    pub options_revision: u64,
    /// The logical partitions that hold its votes, fixed when it was created.
    pub partitions: Partitions,
    /// How many lanes count it.
    pub lanes: u8,
    /// When the lanes were last doubled, because one got too much.
    pub lanes_doubled_at: Option<Timestamp>,
    /// That its counts are final, once they are.
    pub finality: Option<Finality>,
    /// The salt that voters are hashed with. It never leaves the service.
    pub salt: [u8; 32],
    /// The seed of its lot, where its settings have the hash. Only the final results may show it.
    pub lot_seed: Option<LotSeed>,
    /// SHA-256 of the request that created it.
    pub request_hash: [u8; 32],
}

impl std::fmt::Debug for Rules {
    /// Leaves the salt and the lot's seed out, so that no log can show them.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rules").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Rules {
    /// Where the poll stands at `now`.
    pub fn status(&self, now: Timestamp) -> Status {
        self.settings.status(now)
    }

    /// The lot that breaks the poll's ties once its counts are final.
    pub fn final_lot(&self) -> Lot {
        Lot::drawn_by(self.lot_seed.as_ref())
    }

    /// Whether a voter says the same by both ballots.
    pub fn say_the_same(&self, one: Option<&Ballot>, other: Option<&Ballot>) -> bool {
        let is_said = |dimension: usize| self.settings.spec.segments.get(dimension).is_some_and(Dimension::is_said);
        match (one, other) {
            (Some(one), Some(other)) => one.says_the_same(other, is_said),
            (one, other) => one.is_none() && other.is_none(),
        }
    }

    /// The caller as a voter in this poll.
    pub fn voter(&self, caller: &Caller) -> VoterKey {
        VoterKey::of(caller, &self.salt)
    }

    /// Whether the poll is the tenant's.
    pub fn is_of(&self, tenant: &Tenant) -> bool {
        self.tenant == tenant.key()
    }

    /// Fails if the poll belongs to another tenant.
    pub fn must_be_of(&self, tenant: &Tenant) -> Result<(), Error> {
        if self.is_of(tenant) { Ok(()) } else { Err(Error::NotOwner) }
    }

    /// Whether anyone may see the results now.
    pub fn results_are_public(&self, now: Timestamp) -> bool {
        match self.settings.spec.results {
            ResultsVisibility::Always => true,
            ResultsVisibility::AfterClose => self.settings.is_closed_by_every_clock(now),
            ResultsVisibility::AfterVote | ResultsVisibility::Owner => false,
        }
    }
}

/// A poll with its rules and its options' labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Poll {
    /// What a vote needs.
    pub rules: Rules,
    /// The labels; an option's id is its place.
    pub options: Vec<String>,
}

impl AsRef<Rules> for Poll {
    fn as_ref(&self) -> &Rules {
        &self.rules
    }
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
    correct: Option<&'a Correct>,
    #[serde(skip_serializing_if = "Option::is_none")]
    options: Option<Vec<OptionView<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offered_to: Option<Option<Tenant>>,
}

impl Poll {
    /// Whether both are one poll in one state. What counting writes does not matter, as it has no revision: lanes that
    /// grow, and that counts are final.
    pub fn is_but_for_counting(&self, other: &Poll) -> bool {
        let Rules { lanes, lanes_doubled_at, .. } = other.rules;
        let rules = Rules { lanes, lanes_doubled_at, finality: other.rules.finality.clone(), ..self.rules.clone() };
        rules == other.rules && self.options == other.options
    }

    /// The poll as the API shows it at `now`.
    pub fn view(&self, now: Timestamp) -> PollView<'_> {
        PollView { options: Some(self.option_views()), ..self.rules.settings.view(now) }
    }

    /// The poll as the API shows it to its own tenant.
    pub fn own_view(&self, now: Timestamp) -> PollView<'_> {
        PollView { options: Some(self.option_views()), ..self.rules.settings.own_view(now) }
    }

    fn option_views(&self) -> Vec<OptionView<'_>> {
        self.options.iter().enumerate().map(|(id, label)| OptionView { id, label }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        caller::TokenKind,
        tenant::TenantKind,
        testing::{at, owner, poll_asked_for},
    };
    use serde_json::{Value, json};

    fn poll(settings: Value) -> Poll {
        let mut body = json!({"question": "Q", "options": ["a", "b"]});
        body.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        poll_asked_for(body, at(0)).unwrap()
    }

    #[test]
    fn only_a_poll_for_devices_admits_a_device() {
        for (identity, token, admitted) in [
            (Identity::Account, TokenKind::Account, true),
            (Identity::Account, TokenKind::Device, false),
            (Identity::Device, TokenKind::Account, true),
            (Identity::Device, TokenKind::Device, true),
        ] {
            assert_eq!(identity.admits(token), admitted);
        }
    }

    #[test]
    fn a_poll_is_open_from_its_opening_until_its_closing() {
        let timed = poll(json!({"opens_at": at(10), "closes_at": at(20)}));
        let statuses = [9, 10, 11, 19, 20, 21].map(|seconds| timed.rules.status(at(seconds)));
        assert_eq!(
            statuses,
            [Status::Scheduled, Status::Open, Status::Open, Status::Open, Status::Closed, Status::Closed]
        );
        assert_eq!(poll(json!({})).rules.status(at(0)), Status::Open);
    }

    #[test]
    fn a_poll_is_paused_from_then_on_while_it_would_be_open() {
        let mut timed = poll(json!({"opens_at": at(10), "closes_at": at(20)}));
        timed.rules.settings.paused_from = Some(at(15));
        let statuses = [9, 14, 15, 19, 20].map(|seconds| timed.rules.status(at(seconds)));
        assert_eq!(statuses, [Status::Scheduled, Status::Open, Status::Paused, Status::Paused, Status::Closed]);
        assert_eq!(timed.rules.settings.tag(at(15)), "1-paused");
    }

    #[test]
    fn results_are_public_as_set_and_after_close_only_once_no_vote_gets_in() {
        let just_before = Timestamp::EPOCH.plus_millis(at(21).as_millis() - 1);
        for (results, while_open, once_closed) in [
            (ResultsVisibility::Always, true, true),
            (ResultsVisibility::AfterVote, false, false),
            (ResultsVisibility::AfterClose, false, true),
            (ResultsVisibility::Owner, false, false),
        ] {
            let rules = poll(json!({"results": results, "closes_at": at(20)})).rules;
            let public = [at(19), at(20), just_before, at(21)].map(|now| rules.results_are_public(now));
            assert_eq!(public, [while_open, while_open, while_open, once_closed], "{results:?}");
        }
        assert!(!poll(json!({"results": "after_close"})).rules.results_are_public(at(1_000)), "it never closes");
    }

    #[test]
    fn a_tag_names_revision_and_status() {
        let settings = poll(json!({"opens_at": at(10), "closes_at": at(20)})).rules.settings;
        assert_eq!([9, 10, 20].map(|seconds| settings.tag(at(seconds))), ["1-scheduled", "1-open", "1-closed"]);
    }

    #[test]
    fn a_poll_is_its_tenants_alone() {
        let rules = poll(json!({})).rules;
        let owner = owner().tenant;
        assert_eq!(rules.must_be_of(&owner), Ok(()));
        for other in [
            Tenant { value: "other".to_owned(), ..owner.clone() },
            Tenant { issuer: "https://other.example.org".to_owned(), ..owner.clone() },
            Tenant { kind: TenantKind::Organisation, ..owner },
        ] {
            assert_eq!(rules.must_be_of(&other), Err(Error::NotOwner));
        }
    }

    #[test]
    fn rules_in_a_log_show_neither_salt_nor_seed() {
        let shown = format!("{:?}", poll(json!({"kind": "ranked"})).rules);
        assert!(shown.starts_with("Rules { settings: Settings { poll_id:"), "{shown}");
        assert!(!shown.contains("salt") && !shown.contains("lot_seed:"), "{shown}");
    }

    #[test]
    fn what_counting_writes_makes_no_other_poll() {
        let seen = poll(json!({}));
        let mut doubled = seen.clone();
        doubled.rules.lanes *= 2;
        doubled.rules.lanes_doubled_at = Some(at(5));
        doubled.rules.finality = Some(Finality::default());
        assert!(seen.is_but_for_counting(&doubled));
        assert!(!seen.is_but_for_counting(&poll(json!({"question": "R"}))));
        assert!(!seen.is_but_for_counting(&Poll { options: vec!["a".to_owned(), "c".to_owned()], ..seen.clone() }));
    }

    #[test]
    fn a_poll_is_shown_as_documented() {
        let shown = serde_json::to_value(poll(json!({})).view(at(1))).unwrap();
        assert_eq!(
            shown,
            json!({"poll_id": "p1", "status": "open", "question": "Q",
                "options": [{"id": 0, "label": "a"}, {"id": 1, "label": "b"}], "kind": "single", "max_choices": 1,
                "min_choices": 1, "write_in": false, "scale": null, "correct": null, "seats": 1, "method": null,
                "segments": [], "min_cell": 5, "series": false, "opens_at": null, "closes_at": null, "identity": "device", "vote_change": "never", "results": "always",
                "peak_votes_per_second": 1_000, "viewers": null, "own_vote": "show", "devices": "own", "embed": [], "listed": false, "paused_from": null,
                "lot_seed_sha256": null, "revision": 1,
                "created_at": at(0)})
        );
    }

    #[test]
    fn the_right_options_are_shown_to_others_once_no_vote_gets_in() {
        let quiz = poll(json!({"correct": [1], "closes_at": at(20)}));
        let shown = |seconds| serde_json::to_value(quiz.view(at(seconds))).unwrap()["correct"].clone();
        assert_eq!([19, 20, 21].map(shown), [Value::Null, Value::Null, json!([1])]);
        assert_eq!(serde_json::to_value(quiz.own_view(at(1))).unwrap()["correct"], json!([1]));
        assert!(format!("{:?}", quiz.rules).contains("Correct(..)"));
    }

    #[test]
    fn only_its_own_tenant_is_shown_whom_a_poll_is_offered_to() {
        let mut offered = poll(json!({}));
        let own = |poll: &Poll| serde_json::to_value(poll.own_view(at(1))).unwrap();
        assert_eq!(own(&offered)["offered_to"], Value::Null);
        assert_eq!(own(&offered)["options"], json!([{"id": 0, "label": "a"}, {"id": 1, "label": "b"}]));
        assert!(own(&offered).as_object().unwrap().contains_key("offered_to"));
        let other = Tenant::new("https://id.example.org", TenantKind::Organisation, "acme").unwrap();
        offered.rules.settings.offered_to = Some(other.key());
        assert_eq!(
            own(&offered)["offered_to"],
            json!({"issuer": "https://id.example.org", "kind": "organisation", "value": "acme"})
        );
        let shown = serde_json::to_value(offered.view(at(1))).unwrap();
        assert!(
            !shown.to_string().contains("acme") && !shown.as_object().unwrap().contains_key("offered_to"),
            "{shown}"
        );
    }
}
