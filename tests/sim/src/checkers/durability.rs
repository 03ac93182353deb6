//! C2: a 2xx means that the vote is stored and will be counted, and without one the same body may be sent again.

use landslide_domain::error::Error;
use landslide_service::votes::StandingVote;

use crate::{
    events::{Event, VoterTold},
    facts::{Revision, VoterKey, lane_key},
    faults::SKEW_MS,
    ledger::Ledger,
};

/// How old a poll may be by which a vote is refused, in milliseconds: a fresh read, and the skew within.
const REFUSAL_AGE_MS: u64 = 1_000 + 2 * SKEW_MS;

/// What a voter is told is stored, nobody is refused without a reason, and in the end every stored revision is counted.
pub fn check(ledger: &Ledger, event: &Event<'_>, found: &mut dyn FnMut(String)) {
    match event {
        Event::VoterTold(told) => match told.answer {
            Ok(standing) => check_standing(ledger, told, standing, found),
            Err(Error::RevisionMismatch) if told.over == Some(0) && ledger.standing(told.voter).is_none() => {
                found(format!("{:?} was told that another vote stands, and has none", told.voter));
            }
            // A caller who names a revision may be told that it stands no more, also by an earlier try of this wish.
            Err(Error::RevisionMismatch) if told.over.is_some() => {}
            Err(refusal) => check_refusal(ledger, told, refusal, found),
        },
        Event::RecordsLost => found("the stream lost records before anybody gave them up".to_owned()),
        Event::Drained(_) => {
            for (poll, voter, revision) in lost(ledger) {
                found(format!("lost: {poll} {voter:032x} {revision:?}"));
            }
        }
        _ => {}
    }
}

/// Stored revisions that were not counted, with their polls and voters.
pub fn lost(ledger: &Ledger) -> Vec<(&str, VoterKey, &Revision)> {
    let mut lost = Vec::new();
    for (poll, of_poll) in ledger.polls() {
        let by_lane = of_poll.by_lane(|lane| {
            let key = lane_key(poll, lane);
            (ledger.counted_in(&key), ledger.is_sealed(&key))
        });
        for (voter, revision) in of_poll.revisions() {
            let (counted, is_sealed) = by_lane[&revision.lane];
            // A sealed lane has the votes' counts without their ids: whether all are in is seen by its counters.
            if !is_sealed && counted.is_none_or(|counted| !counted.contains_key(&(voter, revision.number))) {
                lost.push((poll, voter, revision));
            }
        }
    }
    lost
}

fn check_standing(ledger: &Ledger, told: &VoterTold<'_>, standing: &StandingVote, found: &mut dyn FnMut(String)) {
    let VoterTold { voter, asked, over, before, .. } = told;
    let shape = &ledger.poll(&voter.poll).shape;
    let (vote, number) = (&standing.vote, u64::from(standing.vote.revision));
    let stored = ledger.revision(voter, number);
    let is_as_told = stored
        .as_ref()
        .is_some_and(|stored| stored.ballot == vote.ballot && stored.cast_at == vote.cast_at.as_millis());
    if !is_as_told || !shape.says_the_same(vote.ballot.as_ref(), asked.as_ref()) {
        found(format!("{voter:?} asked for {asked:?}, was told {standing:?}, stored is {stored:?}"));
    }
    if standing.is_new && !shape.is_as_asked(vote.ballot.as_ref(), asked.as_ref()) {
        found(format!("{voter:?} asked for {asked:?}, and {standing:?} was written"));
    }
    if let Some(before) = before
        && standing.is_new
        && number == before.number + 1
        && shape.says_the_same(before.ballot.as_ref(), asked.as_ref())
    {
        found(format!("{voter:?} repeated {before:?}, and it was written again: {standing:?}"));
    }
    if standing.is_new && over.is_some_and(|over| number != over + 1) {
        found(format!("{voter:?} asked for a change over {over:?} only, and was told {standing:?}"));
    }
}

fn check_refusal(ledger: &Ledger, told: &VoterTold<'_>, refusal: &Error, found: &mut dyn FnMut(String)) {
    let VoterTold { voter, asked, before, time: (began, ended), .. } = told;
    let poll = ledger.poll(&voter.poll);
    let standing = ledger.standing(voter);
    let stood_all_along = before.is_some() && *before == standing;
    let is_repeat = stood_all_along
        && before.as_ref().is_some_and(|before| poll.shape.says_the_same(before.ballot.as_ref(), asked.as_ref()));
    let is_right = !is_repeat
        && match refusal {
            Error::AlreadyVoted => poll.is_fixed && standing.is_some() && asked.is_some(),
            Error::VoteChangeNotAllowed => poll.is_fixed && standing.is_some() && asked.is_none(),
            // Whatever the poll said before: one that is closed stays closed.
            Error::PollClosed => poll.times_now().closes_at.is_some_and(|closes_at| closes_at <= ended + SKEW_MS),
            Error::PollNotOpen => {
                let mut times = poll.times_since(began.saturating_sub(REFUSAL_AGE_MS)).iter();
                times.any(|times| times.opens_at.is_some_and(|opens_at| opens_at + SKEW_MS > *began))
            }
            Error::PollPaused => {
                poll.pauses_since(began.saturating_sub(REFUSAL_AGE_MS)).any(|(paused_from, resumed_at)| {
                    paused_from <= ended + SKEW_MS
                        && resumed_at.is_none_or(|resumed_at| resumed_at + SKEW_MS >= paused_from)
                })
            }
            Error::NoVote => asked.is_none() && before.is_none(),
            _ => false,
        };
    if !is_right {
        found(format!("{voter:?} asked for {asked:?} and was refused: {refusal:?}; {before:?} stood"));
    }
}
