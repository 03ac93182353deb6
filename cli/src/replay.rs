//! `landslide replay`: hands the relays once more what they failed with for 23 hours.
//!
//! Each object in the failure bucket holds an invocation record with a stream's records, whole. They pass through the
//! code of that stream's relay, in this process; an object is deleted once the queue has all its votes, or the audit
//! log all its changes. So an interrupted replay continues where it stopped, and what it sends twice counts once.

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use indicatif::ProgressBar;
use landslide_cli::stack;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::EXIT_LEFT_OVER;
use crate::bucket::Bucket;
use crate::consent::Consent;
use crate::relays::{Batch, Targets};

/// Hands the relays once more what they failed with for 23 hours. Exit code 3: some objects can't be read; they are shown,
/// and stay.
#[derive(Args)]
pub struct Arguments {
    /// The stack's output `RelayFailuresBucket`.
    #[arg(long, value_name = "BUCKET", env = "RELAY_FAILURES_BUCKET")]
    relay_failures_bucket: String,
    #[command(flatten)]
    targets: Targets,
    #[command(flatten)]
    consent: Consent,
}

/// Lambda's record of a failed invocation.
#[derive(Deserialize)]
struct InvocationRecord {
    payload: Option<Box<RawValue>>,
}

/// Replays all objects.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    stack::block_on(replay(arguments))
}

async fn replay(arguments: &Arguments) -> Result<ExitCode> {
    let change = "relays the failure bucket's votes and changes and removes its objects";
    arguments.consent.ask(&stack::aws()?, change, &arguments.relay_failures_bucket).await?;
    let bucket = Bucket::new(stack::aws()?, &arguments.relay_failures_bucket)?;
    let relays = arguments.targets.relays()?;
    let progress = ProgressBar::new_spinner();
    let (mut objects, mut records, mut unreadable, mut last) = (0u64, 0, 0u64, String::new());
    loop {
        let keys = bucket.keys_after(&last).await?;
        let Some(newest) = keys.last() else { break };
        last.clone_from(newest);
        for key in &keys {
            match read_batch(&bucket.read(key).await?) {
                Ok(batch) => {
                    records += batch.records();
                    relays.relay(batch).await?;
                    bucket.delete(key).await?;
                    objects += 1;
                }
                Err(error) => {
                    unreadable += 1;
                    println!("{key}: stays: {error:#}");
                }
            }
            progress.set_message(format!("{objects} objects, {records} records"));
            progress.tick();
        }
    }
    progress.finish_and_clear();
    println!("Relayed {objects} objects with {records} records again; {unreadable} objects are left.");
    Ok(if unreadable == 0 { ExitCode::SUCCESS } else { ExitCode::from(EXIT_LEFT_OVER) })
}

/// The event in an invocation record: its payload as JSON, or as a JSON string.
fn read_batch(object: &str) -> Result<Batch> {
    let record: InvocationRecord = serde_json::from_str(object).context("not an invocation record")?;
    let payload = record.payload.context("an invocation record without the event")?;
    let text: Result<String, _> = serde_json::from_str(payload.get());
    Batch::read(text.as_ref().map_or(payload.get(), String::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;
    use landslide_counting::relay::Folded;
    use landslide_domain::ballot::Ballot;
    use landslide_domain::message::Message;
    use serde_json::json;

    #[test]
    fn an_event_is_read_as_json_and_as_a_string_of_it() {
        let event = json!({"Records": [{"eventName": "REMOVE"}, {"eventName": "INSERT"}]});
        for payload in [event.clone(), json!(event.to_string())] {
            let object = json!({"requestContext": {"condition": "RetryAttemptsExhausted"}, "payload": payload});
            let read = read_batch(&object.to_string()).unwrap();
            assert_eq!((read.records(), read.unreadable().as_deref()), (2, Some("no new image")));
        }
    }

    #[test]
    fn a_ranking_and_its_retraction_become_one_message_of_both_changes() {
        let image = |revision: u32| {
            json!({
                "poll_partition": {"S": "p#007"}, "voter": {"S": "07".repeat(16)}, "revision": {"N": revision.to_string()},
                "cast_at": {"N": "1790000000000"}, "lane": {"N": "3"}, "nonce": {"N": "1"},
            })
        };
        let mut ranked = image(1);
        ranked["choices"] = json!({"S": "see ballot"});
        ranked["ballot"] = json!({"M": {"rules": {"N": "1"}, "ranking": {"L": [{"N": "2"}, {"N": "0"}]}}});
        let cast = json!({"eventName": "INSERT", "dynamodb": {"NewImage": ranked}});
        let retracted = json!({"eventName": "MODIFY", "dynamodb": {"NewImage": image(2), "OldImage": ranked}});
        let payload = json!({"Records": [cast, retracted]});
        let Batch::Votes(event) = read_batch(&json!({"payload": payload}).to_string()).unwrap() else {
            panic!("no votes")
        };
        let folded = Folded::of(event);
        assert_eq!((folded.messages.len(), folded.unreadable.len()), (1, 0));
        let message = Message::decode(&folded.messages[0].body).unwrap();
        assert_eq!(message.lane.to_string(), "p#3");
        let ranking = Ballot::of_ranking(&[2, 0]);
        let mut changes: Vec<_> =
            message.changes.iter().map(|it| (it.id.revision(), it.from.clone(), it.to.clone())).collect();
        changes.sort_unstable_by_key(|(revision, ..)| *revision);
        assert_eq!(changes, [(1, None, ranking.clone()), (2, ranking, None)]);
    }

    #[test]
    fn what_holds_no_event_is_an_error() {
        for object in ["", "{}", r#"{"payload": null}"#, r#"{"payload": {}}"#, r#"{"payload": "Records"}"#] {
            assert!(read_batch(object).is_err(), "{object}");
        }
    }
}
