use proptest::prelude::*;
use serde_json::json;

use super::*;

type Profile = Vec<(Vec<u8>, u64)>;

fn count_by(method: Method, options: u8, seats: u8, profile: &[(Vec<u8>, u64)], lot: &Lot) -> Count {
    tally(&Rankings::new(options, profile), seats, method, lot).unwrap().count
}

/// Rankings as text: `3 ab` is three ballots that rank a, then b.
fn profile(lines: &[&str]) -> Profile {
    let line = |line: &&str| {
        let (ballots, ranking) = line.split_once(' ').unwrap();
        (ranking.bytes().map(|letter| letter - b'a').collect(), ballots.parse().unwrap())
    };
    lines.iter().map(line).collect()
}

fn count(method: Method, options: u8, seats: u8, lines: &[&str]) -> Count {
    count_by(method, options, seats, &profile(lines), &Lot::Provisional)
}

/// The seed of the lot's own test: first choices 5, 5, 0, 1 give the order 2, 3, 1, 0.
const SEED: [u8; 32] = {
    let mut seed = [0; 32];
    let mut place = 0;
    while place < 32 {
        seed[place] = place as u8;
        place += 1;
    }
    seed
};

fn irv(count: &Count) -> &[Round] {
    let Course::Irv(irv) = &count.course else { panic!("{count:?}") };
    &irv.rounds
}

fn stv(count: &Count) -> &Stv {
    let Course::Stv(stv) = &count.course else { panic!("{count:?}") };
    stv
}

fn condorcet(count: &Count) -> &Condorcet {
    let Course::Condorcet(condorcet) = &count.course else { panic!("{count:?}") };
    condorcet
}

fn won(winners: &[u8]) -> Outcome {
    Outcome { winners: winners.to_vec(), tie: None }
}

fn tied(winners: &[u8], options: &[u8], seats: usize) -> Outcome {
    Outcome { winners: winners.to_vec(), tie: Some(Tie { options: options.to_vec(), seats }) }
}

#[test]
fn more_than_half_wins_at_once_and_half_does_not() {
    let at_once = count(Method::Irv, 3, 1, &["3 a", "1 b", "1 c"]);
    assert_eq!((at_once.outcome.clone(), irv(&at_once).len()), (won(&[0]), 1));
    let half = count(Method::Irv, 3, 1, &["4 a", "3 b", "1 cb"]);
    assert_eq!((irv(&half).len(), irv(&half)[0].winner), (3, None));
}

#[test]
fn lowest_options_go_together_if_they_have_fewer_votes_than_the_next() {
    let together = count(Method::Irv, 5, 1, &["9 a", "8 b", "3 ca", "2 dc", "1 ed"]);
    assert_eq!(irv(&together)[0].eliminated, [4, 3, 2]);
    assert_eq!(together.outcome, won(&[0]));
    // As many as the next is not fewer.
    let as_many = count(Method::Irv, 4, 1, &["9 a", "8 b", "3 ca", "2 dc", "1 a"]);
    assert_eq!(irv(&as_many)[0].eliminated, [3, 2]);
    let alone = count(Method::Irv, 4, 1, &["6 a", "5 b", "3 ca", "2 dc"]);
    assert_eq!(irv(&alone)[0].eliminated, [3]);
}

#[test]
fn the_largest_group_goes_even_if_a_smaller_one_would_not() {
    // c and d tie, so that neither goes alone; together they have fewer than b.
    let group = count(Method::Irv, 4, 1, &["6 a", "5 b", "2 c", "2 d"]);
    assert_eq!((irv(&group)[0].eliminated.clone(), irv(&group)[0].tie_break.clone()), (vec![2, 3], None));
}

#[test]
fn a_tie_is_broken_by_the_latest_earlier_round_that_differs() {
    let lines = ["10 a", "6 bc", "5 cb", "4 da", "3 eb", "1 ec"];
    let broken = count(Method::Irv, 5, 1, &lines);
    let rounds = irv(&broken);
    // d and e have 4 each, and there is no earlier round: the lot decides.
    assert_eq!(
        rounds[0].tie_break,
        Some(TieBreak { tied: vec![3, 4], by_rounds: vec![], by_lot: Some(LotUse::Provisional) })
    );
    assert_eq!(rounds[0].eliminated, [4]);
    assert!(broken.provisional);
    // Round 1: a 10, b 6, c 5, d 3. Round 2, without d: b 6, c 6. Round 1 says that c was lower.
    let by_round = count(Method::Irv, 4, 1, &["10 a", "6 b", "5 c", "2 da", "1 dc"]);
    let rounds = irv(&by_round);
    assert_eq!(rounds[0].eliminated, [3]);
    assert_eq!(rounds[1].tie_break, Some(TieBreak { tied: vec![1, 2], by_rounds: vec![1], by_lot: None }));
    assert_eq!(rounds[1].eliminated, [2]);
    assert!(!by_round.provisional);
}

#[test]
fn of_earlier_rounds_that_differ_the_latest_counts() {
    // a and b: 5 and 6, then 8 and 6, then 8 and 8.
    let count = count(Method::Irv, 6, 1, &["5 a", "6 b", "12 c", "13 d", "3 ea", "2 fb", "2 f"]);
    let third = &irv(&count)[2];
    assert_eq!(third.tie_break, Some(TieBreak { tied: vec![0, 1], by_rounds: vec![2], by_lot: None }));
    assert_eq!(third.eliminated, [1]);
}

#[test]
fn an_earlier_round_may_leave_some_whom_one_before_it_tells_apart() {
    // a, b and g: 5, 6, 7, then 8, 7, 7, then 8, 8, 8.
    let lines = ["5 a", "6 b", "7 g", "20 c", "20 d", "3 ea", "1 eb", "1 fb", "1 fg", "3 f"];
    let count = count(Method::Irv, 7, 1, &lines);
    let third = &irv(&count)[2];
    assert_eq!(third.tie_break, Some(TieBreak { tied: vec![0, 1, 6], by_rounds: vec![2, 1], by_lot: None }));
    assert_eq!(third.eliminated, [1]);
}

#[test]
fn the_last_two_are_never_drawn() {
    let equal = count(Method::Irv, 2, 1, &["1 a", "1 b"]);
    assert_eq!(equal.outcome, tied(&[], &[0, 1], 1));
    assert!(!equal.provisional && irv(&equal)[0].eliminated.is_empty());
    // But an earlier round that differs decides.
    let differed = count(Method::Irv, 3, 1, &["3 a", "2 b", "1 cb"]);
    assert_eq!(irv(&differed)[1].tie_break, Some(TieBreak { tied: vec![0, 1], by_rounds: vec![1], by_lot: None }));
    assert_eq!(differed.outcome, won(&[0]));
}

#[test]
fn the_lot_eliminates_the_unluckiest() {
    let profile = profile(&["5 a", "5 b", "1 d"]);
    let drawn = count_by(Method::Irv, 4, 1, &profile, &Lot::Seed(SEED));
    assert_eq!(drawn.outcome, tied(&[], &[0, 1], 1), "the last two are not drawn");
    let profile = vec![(vec![0, 1], 5), (vec![1], 5), (vec![3, 2, 1], 1), (vec![2], 0)];
    let three = count_by(Method::Stv, 4, 3, &profile, &Lot::Seed(SEED));
    let first = &stv(&three).stages[1];
    assert_eq!((first.kind, first.from), (StageKind::Surplus, Some(1)), "equal surpluses: the luckier goes first");
    let by_lot = first.tie_break.as_ref().and_then(|tie| tie.by_lot);
    assert_eq!((by_lot, three.provisional), (Some(LotUse::Drawn), false));
}

#[test]
fn without_a_ballot_nobody_wins() {
    for method in Method::ALL {
        let empty = count(method, 3, 1, &["0 a", "4 ", "2 z"]);
        assert_eq!((empty.outcome, empty.provisional), (Outcome::default(), false), "{method:?}");
    }
}

#[test]
fn ids_that_the_poll_does_not_have_are_passed_over() {
    let with = profile(&["3 dab", "2 bda", "1 d"]);
    let without = profile(&["3 ab", "2 ba"]);
    for method in Method::ALL {
        let counted = |profile: &Profile| tally(&Rankings::new(3, profile), 1, method, &Lot::Provisional).unwrap();
        assert_eq!(counted(&with), counted(&without), "{method:?}");
    }
}

#[test]
fn one_seat_is_filled_by_a_runoff_and_more_by_a_transferable_vote() {
    assert_eq!([1, 2, 20].map(Method::default_for), [Method::Irv, Method::Stv, Method::Stv]);
    for method in Method::ALL {
        assert_eq!(json!(method), json!(method.name()));
    }
}

#[test]
fn an_option_alone_wins() {
    for method in Method::ALL {
        assert_eq!(count(method, 1, 1, &["2 a"]).outcome, won(&[0]), "{method:?}");
    }
}

#[test]
fn seats_that_a_method_can_not_fill_are_refused() {
    let profile = profile(&["1 a"]);
    let seats = |method, seats| tally(&Rankings::new(3, &profile), seats, method, &Lot::Provisional).map(|_| ());
    for method in [Method::Irv, Method::Condorcet] {
        assert_eq!(seats(method, 1), Ok(()));
        assert_eq!(seats(method, 2), Err(MethodError::Seats { method, seats: 2 }));
    }
    for method in Method::ALL {
        assert_eq!(seats(method, 0), Err(MethodError::Seats { method, seats: 0 }));
    }
    for method in [Method::Stv, Method::Borda] {
        assert_eq!(seats(method, 3), Ok(()));
        assert_eq!(seats(method, 4), Err(MethodError::FewOptions { seats: 4, options: 3 }));
    }
}

#[test]
fn a_surplus_moves_all_papers_and_its_values_are_cut_to_five_decimals() {
    // Quota 5 of 12 for 2 seats. a has 7, a surplus of 2: each paper is worth 1 × 2 / 7 = 0.28571.
    let count = count(Method::Stv, 4, 2, &["3 ab", "2 ac", "2 a", "2 b", "2 c", "1 d"]);
    let surplus = &stv(&count).stages[1];
    assert_eq!((stv(&count).quota, surplus.kind, surplus.from), (5, StageKind::Surplus, Some(0)));
    assert_eq!(surplus.votes, [Some(500_000), Some(285_713), Some(257_142), Some(100_000)]);
    assert_eq!(surplus.to, Some(vec![None, Some(85_713), Some(57_142), Some(0)]));
    assert_eq!((surplus.not_transferable, surplus.rounding_loss), (57_142, 3));
}

#[test]
fn a_value_is_multiplied_before_it_is_divided() {
    // Quota 5 of 16 for 3 seats. a's 11 papers are worth 6 / 11 = 0.54545 with d, which then has 8.99995 votes. With c
    // they are worth 0.54545 × 3.99995 / 8.99995 = 0.24242; of the quotient 0.44444 it would be 0.24241.
    let count = count(Method::Stv, 4, 3, &["11 adc", "1 b", "1 c", "3 d"]);
    let stages = &stv(&count).stages;
    assert_eq!((stages[1].from, stages[1].votes[3]), (Some(0), Some(899_995)));
    assert_eq!((stages[2].from, stages[2].votes[2]), (Some(3), Some(100_000 + 11 * 24_242)));
}

#[test]
fn papers_skip_options_that_are_elected() {
    // a and b have the quota at once. a's surplus goes past b to c.
    let count = count(Method::Stv, 4, 3, &["6 abc", "5 bd", "1 c", "1 d"]);
    let stages = &stv(&count).stages;
    assert_eq!(stages[0].elected, [0, 1]);
    assert_eq!(stages[1].to, Some(vec![None, None, Some(199_998), Some(0)]));
}

#[test]
fn one_stage_is_one_exclusion_even_of_options_without_votes() {
    let count = count(Method::Stv, 4, 1, &["5 a", "5 b", "1 ca"]);
    let from: Vec<_> = stv(&count).stages.iter().map(|stage| stage.from).collect();
    assert_eq!(from, [None, Some(3), Some(2)]);
    assert_eq!(count.outcome, won(&[0]));
}

#[test]
fn as_many_options_as_open_seats_are_elected_without_transfers() {
    let count = count(Method::Stv, 3, 2, &["8 ab", "1 b", "1 cb"]);
    let stages = &stv(&count).stages;
    assert_eq!(stages.iter().map(|stage| stage.from).collect::<Vec<_>>(), [None, Some(0)]);
    assert_eq!(count.outcome, won(&[0, 1]));
    let none_excluded = count_by(Method::Stv, 2, 2, &profile(&["9 a"]), &Lot::Provisional);
    assert_eq!((none_excluded.outcome.clone(), stv(&none_excluded).stages.len()), (won(&[0, 1]), 1));
}

#[test]
fn a_tie_for_the_last_seats_names_those_who_tie_and_elects_the_others() {
    // Three continue for two seats, and two are lowest: one of them has a seat, and c certainly.
    let count = count(Method::Stv, 3, 2, &["4 a", "4 b", "6 c", "1 c"]);
    assert_eq!((stv(&count).quota, count.outcome), (6, tied(&[2], &[0, 1], 1)));
    // All three are equal.
    let all = super::tests::count(Method::Stv, 3, 2, &["2 a", "2 b", "2 c"]);
    assert_eq!((all.outcome, all.provisional), (tied(&[], &[0, 1, 2], 2), false));
}

#[test]
fn the_last_exclusion_is_no_tie_if_an_earlier_stage_differs() {
    let count = count(Method::Stv, 3, 1, &["3 a", "2 b", "1 cb"]);
    let last = stv(&count).stages.last().unwrap();
    assert_eq!(last.tie_break, Some(TieBreak { tied: vec![0, 1], by_rounds: vec![1], by_lot: None }));
    assert_eq!((last.from, count.outcome), (Some(1), won(&[0])));
}

#[test]
fn equal_surpluses_go_by_the_latest_stage_that_differs() {
    // Quota 12 of 44 for 3 seats. e is excluded; a and b then have 13 each, and b had more before.
    let count = count(Method::Stv, 5, 3, &["9 a", "10 b", "9 c", "9 dc", "4 ea", "3 eb"]);
    let surplus = &stv(&count).stages[2];
    assert_eq!((surplus.kind, surplus.from), (StageKind::Surplus, Some(1)));
    assert_eq!(surplus.tie_break, Some(TieBreak { tied: vec![0, 1], by_rounds: vec![1], by_lot: None }));
}

#[test]
fn strongest_pairs_are_locked_first_and_none_that_closes_a_cycle() {
    // a beats b 8:5, b beats c 9:4, c beats a 7:6.
    let cycle = count(Method::Condorcet, 3, 1, &["4 abc", "2 acb", "0 bac", "5 bca", "0 cab", "2 cab"]);
    let seen: Vec<_> = condorcet(&cycle).pairs.iter().map(|pair| (pair.winner, pair.loser, pair.locked)).collect();
    assert_eq!(seen, [(1, 2, true), (0, 1, true), (2, 0, false)]);
    assert_eq!((cycle.outcome.clone(), condorcet(&cycle).condorcet_winner), (won(&[0]), None));
    assert!(!cycle.provisional);
}

#[test]
fn winning_votes_count_before_losing_votes() {
    // a beats b 3:0 and c beats d 4:3: the second is stronger, though by less.
    let count = count(Method::Condorcet, 4, 1, &["3 ab", "4 cd", "3 dc"]);
    let pairs = &condorcet(&count).pairs;
    let place = |winner, loser| pairs.iter().position(|pair| (pair.winner, pair.loser) == (winner, loser));
    assert!(place(2, 3) < place(0, 1));
}

#[test]
fn equal_pairs_of_a_cycle_go_by_lot_and_say_so() {
    let cycle = count(Method::Condorcet, 3, 1, &["1 abc", "1 bca", "1 cab"]);
    let pairs = &condorcet(&cycle).pairs;
    assert!(pairs.iter().all(|pair| pair.by_lot == Some(LotUse::Provisional)) && cycle.provisional);
    assert_eq!(cycle.outcome, won(&[0]));
    let shown = serde_json::to_value(condorcet(&cycle)).unwrap();
    let expected = json!({"condorcet_winner": null, "locked": [[0, 1], [1, 2]], "not_locked": [[2, 0]],
        "by_lot": [[0, 1], [1, 2], [2, 0]]});
    assert_eq!(shown, expected);
    // Without a cycle the order among equals changes nothing, and no lot is named.
    let plain = count(Method::Condorcet, 3, 1, &["1 abc"]);
    assert!(!plain.provisional && condorcet(&plain).pairs.iter().all(|pair| pair.by_lot.is_none()));
}

#[test]
fn unbeaten_options_that_are_equal_tie() {
    let equal = count(Method::Condorcet, 3, 1, &["1 abc", "1 bac"]);
    assert_eq!((equal.outcome, equal.provisional), (tied(&[], &[0, 1], 1), false));
}

#[test]
fn unlisted_options_are_below_all_listed_and_equal_to_each_other() {
    let profile = profile(&["3 a", "2 ba"]);
    let pairwise = Summary::of(&Rankings::new(3, &profile), &Lot::Provisional).pairwise;
    assert_eq!(serde_json::to_value(pairwise).unwrap(), json!([[0, 3, 5], [2, 0, 2], [0, 0, 0]]));
}

#[test]
fn unlisted_options_share_the_points_that_are_left() {
    // 4 options: a 3 points, and 2 + 1 + 0 over three is 1 each; then b 3, a 2, and half a point each.
    let profile = profile(&["1 a", "1 ba"]);
    let half = Summary::of(&Rankings::new(4, &profile), &Lot::Provisional).borda_half_points;
    assert_eq!(half, [10, 8, 3, 3]);
}

#[test]
fn borda_fills_seats_by_points_and_names_a_tie_at_the_border() {
    assert_eq!(count(Method::Borda, 3, 2, &["2 abc", "1 bac"]).outcome, won(&[0, 1]));
    assert_eq!(count(Method::Borda, 4, 2, &["1 abcd", "1 acbd"]).outcome, tied(&[0], &[1, 2], 1));
}

#[test]
fn the_document_has_the_names_that_the_docs_say() {
    let profile = profile(&["3 ab", "2 b", "2 cb"]);
    let document = tally(&Rankings::new(3, &profile), 1, Method::Irv, &Lot::Provisional).unwrap();
    let expected = json!({
        "seats": 1,
        "ballots": 7,
        "first_choices": [3, 2, 2],
        "pairwise": [[0, 3, 3], [4, 0, 5], [2, 2, 0]],
        "borda_half_points": [14, 18, 10],
        "lot": {"order": [0, 1, 2], "provisional": true},
        "outcome": {"winners": [1]},
        "provisional": true,
        "method": "irv",
        "rounds": [
            {"votes": [3, 2, 2], "exhausted": 0, "eliminated": [2],
             "transfers": [{"from": 2, "to": [0, 2, null], "exhausted": 0}],
             "tie_break": {"tied": [1, 2], "by_lot": "provisional"}},
            {"votes": [3, 4, null], "exhausted": 0, "winner": 1},
        ],
    });
    assert_eq!(serde_json::to_value(document).unwrap(), expected);
}

/// Up to 7 options, some of them perhaps without a vote, and up to 12 rankings.
fn any_profile() -> impl Strategy<Value = (u8, Profile)> {
    (1u8..=7).prop_flat_map(|options| {
        let all: Vec<u8> = (0..options).collect();
        let ranking = proptest::sample::subsequence(all, 0..=usize::from(options)).prop_shuffle();
        let profile = proptest::collection::vec((ranking, 0u64..12), 0..12);
        (Just(options), profile)
    })
}

/// Of 5 options.
fn any_ranking() -> impl Strategy<Value = Vec<u8>> {
    proptest::sample::subsequence(vec![0, 1, 2, 3, 4], 1..=5).prop_shuffle()
}

/// Rankings of which many begin alike.
fn many_alike() -> impl Strategy<Value = Profile> {
    proptest::collection::vec((any_ranking(), 1u64..9), 0..300)
}

fn any_lot() -> impl Strategy<Value = Lot> {
    prop_oneof![Just(Lot::Provisional), any::<[u8; 32]>().prop_map(Lot::Seed)]
}

fn seats_of(method: Method, options: u8) -> u8 {
    if method.fills(2) { (options / 2).max(1) } else { 1 }
}

fn any_method() -> impl Strategy<Value = Method> {
    proptest::sample::select(&Method::ALL[..])
}

proptest! {
    #[test]
    fn every_ballot_counts_or_is_exhausted_in_every_round((options, profile) in any_profile(), lot in any_lot()) {
        let ballots = Rankings::new(options, &profile).ballots();
        let count = count_by(Method::Irv, options, 1, &profile, &lot);
        for round in irv(&count) {
            prop_assert_eq!(round.votes.iter().flatten().sum::<u64>() + round.exhausted, ballots);
        }
        for two in irv(&count).windows(2) {
            for (option, votes) in two[1].votes.iter().enumerate() {
                let moved = two[0].transfers.iter().filter_map(|transfer| transfer.to[option]).sum::<u64>();
                let expected = two[0].votes[option].map(|votes| votes + moved);
                prop_assert_eq!(*votes, expected.filter(|_| !two[0].eliminated.contains(&(option as u8))));
            }
            prop_assert!(!two[0].eliminated.is_empty());
        }
    }

    #[test]
    fn a_rounds_votes_are_those_of_the_highest_options_that_are_left(profile in many_alike()) {
        for round in irv(&count_by(Method::Irv, 5, 1, &profile, &Lot::Provisional)) {
            let is_left = |option: &&u8| round.votes[usize::from(**option)].is_some();
            let mut votes = round.votes.iter().map(|votes| votes.map(|_| 0)).collect::<Vec<_>>();
            for (ranking, ballots) in &profile {
                if let Some(votes) = ranking.iter().find(is_left).and_then(|option| votes[usize::from(*option)].as_mut()) {
                    *votes += ballots;
                }
            }
            prop_assert_eq!(&round.votes, &votes);
        }
    }

    #[test]
    fn an_id_that_the_poll_does_not_have_is_passed_over(
        (options, profile) in any_profile(), lot in any_lot(), method in any_method(), place in 0usize..7, unknown in 7u8..
    ) {
        let seats = seats_of(method, options);
        let with_unknown = |(ranking, ballots): &(Vec<u8>, u64)| {
            let mut ranking = ranking.clone();
            ranking.insert(place.min(ranking.len()), unknown);
            (ranking, *ballots)
        };
        let others: Profile = profile.iter().map(with_unknown).collect();
        let whole = tally(&Rankings::new(options, &profile), seats, method, &lot);
        prop_assert_eq!(tally(&Rankings::new(options, &others), seats, method, &lot), whole);
    }

    #[test]
    fn totals_that_follow_entries_are_those_of_what_is_left_above_zero(
        steps in proptest::collection::vec((any_ranking(), -2i64..4), 0..30)
    ) {
        let (mut counts, mut totals) = (std::collections::BTreeMap::<Vec<u8>, i64>::new(), Totals::new(5));
        totals.follow(b"qno ranking", 0, 7);
        for (ranking, more) in steps {
            let count = counts.entry(ranking.clone()).or_default();
            totals.follow(&[b"r", &ranking[..]].concat(), *count, *count + more);
            *count += more;
        }
        let left: Profile = counts.into_iter().map(|(ranking, count)| (ranking, count.max(0) as u64)).collect();
        prop_assert_eq!(totals, Totals::of(&Rankings::new(5, &left)));
    }

    #[test]
    fn every_vote_is_somewhere_in_every_stage((options, profile) in any_profile(), lot in any_lot(), seats in 1u8..7) {
        let seats = seats.min(options);
        let ballots = Rankings::new(options, &profile).ballots();
        let count = count_by(Method::Stv, options, seats, &profile, &lot);
        for stage in &stv(&count).stages {
            let votes = stage.votes.iter().flatten().sum::<u64>();
            prop_assert_eq!(votes + stage.not_transferable_total + stage.rounding_loss_total, ballots * VOTE);
            prop_assert!(stage.kind == StageKind::Surplus || stage.rounding_loss == 0);
        }
        let outcome = &count.outcome;
        let elected: Vec<u8> = stv(&count).stages.iter().flat_map(|stage| stage.elected.clone()).collect();
        prop_assert_eq!(&elected, &outcome.winners);
        let open = outcome.tie.as_ref().map_or(0, |tie| tie.seats);
        prop_assert_eq!(outcome.winners.len() + open, if ballots == 0 { 0 } else { usize::from(seats) });
    }

    #[test]
    fn seats_are_filled_or_tied((options, profile) in any_profile(), lot in any_lot(), method in any_method()) {
        let seats = seats_of(method, options);
        let outcome = count_by(method, options, seats, &profile, &lot).outcome;
        let ballots = Rankings::new(options, &profile).ballots();
        let tied_seats = outcome.tie.as_ref().map_or(0, |tie| tie.seats);
        prop_assert_eq!(outcome.winners.len() + tied_seats, if ballots == 0 { 0 } else { usize::from(seats) });
        if let Some(tie) = &outcome.tie {
            prop_assert!(tie.options.len() > tie.seats && tie.options.is_sorted());
            prop_assert!(tie.options.iter().all(|option| !outcome.winners.contains(option)));
        }
    }

    #[test]
    fn one_seat_of_a_transferable_vote_is_that_of_a_runoff((options, profile) in any_profile()) {
        // Group eliminations and exhausted ballots apart, both eliminate the lowest: without ties they agree.
        let runoff = count_by(Method::Irv, options, 1, &profile, &Lot::Provisional);
        let transferable = count_by(Method::Stv, options, 1, &profile, &Lot::Provisional);
        let no_tie = irv(&runoff).iter().all(|round| round.tie_break.is_none())
            && stv(&transferable).stages.iter().all(|stage| stage.tie_break.is_none())
            && runoff.outcome.tie.is_none() && transferable.outcome.tie.is_none();
        if no_tie {
            prop_assert_eq!(runoff.outcome, transferable.outcome);
        }
    }

    #[test]
    fn who_beats_all_others_wins_ranked_pairs((options, profile) in any_profile(), lot in any_lot()) {
        let count = count_by(Method::Condorcet, options, 1, &profile, &lot);
        if Rankings::new(options, &profile).ballots() > 0
            && let Some(winner) = condorcet(&count).condorcet_winner
        {
            prop_assert_eq!(count.outcome, won(&[winner]));
        }
    }

    #[test]
    fn locked_pairs_have_no_cycle_and_each_other_pair_would_close_one((options, profile) in any_profile(), lot in any_lot()) {
        let count = count_by(Method::Condorcet, options, 1, &profile, &lot);
        let pairs = &condorcet(&count).pairs;
        let reaches = |from: u8, to: u8| {
            let mut seen = vec![from];
            let mut next = 0;
            while let Some(&at) = seen.get(next) {
                for pair in pairs.iter().filter(|pair| pair.locked && pair.winner == at) {
                    if !seen.contains(&pair.loser) { seen.push(pair.loser); }
                }
                next += 1;
            }
            seen.contains(&to)
        };
        for pair in pairs {
            prop_assert_eq!(reaches(pair.loser, pair.winner), !pair.locked);
            prop_assert!(pair.votes > pair.against);
        }
    }

    #[test]
    fn a_ballots_points_are_those_of_all_places((options, profile) in any_profile()) {
        let summary = Summary::of(&Rankings::new(options, &profile), &Lot::Provisional);
        let all = u64::from(options) * (u64::from(options) - 1);
        prop_assert_eq!(summary.borda_half_points.iter().sum::<u64>(), summary.ballots * all);
        // A point for each option below, and half a point for each equal one: so pairs say the same.
        for option in 0..options {
            let below: u64 = (0..options).filter(|other| *other != option).map(|other| {
                let (above, under) = (summary.pairwise.votes(option, other), summary.pairwise.votes(other, option));
                2 * above + (summary.ballots - above - under)
            }).sum();
            prop_assert_eq!(summary.borda_half_points[usize::from(option)], below);
        }
    }

    #[test]
    fn equal_rankings_may_come_apart_and_in_any_order(
        (options, profile) in any_profile(), lot in any_lot(), method in any_method(), turn in 0usize..12
    ) {
        let mut apart: Profile = profile.iter().flat_map(|(ranking, ballots)| {
            [(ranking.clone(), ballots / 2), (ranking.clone(), ballots - ballots / 2)]
        }).collect();
        if !apart.is_empty() {
            let turn = turn % apart.len();
            apart.rotate_left(turn);
        }
        let seats = seats_of(method, options);
        let whole = tally(&Rankings::new(options, &profile), seats, method, &lot);
        prop_assert_eq!(tally(&Rankings::new(options, &apart), seats, method, &lot), whole);
    }

    #[test]
    fn other_ids_change_nothing_but_lots((options, profile) in any_profile(), method in any_method()) {
        let seats = seats_of(method, options);
        let turned = |option: u8| options - 1 - option;
        let renamed: Profile =
            profile.iter().map(|(ranking, ballots)| (ranking.iter().map(|option| turned(*option)).collect(), *ballots)).collect();
        let one = count_by(method, options, seats, &profile, &Lot::Provisional);
        let other = count_by(method, options, seats, &renamed, &Lot::Provisional);
        if !one.provisional && !other.provisional {
            let set = |options: &[u8], rename: bool| {
                let mut set: Vec<u8> = options.iter().map(|option| if rename { turned(*option) } else { *option }).collect();
                set.sort();
                set
            };
            prop_assert_eq!(set(&one.outcome.winners, true), set(&other.outcome.winners, false));
            let tie = |outcome: &Outcome, rename| outcome.tie.as_ref().map(|tie| (set(&tie.options, rename), tie.seats));
            prop_assert_eq!(tie(&one.outcome, true), tie(&other.outcome, false));
        } else {
            prop_assert_eq!(one.provisional, other.provisional);
        }
    }

    #[test]
    fn the_final_lot_changes_only_what_is_provisional((options, profile) in any_profile(), method in any_method(), seed in any::<[u8; 32]>()) {
        let seats = seats_of(method, options);
        let provisional = count_by(method, options, seats, &profile, &Lot::Provisional);
        let last = count_by(method, options, seats, &profile, &Lot::Seed(seed));
        prop_assert!(!last.provisional);
        if !provisional.provisional {
            prop_assert_eq!(provisional.outcome, last.outcome);
        }
    }

    #[test]
    fn rankings_of_polls_are_counted_as_any_others((options, profile) in any_profile(), method in any_method()) {
        let ids = |ranking: &[u8]| ranking.iter().map(|id| u64::from(*id)).collect::<Vec<_>>();
        let of_polls: Vec<(crate::ballot::Ranking, u64)> = profile.iter()
            .filter_map(|(ranking, ballots)| Some((crate::ballot::Ranking::of_ids(&ids(ranking))?, *ballots))).collect();
        let seats = seats_of(method, options);
        let counted = |tally: Result<Tally, MethodError>| tally.unwrap();
        prop_assert_eq!(
            counted(tally(&Rankings::new(options, &of_polls), seats, method, &Lot::Provisional)),
            counted(tally(&Rankings::new(options, &profile), seats, method, &Lot::Provisional))
        );
    }
}
