use std::sync::{Arc, Mutex};

use landslide_aws::{
    store::PollStore,
    testing::{Answer, Call, VirtualClock, items_written, stub},
};
use landslide_domain::{
    lease::PROPAGATION_MS,
    poll::edit::EditPoll,
    poll::hidden::{HiddenAnswers, HideAnswers},
    role::Role,
    testing::{account, at, owner, poll_asked_for},
    vote::Revisions,
};
use serde_json::{Value, json};

use super::*;

/// What happens to a write.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Lands,
    LandsAndTheAnswerIsLost,
    LandsAndTheAnswerComesAfter(u64),
    IsLost,
    /// It lands after this many further calls, if its condition holds then. Nobody is told.
    LandsAfterCalls(usize),
    /// The same for a stalled transaction: other writes conflict with its locks until then.
    StallsForCalls(usize),
    /// It is lost, and someone else raises the peak to 2,000 over the same revision.
    IsLostWhileAnotherLands,
    /// It lands, and someone else raises the peak to 2,000 over it.
    LandsAndAnotherOverIt,
    LandsWhileLanesAreDoubled,
    /// It is lost, and so is the next read's response.
    IsLostAndTheNextReadToo,
}

/// How long a caller waits for a response that never comes.
const SILENCE_MS: u64 = 1_500;

/// A table with one poll, and pending writes to it.
struct Table {
    items: Vec<Value>,
    clock: VirtualClock,
    fates: Vec<Fate>,
    pending: Option<Pending>,
    reads_lost: usize,
    read_takes_ms: u64,
    writes: usize,
}

struct Pending {
    call: Call,
    after_calls: usize,
    locks: bool,
}

type Shared = Arc<Mutex<Table>>;

impl Table {
    fn answer(&mut self, call: &Call) -> Answer {
        let landing = self.pending.take_if(|pending| pending.after_calls == 0);
        if let Some(pending) = landing {
            self.land(&pending.call);
        }
        if let Some(pending) = &mut self.pending {
            pending.after_calls -= 1;
        }
        if call.operation == "Query" {
            return self.read();
        }
        self.writes += 1;
        if self.pending.as_ref().is_some_and(|pending| pending.locks) {
            return Answer::Refused("TransactionConflictException", json!({}));
        }
        self.write(call)
    }

    fn read(&mut self) -> Answer {
        if self.reads_lost > 0 {
            self.reads_lost -= 1;
            return self.silence();
        }
        self.clock.go_on(self.read_takes_ms);
        Answer::Ok(json!({"Items": self.items}))
    }

    fn write(&mut self, call: &Call) -> Answer {
        if !self.is_over_what_stands(call) {
            return refused(call);
        }
        let fate = self.fates.pop().unwrap_or(Fate::Lands);
        let land_later = |after_calls, locks| Some(Pending { call: call.clone(), after_calls, locks });
        match fate {
            Fate::Lands => {
                self.land(call);
                return Answer::Ok(json!({}));
            }
            Fate::LandsAndTheAnswerComesAfter(millis) => {
                self.land(call);
                self.clock.go_on(millis);
                return Answer::Ok(json!({}));
            }
            Fate::IsLost => {}
            Fate::IsLostAndTheNextReadToo => self.reads_lost = 4,
            Fate::LandsAndTheAnswerIsLost => self.land(call),
            Fate::LandsAfterCalls(calls) => self.pending = land_later(calls, false),
            Fate::StallsForCalls(calls) => self.pending = land_later(calls, true),
            Fate::IsLostWhileAnotherLands => self.raise_peak(),
            Fate::LandsAndAnotherOverIt => {
                self.land(call);
                self.raise_peak();
            }
            Fate::LandsWhileLanesAreDoubled => {
                self.land(call);
                self.rules()["lanes"] = json!({"N": "2"});
            }
        }
        self.silence()
    }

    fn silence(&self) -> Answer {
        self.clock.go_on(SILENCE_MS);
        Answer::Lost
    }

    fn rules(&mut self) -> &mut Value {
        self.items.iter_mut().find(|item| item["item"]["S"] == "RULES").unwrap()
    }

    fn is_over_what_stands(&mut self, call: &Call) -> bool {
        let before = rules_part(call)["ExpressionAttributeValues"][":before"]["N"].clone();
        before.is_null() || self.rules()["revision"]["N"] == before
    }

    fn land(&mut self, call: &Call) {
        if !self.items.is_empty() && !self.is_over_what_stands(call) {
            return;
        }
        for item in items_written(call, &self.items) {
            self.items.retain(|stands| stands["item"] != item["item"]);
            self.items.push(item);
        }
    }

    fn raise_peak(&mut self) {
        let rules = self.rules();
        let revision: u64 = rules["revision"]["N"].as_str().unwrap().parse().unwrap();
        rules["revision"] = json!({"N": (revision + 1).to_string()});
        rules["peak_votes_per_second"] = json!({"N": "2000"});
    }
}

fn refused(call: &Call) -> Answer {
    if call.operation == "UpdateItem" {
        return Answer::condition_failed(Value::Null);
    }
    let reasons = json!([{"Code": "ConditionalCheckFailed"}, {"Code": "None"}]);
    Answer::Refused("TransactionCanceledException", json!({"CancellationReasons": reasons}))
}

fn rules_part(call: &Call) -> &Value {
    if call.operation == "UpdateItem" { &call.body } else { &call.body["TransactItems"][0]["Update"] }
}

/// PollChanges over a table that holds `poll`, 10 s after `at(0)`. Writes meet these fates in turn, and land after
/// that.
fn editing(poll: &Poll, fates: &[Fate]) -> (PollChanges<Client, VirtualClock>, Shared) {
    let clock = VirtualClock::new(at(10));
    let fates = fates.iter().rev().copied().collect();
    let empty = Table {
        items: Vec::new(),
        clock: clock.clone(),
        fates,
        pending: None,
        reads_lost: 0,
        read_takes_ms: 0,
        writes: 0,
    };
    let table: Shared = Arc::new(Mutex::new(empty));
    let (seed, _) = {
        let table = table.clone();
        stub(move |call, _| {
            table.lock().unwrap().land(call);
            Answer::Ok(json!({}))
        })
    };
    run(PollStore::new(&seed, "polls".to_owned()).create(poll, &[])).unwrap();
    let (aws, _) = {
        let table = table.clone();
        stub(move |call, _| table.lock().unwrap().answer(call))
    };
    (PollChanges::over(PollStore::new(&aws, "polls".to_owned()), clock), table)
}

/// A poll that the account `owner` created at `at(0)`.
fn poll(times: Value) -> Poll {
    let mut body = json!({"question": "Q", "options": ["a", "b"]});
    body.as_object_mut().unwrap().extend(times.as_object().unwrap().clone());
    poll_asked_for(body, at(0)).unwrap()
}

fn open_poll() -> Poll {
    poll(json!({}))
}

fn id() -> PollId {
    PollId::parse("p1").unwrap()
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// The stored poll once all pending writes have landed, or failed at their conditions.
fn stored(editing: &PollChanges<Client, VirtualClock>, table: &Shared) -> Poll {
    let mut table = table.lock().unwrap();
    table.reads_lost = 0;
    if let Some(pending) = table.pending.take() {
        table.land(&pending.call);
    }
    drop(table);
    run(editing.polls.poll(&id(), &editing.clock)).unwrap().unwrap()
}

/// Closes the poll. Returns what `edit` was told about earlier tries, and the outcome.
fn close_it(editing: &PollChanges<Client, VirtualClock>) -> (Vec<bool>, Result<Poll, Error>) {
    let told = Mutex::new(Vec::new());
    let outcome = run(editing.change(&id(), &owner(), Action::PollClosed, |poll, now, again| {
        told.lock().unwrap().push(again);
        Ok(close(poll, now, again))
    }));
    (told.into_inner().unwrap(), outcome)
}

fn edit_it(editing: &PollChanges<Client, VirtualClock>, body: Value) -> Result<Poll, Error> {
    let edit: EditPoll = serde_json::from_value(body).unwrap();
    run(editing.edit(&id(), &owner(), &Revisions::Any, &edit))
}

/// When a poll closes, in milliseconds from these tests' start.
fn closes_in_ms(poll: &Poll) -> u64 {
    poll.rules.settings.spec.closes_at.unwrap().millis_since(at(10))
}

#[test]
fn a_change_that_lands_is_written_once() {
    let (editing, table) = editing(&open_poll(), &[]);
    let (told, closed) = close_it(&editing);
    let closed = closed.unwrap();
    assert_eq!((told, closed.rules.settings.revision, closes_in_ms(&closed)), (vec![false], 2, 9_000));
    assert_eq!(table.lock().unwrap().writes, 1);
}

#[test]
fn a_change_whose_answer_was_lost_and_that_is_seen_in_time_is_done() {
    let (editing, table) = editing(&open_poll(), &[Fate::LandsAndTheAnswerIsLost]);
    let (told, closed) = close_it(&editing);
    let closed = closed.unwrap();
    assert_eq!((told, closed.rules.settings.revision, closes_in_ms(&closed)), (vec![false], 2, 9_000));
    assert_eq!(table.lock().unwrap().writes, 1);
}

#[test]
fn a_change_that_landed_late_is_written_again_with_new_times() {
    let (editing, table) = editing(&open_poll(), &[Fate::LandsAndTheAnswerComesAfter(3_001)]);
    let (told, closed) = close_it(&editing);
    let closed = closed.unwrap();
    assert_eq!((told, closed.rules.settings.revision), (vec![false, true], 3));
    assert!(closes_in_ms(&closed) >= 3_001 + PROPAGATION_MS);
    assert!(stored(&editing, &table) == closed);
}

#[test]
fn a_closing_that_landed_late_stays_where_it_is_too_near_to_be_moved() {
    let (editing, table) = editing(&open_poll(), &[Fate::LandsAndTheAnswerComesAfter(5_001)]);
    let (told, closed) = close_it(&editing);
    let closed = closed.unwrap();
    assert_eq!((told, closed.rules.settings.revision, closes_in_ms(&closed)), (vec![false, true], 2, 9_000));
    assert!(stored(&editing, &table) == closed);
}

/// When a poll's pause begins, in milliseconds from these tests' start.
fn paused_in_ms(poll: &Poll) -> Option<u64> {
    poll.rules.settings.paused_from.map(|paused_from| paused_from.millis_since(at(10)))
}

#[test]
fn a_pause_begins_when_every_process_knows_it_and_a_resume_ends_it_at_once() {
    let (editing, table) = editing(&open_poll(), &[]);
    let paused = run(editing.pause(&id(), &owner())).unwrap();
    assert_eq!((paused_in_ms(&paused), paused.rules.settings.revision), (Some(PROPAGATION_MS), 2));
    assert_eq!(paused.rules.stamp.as_ref().unwrap().action, Action::PollPaused);
    assert_eq!(run(editing.pause(&id(), &owner())).unwrap(), paused, "the same again");
    assert!(stored(&editing, &table) == paused);
    editing.clock.go_on(60_000);
    let resumed = run(editing.resume(&id(), &owner())).unwrap();
    assert_eq!((paused_in_ms(&resumed), resumed.rules.settings.revision), (None, 3));
    assert_eq!(resumed.rules.stamp.as_ref().unwrap().action, Action::PollResumed);
    assert_eq!(run(editing.resume(&id(), &owner())).unwrap(), resumed, "the same again");
    assert!(stored(&editing, &table) == resumed);
}

#[test]
fn a_pause_that_landed_late_begins_later() {
    let (editing, table) = editing(&open_poll(), &[Fate::LandsAndTheAnswerComesAfter(3_001)]);
    let paused = run(editing.pause(&id(), &owner())).unwrap();
    assert_eq!(paused.rules.settings.revision, 3);
    assert!(paused_in_ms(&paused) >= Some(3_001 + PROPAGATION_MS), "{:?}", paused_in_ms(&paused));
    assert!(stored(&editing, &table) == paused);
}

#[test]
fn a_resume_whose_answer_was_lost_is_done_once() {
    let mut paused = open_poll();
    paused.rules.settings.paused_from = Some(at(5));
    let (editing, table) = editing(&paused, &[Fate::LandsAndTheAnswerIsLost]);
    let resumed = run(editing.resume(&id(), &owner())).unwrap();
    assert_eq!((paused_in_ms(&resumed), resumed.rules.settings.revision, table.lock().unwrap().writes), (None, 2, 1));
}

#[test]
fn only_a_poll_that_is_open_is_paused_or_resumed_and_by_its_tenant_alone() {
    for (times, refusal) in
        [(json!({"opens_at": at(60)}), Error::PollNotOpen), (json!({"closes_at": at(9)}), Error::PollClosed)]
    {
        let (editing, table) = editing(&poll(times), &[]);
        assert_eq!(run(editing.pause(&id(), &owner())), Err(refusal.clone()));
        assert_eq!(run(editing.resume(&id(), &owner())), Err(refusal));
        assert_eq!(table.lock().unwrap().writes, 0);
    }
    let (editing, table) = editing(&open_poll(), &[]);
    let other = Member::of_account(&account("other"), "r2");
    let viewer = Member { role: Some(Role::Viewer), ..owner() };
    for (member, refusal) in [(other, Error::NotOwner), (viewer, Error::RoleForbids(Role::Viewer))] {
        assert_eq!(run(editing.pause(&id(), &member)), Err(refusal.clone()));
        assert_eq!(run(editing.resume(&id(), &member)), Err(refusal));
    }
    assert_eq!(table.lock().unwrap().writes, 0);
}

#[test]
fn a_paused_poll_is_edited_and_closed_as_an_open_one_and_stays_paused() {
    let (editing, _) = editing(&open_poll(), &[]);
    run(editing.pause(&id(), &owner())).unwrap();
    editing.clock.go_on(60_000);
    let edited = edit_it(&editing, json!({"peak_votes_per_second": 9_000})).unwrap();
    assert_eq!((edited.rules.status(editing.clock.now()), edited.rules.settings.revision), (Status::Paused, 3));
    assert!(matches!(edit_it(&editing, json!({"question": "R"})), Err(Error::NotEditable(_))));
    let closed = run(editing.close(&id(), &owner())).unwrap();
    assert_eq!((closes_in_ms(&closed), paused_in_ms(&closed)), (69_000, Some(PROPAGATION_MS)));
    assert_eq!(run(editing.close(&id(), &owner())).unwrap(), closed);
}

#[test]
fn a_change_that_did_not_land_is_as_if_it_had_not_been() {
    let closing = poll(json!({"closes_at": at(21)}));
    let (editing, _) = editing(&closing, &[Fate::IsLost]);
    let (told, closed) = close_it(&editing);
    let closed = closed.unwrap();
    assert_eq!((told, closed.rules.settings.revision), (vec![false, false], 2));
    assert!((SILENCE_MS + PROPAGATION_MS..11_000).contains(&closes_in_ms(&closed)));
}

#[test]
fn what_somebody_else_wrote_is_not_taken_for_ours() {
    let (editing, _) = editing(&open_poll(), &[Fate::IsLostWhileAnotherLands]);
    let (told, closed) = close_it(&editing);
    let closed = closed.unwrap();
    assert_eq!((told, closed.rules.settings.revision), (vec![false, false], 3));
    assert_eq!(closed.rules.settings.spec.peak_votes_per_second, 2_000);
}

#[test]
fn an_earlier_try_is_known_again_though_lanes_were_doubled_meanwhile() {
    let (editing, _) = editing(&open_poll(), &[Fate::LandsWhileLanesAreDoubled]);
    let (told, closed) = close_it(&editing);
    let closed = closed.unwrap();
    assert_eq!((told, closed.rules.settings.revision, closed.rules.lanes), (vec![false], 2, 2));
}

#[test]
fn a_change_that_never_lands_is_unavailable_in_the_end() {
    let (editing, table) = editing(&open_poll(), &[Fate::IsLost; 20]);
    let (told, closed) = close_it(&editing);
    assert_eq!((told.len(), table.lock().unwrap().writes), (16, 16));
    assert!(matches!(closed, Err(Error::Unavailable(_))));
}

/// A closing 9.5 s ahead is far enough for a first try, and too near for a second.
fn close_near(fates: &[Fate]) -> (Result<Poll, Error>, Poll) {
    let (editing, table) = editing(&open_poll(), fates);
    let outcome = edit_it(&editing, json!({"closes_at": at(10).plus_millis(9_500)}));
    (outcome, stored(&editing, &table))
}

#[test]
fn a_refusal_that_finds_a_try_under_way_waits_until_it_has_landed_or_can_not() {
    for calls in 1..5 {
        let (outcome, stored) = close_near(&[Fate::LandsAfterCalls(calls)]);
        match outcome {
            Ok(changed) => assert!(changed == stored && closes_in_ms(&stored) == 9_500, "after {calls} calls"),
            Err(Error::NotEditable(_)) => {
                assert_eq!(
                    (stored.rules.settings.spec.closes_at, stored.rules.settings.revision),
                    (None, 2),
                    "{calls}"
                );
            }
            other => panic!("after {calls} calls: {other:?}"),
        }
    }
}

#[test]
fn a_refusal_takes_the_revision_that_a_lost_try_might_have_taken() {
    let (outcome, stored) = close_near(&[Fate::IsLost, Fate::IsLost, Fate::IsLost]);
    assert!(matches!(outcome, Err(Error::NotEditable(_))), "{outcome:?}");
    assert_eq!((stored.rules.settings.spec.closes_at, stored.rules.settings.revision), (None, 2));
}

#[test]
fn a_refusal_waits_though_the_next_read_fails() {
    let (outcome, stored) = close_near(&[Fate::IsLostAndTheNextReadToo]);
    assert!(matches!(outcome, Err(Error::NotEditable(_))), "{outcome:?}");
    assert_eq!(stored.rules.settings.revision, 2);
}

#[test]
fn a_try_that_somebody_may_have_replaced_before_it_was_seen_is_no_refusal() {
    let (outcome, stored) = close_near(&[Fate::LandsAndAnotherOverIt]);
    assert_eq!(outcome.unwrap(), stored, "the closing stands, though someone else changed the poll");
    assert_eq!((closes_in_ms(&stored), stored.rules.settings.spec.peak_votes_per_second), (9_500, 2_000));
    let (editing, _) = editing(&open_poll(), &[Fate::LandsAndAnotherOverIt]);
    let edit: EditPoll = serde_json::from_value(json!({"peak_votes_per_second": 3_000})).unwrap();
    let expected = Revisions::Of(vec!["1".to_owned()]);
    let outcome = run(editing.edit(&id(), &owner(), &expected, &edit));
    assert!(matches!(outcome, Err(Error::Unavailable(_))), "it was changed, and is not as expected: {outcome:?}");
}

#[test]
fn a_transaction_that_stalls_is_waited_for_with_pauses() {
    let scheduled = poll(json!({"opens_at": at(60)}));
    for calls in [1, 7, 15] {
        let (editing, table) = editing(&scheduled, &[Fate::StallsForCalls(calls)]);
        let changed = edit_it(&editing, json!({"options": ["x", "y"]})).unwrap();
        assert_eq!(
            (changed.options.as_slice(), changed.rules.options_revision),
            (&["x", "y"].map(str::to_owned)[..], 2)
        );
        assert!(stored(&editing, &table).is_but_for_counting(&changed), "after {calls} calls");
        assert_eq!(table.lock().unwrap().writes, 1 + calls.div_ceil(2), "each attempt reads and writes");
    }
}

#[test]
fn only_new_labels_take_a_transaction() {
    let scheduled = poll(json!({"opens_at": at(60)}));
    for (body, operation) in [
        (json!({"options": ["x", "y"]}), "TransactWriteItems"),
        (json!({"question": "R", "opens_at": at(70), "results": "owner"}), "UpdateItem"),
        (json!({"closes_at": at(90)}), "UpdateItem"),
        (json!({"peak_votes_per_second": 9_000}), "UpdateItem"),
    ] {
        let (editing, table) = editing(&scheduled, &[Fate::LandsAfterCalls(100)]);
        let outcome = edit_it(&editing, body);
        assert_eq!(table.lock().unwrap().pending.as_ref().unwrap().call.operation, operation);
        assert!(outcome.is_ok(), "{outcome:?}");
    }
}

/// Hides this answer over the first list. Returns the list that the caller is told.
fn hide_it(editing: &PollChanges<Client, VirtualClock>, answer: &str) -> Result<HiddenAnswers, Error> {
    let asked: HideAnswers = serde_json::from_value(json!({"answers": [answer]})).unwrap();
    run(editing.hide_answers(&id(), &owner(), &Revisions::Of(vec!["0".to_owned()]), asked))
}

fn text_poll() -> Poll {
    poll_asked_for(json!({"question": "Q", "kind": "text", "closes_at": at(9)}), at(0)).unwrap()
}

#[test]
fn answers_are_hidden_once_whatever_becomes_of_the_write_also_in_a_closed_poll() {
    for fates in [
        vec![],
        vec![Fate::LandsAndTheAnswerIsLost],
        vec![Fate::LandsAndTheAnswerComesAfter(9_000)],
        vec![Fate::IsLost],
        vec![Fate::LandsAfterCalls(3)],
        vec![Fate::StallsForCalls(3)],
        vec![Fate::IsLostWhileAnotherLands],
    ] {
        let (editing, _table) = editing(&text_poll(), &fates);
        let told = hide_it(&editing, "bad").unwrap_or_else(|error| panic!("{fates:?}: {error:?}"));
        let (rules, stored) = run(editing.polls.hidden_answers(&id(), &editing.clock)).unwrap().unwrap();
        assert_eq!((stored.answers.len(), stored.answers[0].as_str()), (1, "bad"), "{fates:?}");
        assert_eq!((&told, rules.hidden_revision()), (&stored, stored.revision), "{fates:?}");
    }
}

#[test]
fn who_hides_answers_over_an_older_list_is_told_so_and_changes_nothing() {
    let (editing, _) = editing(&text_poll(), &[]);
    let first = hide_it(&editing, "bad").unwrap();
    assert_eq!(hide_it(&editing, "worse"), Err(Error::RevisionMismatch));
    let stored = run(editing.polls.hidden_answers(&id(), &editing.clock)).unwrap().unwrap().1;
    assert_eq!(stored, first);
}

#[test]
fn a_viewer_hides_nothing() {
    let (editing, _) = editing(&text_poll(), &[]);
    let viewer = Member { role: Some(Role::Viewer), ..owner() };
    let asked: HideAnswers = serde_json::from_value(json!({"answers": []})).unwrap();
    let outcome = run(editing.hide_answers(&id(), &viewer, &Revisions::Any, asked));
    assert_eq!(outcome, Err(Error::RoleForbids(Role::Viewer)));
}

#[test]
fn a_slow_read_leaves_a_closing_as_much_time_to_propagate() {
    let (editing, table) = editing(&open_poll(), &[]);
    table.lock().unwrap().read_takes_ms = 4_000;
    let (_, closed) = close_it(&editing);
    let closed = closed.unwrap();
    assert_eq!(closed.rules.settings.spec.closes_at.unwrap().millis_since(editing.clock.now()), PROPAGATION_MS);
    assert_eq!(closed.rules.settings.revision, 2);
}
