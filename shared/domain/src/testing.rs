//! Fixtures for tests: a time, an account, a poll, and histories of votes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use proptest::prelude::*;
use serde_json::Value;

use crate::{
    ballot::{Answer, Ballot, Choices, Content, FullBallot, Ranking, Ratings, Segments},
    caller::{Caller, TokenKind},
    change::{Change, VoteId},
    claims::Claims,
    ids::{PollId, VoterKey},
    member::{Action, Member},
    method::LotSeed,
    poll::Poll,
    poll::request::{CreatePoll, Drawn},
    series::Slot,
    tally::Counters,
    time::Timestamp,
};

/// This many seconds after a fixed time in 2026.
pub fn at(seconds: u64) -> Timestamp {
    Timestamp::EPOCH.plus_millis(1_790_000_000_000 + seconds * 1_000)
}

/// An account as a caller.
pub fn account(subject: &str) -> Caller {
    Caller {
        issuer: "https://id.example.org".to_owned(),
        subject: subject.to_owned(),
        kind: TokenKind::Account,
        expires_at: Timestamp::EPOCH,
        claims: Claims::default(),
    }
}

/// The account `owner`, who manages its own polls.
pub fn owner() -> Member {
    Member::of_account(&account("owner"), "r1")
}

/// A poll `p1` that the account `owner` made from a request's body. Fails with what is wrong with the body.
pub fn poll_asked_for(body: Value, created_at: Timestamp) -> Result<Poll, String> {
    let asked: CreatePoll = serde_json::from_value(body).map_err(|error| error.to_string())?;
    let valid = asked.validate().map_err(|errors| format!("{errors:?}"))?;
    let id = PollId::parse("p1").ok_or("no poll's id")?;
    let stamp = owner().stamp(Action::PollCreated, created_at);
    let drawn = Drawn { salt: [7; 32], lot_seed: LotSeed::from_bytes([9; 32]) };
    valid.create(id, &owner().tenant, stamp, drawn, 1, created_at).map_err(|error| format!("{error:?}"))
}

/// Votes over time: each voter's choices, revision by revision; `None` where retracted.
pub fn histories() -> impl Strategy<Value = Vec<Vec<Option<Ballot>>>> {
    histories_of((1u128..1 << 6).prop_map(|bits| Ballot::of_bits(bits).unwrap()))
}

/// Like `histories`, with rankings of up to 6 options.
pub fn ranked_histories() -> impl Strategy<Value = Vec<Vec<Option<Ballot>>>> {
    let ids = Just((0..6u64).collect::<Vec<_>>()).prop_shuffle();
    histories_of((ids, 1usize..=6).prop_map(|(ids, ranks)| Ballot::of_ranking(&ids[..ranks]).unwrap()))
}

/// Like `histories`, with full ballots of every kind.
pub fn full_histories() -> impl Strategy<Value = Vec<Vec<Option<Ballot>>>> {
    histories_of(a_full_ballot().prop_map(|ballot| Ballot::Full(Box::new(ballot))))
}

/// A ballot of any kind, in any segments and slot, of few different ones.
pub fn a_full_ballot() -> impl Strategy<Value = FullBallot> {
    let segments = proptest::collection::vec(0u8..4, 0..=4).prop_map(|places| Segments::of_places(&places).unwrap());
    let slot = proptest::option::of((0i64..3).prop_map(|slot| Slot::of_number(slot * 700).unwrap()));
    (a_content(), segments, slot)
        .prop_map(|(content, segments, slot)| FullBallot { content, segments, slot })
        .prop_filter("plain", |ballot| {
            let plain = matches!(ballot.content, Content::Choices(_));
            !plain || !ballot.segments.is_empty() || ballot.slot.is_some()
        })
}

fn a_content() -> impl Strategy<Value = Content> {
    let choices = || (1u128..1 << 6).prop_map(|bits| Choices::from_bits(bits).unwrap());
    let answer = || "[a-c]{1,2}|\u{e9}[ab]".prop_map(|text| Answer::stored(&text).unwrap());
    let ranking = (Just((0..6u64).collect::<Vec<_>>()).prop_shuffle(), 1usize..=6);
    let ratings = proptest::collection::btree_map(0i64..6, -2i64..=2, 1..6);
    prop_oneof![
        choices().prop_map(Content::Choices),
        (proptest::option::of(choices()), answer()).prop_map(|(choices, other)| Content::WriteIn(choices, other)),
        choices().prop_map(Content::Quiz),
        ranking.prop_map(|(ids, ranks)| Content::Ranking(Ranking::of_ids(&ids[..ranks]).unwrap())),
        ratings.prop_map(|ratings| {
            let numbers: Vec<i64> = ratings.into_iter().flat_map(|(option, value)| [option, value]).collect();
            Content::Ratings(Ratings::stored(&numbers).unwrap())
        }),
        answer().prop_map(Content::Text),
    ]
}

fn histories_of(ballot: impl Strategy<Value = Ballot>) -> impl Strategy<Value = Vec<Vec<Option<Ballot>>>> {
    let ballot = proptest::option::weighted(0.8, ballot);
    proptest::collection::vec(proptest::collection::vec(ballot, 1..4), 1..40)
}

/// The changes that a stream would carry for these histories.
pub fn changes_of(histories: &[Vec<Option<Ballot>>]) -> Vec<Change> {
    let mut changes = Vec::new();
    for (number, history) in histories.iter().enumerate() {
        let mut from = None;
        for (revision, to) in history.iter().enumerate() {
            let voter = VoterKey::from_bytes(
                (number as u128).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835).to_be_bytes(),
            );
            let cast_at =
                Timestamp::from_millis(1_790_000_000_000 + (number * 7 + revision * 13) as u64 * 3_000).unwrap();
            let change = Change { id: VoteId::new(&voter, revision as u32 + 1), cast_at, from, to: to.clone() };
            from = change.to.clone();
            changes.push(change);
        }
    }
    changes
}

/// Each voter's ballot at the end, if it stands.
pub fn last_choices(histories: &[Vec<Option<Ballot>>]) -> impl Iterator<Item = Ballot> {
    histories.iter().filter_map(|history| history.last().unwrap().clone())
}

/// Changes in an order drawn from the seed, some of them repeated.
pub fn disorder(changes: &[Change], repeats: usize, seed: u64) -> Vec<Change> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut sent = changes.to_vec();
    for _ in 0..repeats.min(changes.len() * 3) {
        sent.push(changes[random.usize(..changes.len())].clone());
    }
    random.shuffle(&mut sent);
    sent
}

/// Counters that are not zero, by name.
pub fn non_zero(counters: &Counters) -> Vec<(String, i64)> {
    counters.iter().filter(|(_, count)| *count != 0).map(|(name, count)| (name.to_owned(), count)).collect()
}
