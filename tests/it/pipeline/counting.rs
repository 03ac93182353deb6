//! From the stream to the counts: what comes twice, out of order, or can't be read.

use std::ops::Range;

use futures_util::future::join_all;
use landslide_domain::{
    change::Change,
    time::{DAY_MS, MINUTE_MS, Timestamp},
};
use serde_json::{Value, json};

use crate::support::{
    App, eventually, made_up_votes, message, message_is_of, new_record, now_ms, of_later_version, relay, replay,
    votes_by_option,
};

/// Calls tally-votes as the queue does, with (id, group, body); the ids that are to come again.
async fn tally(app: &App, messages: &[(&str, &str, &str)]) -> Vec<String> {
    let record = |(id, group, body): &(&str, &str, &str)| {
        json!({
            "messageId": id, "receiptHandle": id, "body": body, "eventSource": "aws:sqs", "messageAttributes": {},
            "attributes": {"MessageGroupId": group, "ApproximateReceiveCount": "1", "SequenceNumber": "1"},
        })
    };
    let event = json!({"Records": messages.iter().map(record).collect::<Vec<_>>()});
    let report = app.aws.invoke(&app.stack.function("tally-votes"), &event).await.unwrap();
    let failures = report["batchItemFailures"].as_array().unwrap_or_else(|| panic!("{report}"));
    failures.iter().map(|failure| failure["itemIdentifier"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn replayed_and_shuffled_and_rebatched_records_change_no_count() {
    let app = App::new();
    let poll = app.single_choice_poll().await;
    app.votes_for(&poll, (0..45).map(|n| n % 2 + 1)).await;
    let settled = app.results_settle_at(&poll, 45).await;
    replay(&app, &poll, 4).await;
    let results = app.nothing_more_is_counted_than(&poll, 45).await;
    let [red, blue, green] = votes_by_option(&settled)[..] else { panic!("{settled}") };
    assert_eq!((red, votes_by_option(&results)), (0, vec![1, blue, green]));
    app.assert_recounted(&poll, &results).await;
}

#[tokio::test]
async fn records_replayed_while_votes_come_in_are_counted_once() {
    let app = App::new();
    let poll = app.single_choice_poll().await;
    app.votes_for(&poll, vec![0; 20]).await;
    tokio::join!(app.votes_for(&poll, vec![1; 40]), async {
        replay(&app, &poll, 1).await;
        replay(&app, &poll, 1).await;
    });
    app.results_settle_at(&poll, 60).await;
    let results = app.nothing_more_is_counted_than(&poll, 60).await;
    assert_eq!(votes_by_option(&results), [21, 40, 0]);
    app.assert_recounted(&poll, &results).await;
}

#[tokio::test]
async fn processes_that_count_one_lane_at_once_count_each_vote_once() {
    let app = App::new();
    let poll = app.single_choice_poll().await;
    let group = format!("{poll}#0");
    let all = made_up_votes((0..40).map(|n| n % 3));
    // Each process gets a different part of the same changes, so that three processes get each change.
    let bodies: Vec<String> =
        (0..6).map(|n| message(&poll, 0, all.iter().cycle().skip(n * 7).take(20).cloned().collect())).collect();
    let failed = join_all(bodies.iter().map(|body| async { tally(&app, &[("m", &group, body)]).await })).await;
    // Who was overtaken too often reports its message; the queue would give it again.
    for (body, failed) in bodies.iter().zip(failed) {
        if !failed.is_empty() {
            assert!(tally(&app, &[("again", &group, body)]).await.is_empty());
        }
    }
    assert_eq!(votes_by_option(&app.results_settle_at(&poll, 40).await), [14, 13, 13]);
}

#[tokio::test]
async fn a_message_that_can_not_be_decoded_is_a_dead_letter_and_its_lane_goes_on() {
    let app = App::new();
    let poll = app.single_choice_poll().await;
    let group = format!("{poll}#0");
    app.votes_for(&poll, [0, 1]).await;
    let broken = format!("this is no message, {poll}");
    let of_another_lane = message(&poll, 1, made_up_votes([2]));
    app.aws.send(app.stack.output("TallyQueueUrl"), &group, &broken).await;
    app.aws.send(app.stack.output("TallyQueueUrl"), &group, &of_another_lane).await;
    app.votes_for(&poll, [1, 2]).await;
    let results = app.results_settle_at(&poll, 4).await;
    assert_eq!(votes_by_option(&results), [1, 2, 1]);
    for body in [broken, of_another_lane] {
        let letter = app.aws.take_letter(app.stack.output("TallyDlqUrl"), |letter| letter.body == body).await;
        assert!(letter.reason.starts_with("malformed message"), "{letter:?}");
    }
}

#[tokio::test]
async fn a_record_that_can_not_be_read_is_a_dead_letter_and_the_rest_of_its_batch_counts() {
    let app = App::new();
    let poll = app.single_choice_poll().await;
    let mut broken = new_record(&poll, 0);
    broken["dynamodb"]["NewImage"]["cast_at"] = json!({"N": "soon"});
    relay(&app, &[new_record(&poll, 0), broken.clone(), new_record(&poll, 1)]).await;
    assert_eq!(votes_by_option(&app.results_settle_at(&poll, 2).await), [1, 1, 0]);
    let letter = app.aws.take_letter(app.stack.output("RelayDlqUrl"), |letter| letter.body.contains(&poll)).await;
    assert_eq!(serde_json::from_str::<Value>(&letter.body).unwrap(), broken);
    assert!(letter.reason.contains("cast_at"), "{letter:?}");
}

#[tokio::test]
async fn a_message_of_a_later_layout_waits_and_holds_back_only_its_own_lane() {
    let app = App::new();
    let (poll, other) = (app.single_choice_poll().await, app.single_choice_poll().await);
    let (group, other_group) = (format!("{poll}#0"), format!("{other}#0"));
    let later = of_later_version(&message(&poll, 0, made_up_votes([0])));
    let (first, last, others) = (
        message(&poll, 0, made_up_votes([1])),
        message(&poll, 0, made_up_votes([2])),
        message(&other, 0, made_up_votes([1])),
    );
    let waiting = tally(
        &app,
        &[
            ("first", &group, &first),
            ("later", &group, &later),
            ("other", &other_group, &others),
            ("last", &group, &last),
        ],
    )
    .await;
    assert_eq!(waiting, ["later", "last"]);
    assert_eq!(votes_by_option(&app.results_settle_at(&poll, 1).await), [0, 1, 0]);
    assert_eq!(votes_by_option(&app.results_settle_at(&other, 1).await), [0, 1, 0]);
    app.aws.assert_no_letter(app.stack.output("TallyDlqUrl"), |letter| letter.body == later).await;
}

#[tokio::test]
async fn a_vote_too_old_to_be_told_from_a_repeat_is_a_dead_letter() {
    let app = App::new();
    let poll = app.single_choice_poll().await;
    let group = format!("{poll}#0");
    let mut both = made_up_votes([0, 1]);
    both[0].cast_at = Timestamp::from_millis(now_ms() - 29 * DAY_MS - 60_000).unwrap();
    both[1].cast_at = Timestamp::from_millis(now_ms() - 29 * DAY_MS + 60_000).unwrap();
    let old = message(&poll, 0, vec![both[0].clone()]);
    assert!(tally(&app, &[("m", &group, &message(&poll, 0, both))]).await.is_empty());
    assert_eq!(votes_by_option(&app.results_settle_at(&poll, 1).await), [0, 1, 0]);
    let letter =
        app.aws.take_letter(app.stack.output("TallyDlqUrl"), |letter| message_is_of(&letter.body, &poll)).await;
    assert_eq!((letter.reason.as_str(), letter.body), ("too_old", old));
}

#[tokio::test]
async fn the_lanes_of_a_large_poll_add_up() {
    const LANES: u64 = 8;
    let app = App::new();
    let poll =
        app.poll(json!({"question": "Which?", "options": ["a", "b", "c"], "peak_votes_per_second": 60_000})).await;
    app.votes_for(&poll, (0..96).map(|n| n % 3)).await;
    let ballots = async |lane, item| {
        let tally = app.aws.tally(&poll, lane, item).await;
        tally["ballots"]["N"].as_str().map_or(0, |number| number.parse::<usize>().unwrap())
    };
    eventually("96 ballots in all lanes", async || {
        let counted: Vec<usize> = join_all((0..LANES).map(|lane| ballots(lane, "COUNT"))).await;
        if counted.iter().sum::<usize>() == 96 { Ok(()) } else { Err(format!("{counted:?}")) }
    })
    .await;
    // Nobody has asked before, so no process remembers how many lanes the poll has: the first answer must be whole.
    let results = app.results(&poll).await;
    assert_eq!(votes_by_option(&results), [32, 32, 32]);
    app.assert_recounted(&poll, &results).await;
    let votes = app.aws.votes_of(&poll).await;
    let mut lanes_used = 0;
    for lane in 0..LANES {
        let of_lane = votes.iter().filter(|vote| vote.lane == lane).count();
        assert_eq!(ballots(lane, "HEAD").await, of_lane, "lane {lane}");
        lanes_used += usize::from(of_lane > 0);
    }
    // Voters are spread by chance; that two of eight lanes stay without any of 96 does not come up in a lifetime.
    assert!(lanes_used > 6, "{lanes_used} lanes have votes");
    assert!(votes.iter().all(|vote| vote.lane < LANES));
    replay(&app, &poll, 1).await;
    // Votes for every lane, behind what was replayed.
    app.votes_for(&poll, vec![1; 96]).await;
    let results = app.results_settle_at(&poll, 192).await;
    app.assert_recounted(&poll, &results).await;
    app.assert_no_dead_letter_of(&poll).await;
}

#[tokio::test]
async fn a_message_redriven_with_new_deduplication_ids_is_counted_once() {
    let app = App::new();
    let poll = app.single_choice_poll().await;
    let body = message(&poll, 0, made_up_votes([1, 2, 2]));
    for _ in 0..4 {
        app.aws.send(app.stack.output("TallyQueueUrl"), &format!("{poll}#0"), &body).await;
    }
    app.results_settle_at(&poll, 3).await;
    assert_eq!(votes_by_option(&app.nothing_more_is_counted_than(&poll, 3).await), [1, 1, 2]);
}

/// A poll that outgrows its lane gets more lanes: under the same revision, not shown, in force within a lease.
/// The next doubling waits until this one has propagated.
#[tokio::test]
async fn a_poll_too_hot_for_its_lane_gets_more_lanes_and_counts_exactly() {
    const VOTES: u64 = 12_000;
    const HALVES_MAX: u64 = 60;
    let app = App::new();
    let owner = app.account("surprised");
    let poll = app.poll_of(&owner, json!({"question": "?", "options": ["a", "b"]})).await;
    let before = app.aws.poll_item(&poll, "RULES").await;
    assert_eq!((&before["lanes"]["N"], &before["lanes_doubled_at"]), (&json!("1"), &Value::Null));
    // In the past: by no vote has the first doubling propagated already.
    let start = now_ms() - 60_000;
    let rush = async |halves: Range<u64>| {
        let group = format!("{poll}#0");
        // One process counts them all, unless others are called meanwhile: then a later half second shows it.
        for half in halves {
            let cast_at = Timestamp::from_millis(start + half * 500).unwrap();
            let cast = made_up_votes(vec![1; VOTES as usize]).into_iter().map(|change| Change { cast_at, ..change });
            let body = message(&poll, 0, cast.collect());
            assert_eq!(tally(&app, &[("a", &group, &body)]).await, [] as [&str; 0]);
        }
    };
    // A process knows after eight batches what a vote takes, and several may take turns.
    let (mut after, mut halves) = (before.clone(), 0);
    while after["lanes"]["N"] == "1" && halves < HALVES_MAX {
        rush(halves..halves + 1).await;
        halves += 1;
        after = app.aws.poll_item(&poll, "RULES").await;
    }
    assert_eq!((&after["lanes"]["N"], &after["revision"]), (&json!("2"), &before["revision"]));
    assert_eq!(app.shown(&poll).await["revision"], 1);
    rush(halves..halves + 2).await;
    let rushed = (halves + 2) * VOTES;
    assert_eq!(app.aws.poll_item(&poll, "RULES").await["lanes"]["N"], "2", "the first doubling has not propagated yet");
    // Some of them fall to the new lane, once every process has read of it.
    eventually("a vote in the new lane", async || {
        app.votes_for(&poll, [0]).await;
        let votes = app.aws.votes_of(&poll).await;
        votes.iter().any(|vote| vote.lane == 1).then_some(()).ok_or_else(|| format!("{} in lane 0", votes.len()))
    })
    .await;
    let cast = app.aws.votes_of(&poll).await.len() as u64;
    let results = app.results_settle_at(&poll, rushed + cast).await;
    assert_eq!(votes_by_option(&results), [cast, rushed]);
    assert_eq!(app.close_poll(&poll, &owner).await.status, 200);
    assert_eq!(app.aws.poll_item(&poll, "RULES").await["lanes"]["N"], "2");
}

/// What the time to live and purges do, but for the service's mark on the record, which no local cloud makes.
#[tokio::test]
async fn a_vote_item_that_is_marked_to_expire_and_removed_stays_counted() {
    let app = App::new();
    let poll = app.single_choice_poll().await;
    app.votes_for(&poll, [0, 1, 1, 2]).await;
    app.results_settle_at(&poll, 4).await;
    for vote in app.aws.votes_of(&poll).await {
        app.aws.expire_vote(&vote, now_ms() + DAY_MS).await;
        app.aws.delete_vote(&vote).await;
    }
    assert_counted_though_removed(&app, &poll).await;
}

#[tokio::test]
async fn vote_items_whose_time_to_live_is_over_are_removed_and_stay_counted() {
    let app = App::new();
    if app.stack.lacks("expiry-on-request") {
        return;
    }
    let poll = app.single_choice_poll().await;
    app.votes_for(&poll, [0, 1, 1, 2]).await;
    app.results_settle_at(&poll, 4).await;
    let (kept, expired) = (app.single_choice_poll().await, app.aws.votes_of(&poll).await);
    app.votes_for(&kept, [1]).await;
    app.aws.expire_vote(&app.aws.votes_of(&kept).await[0], now_ms() + DAY_MS).await;
    for vote in expired {
        app.aws.expire_vote(&vote, now_ms() - MINUTE_MS).await;
    }
    app.aws.remove_expired().await;
    assert_counted_though_removed(&app, &poll).await;
    assert_eq!(app.aws.votes_of(&kept).await.len(), 1, "its time is not over");
}

async fn assert_counted_though_removed(app: &App, poll: &str) {
    assert!(app.aws.votes_of(poll).await.is_empty());
    let results = app.nothing_more_is_counted_than(poll, 4).await;
    assert_eq!(votes_by_option(&results), [2, 2, 1]);
    app.assert_no_dead_letter_of(poll).await;
}

/// Through the stream itself, which nothing may block.
#[tokio::test]
async fn an_item_that_is_no_vote_is_a_dead_letter_and_blocks_no_stream() {
    let app = App::new();
    let poll = app.single_choice_poll().await;
    let item =
        json!({"poll_partition": {"S": format!("{poll}#000")}, "voter": {"S": "nobody"}, "revision": {"N": "1"}});
    app.aws.put_vote_item(&item).await;
    app.votes_for(&poll, [1]).await;
    app.results_settle_at(&poll, 1).await;
    let letter = app.aws.take_letter(app.stack.output("RelayDlqUrl"), |letter| letter.body.contains(&poll)).await;
    let record: Value = serde_json::from_str(&letter.body).unwrap();
    assert_eq!((&record["eventName"], &record["dynamodb"]["NewImage"]), (&json!("INSERT"), &item));
}
