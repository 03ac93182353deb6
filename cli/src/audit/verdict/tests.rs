use landslide_domain::ballot::Ballot;
use landslide_domain::recount::recount;
use landslide_domain::tally::{Count, Head};
use landslide_domain::testing::poll_asked_for;
use serde_json::json;

use super::*;

const CAST_MS: u64 = 1_790_000_000_000;

fn at(ms: u64) -> Option<Timestamp> {
    Timestamp::from_millis(CAST_MS + ms)
}

fn counters(ballots: usize) -> Counters {
    recount(std::iter::repeat_n(Ballot::of_options(&[0]).unwrap(), ballots))
}

/// Three votes, all of them counted and shown.
fn lane() -> (LaneFindings, Tally) {
    let findings = LaneFindings {
        votes: 3,
        stored: counters(3),
        counted: counters(3),
        newest_counted: at(0),
        ..LaneFindings::default()
    };
    let head = Head { version: 4, as_of: at(0), counters: counters(3), ..Head::default() };
    (findings, Tally { count: head.count(), head, entries: None })
}

fn spec(vote_change: VoteChange) -> PollSpec {
    let body = json!({"question": "Q", "options": ["a", "b"], "vote_change": vote_change});
    poll_asked_for(body, Timestamp::EPOCH).unwrap().rules.settings.spec
}

fn judge(findings: LaneFindings, tally: Tally) -> Lane {
    Lane::judge(0, findings, tally, 1, &spec(VoteChange::Never))
}

#[test]
fn equal_counts_are_exact() {
    let (findings, tally) = lane();
    let lane = judge(findings, tally);
    assert_eq!(lane.verdict(), Verdict::Exact);
    assert!(lane.is_mendable());
}

#[test]
fn another_count_in_head_is_different_and_no_message_mends_it() {
    let (findings, mut tally) = lane();
    tally.head.counters = counters(4);
    tally.count.counters = counters(4);
    let lane = judge(findings, tally);
    assert!(lane.counters_differ && lane.count_fault.is_none());
    assert_eq!(lane.verdict(), Verdict::Different);
    assert!(!lane.is_mendable());
}

#[test]
fn a_readers_copy_that_differs_is_different_and_can_be_written_again() {
    for (version, ballots, fault) in [(4, 2, CountFault::Other), (3, 3, CountFault::Behind), (5, 3, CountFault::Ahead)]
    {
        let (findings, mut tally) = lane();
        tally.count = Count { version, counters: counters(ballots), ..tally.count };
        let lane = judge(findings, tally);
        assert_eq!((lane.count_fault, lane.verdict()), (Some(fault), Verdict::Different));
        assert_eq!(lane.is_mendable(), fault != CountFault::Ahead);
    }
}

#[test]
fn a_missing_vote_can_be_sent_again_only_if_head_does_not_contain_it() {
    let (mut findings, tally) = lane();
    findings.missing.add(1, String::new);
    findings.stored = counters(4);
    let lane = judge(findings.clone(), tally.clone());
    assert_eq!((lane.verdict(), lane.is_mendable()), (Verdict::Different, true));
    // The id is gone, but the counters have it.
    findings.stored = counters(3);
    findings.counted = counters(2);
    assert!(!judge(findings, tally).is_mendable());
}

#[test]
fn an_id_without_vote_or_counted_twice_is_different_and_no_message_mends_it() {
    let set: [fn(&mut LaneFindings); 2] =
        [|lane| lane.twice.add(1, String::new), |lane| lane.without_vote.add(1, String::new)];
    for set in set {
        let (mut findings, tally) = lane();
        set(&mut findings);
        let lane = judge(findings, tally);
        assert_eq!((lane.verdict(), lane.is_mendable()), (Verdict::Different, false));
    }
}

#[test]
fn as_of_is_the_newest_counted_votes_and_may_be_later_only_where_votes_change() {
    for (ms, never, until_close) in [(1, true, false), (0, false, false)] {
        let (findings, mut tally) = lane();
        tally.head.as_of = at(ms);
        tally.count.as_of = at(ms);
        for (change, differs) in [(VoteChange::Never, never), (VoteChange::UntilClose, until_close)] {
            assert_eq!(
                Lane::judge(0, findings.clone(), tally.clone(), 1, &spec(change)).as_of_differs,
                differs,
                "{ms} {change:?}"
            );
        }
    }
}

#[test]
fn a_rebuilt_lane_may_be_as_of_a_vote_that_has_changed_since() {
    let (findings, mut tally) = lane();
    tally.head = Head { as_of: at(1), sealed: true, ..tally.head };
    tally.count.as_of = at(1);
    let verdict = |change| Lane::judge(0, findings.clone(), tally.clone(), 1, &spec(change)).verdict();
    assert_eq!((verdict(VoteChange::UntilClose), verdict(VoteChange::Never)), (Verdict::Exact, Verdict::Different));
}

#[test]
fn changing_votes_leave_counters_undecided_and_hide_no_other_difference() {
    let (mut findings, tally) = lane();
    findings.changing = 1;
    findings.counted = counters(2);
    assert_eq!(judge(findings.clone(), tally.clone()).verdict(), Verdict::Undecided);
    findings.twice.add(1, String::new);
    assert_eq!(judge(findings, tally).verdict(), Verdict::Different);
}

#[test]
fn a_lane_past_the_polls_last_is_different() {
    let (findings, tally) = lane();
    let lane = Lane::judge(1, findings, tally, 1, &spec(VoteChange::Never));
    assert_eq!((lane.verdict(), lane.is_mendable()), (Verdict::Different, false));
}

#[test]
fn lost_cells_are_a_difference_also_beside_ballots_that_are_too_many() {
    let (findings, mut tally) = lane();
    tally.head.entries.kept.ballots.dropped = Some(Dropped::TooMany);
    tally.count = tally.head.count();
    assert_eq!(judge(findings.clone(), tally.clone()).verdict(), Verdict::Exact);
    tally.head.entries.kept.cells.dropped = Some(Dropped::Lost);
    tally.count = tally.head.count();
    assert_eq!(judge(findings, tally).verdict(), Verdict::Different);
}
