use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
    time::Duration,
};

use landslide_aws::{
    store::{LaneReader, RunRow, VoteStore},
    testing::{Answer, Log, stub},
};
use landslide_domain::{
    ballot::Ballot,
    change::VoteId,
    entries::{Entries, PerSet, Set},
    ids::{PollId, VoterKey},
    lane::Partitions,
    recount::{recount, recount_whole},
    runs::{Attempt, Dropped, Kept, NewRun, RUN_LIMITS, Run, RunLimits, RunName},
    tally::{Count, Counters, SeenRow},
    testing::{
        at, changes_of, disorder, full_histories, histories, last_choices, non_zero, poll_asked_for, ranked_histories,
    },
    time::Timestamp,
};
use proptest::prelude::*;
use serde_json::json;

use super::{
    reading::{AGAIN_MAX, Read, ReadError, read_entries},
    rebuild::{LaneRecount, Rebuild},
    *,
};

/// Two minutes with some dozens of ids: far fewer than any test below counts.
const TINY_CACHE_BYTES: usize = 4 * 1024;
/// As of an attempt to merge.
const ATTEMPT: Attempt = Attempt { random: 7, limits: RUN_LIMITS };
/// SEEN rows per page.
const PAGE_ROWS: usize = 2;

/// Portions with some dozens of ids.
fn remembering(cache_bytes_max: usize) -> TallyLimits {
    TallyLimits { cache_bytes_max, portion_ids_max: 40, runs: RUN_LIMITS }
}

#[derive(Default)]
struct Table {
    heads: BTreeMap<LaneKey, Head>,
    counts: BTreeMap<LaneKey, Count>,
    seen: BTreeMap<(LaneKey, Minute, u64), Vec<VoteId>>,
    runs: BTreeMap<(LaneKey, RunRow), Entries>,
    reads: usize,
    ids_read: usize,
    /// How many ids may still be read; `None` for any number.
    ids_left: Option<usize>,
    /// Whether all votes are rankings.
    are_rankings: bool,
    /// How often all runs are still replaced just before one is read.
    replacements: u32,
    /// Whether the first run's rows are not what was written.
    is_garbled: bool,
}

impl Table {
    /// What a reader of COUNT puts together: its own entries, and its runs.
    fn entries(&self, lane: &LaneKey) -> PerSet<Entries> {
        self.counts[lane].entries.kept.clone().map(|_, Kept { near, runs, .. }| {
            let mut all = near;
            runs.iter().for_each(|run| all.merge(&self.runs[&(lane.clone(), (run.name, 0))]));
            all
        })
    }

    /// As if a merge and a sweep came between: the same entries under other names, and a COUNT that says so.
    fn replace_runs(&mut self) {
        self.runs = std::mem::take(&mut self.runs)
            .into_iter()
            .map(|((lane, (name, chunk)), entries)| ((lane, (renamed(name), chunk)), entries))
            .collect();
        for count in self.counts.values_mut() {
            count.version += 1;
            for set in Set::ALL {
                count.entries.kept.of_mut(set).runs.iter_mut().for_each(|run| run.name = renamed(run.name));
            }
        }
    }

    /// At every version that a reader sees, rankings add up to the counters beside them.
    fn hold_entries_against_counters(&self, lane: &LaneKey) {
        let count = &self.counts[lane];
        if !self.are_rankings || count.entries.kept.ballots.dropped.is_some() {
            return;
        }
        let entries = self.entries(lane).ballots;
        let of_first = |id: u8| entries.rankings().filter(|(ids, _)| ids[0] == id).map(|(_, times)| times).sum::<i64>();
        assert_eq!(entries.rankings().map(|(_, times)| times).sum::<i64>(), count.counters.ballots());
        (0..6).for_each(|id| assert_eq!(of_first(id), count.counters.option(id)));
    }
}

fn renamed(name: RunName) -> RunName {
    RunName { attempt: name.attempt ^ 2, ..name }
}

/// One table, used by several processes in turn, with lost answers.
#[derive(Clone)]
struct Model {
    table: Rc<RefCell<Table>>,
    random: Rc<RefCell<fastrand::Rng>>,
    /// One in this number of calls fails, half of those after their work is done. 0 if none fails.
    fault_every: usize,
}

impl Model {
    fn new(seed: u64, fault_every: usize) -> Self {
        Self { table: Rc::default(), random: Rc::new(RefCell::new(fastrand::Rng::with_seed(seed))), fault_every }
    }

    fn draw(&self, below: usize) -> usize {
        self.random.borrow_mut().usize(..below)
    }

    async fn call<T>(&self, act: impl FnOnce(&mut Table) -> Result<T, LaneStoreError>) -> Result<T, LaneStoreError> {
        let turns = self.draw(4);
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
        let fails = self.fault_every > 0 && self.draw(self.fault_every) == 0;
        let unavailable = || Err(LaneStoreError::Unavailable("injected".to_owned()));
        if fails && self.draw(2) == 0 {
            return unavailable();
        }
        let outcome = act(&mut self.table.borrow_mut());
        if fails { unavailable() } else { outcome }
    }
}

impl LaneReader for Model {
    async fn read_count(&self, lane: &LaneKey) -> Result<Count, LaneStoreError> {
        self.call(|table| Ok(table.counts.get(lane).cloned().unwrap_or_default())).await
    }

    async fn read_run(&self, lane: &LaneKey, run: &Run) -> Result<Option<Entries>, LaneStoreError> {
        self.call(|table| {
            if table.replacements > 0 {
                table.replacements -= 1;
                table.replace_runs();
            }
            let row = (lane.clone(), (run.name, 0));
            if table.is_garbled && table.runs.first_key_value().is_some_and(|(first, _)| *first == row) {
                return Err(LaneStoreError::UnreadableRun("garbled".to_owned()));
            }
            Ok(table.runs.get(&row).cloned())
        })
        .await
    }
}

impl LaneStore for Model {
    async fn read_head(&self, lane: &LaneKey) -> Result<Head, LaneStoreError> {
        self.call(|table| Ok(table.heads.get(lane).cloned().unwrap_or_default())).await
    }

    async fn read_seen(&self, lane: &LaneKey, minute: Minute, above: u64) -> Result<SeenIds, LaneStoreError> {
        self.call(|table| {
            if table.ids_left == Some(0) {
                return Err(LaneStoreError::Unavailable("no more ids now".to_owned()));
            }
            let mut rows = table.seen.range((lane.clone(), minute, above + 1)..=(lane.clone(), minute, u64::MAX));
            let page: Vec<_> = rows.by_ref().take(PAGE_ROWS).collect();
            let up_to = rows.next().and_then(|_| page.last().map(|((_, _, version), _)| *version));
            let ids: Vec<VoteId> = page.into_iter().flat_map(|(_, ids)| ids.clone()).collect();
            table.reads += 1;
            table.ids_read += ids.len();
            table.ids_left = table.ids_left.map(|left| left.saturating_sub(ids.len()));
            Ok(SeenIds { ids, up_to })
        })
        .await
    }

    async fn put_seen(&self, lane: &LaneKey, row: &SeenRow) -> Result<(), LaneStoreError> {
        self.call(|table| {
            let former = table.seen.insert((lane.clone(), row.minute, row.version), row.ids.clone());
            assert!(former.is_none_or(|former| former == row.ids), "a row changed its content");
            Ok(())
        })
        .await
    }

    async fn put_head(&self, lane: &LaneKey, head: &Head, over: u64) -> Result<(), LaneStoreError> {
        self.call(|table| {
            assert!(head.version > over, "a version went down");
            if table.heads.get(lane).map_or(0, |stored| stored.version) != over {
                return Err(LaneStoreError::Conflict);
            }
            table.heads.insert(lane.clone(), head.clone());
            Ok(())
        })
        .await
    }

    async fn put_count(&self, lane: &LaneKey, head: &Head) -> Result<(), LaneStoreError> {
        self.call(|table| {
            let stored = table.counts.get(lane);
            if stored.is_none_or(|stored| stored.version < head.version) {
                assert!(stored.is_none_or(|stored| stored.as_of <= head.as_of), "as_of went down");
                table.counts.insert(lane.clone(), head.count());
            }
            table.hold_entries_against_counters(lane);
            Ok(())
        })
        .await
    }

    async fn put_run(&self, lane: &LaneKey, new: &NewRun) -> Result<(), LaneStoreError> {
        self.call(|table| {
            let content: Vec<u8> = new.chunks().flatten().copied().collect();
            let entries = Entries::decode(content).unwrap();
            let former = table.runs.insert((lane.clone(), (new.run.name, 0)), entries.clone());
            assert!(former.is_none_or(|former| former == entries), "two runs have one name");
            Ok(())
        })
        .await
    }

    async fn list_runs(&self, lane: &LaneKey) -> Result<Vec<RunRow>, LaneStoreError> {
        self.call(|table| Ok(table.runs.keys().filter(|(of, _)| of == lane).map(|(_, row)| *row).collect())).await
    }

    async fn delete_runs(&self, lane: &LaneKey, rows: &[RunRow]) -> Result<(), LaneStoreError> {
        self.call(|table| {
            for row in rows {
                table.runs.remove(&(lane.clone(), *row));
            }
            Ok(())
        })
        .await
    }
}

fn lane(number: u8) -> LaneKey {
    LaneKey { poll: PollId::parse("poll").unwrap(), lane: number }
}

/// A clock whose pauses let other processes run. It notes the attempts after which it paused.
#[derive(Default)]
struct Turns(RefCell<Vec<u32>>);

impl Clock for Turns {
    fn now(&self) -> Timestamp {
        Timestamp::EPOCH
    }

    fn sleep(&self, _: Duration) -> impl Future<Output = ()> {
        tokio::task::yield_now()
    }

    fn back_off(&self, _: u64, attempt: u32) -> impl Future<Output = ()> {
        self.0.borrow_mut().push(attempt);
        self.sleep(Duration::ZERO)
    }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Applies a batch as the queue would: until it succeeds.
async fn deliver(process: &Tallies<Model, Turns>, lane: &LaneKey, batch: &[Change]) {
    for _ in 0..1_000 {
        if let Ok(applied) = process.apply(lane, batch).await {
            if applied.is_to_be_tidied {
                drop(process.tidy(lane).await);
            }
            return;
        }
    }
    panic!("a batch was never counted");
}

async fn deliver_all(process: &Tallies<Model, Turns>, batches: Vec<(LaneKey, Vec<Change>)>) {
    for (lane, batch) in batches {
        deliver(process, &lane, &batch).await;
    }
}

proptest! {
    #[test]
    fn two_processes_on_one_lane_with_tiny_caches_and_lost_answers_count_exactly(
        histories in histories(), repeats in 0usize..150, seed in any::<u64>(), batch in 1usize..60, fault_every in prop_oneof![Just(0usize), 10usize..60],
    ) {
        let sent = disorder(&changes_of(&histories), repeats, seed);
        let model = Model::new(seed, fault_every);
        let first = Tallies::new(model.clone(), remembering(TINY_CACHE_BYTES), Turns::default());
        let second = Tallies::new(model.clone(), remembering(TINY_CACHE_BYTES), Turns::default());
        // Both get everything, each in batches of its own: whatever one of them counts, the other repeats.
        let batches = |size: usize| sent.chunks(size).map(|part| (lane(0), part.to_vec())).collect::<Vec<_>>();
        run(async { futures_util::join!(deliver_all(&first, batches(batch)), deliver_all(&second, batches(batch / 2 + 1))) });

        let expected = non_zero(&recount(last_choices(&histories)));
        let table = model.table.borrow();
        prop_assert_eq!(non_zero(&table.heads[&lane(0)].counters), expected.clone());
        prop_assert_eq!(non_zero(&table.counts[&lane(0)].counters), expected);
    }

    #[test]
    fn lanes_added_while_votes_come_in_count_exactly_and_never_go_down(
        voters in proptest::collection::vec(any::<[u8; 16]>(), 1..150), seed in any::<u64>(), batch in 1usize..20,
    ) {
        let voters: std::collections::BTreeSet<[u8; 16]> = voters.into_iter().collect();
        let model = Model::new(seed, 8);
        let process = Tallies::new(model.clone(), remembering(TINY_CACHE_BYTES), Turns::default());
        let votes: Vec<(LaneKey, Change)> = voters.iter().enumerate().map(|(number, bytes)| {
            let voter = VoterKey::from_bytes(*bytes);
            // A vote keeps the lane that it was cast in, while the poll grows from 1 to 2 to 8 lanes.
            let lanes = [1, 2, 8][number * 3 / voters.len()];
            let cast_at = Timestamp::from_millis(1_790_000_000_000 + number as u64 * 900).unwrap();
            let change = Change { id: VoteId::new(&voter, 1), cast_at, from: None, to: Ballot::of_bits(1 << (number % 3)) };
            (lane(Partitions::Few.of(&voter).lane(lanes)), change)
        }).collect();

        let mut shown = 0;
        run(async {
            for part in votes.chunks(batch) {
                let mut lanes: BTreeMap<LaneKey, Vec<Change>> = BTreeMap::new();
                part.iter().for_each(|(lane, change)| lanes.entry(lane.clone()).or_default().push(change.clone()));
                for (lane, changes) in &lanes {
                    deliver(&process, lane, changes).await;
                    deliver(&process, lane, changes).await;
                }
                let now: i64 = model.table.borrow().counts.values().map(|count| count.counters.ballots()).sum();
                assert!(now >= shown, "a count went down");
                shown = now;
            }
        });

        let mut total = Counters::default();
        model.table.borrow().counts.values().for_each(|count| total.merge(&count.counters));
        let expected = recount(votes.iter().filter_map(|(_, change)| change.to.clone()));
        prop_assert_eq!(non_zero(&total), non_zero(&expected));
    }
}

proptest! {
    #[test]
    fn entries_are_counted_exactly_by_two_processes_while_runs_are_merged_and_swept(
        (histories, are_rankings) in some_histories(), repeats in 0usize..150, seed in any::<u64>(), batch in 1usize..12,
        fault_every in prop_oneof![Just(0usize), 10usize..60],
    ) {
        let sent = disorder(&changes_of(&histories), repeats, seed);
        let model = Model::new(seed, fault_every);
        model.table.borrow_mut().are_rankings = are_rankings;
        // As two versions of the code, with limits of their own.
        let processes = [(20, 2), (60, 3)].map(|(near_bytes_max, runs_of_a_level_max)| {
            let runs = RunLimits { near_bytes_max, runs_of_a_level_max, ..RUN_LIMITS };
            let limits = TallyLimits { runs, ..remembering(TINY_CACHE_BYTES) };
            Tallies::new(model.clone(), limits, Turns::default())
        });
        let batches = |size: usize| sent.chunks(size).map(|part| (lane(0), part.to_vec())).collect::<Vec<_>>();
        run(async {
            futures_util::join!(
                deliver_all(&processes[0], batches(batch)),
                deliver_all(&processes[1], batches(batch / 2 + 1)),
                async {
                    for _ in 0..20 {
                        drop(merging::sweep(&model, &lane(0)).await);
                    }
                },
            );
        });
        let (counters, entries) = recount_whole(last_choices(&histories));
        let table = model.table.borrow();
        prop_assert_eq!(non_zero(&table.counts[&lane(0)].counters), non_zero(&counters));
        prop_assert_eq!(table.entries(&lane(0)), entries);
    }
}

/// Histories with entries, and whether all of their ballots are rankings.
fn some_histories() -> impl Strategy<Value = (Vec<Vec<Option<Ballot>>>, bool)> {
    prop_oneof![
        ranked_histories().prop_map(|histories| (histories, true)),
        full_histories().prop_map(|histories| (histories, false)),
    ]
}

/// A lane whose runs hold many different rankings, and what they sum to.
fn lane_with_runs(model: &Model, runs: usize) -> PerSet<Entries> {
    let process = Tallies::new(model.clone(), remembering(1 << 20), Turns::default());
    let ranking = |number: u64| {
        let digits = [number % 10, 10 + number / 10 % 10, 20 + number / 100 % 10];
        Ballot::of_ranking(&digits).unwrap()
    };
    let votes: Vec<Change> =
        (0..runs as u64 * 100).map(|number| Change { to: Some(ranking(number)), ..vote(number, 0) }).collect();
    run(async {
        for part in votes.chunks(100) {
            process.apply(&lane(0), part).await.unwrap();
        }
    });
    recount_whole(votes.iter().filter_map(|change| change.to.clone())).1
}

#[test]
fn more_runs_than_a_level_may_have_become_one_of_the_next() {
    let model = Model::new(1, 0);
    let levels = || model.table.borrow().heads[&lane(0)].entries.runs().map(|run| run.level).collect::<Vec<_>>();
    let entries = lane_with_runs(&model, RUN_LIMITS.runs_of_a_level_max);
    assert!(!run(merging::merge(&model, &lane(0), &ATTEMPT)).unwrap());
    assert_eq!((levels(), model.table.borrow().entries(&lane(0))), (vec![0; RUN_LIMITS.runs_of_a_level_max], entries));

    let model = Model::new(1, 0);
    let levels = || model.table.borrow().heads[&lane(0)].entries.runs().map(|run| run.level).collect::<Vec<_>>();
    let entries = lane_with_runs(&model, RUN_LIMITS.runs_of_a_level_max + 1);
    assert!(run(merging::merge(&model, &lane(0), &ATTEMPT)).unwrap());
    assert_eq!((levels(), model.table.borrow().entries(&lane(0))), (vec![1], entries));
    assert_eq!(model.table.borrow().runs.len(), RUN_LIMITS.runs_of_a_level_max + 2);
    run(merging::sweep(&model, &lane(0))).unwrap();
    assert_eq!(model.table.borrow().runs.len(), 1);
}

#[test]
fn a_lane_whose_run_is_gone_or_garbled_goes_on_without_entries() {
    for is_garbled in [false, true] {
        let model = Model::new(1, 0);
        lane_with_runs(&model, RUN_LIMITS.runs_of_a_level_max + 1);
        model.table.borrow_mut().is_garbled = is_garbled;
        if !is_garbled {
            model.table.borrow_mut().runs.pop_last();
        }
        let log = Log::default();
        let _logged = log.is_written_to();
        assert!(run(merging::merge(&model, &lane(0), &ATTEMPT)).unwrap());
        assert!(!run(merging::merge(&model, &lane(0), &ATTEMPT)).unwrap());
        let told = log.lines().iter().filter(|line| line.contains("ERROR") && line.contains("taken for lost")).count();
        assert_eq!(told, usize::from(is_garbled), "{:?}", log.lines());
        let head = model.table.borrow().heads[&lane(0)].clone();
        assert_eq!((head.entries.kept.ballots.dropped, head.entries.runs().count()), (Some(Dropped::Lost), 0));
        let process = Tallies::new(model.clone(), remembering(1 << 20), Turns::default());
        let further = Change { to: Ballot::of_ranking(&[3]), ..vote(1_000_000, 0) };
        let applied = run(process.apply(&lane(0), &[further])).unwrap();
        assert_eq!(applied.progress.unwrap().ballots, head.counters.ballots() + 1);
        assert_eq!(model.table.borrow().heads[&lane(0)].entries.kept.ballots.dropped, Some(Dropped::Lost));
    }
}

fn all(entries: PerSet<Entries>) -> Read {
    entries.map(|_, entries| Ok(entries))
}

#[test]
fn a_reader_puts_the_entries_of_count_and_of_its_runs_together() {
    let model = Model::new(1, 0);
    assert_eq!(run(read_entries(&model, &lane(0))).unwrap(), (Count::default(), all(PerSet::default())));
    let mut entries = lane_with_runs(&model, 3);
    let process = Tallies::new(model.clone(), remembering(1 << 20), Turns::default());
    let near = Change { to: Ballot::of_ranking(&[3]), ..vote(1_000_000, 0) };
    run(process.apply(&lane(0), std::slice::from_ref(&near))).unwrap();
    entries.merge(&recount_whole(near.to.clone()).1);
    let (count, read) = run(read_entries(&model, &lane(0))).unwrap();
    assert_eq!((count.counters.ballots(), read), (301, all(entries)));
}

#[test]
fn a_reader_whose_runs_are_replaced_begins_again_a_few_times() {
    let model = Model::new(1, 0);
    let entries = lane_with_runs(&model, 1);
    model.table.borrow_mut().replacements = AGAIN_MAX;
    let (count, read) = run(read_entries(&model, &lane(0))).unwrap();
    assert_eq!((count.version, read), (1 + u64::from(AGAIN_MAX), all(entries)));
    model.table.borrow_mut().replacements = AGAIN_MAX + 1;
    let given_up = run(read_entries(&model, &lane(0)));
    assert!(matches!(given_up, Err(ReadError::Overtaken(of)) if of == lane(0)));
}

#[test]
fn a_reader_tells_that_entries_are_dropped_and_still_has_the_counts() {
    let model = Model::new(1, 0);
    lane_with_runs(&model, 2);
    // Named still, and gone or garbled: nobody has marked the lane yet.
    for lose in [|table: &mut Table| table.is_garbled = true, |table: &mut Table| drop(table.runs.pop_first())] {
        lose(&mut model.table.borrow_mut());
        let (count, read) = run(read_entries(&model, &lane(0))).unwrap();
        let kept = &count.entries.kept.ballots;
        assert_eq!((count.counters.ballots(), kept.dropped, read.ballots), (200, None, Err(Dropped::Lost)));
        assert_eq!(read.cells, Ok(Entries::default()), "the other multiset is whole");
    }
    model.table.borrow_mut().counts.get_mut(&lane(0)).unwrap().entries.kept.ballots.dropped = Some(Dropped::TooMany);
    let (count, read) = run(read_entries(&model, &lane(0))).unwrap();
    assert_eq!((count.counters.ballots(), read.ballots), (200, Err(Dropped::TooMany)));
}

/// Rebuilds a lane like an operator who starts over whenever a step fails.
async fn rebuild_until_done(store: &Model, lane: &LaneKey, recounted: &LaneRecount, as_of: Option<Timestamp>) {
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
        let Ok(sealed) = rebuild::seal(store, lane).await else { continue };
        let Ok(count) = store.read_count(lane).await else { continue };
        if rebuild::replace(store, &Turns::default(), lane, (&sealed, &count), recounted.clone(), as_of, RUN_LIMITS)
            .await
            .is_ok()
        {
            return;
        }
    }
    panic!("a lane was never rebuilt");
}

proptest! {
    #[test]
    fn a_rebuild_that_fails_at_any_step_still_ends_in_a_recount_that_stays(
        histories in prop_oneof![histories(), full_histories()], repeats in 0usize..150, seed in any::<u64>(), batch in 1usize..60, lost in 0usize..4, fault_every in prop_oneof![Just(0usize), 6usize..40],
    ) {
        let changes = changes_of(&histories);
        let (counters, entries) = recount_whole(last_choices(&histories));
        let recounted = LaneRecount { counters, entries, newest: None };
        let as_of = changes.iter().map(|change| change.cast_at).max();
        let sent = disorder(&changes, repeats, seed);
        let model = Model::new(seed, fault_every);
        let processes = [(); 2].map(|()| Tallies::new(model.clone(), remembering(TINY_CACHE_BYTES), Turns::default()));
        // Some batches are lost, as a rebuild is meant to mend; others arrive once it is over.
        let batches: Vec<(LaneKey, Vec<Change>)> =
            sent.chunks(batch).map(|part| (lane(0), part.to_vec())).skip(lost).collect();
        let rebuilt = lane(0);
        let (before, after) = batches.split_at(batches.len() * 2 / 3);
        run(async {
            futures_util::join!(
                deliver_all(&processes[0], before.to_vec()),
                deliver_all(&processes[1], before.iter().rev().cloned().collect()),
                rebuild_until_done(&model, &rebuilt, &recounted, as_of),
            );
            deliver_all(&processes[0], after.to_vec()).await;
        });
        let table = model.table.borrow();
        prop_assert!(table.heads[&lane(0)].sealed);
        prop_assert_eq!(non_zero(&table.heads[&lane(0)].counters), non_zero(&recounted.counters));
        prop_assert_eq!(&table.counts[&lane(0)].counters, &table.heads[&lane(0)].counters);
        prop_assert_eq!(table.entries(&lane(0)), recounted.entries);
    }
}

/// Rebuilds a one-lane poll whose only vote was changed by a slow clock. HEAD has counted the earlier revision, or is
/// lost and only COUNT shows it. Returns the readers' copy.
fn rebuilt_after_a_change(vote_change: &str, is_in_head: bool) -> Count {
    let (earlier, later) = (at(5), at(9));
    let poll = json!({"question": "Q", "options": ["a", "b"], "vote_change": vote_change});
    let poll = poll_asked_for(poll, at(0)).unwrap().rules;
    let lane = LaneKey { poll: poll.settings.poll_id.clone(), lane: 0 };
    let (aws, _) = stub(move |call, _| {
        let items = match call.body["ExpressionAttributeValues"][":partition"]["S"].as_str() {
            Some("p1#000") => json!([{
                "voter": {"S": "0".repeat(32)}, "choices": {"L": [{"N": "1"}]}, "revision": {"N": "2"},
                "cast_at": {"N": earlier.as_millis().to_string()}, "lane": {"N": "0"},
            }]),
            _ => json!([]),
        };
        Answer::Ok(json!({"Items": items}))
    });
    let (model, votes) = (Model::new(1, 0), VoteStore::new(&aws, "votes".to_owned()));
    let former = Head { version: 3, as_of: Some(later), ..Head::default() };
    match is_in_head {
        true => drop(model.table.borrow_mut().heads.insert(lane.clone(), former)),
        false => drop(model.table.borrow_mut().counts.insert(lane.clone(), former.count())),
    }
    let rebuild = Rebuild {
        tallies: &model,
        votes: &votes,
        clock: Turns::default(),
        partitions_at_once: 8,
        run_limits: RUN_LIMITS,
    };
    let partitions = Cell::new(0);
    run(rebuild.run(&poll, || partitions.set(partitions.get() + 1))).unwrap();
    assert_eq!(partitions.get(), poll.partitions.number());
    model.table.borrow().counts[&lane].clone()
}

#[test]
fn a_rebuild_keeps_the_time_of_a_counted_vote_that_has_changed_since() {
    for is_in_head in [true, false] {
        let count = rebuilt_after_a_change("until_close", is_in_head);
        assert_eq!((count.counters.ballots(), count.counters.option(1), count.as_of), (1, 1, Some(at(9))));
    }
}

#[test]
fn a_rebuild_passes_a_copy_that_is_ahead_of_head() {
    // What stands already, and is shown, is not written again.
    for (head, count, next) in [(4, 3, 5), (4, 4, 4), (4, 5, 1_000_005), (0, 1_000, 1_001_000)] {
        let (model, lane) = (Model::new(1, 0), lane(0));
        let head = Head { version: head, ..Head::default() };
        let count = Count { version: count, ..Count::default() };
        model.table.borrow_mut().heads.insert(lane.clone(), head.clone());
        model.table.borrow_mut().counts.insert(lane.clone(), count.clone());
        run(rebuild::replace(
            &model,
            &Turns::default(),
            &lane,
            (&head, &count),
            LaneRecount::default(),
            None,
            RUN_LIMITS,
        ))
        .unwrap();
        let table = model.table.borrow();
        assert_eq!((table.heads[&lane].version, table.counts[&lane].version), (next, next));
    }
}

#[test]
fn a_copy_past_which_there_is_no_version_is_an_error() {
    let (model, head) = (Model::new(1, 0), Head::default());
    let count = Count { version: u64::MAX - 5, ..Count::default() };
    let refused = run(rebuild::replace(
        &model,
        &Turns::default(),
        &lane(0),
        (&head, &count),
        LaneRecount::default(),
        None,
        RUN_LIMITS,
    ));
    assert!(matches!(refused, Err(LaneStoreError::Broken(_))), "{refused:?}");
}

#[test]
fn a_rebuild_takes_the_time_from_the_votes_where_they_do_not_change() {
    // A time that no vote has can only have reached HEAD by hand.
    assert_eq!(rebuilt_after_a_change("never", true).as_of, Some(at(5)));
}

fn vote(number: u64, cast_at: u64) -> Change {
    let voter =
        VoterKey::from_bytes(u128::from(number).wrapping_mul(0x0123_4567_89ab_cdef_1357_9bdf_0246_8ace).to_be_bytes());
    let cast_at = Timestamp::from_millis(1_790_000_000_000 + cast_at).unwrap();
    Change { id: VoteId::new(&voter, 1), cast_at, from: None, to: Ballot::of_bits(1) }
}

#[test]
fn a_process_that_serves_a_lane_alone_reads_each_minute_once() {
    let model = Model::new(1, 0);
    let process = Tallies::new(model.clone(), remembering(1 << 20), Turns::default());
    run(async {
        for batch in 0..20 {
            let changes: Vec<Change> = (0..50).map(|number| vote(batch * 50 + number, 0)).collect();
            assert_eq!(process.apply(&lane(0), &changes).await.unwrap().counted, 50);
        }
        let again: Vec<Change> = (0..1000).map(|number| vote(number, 0)).collect();
        let applied = process.apply(&lane(0), &again).await.unwrap();
        assert_eq!((applied.counted, applied.repeated, applied.flushes), (0, 1000, 0));
    });
    assert_eq!(model.table.borrow().reads, 0, "a lane that began with this process needs no read");

    let written: usize = model.table.borrow().seen.values().map(Vec::len).sum();
    let hopped = Tallies::new(model.clone(), remembering(1 << 20), Turns::default());
    run(async {
        for batch in 0..5 {
            hopped.apply(&lane(0), &[vote(2_000 + batch, 0)]).await.unwrap();
        }
    });
    assert_eq!(model.table.borrow().ids_read, written, "one that takes it over reads once what the other wrote");
}

/// Minutes in the lane below, rows per minute, and ids per row.
const MINUTES: u64 = 60;
const ROWS: u64 = 10;
const ROW_IDS: u64 = 20;
/// Ids in all the lane's rows.
const HOT_IDS: usize = (MINUTES * ROWS * ROW_IDS) as usize;

/// A lane that has counted many votes in each minute of an hour, reduced to HEAD's version and rows of ids; and one
/// late vote per minute, in random order.
fn hot_lane() -> (Model, Vec<Change>) {
    let model = Model::new(1, 0);
    let mut table = model.table.borrow_mut();
    table.heads.insert(lane(0), Head { version: MINUTES * ROWS + 1, ..Head::default() });
    for row in 0..MINUTES * ROWS {
        let minute = row / ROWS;
        let ids: Vec<VoteId> = (0..ROW_IDS).map(|n| vote(row * ROW_IDS + n, minute * 60_000).id).collect();
        let minute = Minute::of(vote(0, minute * 60_000).cast_at);
        table.seen.insert((lane(0), minute, row + 1), ids);
    }
    drop(table);
    let late = (0..MINUTES).map(|n| n * 7 % MINUTES).map(|minute| vote(1_000_000 + minute, minute * 60_000));
    (model, late.collect())
}

/// Counts changes in calls that may each read a limited number of ids, and go on where the store stops. Returns the
/// minutes after each call.
fn count_in_calls(
    model: &Model,
    process: &Tallies<Model, Turns>,
    changes: &[Change],
    ids_a_call: usize,
) -> Vec<Option<Minute>> {
    let mut through = vec![None];
    for _ in 0..1_000 {
        model.table.borrow_mut().ids_left = Some(ids_a_call);
        let mut noted = None;
        let outcome = run(process.apply_by_portions(&lane(0), changes, |portion| {
            assert!(noted < Some(portion.through), "portions in another order than that of time");
            noted = Some(portion.through);
        }));
        through.push(noted);
        if outcome.is_ok() {
            return through;
        }
    }
    panic!("the lane was never counted");
}

#[test]
fn a_message_over_an_hour_of_a_hot_lane_is_counted_though_no_call_can_read_the_hour() {
    const IDS_A_CALL: usize = HOT_IDS / 10;
    let (model, changes) = hot_lane();
    let limits = TallyLimits { cache_bytes_max: 1 << 20, portion_ids_max: 300, runs: RUN_LIMITS };
    let process = Tallies::new(model.clone(), limits, Turns::default());
    let through = count_in_calls(&model, &process, &changes, IDS_A_CALL);
    let table = model.table.borrow();
    assert_eq!(table.heads[&lane(0)].counters.ballots(), MINUTES as i64);
    assert_eq!(table.counts[&lane(0)].counters.ballots(), MINUTES as i64);
    assert_eq!(table.ids_read, HOT_IDS, "each id is read once, whichever call reads it");
    assert!(through.len() - 1 <= 11, "{} calls", through.len() - 1);
    // Each call committed what it could.
    assert!(through.windows(2).all(|calls| calls[0] < calls[1]), "{through:?}");
}

#[test]
fn a_process_that_can_remember_nothing_gets_through_the_hour_by_what_it_commits() {
    let (model, mut waiting) = hot_lane();
    let process = Tallies::new(
        model.clone(),
        TallyLimits { cache_bytes_max: 0, portion_ids_max: 1, runs: RUN_LIMITS },
        Turns::default(),
    );
    for calls in 1..=MINUTES {
        // Enough for the first minute, and for one page of each minute that is read beside it.
        model.table.borrow_mut().ids_left = Some(3 * (ROWS * ROW_IDS) as usize);
        let mut through = None;
        let outcome = run(process.apply_by_portions(&lane(0), &waiting, |portion| through = Some(portion.through)));
        // The queue delivers again what is not counted.
        waiting.retain(|change| Some(Minute::of(change.cast_at)) > through);
        assert_eq!(outcome.is_ok(), waiting.is_empty());
        if waiting.is_empty() {
            assert!(calls > 10, "{calls} calls");
            break;
        }
    }
    assert!(waiting.is_empty());
    assert_eq!(model.table.borrow().heads[&lane(0)].counters.ballots(), MINUTES as i64);
}

#[test]
fn what_a_call_has_read_is_kept_when_it_is_dropped() {
    let (model, changes) = hot_lane();
    let limits = TallyLimits { cache_bytes_max: 1 << 20, portion_ids_max: usize::MAX, runs: RUN_LIMITS };
    let process = Tallies::new(model.clone(), limits, Turns::default());
    let mut drops = 0;
    run(async {
        loop {
            let before = model.table.borrow().ids_read;
            let lane = lane(0);
            let apply = std::pin::pin!(process.apply(&lane, &changes));
            let time_is_over = std::pin::pin!(async {
                while model.table.borrow().ids_read < before + HOT_IDS / 10 {
                    tokio::task::yield_now().await;
                }
            });
            match futures_util::future::select(apply, time_is_over).await {
                futures_util::future::Either::Left((outcome, _)) => return assert_eq!(outcome.unwrap().counted, 60),
                futures_util::future::Either::Right(_) => drops += 1,
            }
        }
    });
    // A page in flight when the call is dropped is read again: at most one per minute being read.
    let wasted = model.table.borrow().ids_read - HOT_IDS;
    let page = PAGE_ROWS * ROW_IDS as usize;
    assert!(drops >= 5 && wasted <= drops * SEEN_CALLS_AT_ONCE * page, "{drops} drops, {wasted} ids read twice");
    assert!(wasted < HOT_IDS);
}

#[test]
fn a_store_that_stays_away_is_an_error_after_bounded_attempts() {
    let model = Model::new(1, 1);
    let process = Tallies::new(model, remembering(0), Turns::default());
    let outcome = run(process.apply(&lane(0), &[vote(1, 0)]));
    assert!(matches!(outcome, Err(LaneStoreError::Unavailable(_))));
    assert_eq!(*process.clock.0.borrow(), [1, 2, 3, 4, 5]);
}

#[test]
fn the_readers_copy_is_repaired_when_nothing_is_fresh() {
    let model = Model::new(1, 0);
    let process = Tallies::new(model.clone(), remembering(0), Turns::default());
    run(process.apply(&lane(0), &[vote(1, 0)])).unwrap();
    model.table.borrow_mut().counts.clear();
    run(process.apply(&lane(0), &[vote(1, 0)])).unwrap();
    assert_eq!(model.table.borrow().counts[&lane(0)].counters.ballots(), 1);
}
