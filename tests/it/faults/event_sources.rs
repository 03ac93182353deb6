//! What feeds relay-votes and tally-votes, while these fail: nothing is lost and nothing counts twice. Where tries run
//! out, an operator can redrive or replay all that was not counted.

use landslide_domain::message::Message;
use serde_json::{Value, json};

use crate::support::{
    App, eventually, made_up_votes, message, of_later_version, relay, stream_event, tally_queue_is_empty,
    votes_by_option, while_changed, while_set, while_tries_run_out_soon,
};

/// A queue where nobody is.
fn nowhere(app: &App) -> String {
    app.stack.output("TallyQueueUrl").replace("Tally", "No")
}

/// Sends all dead letters to the tally queue again, under new deduplication ids. A move task of the queue service keeps
/// the old ids, which the queue drops for five minutes.
async fn redrive(app: &App) {
    let dead_letters = app.stack.output("TallyDlqUrl");
    while app.aws.messages_in(dead_letters).await > 0 {
        let letter = app.aws.take_letter(dead_letters, |_| true).await;
        app.aws.send(app.stack.output("TallyQueueUrl"), &letter.group, &letter.body).await;
    }
}

#[tokio::test]
async fn messages_tried_too_often_are_dead_letters_and_count_once_when_redriven() {
    let app = App::alone();
    let poll = app.single_choice_poll().await;
    app.votes_for(&poll, vec![0; 5]).await;
    app.results_settle_at(&poll, 5).await;
    while_tries_run_out_soon(
        &app,
        while_set(&app, "tally-votes", "TALLIES_TABLE", "no-such-table", async {
            app.votes_for(&poll, (0..20).map(|n| n % 2 + 1)).await;
            eventually("dead letter", async || match app.aws.messages_in(app.stack.output("TallyDlqUrl")).await {
                0 => Err("none".to_owned()),
                _ => Ok(()),
            })
            .await;
            tally_queue_is_empty(&app).await;
        }),
    )
    .await;
    redrive(&app).await;
    let app = app.share();
    assert_eq!(votes_by_option(&app.results_settle_at(&poll, 25).await), [5, 10, 10]);
    let results = app.nothing_more_is_counted_than(&poll, 25).await;
    app.assert_recounted(&poll, &results).await;
    app.assert_no_dead_letter_of(&poll).await;
}

/// For the queue, a message that failed is hidden until tomorrow: if it is counted, tally-votes has had it come again.
#[tokio::test]
async fn a_batch_that_fails_for_a_moment_is_counted_long_before_its_visibility_ends() {
    const HIDDEN_S: &str = "43200";
    let app = App::alone();
    let poll = app.single_choice_poll().await;
    app.votes_for(&poll, [0]).await;
    app.results_settle_at(&poll, 1).await;
    let queue = app.stack.output("TallyQueueUrl");
    let visibility = app.aws.queue_attribute(queue, "VisibilityTimeout").await;
    let body = async {
        while_set(&app, "tally-votes", "TALLIES_TABLE", "no-such-table", async {
            app.votes_for(&poll, [1; 5]).await;
            // A failed batch is hidden; so is one that is being counted, but not look after look.
            let mut hidden_looks = 0;
            eventually("batch that failed", async || {
                let hidden = app.aws.queue_attribute(queue, "ApproximateNumberOfMessagesNotVisible").await;
                hidden_looks = if hidden == "0" { 0 } else { hidden_looks + 1 };
                if hidden_looks == 5 { Ok(()) } else { Err(format!("{hidden} messages are hidden")) }
            })
            .await;
            assert_eq!(app.results(&poll).await["ballots"], 1);
        })
        .await;
        let mended = std::time::Instant::now();
        let results = app.results_settle_at(&poll, 6).await;
        println!("counted {:?} after the table was there again", mended.elapsed());
        assert_eq!(votes_by_option(&results), [1, 5, 0]);
    };
    let visible_in =
        async |seconds: &str| app.aws.set_queue_attributes(queue, &json!({"VisibilityTimeout": seconds})).await;
    while_changed(visible_in(HIDDEN_S), body, visible_in(&visibility)).await;
    let app = app.share();
    let results = app.nothing_more_is_counted_than(&poll, 6).await;
    app.assert_recounted(&poll, &results).await;
    app.assert_no_dead_letter_of(&poll).await;
}

#[tokio::test]
async fn a_group_whose_messages_fail_holds_back_no_other_group() {
    let app = App::alone();
    let (held_back, other) = (app.single_choice_poll().await, app.single_choice_poll().await);
    // What only a later version can read, in front of votes of its lane.
    let waits = of_later_version(&message(&held_back, 0, made_up_votes([0])));
    assert!(Message::decode(&waits).is_err(), "the message is no riddle to this version");
    let queue = app.stack.output("TallyQueueUrl");
    while_tries_run_out_soon(&app, async {
        app.aws.send(queue, &format!("{held_back}#0"), &waits).await;
        tokio::join!(app.votes_for(&held_back, vec![1; 6]), app.votes_for(&other, vec![2; 6]));
        app.results_settle_at(&other, 6).await;
        app.aws.take_letter(app.stack.output("TallyDlqUrl"), |letter| letter.body == waits).await;
        tally_queue_is_empty(&app).await;
    })
    .await;
    // Votes behind it were counted once it was gone, or had no more tries left either.
    redrive(&app).await;
    let app = app.share();
    assert_eq!(votes_by_option(&app.results_settle_at(&held_back, 6).await), [0, 6, 0]);
    for (poll, ballots) in [(&held_back, 6), (&other, 6)] {
        let results = app.nothing_more_is_counted_than(poll, ballots).await;
        app.assert_recounted(poll, &results).await;
        app.assert_no_dead_letter_of(poll).await;
    }
}

#[tokio::test]
async fn a_relay_that_fails_batch_after_batch_loses_none() {
    let app = App::alone();
    let poll = app.single_choice_poll().await;
    while_set(&app, "relay-votes", "TALLY_QUEUE_URL", &nowhere(&app), async {
        app.votes_for(&poll, (0..12).map(|n| n % 3)).await;
        let votes = app.aws.votes_of(&poll).await;
        let refused = app.aws.invoke(&app.stack.function("relay-votes"), &stream_event(&votes)).await;
        assert!(refused.is_err(), "the relay has sent where nobody is: {refused:?}");
        assert_eq!(app.results(&poll).await["ballots"], 0);
    })
    .await;
    let app = app.share();
    assert_eq!(votes_by_option(&app.results_settle_at(&poll, 12).await), [4, 4, 4]);
    let results = app.nothing_more_is_counted_than(&poll, 12).await;
    app.assert_recounted(&poll, &results).await;
}

#[tokio::test]
async fn what_the_relay_gave_up_lies_whole_in_the_bucket_and_counts_once_relayed_again() {
    const WITHOUT_END: i64 = -1;
    let app = App::alone();
    if app.stack.lacks("stream-failure-destination") {
        return;
    }
    let poll = app.single_choice_poll().await;
    let (function, bucket) = (app.stack.function("relay-votes"), app.stack.output("RelayFailuresBucket"));
    while_changed(
        app.aws.set_stream_retries(&function, 1),
        while_set(&app, "relay-votes", "TALLY_QUEUE_URL", &nowhere(&app), async {
            app.votes_for(&poll, vec![1; 12]).await;
            eventually("12 votes in the bucket", async || {
                let records = failed_records(&app, bucket).await;
                let of_poll = records.iter().filter(|record| is_of(record, &poll)).count();
                if of_poll == 12 { Ok(()) } else { Err(of_poll.to_string()) }
            })
            .await;
            assert_eq!(app.results(&poll).await["ballots"], 0);
        }),
        app.aws.set_stream_retries(&function, WITHOUT_END),
    )
    .await;
    for key in app.aws.objects(bucket).await {
        relay(&app, &records_of(&app.aws.object(bucket, &key).await)).await;
        app.aws.delete_object(bucket, &key).await;
    }
    let app = app.share();
    app.results_settle_at(&poll, 12).await;
    let results = app.nothing_more_is_counted_than(&poll, 12).await;
    app.assert_recounted(&poll, &results).await;
}

fn is_of(record: &Value, poll: &str) -> bool {
    record["dynamodb"]["Keys"]["poll_partition"]["S"].as_str().is_some_and(|key| key.starts_with(poll))
}

async fn failed_records(app: &App, bucket: &str) -> Vec<Value> {
    let mut records = Vec::new();
    for key in app.aws.objects(bucket).await {
        records.extend(records_of(&app.aws.object(bucket, &key).await));
    }
    records
}

/// The stream records of an invocation record: its payload is the event, as JSON or as a string of it.
fn records_of(invocation: &Value) -> Vec<Value> {
    let payload = match &invocation["payload"] {
        Value::String(text) => serde_json::from_str(text).unwrap(),
        payload => payload.clone(),
    };
    payload["Records"].as_array().unwrap_or_else(|| panic!("{invocation}")).clone()
}
