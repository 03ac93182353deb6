use std::collections::BTreeMap;

use landslide_domain::ballot::Ballot;
use landslide_domain::testing::poll_asked_for;
use proptest::prelude::*;
use serde_json::json;

use super::*;

const NOW_MS: u64 = 1_790_000_000_000;
const MINUTE: u64 = 60_000;
const DAY: u64 = 24 * 60 * MINUTE;

fn at(ms_ago: u64) -> Timestamp {
    Timestamp::from_millis(NOW_MS - ms_ago).unwrap()
}

/// A poll's settings, created this long ago.
fn made(ms_ago: u64) -> Settings {
    poll_asked_for(json!({"question": "Q", "options": ["a", "b"]}), at(ms_ago)).unwrap().rules.settings
}

/// A poll created early enough for all votes here, but too recently for ids to have expired.
fn cut() -> Cut {
    Cut::at(at(0), 5 * MINUTE, &made(DAY))
}

/// A voter in one partition, in order.
fn voter(number: u8) -> VoterKey {
    let mut bytes = [0; 16];
    bytes[15] = number;
    VoterKey::from_bytes(bytes)
}

fn id(number: u8, revision: u32) -> CountedId {
    (VoteId::new(&voter(number), revision), 0)
}

fn vote(option: u64, revision: u32, ms_ago: u64) -> Vote {
    Vote { ballot: Ballot::of_options(&[option]), revision, cast_at: at(ms_ago), lane: 0, nonce: 0 }
}

fn compare_by(cut: Cut, sealed: &[u8], votes: &[(u8, Vote)], ids: Vec<CountedId>) -> LaneFindings {
    let ids = CountedIds::sorted(Partitions::Few, ids);
    let marks = Marks { sealed: sealed.iter().copied().collect(), ..Marks::default() };
    let mut comparison = Comparison::new(cut, &marks, ids.of(Partitions::Few.of(&voter(0))));
    let votes: Vec<StoredVote> = votes.iter().map(|(number, vote)| Ok((voter(*number), vote.clone()))).collect();
    votes.chunks(3).for_each(|page| comparison.page(page));
    comparison.finish().lanes.remove(&0).unwrap_or_default()
}

fn compare(votes: &[(u8, Vote)], ids: Vec<CountedId>) -> LaneFindings {
    compare_by(cut(), &[], votes, ids)
}

fn counters(options: &[u64]) -> Counters {
    recount(options.iter().map(|option| Ballot::of_options(&[*option]).unwrap()))
}

proptest! {
    #[test]
    fn missing_and_voteless_ids_are_the_differences_of_the_two_sets(
        fates in proptest::collection::vec((any::<bool>(), any::<bool>(), 0u64..4), 0..200),
    ) {
        let fates: Vec<(u8, bool, bool, u64)> =
            (0..).zip(fates).map(|(number, (stored, counted, option))| (number, stored, counted, option)).collect();
        let votes: Vec<(u8, Vote)> = fates.iter().filter(|(_, stored, ..)| *stored)
            .map(|(number, .., option)| (*number, vote(*option, 1, 10 * MINUTE))).collect();
        let ids = fates.iter().filter(|(_, _, counted, _)| *counted).map(|(number, ..)| id(*number, 1)).collect();
        let found = compare(&votes, ids);
        let number = |stored: bool, counted: bool| fates.iter().filter(|fate| (fate.1, fate.2) == (stored, counted)).count() as u64;
        prop_assert_eq!(found.missing.number, number(true, false));
        prop_assert_eq!(found.missing_first_votes.len() as u64, number(true, false));
        prop_assert_eq!(found.without_vote.number, number(false, true));
        prop_assert_eq!(found.votes, votes.len() as u64);
        let both: Vec<u64> = fates.iter().filter(|fate| fate.1 && fate.2).map(|fate| fate.3).collect();
        prop_assert_eq!(found.counted, counters(&both));
        prop_assert_eq!((found.twice.number, found.changing, found.on_their_way), (0, 0, 0));
    }

    #[test]
    fn slices_hold_each_partition_once_however_they_are_halved(
        picks in proptest::collection::vec(any::<prop::sample::Index>(), 0..60), is_many in any::<bool>(),
    ) {
        let partitions = if is_many { Partitions::Many } else { Partitions::Few };
        let mut slices = vec![Slice::all(partitions)];
        for pick in picks {
            let number = pick.index(slices.len());
            if let Some((lower, upper)) = slices[number].halves() {
                slices[number] = lower;
                slices.push(upper);
            }
        }
        let mut held: Vec<Partition> = slices.iter().flat_map(|slice| slice.partitions()).collect();
        held.sort_unstable();
        prop_assert_eq!(held, partitions.all().collect::<Vec<_>>());
    }
}

#[test]
fn a_single_partition_has_no_halves() {
    for partitions in [Partitions::Few, Partitions::Many] {
        let mut slice = Slice::all(partitions);
        while let Some((lower, _)) = slice.halves() {
            slice = lower;
        }
        assert_eq!(slice.partitions().count(), 1);
    }
}

#[test]
fn ids_lie_by_partition_and_voter() {
    let bytes = |first, second| {
        let mut bytes = [0; 16];
        bytes[0] = first;
        bytes[1] = second;
        VoterKey::from_bytes(bytes)
    };
    // Partitions 3, 3 and 1, by the first two bytes modulo 512. Modulo 4,096 there are three.
    let [a, b, c] = [bytes(0, 3), bytes(2, 3), bytes(4, 1)].map(|voter| (VoteId::new(&voter, 1), 0));
    let held = |partitions: Partitions, first, second| {
        let ids = CountedIds::sorted(partitions, vec![b, c, a]);
        ids.of(partitions.of(&bytes(first, second))).to_vec()
    };
    let few = [(0, 3), (0, 1), (0, 2)].map(|(first, second)| held(Partitions::Few, first, second));
    assert_eq!(few, [vec![a, b], vec![c], vec![]]);
    let many = [(0, 3), (2, 3), (4, 1), (0, 1)].map(|(first, second)| held(Partitions::Many, first, second));
    assert_eq!(many, [vec![a], vec![b], vec![c], vec![]]);
}

#[test]
fn a_vote_cast_just_now_is_on_its_way_and_one_cast_at_the_cut_too() {
    let found =
        compare(&[(1, vote(0, 1, MINUTE)), (2, vote(1, 1, 5 * MINUTE)), (3, vote(2, 1, 5 * MINUTE + 1))], vec![]);
    assert_eq!((found.on_their_way, found.missing.number), (2, 1));
    assert_eq!(found.on_their_way_counters, counters(&[0, 1]));
    assert_eq!(found.counted, Counters::default());
    assert_eq!(found.stored, counters(&[0, 1, 2]));
}

#[test]
fn a_changed_vote_is_counted_once_all_of_its_revisions_are() {
    let changed = [(1, vote(2, 3, 10 * MINUTE))];
    let found = compare(&changed, vec![id(1, 1), id(1, 2), id(1, 3)]);
    assert_eq!((found.counted, found.changing, found.missing.number), (counters(&[2]), 0, 0));
    for (ids, missing) in [(vec![id(1, 1), id(1, 3)], 1), (vec![id(1, 1)], 2)] {
        let found = compare(&changed, ids);
        assert_eq!((found.counted, found.changing, found.missing.number), (Counters::default(), 1, missing));
        assert_eq!(found.missing_first_votes, [], "what it came from is not stored any more");
    }
    let late = compare(&[(1, vote(2, 2, MINUTE))], vec![id(1, 1)]);
    assert_eq!((late.changing, late.on_their_way, late.missing.number), (1, 1, 0));
}

#[test]
fn an_id_in_two_rows_is_counted_twice_and_one_in_another_lane_has_no_vote() {
    let found = compare(&[(1, vote(0, 1, 10 * MINUTE))], vec![id(1, 1), id(1, 1)]);
    assert_eq!((found.twice.number, found.missing.number, found.without_vote.number), (1, 0, 0));
    let (ids, none) = (CountedIds::sorted(Partitions::Few, vec![id(1, 1), (id(1, 1).0, 5)]), Marks::default());
    let mut comparison = Comparison::new(cut(), &none, ids.of(Partitions::Few.of(&voter(1))));
    comparison.page(&[Ok((voter(1), vote(0, 1, 10 * MINUTE))), Err("nobody".to_owned())]);
    let found = comparison.finish();
    let without_vote: BTreeMap<u8, u64> =
        found.lanes.iter().map(|(lane, found)| (*lane, found.without_vote.number)).collect();
    assert_eq!(without_vote, BTreeMap::from([(0, 0), (5, 1)]));
    assert_eq!((found.unreadable.number, found.unreadable.first), (1, vec!["nobody".to_owned()]));
}

#[test]
fn an_id_past_the_stored_revision_has_no_vote() {
    let found = compare(&[(1, vote(0, 1, 10 * MINUTE))], vec![id(1, 1), id(1, 2)]);
    assert_eq!((found.without_vote.number, found.counted), (1, counters(&[0])));
}

#[test]
fn a_vote_older_than_the_ids_is_taken_for_counted() {
    let cut = Cut::at(at(0), 5 * MINUTE, &made(40 * DAY));
    let found = compare_by(cut, &[], &[(1, vote(0, 1, 31 * DAY)), (2, vote(1, 1, 29 * DAY))], vec![]);
    assert_eq!((found.too_old_for_ids, found.missing.number), (1, 1));
    assert_eq!(found.counted, counters(&[0]));
    // Its first revision's id may have expired, its second's has not.
    let found = compare_by(cut, &[], &[(1, vote(0, 2, DAY))], vec![id(1, 2)]);
    assert_eq!((found.too_old_for_ids, found.missing.number, found.counted), (1, 0, counters(&[0])));
}

#[test]
fn a_sealed_lane_counts_all_that_is_stored() {
    let found = compare_by(cut(), &[0], &[(1, vote(0, 1, MINUTE)), (2, vote(1, 4, 10 * MINUTE))], vec![]);
    assert_eq!((found.missing.number, found.on_their_way, found.changing, found.too_old_for_ids), (0, 0, 0, 0));
    assert_eq!((found.counted, found.newest_counted), (counters(&[0, 1]), Some(at(MINUTE))));
}

#[test]
fn entries_are_those_of_counted_votes_and_none_where_the_lane_keeps_none() {
    let ranking = |ids: &[u64], ms_ago| Vote { ballot: Ballot::of_ranking(ids), ..vote(0, 1, ms_ago) };
    let votes = [(1, ranking(&[2, 0], 10 * MINUTE)), (2, ranking(&[1], 10 * MINUTE)), (3, ranking(&[0], MINUTE))];
    let votes: Vec<StoredVote> = votes.iter().map(|(number, vote)| Ok((voter(*number), vote.clone()))).collect();
    let ids = CountedIds::sorted(Partitions::Few, vec![id(1, 1)]);
    for (without_entries, expected) in [(None, Ballot::of_ranking(&[2, 0])), (Some(0), None)] {
        let marks = Marks {
            without_entries: PerSet { ballots: without_entries.into_iter().collect(), ..PerSet::default() },
            ..Marks::default()
        };
        let mut comparison = Comparison::new(cut(), &marks, ids.of(Partitions::Few.of(&voter(0))));
        comparison.page(&votes);
        let found = comparison.finish().lanes.remove(&0).unwrap();
        assert_eq!(found.counted_entries, recount_whole(expected).1.ballots);
        assert_eq!((found.counted.ballots(), found.missing.number, found.on_their_way), (1, 1, 1));
    }
}

#[test]
fn what_is_counted_at_the_second_look_was_on_its_way() {
    let mut found = compare(&[(1, vote(0, 1, 10 * MINUTE)), (2, vote(1, 1, 10 * MINUTE))], vec![]);
    let second = found.missing_first_votes[1].clone();
    found.found(vec![second.clone()]);
    assert_eq!((found.missing.number, found.on_their_way), (1, 1));
    assert_eq!(found.on_their_way_counters, counters(&[0]));
    assert_eq!(found.missing_first_votes, [second]);
}

#[test]
fn votes_outside_the_polls_times_are_early_or_late_and_count_all_the_same() {
    let mut times = made(DAY);
    (times.spec.opens_at, times.spec.closes_at) = (Some(at(30 * MINUTE)), Some(at(10 * MINUTE)));
    let none = Marks::default();
    let ids = CountedIds::sorted(Partitions::Few, (1..=4).map(|number| id(number, 1)).collect());
    let mut comparison =
        Comparison::new(Cut::at(at(0), 5 * MINUTE, &times), &none, ids.of(Partitions::Few.of(&voter(0))));
    let cast = [30 * MINUTE + 1, 30 * MINUTE, 10 * MINUTE + 1, 10 * MINUTE];
    let votes: Vec<StoredVote> = (1..).zip(cast).map(|(number, ago)| Ok((voter(number), vote(0, 1, ago)))).collect();
    comparison.page(&votes);
    let found = comparison.finish();
    assert_eq!(found.early.first, [format!("{} at {}", voter(1), at(30 * MINUTE + 1))]);
    assert_eq!(found.late.first, [format!("{} at {}", voter(4), at(10 * MINUTE))]);
    assert_eq!((found.early.number, found.late.number, found.lanes[&0].missing.number), (1, 1, 0));
    assert_eq!(found.lanes[&0].counted, counters(&[0; 4]));
}
