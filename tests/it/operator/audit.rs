//! The operator's program over the stack: it audits and repairs polls tampered with by hand, redrives and replays.

use std::{collections::HashMap, process::Stdio, time::Instant};

use futures_util::{StreamExt, stream};
use landslide_aws::store::LaneStore;
use landslide_domain::{
    ids::{PollId, VoterKey},
    keys,
    lane::{LaneKey, Partitions},
    runs::RunName,
};
use serde_json::{Value, json};

use crate::support::{
    App, CONNECTIONS, Process, audit, audit_of_votes_older_than, eventually, landslide, made_up_votes, message,
    new_record, operator_environment, relay, run_operator, someone, stream_event, tally_queue_is_empty,
    votes_by_option,
};

/// How long after closing a rebuild may be made, and a little more. Votes that these tests have just cast are late by it.
pub(super) const CLOSED_AGO_MS: u64 = 6 * 60_000;
/// The exit code where counts are exact and votes are late.
pub(super) const UNTIMELY: i32 = 5;

/// A poll of five counted votes: two for option 0, two for 1, one for 2. The queue got them in more than one message,
/// so it does not take a message with all five for a repeat.
async fn counted_poll(app: &App) -> String {
    let poll = app.single_choice_poll().await;
    app.votes_for(&poll, [0, 0, 1, 1]).await;
    app.results_settle_at(&poll, 4).await;
    app.votes_for(&poll, [2]).await;
    app.results_settle_at(&poll, 5).await;
    poll
}

/// Rewrites an item of the poll's only lane.
pub(super) async fn tamper(app: &App, poll: &str, item: &str, change: impl Fn(&mut Value)) {
    let mut tally = app.aws.tally(poll, 0, item).await;
    change(&mut tally);
    assert_eq!(app.aws.refusal_of_tally_item(&tally).await, None);
}

/// A closed poll with the votes of `counted_poll`, whose HEAD says 90 votes for option 0.
async fn closed_poll_of_another_head(app: &App) -> String {
    let poll = counted_poll(app).await;
    tamper(app, &poll, "HEAD", |head| head["o0"] = json!({"N": "90"})).await;
    app.aws.set_closed_ago(&poll, CLOSED_AGO_MS).await;
    poll
}

/// Takes all votes out of a lane's items, as if no message had ever come.
async fn lose_all(app: &App, poll: &str) {
    for item in ["HEAD", "COUNT"] {
        tamper(app, poll, item, |tally| {
            let attributes = tally.as_object_mut().unwrap();
            attributes.retain(|name, _| ["poll_lane", "item", "version"].contains(&name.as_str()));
            if item == "HEAD" {
                attributes.insert("recent".to_owned(), json!({"M": {}}));
            }
        })
        .await;
    }
}

#[tokio::test]
async fn an_audit_of_counted_votes_is_exact_however_it_is_read() {
    let app = App::new();
    let poll = app
        .poll(json!({
            "question": "Which?", "options": ["a", "b", "c"], "vote_change": "until_close", "peak_votes_per_second": 16_000,
        }))
        .await;
    let voters: Vec<String> = (0..40).map(|_| app.account(&someone())).collect();
    for (number, voter) in (0..).zip(&voters) {
        assert_eq!(app.vote(&poll, voter, &[number % 3]).await.status, 201);
    }
    for voter in &voters[..10] {
        assert_eq!(app.vote(&poll, voter, &[2]).await.status / 100, 2);
    }
    assert_eq!(app.retract(&poll, &voters[39]).await.status, 204);
    app.results_recounted(&poll).await;
    for flags in [&[][..], &["--ids-at-once", "3", "--partitions-at-once", "2"]] {
        let (code, document) = audit(&app, &poll, flags);
        assert_eq!((code, &document["verdict"], &document["votes"]), (0, &json!("exact"), &json!(40)), "{document}");
        assert_eq!(document["recount"]["ballots"], 39);
        assert_eq!(document["recount"], document["counted"]);
        assert_eq!(document["recount"], document["shown"]);
    }
}

#[tokio::test]
async fn a_poll_for_a_large_peak_has_4_096_partitions_and_a_raised_one_keeps_its_512() {
    let app = App::new();
    let owner = app.account(&someone());
    let poll_of_peak = async |peak: u64| {
        let body = json!({"question": "Which?", "options": ["a", "b"], "vote_change": "until_close", "peak_votes_per_second": peak});
        app.poll_of(&owner, body).await
    };
    let (large, raised) = (poll_of_peak(60_001).await, poll_of_peak(1_000).await);
    let voters: Vec<String> = (0..20).map(|_| app.account(&someone())).collect();
    for voter in &voters {
        for poll in [&large, &raised] {
            assert_eq!(app.vote(poll, voter, &[0]).await.status, 201);
        }
    }
    let raise = json!({"peak_votes_per_second": 250_000});
    assert_eq!(app.change_poll(&raised, &owner, "\"1\"", &raise).await.status, 200);
    for voter in &voters {
        for poll in [&large, &raised] {
            assert_eq!(app.vote(poll, voter, &[0]).await.status, 200, "the same again");
            assert_eq!(app.vote(poll, voter, &[1]).await.status, 201);
            assert_eq!(app.my_vote(poll, voter).await.json()["revision"], 2);
        }
    }
    for (poll, partitions) in [(&large, Partitions::Many), (&raised, Partitions::Few)] {
        let votes = app.aws.votes_of(poll).await;
        assert_eq!(votes.len(), voters.len());
        for vote in &votes {
            let partition = partitions.of(&VoterKey::parse(&vote.voter).unwrap());
            assert_eq!(vote.item["poll_partition"]["S"], format!("{poll}#{partition}"));
        }
        assert_eq!(votes_by_option(&app.results_recounted(poll).await), [0, 20]);
        let (code, document) = audit(&app, poll, &[]);
        assert_eq!((code, &document["verdict"], &document["votes"]), (0, &json!("exact"), &json!(20)), "{document}");
    }
}

#[tokio::test]
async fn another_number_in_count_is_found_and_written_again() {
    let app = App::new();
    let poll = counted_poll(&app).await;
    tamper(&app, &poll, "COUNT", |count| count["o1"] = json!({"N": "7"})).await;
    let (code, document) = audit(&app, &poll, &[]);
    assert_eq!((code, &document["lanes"][0]["count_item"]), (3, &json!("other")), "{document}");
    let (code, document) = audit(&app, &poll, &["--repair"]);
    assert_eq!((code, &document["verdict"], &document["shown"]["o1"]), (0, &json!("exact"), &json!(2)), "{document}");
    let results = app.nothing_more_is_counted_than(&poll, 5).await;
    app.assert_recounted(&poll, &results).await;
}

#[tokio::test]
async fn a_head_that_is_gone_is_counted_again_once_the_poll_is_closed_and_readers_see_it() {
    let app = App::new();
    let poll = counted_poll(&app).await;
    app.aws.delete_tally(&poll, 0, "HEAD").await;
    tamper(&app, &poll, "COUNT", |count| count["o1"] = json!({"N": "7"})).await;
    let (code, document) = audit(&app, &poll, &["--repair"]);
    assert_eq!(
        (code, &document["lanes"][0]["count_item"]),
        (3, &json!("ahead")),
        "an open poll is left alone: {document}"
    );
    app.aws.set_closed_ago(&poll, CLOSED_AGO_MS).await;
    let (code, document) = audit(&app, &poll, &["--repair"]);
    assert_eq!(
        (code, &document["verdict"], &document["shown"]["ballots"]),
        (UNTIMELY, &json!("untimely"), &json!(5)),
        "{document}"
    );
    assert_eq!(votes_by_option(&app.results_settle_at(&poll, 5).await), [2, 2, 1]);
}

#[tokio::test]
async fn votes_that_never_came_to_the_tally_are_missed_and_sent_again() {
    let app = App::new();
    let poll = counted_poll(&app).await;
    lose_all(&app, &poll).await;
    let (code, document) = audit_of_votes_older_than("300", &app, &poll, &[]);
    assert_eq!((code, &document["on_their_way"]), (0, &json!(5)), "too young to be missed: {document}");
    let (code, document) = audit(&app, &poll, &[]);
    assert_eq!((code, &document["missing"], &document["recount"]["ballots"]), (3, &json!(5), &json!(5)), "{document}");
    let (code, document) = audit(&app, &poll, &["--repair"]);
    assert_eq!(
        (code, &document["verdict"], &document["counted"]["ballots"]),
        (0, &json!("exact"), &json!(5)),
        "{document}"
    );
    assert_eq!(votes_by_option(&app.results_settle_at(&poll, 5).await), [2, 2, 1]);
    let results = app.nothing_more_is_counted_than(&poll, 5).await;
    app.assert_recounted(&poll, &results).await;
}

#[tokio::test]
async fn an_id_that_only_the_counters_still_have_is_found_and_not_sent_again() {
    let app = App::new();
    let poll = counted_poll(&app).await;
    tamper(&app, &poll, "HEAD", |head| head["recent"] = json!({"M": {}})).await;
    let (code, document) = audit(&app, &poll, &["--repair"]);
    assert_eq!((code, &document["missing"], &document["lanes"][0]["counters_differ"]), (3, &json!(5), &json!(true)));
    let results = app.nothing_more_is_counted_than(&poll, 5).await;
    assert_eq!(results["ballots"], 6, "sent again, they would have counted twice");
}

#[tokio::test]
async fn a_removed_vote_is_taken_out_once_the_poll_is_closed_and_stays_out() {
    let app = App::new();
    let poll = counted_poll(&app).await;
    let votes = app.aws.votes_of(&poll).await;
    app.aws.delete_vote(&votes[0]).await;
    let (code, document) = audit(&app, &poll, &["--repair"]);
    assert_eq!((code, &document["without_vote"]), (3, &json!(1)), "an open poll is left alone: {document}");
    assert_eq!(document["lanes"][0]["sealed"], false);
    app.aws.set_closed_ago(&poll, CLOSED_AGO_MS).await;
    let (code, document) = audit(&app, &poll, &["--repair"]);
    let sealed = &document["lanes"][0]["sealed"];
    assert_eq!((code, &document["verdict"], sealed), (UNTIMELY, &json!("untimely"), &json!(true)));
    assert_eq!((&document["late"]["number"], &document["early"]["number"]), (&json!(4), &json!(0)));
    assert_eq!((&document["counted"]["ballots"], &document["shown"]["ballots"]), (&json!(4), &json!(4)));
    // Its message once more, and all others.
    relay(&app, stream_event(&votes)["Records"].as_array().unwrap()).await;
    tally_queue_is_empty(&app).await;
    let (code, document) = audit(&app, &poll, &[]);
    assert_eq!((code, &document["counted"]["ballots"]), (UNTIMELY, &json!(4)), "{document}");
    app.assert_no_dead_letter_of(&poll).await;
}

#[tokio::test]
async fn another_number_in_head_is_found_and_rebuilt_once_the_poll_is_closed() {
    let app = App::new();
    let poll = closed_poll_of_another_head(&app).await;
    let (code, document) = audit(&app, &poll, &[]);
    assert_eq!((code, &document["lanes"][0]["counters_differ"]), (3, &json!(true)), "{document}");
    for _ in 0..2 {
        let (code, document) = audit(&app, &poll, &["--repair"]);
        assert_eq!(
            (code, &document["counted"]["o0"], &document["shown"]["o0"]),
            (UNTIMELY, &json!(2), &json!(2)),
            "{document}"
        );
    }
}

/// A ranked poll with more different rankings than HEAD holds, all counted.
async fn counted_ranked_poll(app: &App) -> String {
    let labels: Vec<String> = (0..10).map(|number| format!("option {number}")).collect();
    let poll = app.poll(json!({"question": "Which?", "options": labels, "kind": "ranked"})).await;
    let casts = (0..RANKERS).map(|voter| {
        let (app, poll) = (app, &poll);
        async move {
            let mut ranking: Vec<u64> = (0..10).collect();
            fastrand::Rng::with_seed(voter).shuffle(&mut ranking);
            assert_eq!(app.rank(poll, &app.account(&someone()), &ranking).await.status, 201);
        }
    });
    stream::iter(casts).buffer_unordered(CONNECTIONS).collect::<()>().await;
    app.results_settle_at(&poll, RANKERS).await;
    poll
}

/// How many voters rank ten options, each in another order: 13 bytes of entries each, and HEAD holds 512.
const RANKERS: u64 = 60;

/// The rows of runs in a poll's only lane: where each lies, and its sort key.
pub(super) async fn rows_of_runs(app: &App, poll: &str) -> Vec<(u64, String)> {
    let lane = LaneKey { poll: PollId::parse(poll).unwrap(), lane: 0 };
    let rows = app.aws.tally_store().list_runs(&lane).await.unwrap();
    rows.into_iter().map(|(name, number)| (keys::run_place(name, number) as u64, keys::run(name, number))).collect()
}

#[tokio::test]
async fn damage_to_a_ranked_polls_entries_is_found_and_rebuilt_once_the_poll_is_closed() {
    let app = App::new();
    let poll = counted_ranked_poll(&app).await;
    let (code, document) = audit(&app, &poll, &[]);
    let entries = &document["lanes"][0]["entries"];
    assert_eq!((code, &document["verdict"], &entries["keys"]), (0, &json!("exact"), &json!(RANKERS)), "{document}");

    let rows = rows_of_runs(&app, &poll).await;
    let ((number, row), of_runs) = (rows.first().unwrap(), format!("{poll}#0"));
    let item = app.aws.tally(&of_runs, *number, row).await;
    app.aws.delete_tally(&of_runs, *number, row).await;
    let (code, document) = audit(&app, &poll, &["--repair"]);
    let gone = &document["lanes"][0]["entries"]["gone"];
    assert_eq!((code, gone), (3, &json!({"number": 1, "first": [row]})), "an open poll is left alone: {document}");
    assert_eq!(document["lanes"][0]["sealed"], false);

    let mut broken = item;
    broken["entries"] = json!({"B": "eA=="});
    assert_eq!(app.aws.refusal_of_tally_item(&broken).await, None);
    let (code, document) = audit(&app, &poll, &[]);
    assert_eq!((code, &document["lanes"][0]["entries"]["unreadable"]["number"]), (3, &json!(1)), "{document}");

    app.aws.set_closed_ago(&poll, CLOSED_AGO_MS).await;
    is_right_after_a_repair(&app, &poll).await;
    tamper(&app, &poll, "HEAD", |head| drop(head.as_object_mut().unwrap().remove("entries"))).await;
    let (code, document) = audit(&app, &poll, &[]);
    let differ = &document["lanes"][0]["entries"]["differ"]["number"];
    assert_eq!((code, differ), (3, &json!(RANKERS)), "{document}");
    is_right_after_a_repair(&app, &poll).await;
    let unnamed = RunName { version: 1, attempt: 7 };
    broken["poll_lane"] = json!({"S": format!("{of_runs}#{}", keys::run_place(unnamed, 0))});
    broken["item"] = json!({"S": keys::run(unnamed, 0)});
    assert_eq!(app.aws.refusal_of_tally_item(&broken).await, None);
    let (code, document) = audit(&app, &poll, &[]);
    let unnamed_rows = &document["lanes"][0]["entries"]["unnamed_rows"];
    assert_eq!((code, unnamed_rows), (UNTIMELY, &json!(1)), "no difference: {document}");
    is_right_after_a_repair(&app, &poll).await;
    eventually("rounds of all ballots", async || {
        let results = app.results(&poll).await;
        if results["tally"]["ballots"] == RANKERS { Ok(()) } else { Err(results.to_string()) }
    })
    .await;
}

async fn is_right_after_a_repair(app: &App, poll: &str) {
    is_rebuilt_by_a_repair(app, poll, RANKERS);
    assert_eq!(rows_of_runs(app, poll).await.len(), 1, "the rebuilt run alone");
}

/// Repairs a closed poll, and fails unless its counts are then right, with this number of entries.
pub(super) fn is_rebuilt_by_a_repair(app: &App, poll: &str, keys: u64) {
    let (code, document) = audit(app, poll, &["--repair"]);
    let entries = &document["lanes"][0]["entries"];
    assert_eq!((code, &entries["keys"], &entries["unnamed_rows"]), (UNTIMELY, &json!(keys), &json!(0)), "{document}");
}

/// For how long a repair is left to run, by the time that an audit takes: it audits, mends, and audits again. The simulation
/// (tests/sim/src/program.rs) has it crash anywhere.
const KILLED_AFTER: [f64; 6] = [0.5, 0.9, 1.1, 1.6, 2.0, 3.0];

#[tokio::test]
async fn a_repair_that_is_killed_wherever_it_is_can_be_run_again() {
    let app = App::new();
    let poll = closed_poll_of_another_head(&app).await;
    let began = Instant::now();
    assert_eq!(audit(&app, &poll, &[]).0, 3);
    let takes = began.elapsed();
    let arguments = ["audit", &poll, "--json", "--on-their-way-seconds", "0", "--repair"];
    let mut killed = 0;
    for share in KILLED_AFTER {
        let mut repair = landslide(&operator_environment(&app), &arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        tokio::time::sleep(takes.mul_f64(share)).await;
        killed += u32::from(repair.try_wait().unwrap().is_none());
        repair.kill().unwrap();
        repair.wait().unwrap();
    }
    println!("{killed} of {} repairs killed before their end", KILLED_AFTER.len());
    assert!(killed > 0);
    let (code, document) = audit(&app, &poll, &["--repair"]);
    let lane = &document["lanes"][0];
    let verdict = &document["verdict"];
    assert_eq!((code, verdict, &lane["sealed"]), (UNTIMELY, &json!("untimely"), &json!(true)), "{document}");
    for counts in ["counted", "shown"] {
        let counts = &document[counts];
        assert_eq!(
            [&counts["ballots"], &counts["o0"], &counts["o1"], &counts["o2"]],
            [5, 2, 2, 1].map(|votes| json!(votes)).each_ref()
        );
    }
}

#[tokio::test]
async fn dead_letters_that_can_be_read_return_to_the_queue_past_those_that_stay() {
    let app = App::alone();
    let poll = counted_poll(&app).await;
    let (tally_letters, relay_letters) = (app.stack.output("TallyDlqUrl"), app.stack.output("RelayDlqUrl"));
    let group = format!("{poll}#0");
    // A FIFO queue gives nothing of a group while a letter of it is looked at: here more than it gives at once.
    for number in 0..12 {
        app.aws.send(tally_letters, &group, &format!("no message {number} {poll}")).await;
    }
    app.aws.send(tally_letters, &group, &message(&poll, 0, made_up_votes([1, 2]))).await;
    for option in [0, 0, 1] {
        app.aws.send_alone(relay_letters, &new_record(&poll, option).to_string()).await;
    }
    app.aws.send_alone(relay_letters, &format!("no record {poll}")).await;
    let output = run_operator(&operator_environment(&app), &["redrive"]);
    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(3), "{told}");
    assert_eq!(told.matches(&poll).count(), 13, "each that stays is shown once: {told}");
    let again = String::from_utf8(run_operator(&operator_environment(&app), &["redrive"]).stdout).unwrap();
    assert_eq!(again.matches(&poll).count(), 13, "and at once again: {again}");
    let app = app.share();
    assert_eq!(votes_by_option(&app.results_settle_at(&poll, 10).await), [4, 4, 2]);
    for number in 0..12 {
        let body = format!("no message {number} {poll}");
        app.aws.take_letter(app.stack.output("TallyDlqUrl"), |letter| letter.body == body).await;
    }
    app.aws.take_letter(app.stack.output("RelayDlqUrl"), |letter| letter.body == format!("no record {poll}")).await;
    app.assert_no_dead_letter_of(&poll).await;
}

#[tokio::test]
async fn records_in_the_bucket_are_relayed_again_in_both_forms_and_what_is_none_stays() {
    let app = App::alone();
    let poll = counted_poll(&app).await;
    let bucket = app.stack.output("RelayFailuresBucket");
    let first = json!({"Records": [new_record(&poll, 0), new_record(&poll, 1)]});
    let second = json!({"Records": [new_record(&poll, 2), new_record(&poll, 2)]});
    let key = |name: &str| format!("aws/lambda/audit/{poll}-{name}");
    app.aws.put_object(bucket, &key("1"), json!({"payload": first}).to_string()).await;
    app.aws.put_object(bucket, &key("2"), "no record".to_owned()).await;
    app.aws.put_object(bucket, &key("3"), json!({"payload": second.to_string()}).to_string()).await;
    let output = run_operator(&operator_environment(&app), &["replay"]);
    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(3), "{told}");
    assert!(told.contains(&format!("{}: stays", key("2"))), "{told}");
    let left: Vec<String> = app.aws.objects(bucket).await.into_iter().filter(|key| key.contains(&poll)).collect();
    assert_eq!(left, [key("2")]);
    app.aws.delete_object(bucket, &key("2")).await;
    let app = app.share();
    assert_eq!(votes_by_option(&app.results_settle_at(&poll, 9).await), [3, 3, 3]);
}

#[tokio::test]
async fn what_the_program_can_not_do_it_says_in_a_line() {
    let app = App::new();
    let without = |name: &str| {
        let mut environment = operator_environment(&app);
        environment.remove(name);
        environment
    };
    let with = |name: &'static str, value: &str| {
        let mut environment = operator_environment(&app);
        environment.insert(name, value.to_owned());
        environment
    };
    let check = |environment: HashMap<&'static str, String>, arguments: &[&str], code: i32, says: &str| {
        let output = run_operator(&environment, arguments);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{told}");
        assert!(told.contains(says), "{told}");
    };
    check(operator_environment(&app), &["audit", "not/an/id"], 2, "a poll's id is");
    check(without("VOTES_TABLE"), &["audit", "p"], 2, "--votes-table");
    check(operator_environment(&app), &["audit", "nobody-made-it"], 1, "has no poll nobody-made-it");
    check(with("POLLS_TABLE", "no-such-table"), &["audit", "p"], 1, "table no-such-table does not exist");
    check(with("AWS_SECRET_ACCESS_KEY", ""), &["audit", "p"], 1, "no credentials");
    check(with("RELAY_FAILURES_BUCKET", "no-such-bucket"), &["replay"], 1, "does not exist");
    let nowhere = app.stack.output("TallyDlqUrl").replace("Tally", "No");
    check(with("TALLY_DLQ_URL", &nowhere), &["redrive"], 1, "does not exist");
}

#[tokio::test]
async fn without_permission_it_says_for_what() {
    let app = App::new();
    if app.stack.lacks("function-processes") || app.stack.lacks("enforced-iam") {
        return;
    }
    let poll = counted_poll(&app).await;
    // Who casts votes may read polls and votes, and no tallies.
    let name = app.stack.function("cast-vote");
    let process = Process::of(&app.stack).into_iter().find(|process| process.function == name).unwrap();
    let mut environment = operator_environment(&app);
    environment.extend(app.aws.with_credentials_of(&process.environment).credentials_as_environment());
    let output = run_operator(&environment, &["audit", &poll]);
    let told = String::from_utf8(output.stderr).unwrap();
    let says = format!("no permission for table {}", app.stack.output("TalliesTable"));
    assert!(output.status.code() == Some(1) && told.contains(&says), "{told}");
}
