use std::cell::RefCell;

use landslide_aws::testing::Log;
use landslide_domain::{ballot::Ballot, entries::EntriesBuilder, runs::Kept};
use proptest::prelude::*;

use super::*;

/// Lanes of a poll, and how many runs were read.
#[derive(Default)]
struct Lanes {
    counts: RefCell<Vec<Count>>,
    runs: RefCell<HashMap<PollRun, Result<Entries, ()>>>,
    reads: std::cell::Cell<usize>,
}

impl LaneReader for Lanes {
    async fn read_count(&self, lane: &LaneKey) -> Result<Count, LaneStoreError> {
        Ok(self.counts.borrow()[usize::from(lane.lane)].clone())
    }

    async fn read_run(&self, lane: &LaneKey, run: &Run) -> Result<Option<Entries>, LaneStoreError> {
        self.reads.set(self.reads.get() + 1);
        match self.runs.borrow().get(&(lane.lane, run.name)) {
            Some(Err(())) => Err(LaneStoreError::UnreadableRun("garbled".to_owned())),
            found => Ok(found.cloned().and_then(Result::ok)),
        }
    }
}

impl Lanes {
    fn with(lanes: usize) -> Self {
        Self { counts: RefCell::new(vec![Count::default(); lanes]), ..Self::default() }
    }

    /// Adds a run to a lane. Returns its name.
    fn add(&self, lane: u8, entries: &Entries) -> Run {
        let version = self.runs.borrow().len() as u64;
        let bytes = entries.as_bytes().len() as u32;
        let run = Run { name: RunName { version, attempt: 7 }, level: 0, chunks: 1, bytes, missed: 0 };
        self.runs.borrow_mut().insert((lane, run.name), Ok(entries.clone()));
        self.counts.borrow_mut()[usize::from(lane)].entries.kept.ballots.runs.push(run);
        run
    }

    /// Puts one run in the place of all of a lane.
    fn merge(&self, lane: u8) {
        let runs = std::mem::take(&mut self.counts.borrow_mut()[usize::from(lane)].entries.kept.ballots.runs);
        let mut sum = Entries::default();
        for run in runs {
            let read = self.runs.borrow_mut().insert((lane, run.name), Ok(Entries::default()));
            sum.merge(&read.unwrap().unwrap());
        }
        self.add(lane, &sum);
    }

    /// The sum of all that COUNTs name.
    fn sum(&self) -> Entries {
        let mut sum = Entries::default();
        for (lane, count) in (0..).zip(self.counts.borrow().iter()) {
            let kept = &count.entries.kept;
            [&kept.cells.near, &kept.ballots.near].into_iter().for_each(|near| sum.merge(near));
            let runs = self.runs.borrow();
            count.entries.runs().for_each(|run| sum.merge(runs[&(lane, run.name)].as_ref().unwrap()));
        }
        sum
    }
}

/// Of the poll.
const OPTIONS: u8 = 5;

fn poll() -> PollId {
    PollId::parse("p").unwrap()
}

fn ranking(ids: &[u64], times: i64) -> Entries {
    let mut entries = PerSet::<EntriesBuilder>::default();
    entries.add_ballot(&Ballot::of_ranking(ids).unwrap(), times);
    entries.build().ballots
}

/// An entry of this many bytes.
fn of_bytes(bytes: usize) -> Entries {
    // The key's length in four bytes, and its count in one.
    let key = bytes - 5;
    let length = [0, 7, 14, 21].map(|shift| (key >> shift) as u8 & 0x7f | if shift < 21 { 0x80 } else { 0 });
    let entries = Entries::decode([&length[..], &vec![b't'; key], &[2]].concat()).unwrap();
    assert_eq!(entries.as_bytes().len(), bytes);
    entries
}

#[tokio::main(flavor = "current_thread")]
async fn sum(sums: &Sums<Lanes>) -> Result<Entries, Dropped> {
    let counts = sums.store.counts.borrow().clone();
    let summed = sums.sum(&poll(), OPTIONS, counts).await.unwrap();
    let entries = summed.entries.ballots.map(Arc::unwrap_or_clone);
    let expected = entries.as_ref().map(|entries| Totals::of_entries(OPTIONS, entries));
    assert!(expected.is_err() || expected == Ok(summed.totals));
    entries
}

/// How many runs a sum reads.
fn reads(sums: &Sums<Lanes>) -> usize {
    let before = sums.store.reads.get();
    drop(sum(sums));
    sums.store.reads.get() - before
}

#[test]
fn a_run_is_read_once() {
    let sums = Sums::new(Lanes::with(2));
    for id in 0..3 {
        sums.store.add(0, &ranking(&[id], 1));
    }
    sums.store.add(1, &ranking(&[0], 1));
    assert_eq!([reads(&sums), reads(&sums)], [4, 0]);
    sums.store.add(1, &ranking(&[0], 1));
    assert_eq!(reads(&sums), 1);
    sums.store.merge(0);
    assert_eq!(reads(&sums), 1);
    assert_eq!(sum(&sums), Ok(sums.store.sum()));
}

#[test]
fn too_many_bytes_of_runs_are_not_read() {
    let sums = Sums::new(Lanes::with(1));
    sums.store.add(0, &ranking(&[1], 1));
    sums.store.counts.borrow_mut()[0].entries.kept.ballots.runs[0].bytes = RUNS_BYTES_MAX as u32;
    assert_eq!(sum(&sums), Ok(ranking(&[1], 1)));
    sums.store.counts.borrow_mut()[0].entries.kept.ballots.runs[0].bytes += 1;
    assert_eq!(sum(&sums), Err(Dropped::TooMany));
}

#[test]
fn a_run_that_is_lost_is_told_once_and_the_sum_goes_on_after_a_rebuild() {
    for is_garbled in [false, true] {
        let sums = Sums::new(Lanes::with(2));
        sums.store.add(0, &ranking(&[0], 1));
        let run = sums.store.add(1, &ranking(&[1], 1));
        let mut runs = sums.store.runs.borrow_mut();
        runs.remove(&(1, run.name));
        runs.extend(is_garbled.then_some(((1, run.name), Err(()))));
        drop(runs);
        let log = Log::default();
        let _written = log.is_written_to();
        assert_eq!([sum(&sums), sum(&sums)], [Err(Dropped::Lost), Err(Dropped::Lost)]);
        let told = log.lines().iter().filter(|line| line.contains("is taken for lost")).count();
        assert_eq!(told, usize::from(is_garbled), "{:?}", log.lines());
        assert_eq!(sums.store.reads.get(), 2);
        let kept = Kept { near: ranking(&[1], 1), ..Kept::default() };
        sums.store.counts.borrow_mut()[1].entries.kept.ballots = kept;
        assert_eq!(sum(&sums), Ok(sums.store.sum()));
    }
}

#[test]
fn polls_are_forgotten_where_there_is_no_room_for_their_runs() {
    let sums = Sums::new(Lanes::with(1));
    let of = |entries: Entries| Sum {
        runs: HashMap::from([((0, RunName { version: 1, attempt: 1 }), entries)]),
        ..Sum::default()
    };
    sums.keep(&poll(), of(ranking(&[1], 1)));
    sums.keep(&PollId::parse("q").unwrap(), of(of_bytes(KEPT_BYTES_MAX - ranking(&[1], 1).as_bytes().len())));
    assert_eq!(sums.kept().len(), 2);
    sums.keep(&PollId::parse("r").unwrap(), of(ranking(&[1], 1)));
    assert_eq!(sums.kept().keys().map(PollId::as_str).collect::<Vec<_>>(), ["r"]);
}

proptest! {
    #[test]
    fn whatever_is_added_merged_or_moved_the_sum_is_that_of_what_is_named(
        steps in proptest::collection::vec((0..3u8, 0..3u8, 0..4u64, -2..3i64), 1..30)
    ) {
        let sums = Sums::new(Lanes::with(3));
        for (step, lane, id, times) in steps {
            match step {
                0 => {
                    sums.store.add(lane, &ranking(&[id], times));
                }
                1 => sums.store.counts.borrow_mut()[usize::from(lane)].entries.kept.ballots.near.merge(&ranking(&[id], times)),
                _ => sums.store.merge(lane),
            }
            prop_assert_eq!(sum(&sums), Ok(sums.store.sum()));
        }
    }
}
