//! A lane that has counted a great many votes within an hour: a repair that sends it missing votes of every minute must end,
//! and live votes of the same lane must go on meanwhile.

use std::{
    cell::{Cell, RefCell},
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream};
use landslide_aws::{
    queue::Outgoing,
    store::{LaneReader, LaneStore},
};
use landslide_domain::{
    ballot::Ballot,
    change::{Change, VoteId},
    fold::fold_by_time,
    ids::{PollId, VoterKey},
    lane::LaneKey,
    tally::{Counters, Head, Minute, PORTION_IDS_MAX, SEEN_ROW_IDS_MAX, SeenRow},
    time::{MINUTE_MS, Timestamp},
};

use crate::support::{App, now_ms};

/// How many ids the lane has counted. `HOT_LANE_IDS` says another number, such as 10,000,000.
const IDS: usize = 600_000;
/// In how many minutes these were cast.
const MINUTES: u64 = 60;
/// Missing votes of each of them.
const MISSING_A_MINUTE: u64 = 10;
/// The pause between two live votes.
const LIVE_PAUSE: Duration = Duration::from_millis(250);
/// The pause between two looks at the counts.
const LOOK_PAUSE: Duration = Duration::from_millis(50);
/// How long the repair may take before the test gives up.
const WAIT_MAX: Duration = Duration::from_secs(900);
/// How many rows are written at once.
const ROWS_AT_ONCE: usize = 8;

/// The options of seeded, live and missing votes.
const SEEDED: u8 = 0;
const LIVE: u8 = 1;
const MISSING: u8 = 2;

fn new_id() -> VoteId {
    VoteId::new(&VoterKey::from_bytes(fastrand::u128(..).to_be_bytes()), 1)
}

/// The minutes of the hour that ended a while ago.
fn minutes() -> impl Iterator<Item = Timestamp> {
    let end = now_ms() - 2 * MINUTE_MS;
    (1..=MINUTES).rev().map(move |minutes_ago| Timestamp::from_millis(end - minutes_ago * MINUTE_MS).unwrap())
}

/// Has the lane contain that many ids of the hour, as if it had counted them; HEAD's version.
async fn seed(app: &App, lane: &LaneKey, ids: usize) -> u64 {
    let tallies = app.aws.tally_store();
    let row_lengths = |of_minute: usize| {
        let full = of_minute / SEEN_ROW_IDS_MAX;
        std::iter::repeat_n(SEEN_ROW_IDS_MAX, full).chain(Some(of_minute % SEEN_ROW_IDS_MAX).filter(|rest| *rest > 0))
    };
    let rows: Vec<(u64, Minute, usize)> = (1..)
        .zip(minutes().flat_map(|minute| row_lengths(ids / MINUTES as usize).map(move |ids| (Minute::of(minute), ids))))
        .map(|(version, (minute, ids))| (version, minute, ids))
        .collect();
    let version = rows.len() as u64 + 1;
    let put = async |(version, minute, ids): (u64, Minute, usize)| {
        let row = SeenRow { minute, version, ids: (0..ids).map(|_| new_id()).collect() };
        tallies.put_seen(lane, &row).await.unwrap();
    };
    stream::iter(rows).map(put).buffer_unordered(ROWS_AT_ONCE).collect::<()>().await;
    let ballots = (ids / MINUTES as usize * MINUTES as usize) as i64;
    let counters = [("ballots".to_owned(), ballots), (format!("o{SEEDED}"), ballots)];
    let head = Head { version, as_of: minutes().last(), counters: Counters::from_entries(counters), ..Head::default() };
    tallies.put_head(lane, &head, 0).await.unwrap();
    tallies.put_count(lane, &head).await.unwrap();
    version
}

/// Sends missing votes of every minute as a repair does.
async fn send_missing(app: &App, lane: &LaneKey) -> usize {
    let change = |cast_at| Change { id: new_id(), cast_at, from: None, to: Ballot::of_options(&[u64::from(MISSING)]) };
    let mut missing: Vec<Change> =
        minutes().flat_map(|minute| (0..MISSING_A_MINUTE).map(move |_| change(minute))).collect();
    fastrand::shuffle(&mut missing);
    let messages = fold_by_time(missing.into_iter().map(|change| (lane.clone(), change)));
    for message in &messages {
        let Outgoing { body, group, .. } = Outgoing::tally(message);
        app.aws.send(app.stack.output("TallyQueueUrl"), &group.unwrap(), &body).await;
    }
    messages.len()
}

/// When live votes were cast, and how long it took until as many were counted.
#[derive(Default)]
struct Lags {
    cast: RefCell<Vec<Instant>>,
    lags: RefCell<Vec<Duration>>,
}

impl Lags {
    /// Notes how many live votes are counted.
    fn counted(&self, votes: usize) {
        let (cast, mut lags) = (self.cast.borrow(), self.lags.borrow_mut());
        let newly = cast.iter().take(votes).skip(lags.len());
        lags.extend(newly.map(Instant::elapsed).collect::<Vec<_>>());
    }

    fn print(&self, after: &str) {
        let mut lags = self.lags.borrow().clone();
        lags.sort();
        let at = |part: usize| lags.get((lags.len() * part / 100).min(lags.len().saturating_sub(1)));
        println!(
            "live votes {after}: {}; lag p50 {:?}, p90 {:?}, longest {:?}",
            lags.len(),
            at(50),
            at(90),
            lags.last()
        );
    }
}

#[tokio::test]
async fn a_repair_over_an_hour_of_a_hot_lane_ends_while_its_live_votes_go_on() {
    let ids = std::env::var("HOT_LANE_IDS").map_or(IDS, |ids| ids.parse().unwrap());
    // Local clouds take seconds over its rows, for which calls of other tests would time out.
    let app = App::alone();
    let poll = app.single_choice_poll().await;
    let lane = LaneKey { poll: PollId::parse(&poll).unwrap(), lane: 0 };
    let seeded_version = seed(&app, &lane, ids).await;
    let tallies = app.aws.tally_store();
    let before = tallies.read_count(&lane).await.unwrap();
    println!("a lane of {} counted ids in {} rows", before.counters.option(SEEDED), seeded_version - 1);

    let (lags, is_repaired, began) = (Lags::default(), Cell::new(false), Instant::now());
    let messages = send_missing(&app, &lane).await;
    let vote = async {
        while !is_repaired.get() {
            lags.cast.borrow_mut().push(Instant::now());
            app.votes_for(&poll, [u64::from(LIVE)]).await;
            tokio::time::sleep(LIVE_PAUSE).await;
        }
    };
    let watch = async {
        while lags.lags.borrow().len() < lags.cast.borrow().len() || !is_repaired.get() {
            let count = tallies.read_count(&lane).await.unwrap().counters;
            lags.counted(count.option(LIVE) as usize);
            if count.option(MISSING) as u64 == MINUTES * MISSING_A_MINUTE && !is_repaired.get() {
                println!("repaired by {messages} messages after {:?}", began.elapsed());
                is_repaired.set(true);
            }
            assert!(began.elapsed() < WAIT_MAX, "not repaired: {count:?}");
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    };
    tokio::join!(vote, watch);
    lags.print("beside the repair");

    let head = tallies.read_head(&lane).await.unwrap();
    let live = lags.cast.borrow().len() as i64;
    let counted = [SEEDED, LIVE, MISSING].map(|option| head.counters.option(option));
    assert_eq!(counted, [before.counters.option(SEEDED), live, (MINUTES * MISSING_A_MINUTE) as i64]);
    assert_eq!(head.counters.ballots(), counted.iter().sum::<i64>());
    // It was committed step by step, and not once at the end.
    let flushes = (head.version - seeded_version) as usize;
    assert!(flushes >= ids / (2 * PORTION_IDS_MAX), "{flushes} flushes");
    println!("{flushes} flushes");
    app.assert_no_dead_letter_of(&poll).await;
}
