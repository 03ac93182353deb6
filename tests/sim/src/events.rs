//! What happens that a promise is about: items as they are written, and answers as callers get them.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use landslide_counting::tallies::reading::ReadError;
use landslide_domain::{
    ballot::{Answer, Ballot, Choices, Content, Ranking, Ratings, Segments},
    entries::{Entries, PerSet},
    error::Error,
    runs::Dropped,
    series::Slot,
    tally::Count,
    vote::Vote,
};
use landslide_service::votes::StandingVote;

use crate::{
    entries::{self, RunRow},
    facts::{Expected, Revision, Times, Voter, VoterKey, poll_of},
    item::{Item, number, text},
    names::{POLLS, TALLIES, VOTES},
};

/// Something that happened.
pub enum Event<'a> {
    /// An invocation wrote a poll's item RULES.
    RulesWritten { poll: &'a str, rules: &'a Item, times: Times, by: u64 },
    /// An invocation wrote a poll's item OPTIONS.
    OptionsWritten { poll: &'a str, labels: Option<&'a AttributeValue>, by: u64 },
    /// A vote's item was written.
    VoteWritten { poll: &'a str, voter: VoterKey, revision: Revision },
    /// A HEAD replaced another.
    HeadWritten { former: Option<&'a Item>, head: &'a Item },
    /// A COUNT replaced another.
    CountWritten { former: Option<&'a Item>, count: &'a Item },
    /// A row of a run was written.
    RunRowWritten { lane: &'a str, row: RunRow, entries: &'a [u8] },
    /// A function or program deleted a row of a run.
    RunRowDeleted { lane: &'a str, row: RunRow },
    /// Somebody deletes a row of a run by hand.
    RunRowLost { lane: &'a str, row: RunRow },
    /// A reader was shown a lane's entries, or why there are none.
    EntriesShown { lane: &'a str, shown: Result<Shown<'a>, &'a ReadError> },
    /// Somebody deletes a lane's HEAD by hand.
    HeadLost { lane: &'a str },
    /// An operator rebuilt a poll's counts.
    Rebuilt { poll: &'a str },
    /// A reader was shown counts as final.
    FinalShown { poll: &'a str, ballots: i64, counts: &'a [Count] },
    /// Someone changes a lane's counts by hand, which may go down when they are made right.
    Tampered { lane: &'a str },
    /// A text was made that nobody can read. It must end in a dead-letter queue.
    GarbageMade { text: &'a str },
    /// A voter was told what became of a wish.
    VoterTold(VoterTold<'a>),
    /// A voter, who was told that a vote stands, was shown their own vote.
    OwnVoteShown { voter: &'a Voter, told: &'a StandingVote, shown: Option<Vote> },
    /// An owner was told how the poll is.
    OwnerTold(OwnerTold<'a>),
    /// An invocation told an owner that nothing was changed.
    OwnerRefused { poll: &'a str, by: u64, refusal: &'a Error },
    /// Results were shown that are public once the poll is closed.
    ResultsShown { poll: &'a str, at: u64 },
    /// The stream dropped records that its reader had not given up.
    RecordsLost,
    /// A message is a dead letter `after_ms` since it was first handed out. Its pauses alone take `least_ms`.
    DeadLetter { after_ms: u64, least_ms: u64 },
    /// The run does not end.
    Stuck(&'static str),
    /// Nothing is under way any more.
    Drained(Drained<'a>),
}

/// A voter's wish, and what the voter was told.
pub struct VoterTold<'a> {
    /// Who.
    pub voter: &'a Voter,
    /// What is to stand. If `None`, the vote is to be retracted.
    pub asked: Option<Ballot>,
    /// The revision over which alone it is to stand.
    pub over: Option<u64>,
    /// When the request began and ended, in milliseconds since the epoch.
    pub time: (u64, u64),
    /// What stood when it began.
    pub before: Option<Revision>,
    /// What stands now, or why the wish was refused.
    pub answer: Result<&'a StandingVote, &'a Error>,
}

/// What an owner was told of a poll.
pub struct OwnerTold<'a> {
    /// Which.
    pub poll: &'a str,
    /// When the request began, in milliseconds since the epoch.
    pub began: u64,
    /// When the poll closes.
    pub closes_at: Option<u64>,
    /// From when on it is paused.
    pub paused_from: Option<u64>,
    /// Whether the owner asked for a pause, or for its end. If `None`, for something else.
    pub asked_for_pause: Option<bool>,
}

/// A lane's COUNT, and the entries that belong to it.
pub type Shown<'a> = (&'a Count, PerSet<Result<&'a Entries, Dropped>>);

/// What is there once nothing is under way.
pub struct Drained<'a> {
    /// HEAD and COUNT, lane by lane.
    pub lanes: Vec<(&'a Item, Option<&'a Item>)>,
    /// What each lane must say.
    pub expected: BTreeMap<String, Expected>,
    /// Whether a text lies in a dead-letter queue.
    pub is_put_aside: &'a dyn Fn(&str) -> bool,
    /// Whether the tally queue is empty.
    pub is_queue_empty: bool,
}

impl<'a> Event<'a> {
    /// The event that an item is which an invocation has written; none of an item that no promise is about.
    pub fn of_write(table: &str, former: Option<&'a Item>, item: &'a Item, at: u64, by: u64) -> Option<Self> {
        let is = |kind: &str| item.get("item").and_then(|item| item.as_s().ok()).is_some_and(|item| item == kind);
        match table {
            POLLS if is("RULES") => {
                let times = Times::of(item, at);
                Some(Self::RulesWritten { poll: text(item, "poll_id"), rules: item, times, by })
            }
            POLLS => Some(Self::OptionsWritten { poll: text(item, "poll_id"), labels: item.get("labels"), by }),
            VOTES => Some(vote_written(item, at)),
            TALLIES if is("HEAD") => Some(Self::HeadWritten { former, head: item }),
            TALLIES if is("COUNT") => Some(Self::CountWritten { former, count: item }),
            TALLIES => {
                let row = entries::row_of(text(item, "item"))?;
                let lane = entries::lane_of(text(item, "poll_lane"));
                Some(Self::RunRowWritten { lane, row, entries: entries::bytes(&item["entries"]) })
            }
            _ => None,
        }
    }
}

fn vote_written(item: &Item, at: u64) -> Event<'_> {
    let voter = u128::from_str_radix(text(item, "voter"), 16).expect("hex digits");
    let revision = Revision {
        number: number(item, "revision"),
        ballot: ballot(item),
        cast_at: number(item, "cast_at"),
        lane: number(item, "lane"),
        stored_at: at,
    };
    Event::VoteWritten { poll: poll_of(text(item, "poll_partition")), voter, revision }
}

/// What a vote's item says. `None` if it is retracted.
fn ballot(item: &Item) -> Option<Ballot> {
    let ballot = match item.get("choices")? {
        AttributeValue::S(see) => {
            let ballot = item["ballot"].as_m().expect("a map");
            assert_eq!((see.as_str(), number(ballot, "rules")), ("see ballot", 1));
            full_ballot(ballot)
        }
        list => Ballot::of_options(&unsigned(list)),
    };
    Some(ballot.expect("a ballot of its kind"))
}

fn full_ballot(ballot: &Item) -> Option<Ballot> {
    let choices = |name: &str| ballot.get(name).map(|ids| Choices::of_ids(&unsigned(ids)).expect("options"));
    let answer = |name: &str| Answer::stored(text(ballot, name));
    let has = |name: &str| ballot.contains_key(name);
    let content = match () {
        () if has("ranking") => Content::Ranking(Ranking::of_ids(&unsigned(&ballot["ranking"]))?),
        () if has("ratings") => Content::Ratings(Ratings::stored(&numbers(&ballot["ratings"]))?),
        () if has("text") => Content::Text(answer("text")?),
        () if has("other") => Content::WriteIn(choices("choices"), answer("other")?),
        () if has("quiz") => Content::Quiz(choices("quiz")?),
        () => Content::Choices(choices("choices")?),
    };
    let places = ballot.get("segments").map(numbers).unwrap_or_default();
    let places: Vec<u8> = places.into_iter().map(|place| place as u8).collect();
    let slot = has("slot").then(|| Slot::of_number(number(ballot, "slot") as i64).expect("a slot"));
    Some(Ballot::new(content, Segments::of_places(&places)?, slot))
}

fn numbers(list: &AttributeValue) -> Vec<i64> {
    let numbers = list.as_l().expect("a list").iter();
    numbers.map(|number| number.as_n().expect("a number").parse().expect("a whole number")).collect()
}

fn unsigned(list: &AttributeValue) -> Vec<u64> {
    numbers(list).into_iter().map(|number| number.try_into().expect("an option's id")).collect()
}
