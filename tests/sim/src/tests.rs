use std::{cell::RefCell, rc::Rc};

use aws_sdk_dynamodb::{
    operation::{put_item::PutItemInput, update_item::UpdateItemInput},
    types::AttributeValue,
};

use crate::{
    executor::{Doom, Executor},
    faults::Fault,
    item::{Item, number},
    models::{
        database::{Keys, Table, Written},
        queue::{FifoQueue, Receipt, Sent},
        stream::{PLACES, Record, Stream},
    },
    run::run,
    scenario::Scenario,
    spec::{Change, Spec},
    summary::group_thousands,
};

#[test]
fn a_seed_gives_the_same_run_each_time() {
    for seed in 1..=40 {
        let scenario = Scenario::of(seed);
        let (first, second) = (run(&scenario, false), run(&scenario, false));
        assert_eq!((first.numbers, first.faults), (second.numbers, second.faults), "seed {seed}");
    }
}

#[test]
fn every_kind_of_fault_strikes_and_every_number_moves() {
    let reports: Vec<_> = (1..=500).map(|seed| run(&Scenario::of(seed), false)).collect();
    for (place, fault) in Fault::ALL.iter().enumerate() {
        assert!(reports.iter().any(|report| report.faults[place] > 0), "{fault:?} never struck");
    }
    for (place, (name, _)) in reports[0].numbers.iter().enumerate() {
        assert!(reports.iter().any(|report| report.numbers[place].1 > 0), "there were never any {name}");
    }
}

#[test]
fn a_spec_survives_its_text() {
    let spec = Spec::of(17)
        .with(Change::World(5))
        .with(Change::Voters(9))
        .with(Change::Voters(3))
        .with(Change::NoMonths)
        .with(Change::NoLostRuns)
        .with(Change::Off(Fault::Crash))
        .with(Change::Off(Fault::AnswerLost));
    assert_eq!(spec.to_string(), "17 world=5 voters=3 off=months off=lost-runs off=crash off=answer-lost");
    assert_eq!(spec.to_string().parse(), Ok(spec));
    assert!("17 voters".parse::<Spec>().is_err() && "17 off=luck".parse::<Spec>().is_err());
}

#[test]
fn thousands_are_grouped() {
    assert_eq!([0, 999, 1_000, 1_234_567].map(group_thousands), ["0", "999", "1,000", "1,234,567"]);
}

fn message(group: &str, body: &str) -> Sent {
    Sent { body: body.into(), group: group.into(), deduplication: Some(body.into()), reason: None }
}

#[test]
fn a_deduplication_id_holds_for_five_minutes_in_its_group() {
    let queue = FifoQueue::default();
    assert!(queue.send(message("a", "1"), 0));
    assert!(!queue.send(message("a", "1"), 299_999));
    assert!(queue.send(message("b", "1"), 1));
    assert!(queue.send(message("a", "1"), 300_000));
}

#[test]
fn a_group_is_in_one_hand_at_a_time_and_keeps_its_order() {
    let queue = FifoQueue::default();
    assert!(["1", "2", "3"].iter().all(|body| queue.send(message("a", body), 0)));
    let bodies = |receipt: &Receipt| -> Vec<String> {
        receipt.messages.iter().map(|message| message.sent.body.to_string()).collect()
    };
    let wanted = [("a".into(), 2)];
    let (first, _) = queue.receive(&wanted, 2, (0, 60));
    assert_eq!(bodies(&first), ["1", "2"]);
    assert!(queue.free_groups().is_empty());
    queue.delete(first.number, |message| &*message.sent.body == "1");
    assert_eq!(queue.release(first.number), 1);
    assert_eq!(bodies(&queue.receive(&wanted, 2, (0, 60)).0), ["2", "3"]);
}

#[test]
fn messages_are_hidden_one_by_one_and_their_group_waits_for_all_of_them() {
    let queue = FifoQueue::default();
    assert!(["1", "2", "3"].iter().all(|body| queue.send(message("a", body), 0)));
    let (receipt, _) = queue.receive(&[("a".into(), 3)], 9, (0, 60));
    let ids: Vec<u64> = receipt.messages.iter().map(|message| message.id).collect();
    assert!(queue.hide(receipt.number, ids[0], 5) && queue.hide(receipt.number, ids[2], 3));
    queue.release_due(receipt.number, 5);
    assert!(queue.free_groups().is_empty(), "the second is hidden");
    assert!(!queue.hide(receipt.number, ids[0], 9), "it is out no more");
    queue.release_due(receipt.number, 60);
    let again = queue.receive(&[("a".into(), 3)], 9, (60, 120)).0;
    assert_eq!(again.messages.iter().map(|message| (message.id, message.receives)).collect::<Vec<_>>(), {
        ids.iter().map(|id| (*id, 2)).collect::<Vec<_>>()
    });
}

#[test]
fn a_message_that_was_handed_out_too_often_is_given_up() {
    let queue = FifoQueue::default();
    queue.send(message("a", "1"), 0);
    let wanted = [("a".into(), 1)];
    let (receipt, _) = queue.receive(&wanted, 1, (0, 60));
    queue.release(receipt.number);
    let (receipt, dead) = queue.receive(&wanted, 1, (60, 120));
    assert_eq!((receipt.messages.len(), dead.len(), queue.is_empty()), (0, 1, true));
}

#[test]
fn a_shard_that_splits_ends_and_its_places_go_to_two() {
    let stream = Stream::new(1);
    let record = || Record { json: "{}".into(), at_ms: 0 };
    stream.append(0, record());
    let children = stream.split(0);
    (0..PLACES).for_each(|place| stream.append(place, record()));
    assert_eq!(children.iter().map(|child| child.next(PLACES).len()).collect::<Vec<_>>(), [PLACES / 2, PLACES / 2]);
    let parent = children[0].parent.clone().unwrap();
    assert!(!parent.is_finished());
    parent.advance(1);
    assert!(parent.is_finished());
}

#[test]
fn a_condition_that_fails_changes_nothing_and_shows_what_stands() {
    let mut table = Table::new(Keys("poll_lane", "item"));
    let put = |table: &mut Table, version: u64, condition: &str| {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let digits = |number: u64| AttributeValue::N(number.to_string());
        let item = [("poll_lane", text("p#0")), ("item", text("HEAD")), ("version", digits(version))];
        let item: Item = item.map(|(name, value)| (name.to_owned(), value)).into();
        let call = PutItemInput::builder()
            .condition_expression(condition)
            .expression_attribute_names("#version", "version")
            .expression_attribute_values(":version", digits(version - 1));
        match table.put(&call.build().unwrap(), &Rc::new(item)) {
            Written::Done(former) => (true, former.map(|item| number(&item, "version"))),
            Written::ConditionFailed(stands) => (false, stands.map(|item| number(&item, "version"))),
            Written::Conflict => unreachable!("nothing is under way"),
        }
    };
    assert_eq!(put(&mut table, 1, "#version = :version"), (false, None));
    assert_eq!(put(&mut table, 1, "attribute_not_exists(#version)"), (true, None));
    assert_eq!(put(&mut table, 2, "attribute_not_exists(#version)"), (false, Some(1)));
    assert_eq!(put(&mut table, 2, "#version = :version"), (true, Some(1)));
    assert_eq!(put(&mut table, 2, "#version = :version"), (false, Some(2)));
    assert_eq!(put(&mut table, 4, "attribute_not_exists(#version) OR #version < :version"), (true, Some(2)));
}

#[test]
fn an_update_sets_adds_and_removes_and_leaves_the_rest() {
    let mut table = Table::new(Keys("poll_id", "item"));
    let digits = |number: u64| AttributeValue::N(number.to_string());
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let key = [("poll_id", text("p")), ("item", text("RULES"))];
    let item_of = |attributes: &[(&str, AttributeValue)]| -> Item {
        key.iter().chain(attributes).map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    };
    table.seed(item_of(&[("a", digits(2)), ("gone", digits(1)), ("unknown", text("stays"))]));
    let call = UpdateItemInput::builder()
        .set_key(Some(item_of(&[])))
        .update_expression("SET #a = #a + #a, #b = :b REMOVE #gone, #never")
        .condition_expression("#a = :a")
        .set_expression_attribute_names(Some(
            ["a", "b", "gone", "never"].map(|name| (format!("#{name}"), name.to_owned())).into(),
        ))
        .expression_attribute_values(":a", digits(2))
        .expression_attribute_values(":b", text("new"));
    let call = call.build().unwrap();
    assert!(matches!(table.update(&call), Written::Done(Some(_))));
    let after = item_of(&[("a", digits(4)), ("b", text("new")), ("unknown", text("stays"))]);
    assert_eq!(*table.get(("p", "RULES")).unwrap(), after);
    assert!(matches!(table.update(&call), Written::ConditionFailed(Some(_))), "it is over what was read");
    assert_eq!(*table.get(("p", "RULES")).unwrap(), after);
}

#[test]
fn a_task_can_be_dropped_or_held_up_at_an_await() {
    let executor = Rc::new(Executor::new(1, 0));
    let reached = Rc::new(RefCell::new(Vec::new()));
    let task = |name: &'static str| {
        let (again, reached) = (executor.clone(), reached.clone());
        async move {
            for step in 1..=2 {
                again.sleep(10).await;
                reached.borrow_mut().push((name, step, again.now_ms()));
            }
        }
    };
    executor.spawn_doomed(task("dropped"), Doom { dropped_at_poll: Some(3), held_up: None });
    executor.spawn_doomed(task("held up"), Doom { dropped_at_poll: None, held_up: Some((2, 100)) });
    assert!(executor.run(100));
    assert_eq!(*reached.borrow(), [("dropped", 1, 10), ("held up", 1, 110), ("held up", 2, 120)]);
    assert_eq!((executor.drops(), executor.hold_ups()), (1, 1));
}
