//! Ranked polls that somebody has tampered with, in tables in memory: each damage is found, and a repair mends it.

mod tables;

use base64::{Engine, prelude::BASE64_STANDARD};
use clap::FromArgMatches;
use landslide_aws::clock;
use landslide_aws::store::{LaneReader, LaneStore, PollStore, TallyStore, VoteStore};
use landslide_aws::testing::{Calls, stub};
use landslide_counting::tallies::merging;
use landslide_domain::ballot::Ballot;
use landslide_domain::change::{Change, VoteId};
use landslide_domain::entries::Entries;
use landslide_domain::ids::VoterKey;
use landslide_domain::lane::LaneKey;
use landslide_domain::poll::Poll;
use landslide_domain::recount::recount_whole;
use landslide_domain::runs::{Attempt, NewRun, RUN_LIMITS, RunLimits, RunName};
use landslide_domain::tally::{Seen, plan};
use landslide_domain::testing::poll_asked_for;
use landslide_domain::time::{MINUTE_MS, Timestamp};
use landslide_domain::vote::Vote;
use serde_json::{Value, json};
use tables::InMemory;

use super::*;

const TALLIES: &str = "t";
const LANE: &str = "p1#0";
/// Each flush of two rankings becomes a run, one of a single ranking stays in HEAD.
const LIMITS: RunLimits = RunLimits { near_bytes_max: 8, ..RUN_LIMITS };
/// Two runs, and one ranking in HEAD.
const FLUSHES: [&[&[u64]]; 3] = [&[&[2, 0], &[1]], &[&[0, 2], &[2, 0]], &[&[1]]];

/// A poll in tables in memory.
struct Stage {
    tables: InMemory,
    calls: Calls,
    reader: Reader,
    poll: Poll,
    arguments: Arguments,
}

fn ago(minutes: u64) -> Timestamp {
    Timestamp::from_millis(clock::now().as_millis() - minutes * MINUTE_MS).unwrap()
}

impl Stage {
    /// A poll of this kind, which is open or has been closed for ten minutes.
    async fn of(kind: &str, is_closed: bool) -> Self {
        let tables = InMemory::default();
        let served = tables.clone();
        let (aws, calls) = stub(move |call, _| served.answer(call));
        let mut body = json!({"question": "Q", "options": ["a", "b", "c"], "kind": kind});
        if is_closed {
            body["closes_at"] = json!(ago(10));
        }
        let poll = poll_asked_for(body, ago(60)).unwrap();
        PollStore::new(&aws, "p".to_owned()).create(&poll, &[]).await.unwrap();
        let words = "audit p1 --repair --polls-table p --votes-table v --tallies-table t".split(' ');
        let matches = Arguments::augment_args(clap::Command::new("audit")).try_get_matches_from(words).unwrap();
        let arguments = Arguments::from_arg_matches(&matches).unwrap();
        let limits = Limits { partitions_at_once: 32, ids_at_once: 1_000, on_their_way_ms: 0 };
        let reader = Reader::over(&aws, &arguments.tables, limits);
        let stage = Self { tables, calls, reader, poll, arguments };
        stage.cast_and_count(&aws, kind).await;
        stage
    }

    async fn ranked(is_closed: bool) -> Self {
        Self::of("ranked", is_closed).await
    }

    async fn cast_and_count(&self, aws: &aws_types::SdkConfig, kind: &str) {
        let votes = VoteStore::new(aws, "v".to_owned());
        let mut voters = 1u8..;
        for (number, rankings) in (1..).zip(FLUSHES) {
            let mut changes = Vec::new();
            for ids in rankings {
                let ballot = if kind == "ranked" { Ballot::of_ranking(ids) } else { Ballot::of_options(&ids[..1]) };
                let voter = VoterKey::from_bytes([voters.next().unwrap(); 16]);
                let vote = Vote { ballot: ballot.clone(), revision: 1, cast_at: ago(30), lane: 0, nonce: 0 };
                votes.put(&self.poll.rules, &voter, &vote).await.unwrap();
                changes.push(Change { id: VoteId::new(&voter, 1), cast_at: vote.cast_at, from: None, to: ballot });
            }
            count(&self.tallies(), &changes, number).await;
        }
    }

    fn tallies(&self) -> TallyStore {
        let served = self.tables.clone();
        TallyStore::new(&stub(move |call, _| served.answer(call)).0, TALLIES.to_owned())
    }

    fn change(&self, item: &str, change: impl FnOnce(&mut Value)) {
        let mut stored = self.tables.item(TALLIES, LANE, item);
        assert!(stored.is_object(), "no {item}");
        change(&mut stored);
        self.tables.set(TALLIES, LANE, item, stored);
    }

    fn rows(&self) -> Vec<(String, String)> {
        self.tables.keys(TALLIES, "RUN#")
    }

    async fn audit(&self) -> Audit {
        read_decided(&self.reader, &self.arguments.poll).await.unwrap()
    }

    /// The audit as JSON, and the lane's entries in it.
    async fn found(&self) -> (Value, Value) {
        let document = report::json(&self.audit().await);
        let entries = document["lanes"][0]["entries"].clone();
        (document, entries)
    }

    async fn repair(&self) -> Audit {
        let audit = repair_all(&self.reader, self.audit().await, &self.arguments).await.unwrap();
        sweep(&self.reader, audit).await.unwrap()
    }

    async fn is_right_after_a_repair(&self) {
        let audit = self.repair().await;
        let again = self.audit().await;
        for audit in [audit, again] {
            let (text, document) = (audit.to_string(), report::json(&audit));
            assert_eq!(audit.verdict(), Verdict::Exact, "{text}");
            let entries = &document["lanes"][0]["entries"];
            assert_eq!((&entries["keys"], &entries["unnamed_rows"]), (&json!(3), &json!(0)), "{text}");
            assert_eq!(
                (&entries["dropped"], audit.notes().len()),
                (&Value::Null, usize::from(audit.lanes[&0].tally.head.sealed)),
                "{text}"
            );
        }
    }
}

async fn count(tallies: &TallyStore, changes: &[Change], random: u64) {
    let head = tallies.read_head(&lane()).await.unwrap();
    for flush in plan(&head, &Seen::new(), changes, &Attempt { random, limits: LIMITS }) {
        assert_eq!(flush.spill, []);
        for run in &flush.runs {
            tallies.put_run(&lane(), run).await.unwrap();
        }
        tallies.put_head(&lane(), &flush.head, flush.head.version - 1).await.unwrap();
        tallies.put_count(&lane(), &flush.head).await.unwrap();
    }
}

fn lane() -> LaneKey {
    LaneKey { poll: PollId::parse("p1").unwrap(), lane: 0 }
}

fn of_rankings(rankings: &[&[u64]]) -> Entries {
    recount_whole(rankings.iter().map(|ids| Ballot::of_ranking(ids).unwrap())).1.ballots
}

fn bytes(content: impl AsRef<[u8]>) -> Value {
    json!({"B": BASE64_STANDARD.encode(content)})
}

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

#[test]
fn a_polls_id_may_begin_with_a_hyphen() {
    let tables = ["--polls-table", "p", "--votes-table", "v", "--tallies-table", "t"];
    for id in ["-_x", "--rjb09SQV2D9FbWYoEfxQ"] {
        let words = ["audit", id, "--repair"].into_iter().chain(tables);
        let matches = Arguments::augment_args(clap::Command::new("audit")).try_get_matches_from(words).unwrap();
        let arguments = Arguments::from_arg_matches(&matches).unwrap();
        assert_eq!((arguments.poll.as_str(), arguments.repair), (id, true));
    }
}

#[test]
fn entries_in_head_and_in_runs_equal_their_votes() {
    run(async {
        let stage = Stage::ranked(false).await;
        assert_eq!(stage.rows().len(), 2);
        let (document, entries) = stage.found().await;
        assert_eq!((&document["verdict"], &document["result_ahead"]), (&json!("exact"), &json!([])), "{document}");
        let none = json!({"number": 0, "first": []});
        let expected = json!({
            "keys": 3, "runs": 2, "differ": none, "sums_differ": false, "dropped": null, "gone": none,
            "unreadable": none, "unnamed_rows": 0,
        });
        assert_eq!(entries, expected);
    });
}

#[test]
fn an_audit_of_a_plain_poll_looks_for_no_entries_and_says_nothing_of_them() {
    run(async {
        let stage = Stage::of("single", false).await;
        let before = stage.calls.all().len();
        let document = report::json(&stage.audit().await);
        assert_eq!((&document["verdict"], &document["votes"]), (&json!("exact"), &json!(5)), "{document}");
        assert!(!document.to_string().contains("entries") && document.get("result_ahead").is_none(), "{document}");
        let lanes = (0..32).map(|lane| format!("p1#{lane}")).collect::<Vec<_>>();
        let calls = stage.calls.all().split_off(before);
        let tallies: Vec<&Value> =
            calls.iter().map(|call| &call.body).filter(|call| call["TableName"] == TALLIES).collect();
        let of_items = |call: &&&Value| ["HEAD", "COUNT"].iter().any(|item| call["Key"]["item"]["S"] == *item);
        assert_eq!(tallies.iter().filter(of_items).count(), 64);
        let others: Vec<&Value> = tallies.into_iter().filter(|call| !of_items(&call)).collect();
        assert_eq!(others.len(), 1, "SEEN rows of the one lane: {others:?}");
        assert_eq!(others[0]["ExpressionAttributeValues"][":lane"]["S"], lanes[0]);
    });
}

#[test]
fn other_bytes_in_a_row_are_found_and_rebuilt() {
    run(async {
        let stage = Stage::ranked(true).await;
        let (partition, row) = stage.rows().remove(0);
        let mut item = stage.tables.item(TALLIES, &partition, &row);
        item["entries"] = bytes(of_rankings(&[&[2, 1], &[1]]).as_bytes());
        stage.tables.set(TALLIES, &partition, &row, item);
        let (document, entries) = stage.found().await;
        assert_eq!(document["verdict"], "different", "{document}");
        let first = json!(["2>0 (HEAD 1, votes 2)", "2>1 (HEAD 1, votes 0)"]);
        assert_eq!(entries["differ"], json!({"number": 2, "first": first}));
        assert_eq!(entries["sums_differ"], false, "only a later rank is another");
        stage.is_right_after_a_repair().await;
    });
}

#[test]
fn a_row_that_can_not_be_read_is_found_and_rebuilt() {
    run(async {
        let stage = Stage::ranked(true).await;
        let (partition, row) = stage.rows().remove(1);
        let mut item = stage.tables.item(TALLIES, &partition, &row);
        item["entries"] = bytes("no entries");
        stage.tables.set(TALLIES, &partition, &row, item);
        let (document, entries) = stage.found().await;
        let told = format!("{row}: read a run: it is not what was written");
        assert_eq!(entries["unreadable"], json!({"number": 1, "first": [told]}), "{document}");
        assert_eq!((&document["verdict"], &entries["keys"]), (&json!("different"), &Value::Null));
        stage.is_right_after_a_repair().await;
    });
}

#[test]
fn another_number_in_heads_entries_is_found_and_rebuilt() {
    run(async {
        let stage = Stage::ranked(true).await;
        for item in ["HEAD", "COUNT"] {
            stage.change(item, |item| item["entries"]["M"]["near"] = bytes(of_rankings(&[&[1], &[1]]).as_bytes()));
        }
        let (document, entries) = stage.found().await;
        assert_eq!(entries["differ"]["first"], json!(["1 (HEAD 3, votes 2)"]), "{document}");
        assert_eq!((&document["verdict"], &entries["sums_differ"]), (&json!("different"), &json!(true)));
        assert_eq!(document["lanes"][0]["counters_differ"], false);
        stage.is_right_after_a_repair().await;
    });
}

#[test]
fn a_head_without_its_runs_is_found_and_its_rows_stay_until_the_rebuild() {
    run(async {
        for is_closed in [false, true] {
            let stage = Stage::ranked(is_closed).await;
            stage.change("HEAD", |head| drop(head.as_object_mut().unwrap().remove("entries")));
            let (document, entries) = stage.found().await;
            assert_eq!(
                (&document["verdict"], &entries["differ"]["number"]),
                (&json!("different"), &json!(3)),
                "{document}"
            );
            assert_eq!(document["lanes"][0]["count_item"], "other_entries");
            if is_closed {
                stage.is_right_after_a_repair().await;
            } else {
                let (rows, count) = (stage.rows(), stage.tables.item(TALLIES, LANE, "COUNT"));
                assert_eq!(stage.repair().await.verdict(), Verdict::Different);
                assert_eq!((stage.rows(), stage.tables.item(TALLIES, LANE, "COUNT")), (rows, count), "COUNT is right");
            }
        }
    });
}

#[test]
fn rows_that_head_and_count_have_lost_stay_until_the_rebuild() {
    run(async {
        for is_closed in [false, true] {
            let stage = Stage::ranked(is_closed).await;
            for item in ["HEAD", "COUNT"] {
                stage.change(item, |item| drop(item.as_object_mut().unwrap().remove("entries")));
            }
            let (document, entries) = stage.found().await;
            assert_eq!(
                (&document["verdict"], &entries["unnamed_rows"]),
                (&json!("different"), &json!(2)),
                "{document}"
            );
            if is_closed {
                stage.is_right_after_a_repair().await;
            } else {
                assert_eq!(stage.repair().await.verdict(), Verdict::Different);
                assert_eq!(stage.rows().len(), 2);
            }
        }
    });
}

#[test]
fn a_run_that_is_gone_is_found_and_rebuilt() {
    run(async {
        let stage = Stage::ranked(true).await;
        let (partition, row) = stage.rows().remove(0);
        stage.tables.set(TALLIES, &partition, &row, Value::Null);
        let (document, entries) = stage.found().await;
        assert_eq!(entries["gone"], json!({"number": 1, "first": [row]}), "{document}");
        assert_eq!((&document["verdict"], &entries["differ"]["number"]), (&json!("different"), &json!(0)));
        stage.is_right_after_a_repair().await;
    });
}

#[test]
fn a_run_that_only_count_names_and_that_is_gone_is_found_and_count_written_again() {
    run(async {
        let stage = Stage::ranked(false).await;
        stage.change("COUNT", |count| {
            let named = [&[9; 16][..], &[0, 0, 1, 0, 0, 0, 9]].concat();
            count["entries"]["M"]["runs"] = bytes(named);
        });
        let (document, entries) = stage.found().await;
        let row = "RUN#00651061555542690057-0909090909090909#00000";
        assert_eq!(entries["gone"]["first"], json!([row]), "{document}");
        assert_eq!(document["lanes"][0]["count_item"], "other_entries");
        stage.is_right_after_a_repair().await;
    });
}

#[test]
fn runs_that_are_merged_and_deleted_while_they_are_read_are_no_fault() {
    run(async {
        let stage = Stage::ranked(false).await;
        let before = stage.tables.all();
        let limits = RunLimits { runs_of_a_level_max: 1, ..LIMITS };
        assert!(merging::merge(&stage.tallies(), &lane(), &Attempt { random: 9, limits }).await.unwrap());
        merging::sweep(&stage.tallies(), &lane()).await.unwrap();
        let after = stage.tables.all();
        stage.tables.put_all(before);
        stage.tables.put_all_before_a_row_is_read(after);
        let (document, entries) = stage.found().await;
        assert_eq!(
            (&document["verdict"], &document["lanes"][0]["version"]),
            (&json!("exact"), &json!(5)),
            "{document}"
        );
        assert_eq!((&entries["runs"], &entries["keys"]), (&json!(1), &json!(3)), "{document}");
    });
}

#[test]
fn other_entries_in_count_alone_are_found_and_written_again_while_the_poll_is_open() {
    run(async {
        let stage = Stage::ranked(false).await;
        stage.change("COUNT", |count| count["entries"]["M"]["near"] = bytes(""));
        let (document, entries) = stage.found().await;
        let of_lane = &document["lanes"][0];
        assert_eq!((&of_lane["count_item"], &entries["differ"]["number"]), (&json!("other_entries"), &json!(0)));
        stage.is_right_after_a_repair().await;
        assert_eq!(stage.tallies().read_count(&lane()).await.unwrap().entries.kept.ballots.near, of_rankings(&[&[1]]));
    });
}

#[test]
fn rows_that_nothing_names_are_no_difference_and_are_deleted_by_a_repair() {
    run(async {
        let stage = Stage::ranked(false).await;
        let name = RunName { version: 2, attempt: 77 };
        let extra = NewRun::of(name, 0, &of_rankings(&[&[0], &[1]]), &RUN_LIMITS).unwrap();
        stage.tallies().put_run(&lane(), &extra).await.unwrap();
        let (document, entries) = stage.found().await;
        assert_eq!((&document["verdict"], &entries["unnamed_rows"]), (&json!("exact"), &json!(1)), "{document}");
        assert!(document["notes"][0].as_str().unwrap().starts_with("1 rows of runs are named by nothing"));
        stage.is_right_after_a_repair().await;
        assert_eq!(stage.rows().len(), 2);
    });
}

#[test]
fn lost_rankings_are_a_difference_and_too_many_are_none_and_a_rebuild_brings_back_both() {
    run(async {
        for (word, verdict) in [("lost", "different"), ("too_many", "exact")] {
            for is_closed in [false, true] {
                let stage = Stage::ranked(is_closed).await;
                for item in ["HEAD", "COUNT"] {
                    stage.change(item, |item| {
                        item["entries"]["M"]["dropped"] = json!({"S": word});
                        item["entries"]["M"]["near"] = bytes("");
                        item["entries"]["M"]["runs"] = bytes("");
                    });
                }
                let (document, entries) = stage.found().await;
                assert_eq!((&document["verdict"], &entries["dropped"]), (&json!(verdict), &json!(word)), "{document}");
                assert_eq!(entries["differ"]["number"], 0);
                if is_closed {
                    stage.is_right_after_a_repair().await;
                } else {
                    let audit = stage.repair().await;
                    assert_eq!(
                        (audit.lanes[&0].tally.head.sealed, stage.rows().len()),
                        (false, 0),
                        "swept, not sealed"
                    );
                }
            }
        }
    });
}

#[test]
fn results_ahead_of_their_lanes_are_found_and_deleted_once_the_lanes_are_right() {
    run(async {
        let stage = Stage::ranked(true).await;
        let result = |version: u64| {
            json!({
                "poll_lane": {"S": "p1#results"}, "item": {"S": "RESULT"}, "generation": {"N": "5"},
                "versions": {"L": [{"N": version.to_string()}]}, "document": {"S": "{}"},
            })
        };
        stage.tables.set(TALLIES, "p1#results", "RESULT", result(3));
        assert_eq!(stage.found().await.0["result_ahead"], json!([]));
        stage.tables.set(TALLIES, "p1#results", "RESULT", result(4));
        let (document, _) = stage.found().await;
        assert_eq!((&document["result_ahead"], &document["verdict"]), (&json!([0]), &json!("different")));
        stage.is_right_after_a_repair().await;
        assert_eq!(stage.tables.item(TALLIES, "p1#results", "RESULT"), Value::Null);
        // With a lane that is rebuilt, far ahead of its new version.
        stage.change("HEAD", |head| head["o1"] = json!({"N": "9"}));
        stage.tables.set(TALLIES, "p1#results", "RESULT", result(1_000));
        assert_eq!(stage.repair().await.verdict(), Verdict::Exact);
        assert_eq!(stage.tables.item(TALLIES, "p1#results", "RESULT"), Value::Null);
    });
}
