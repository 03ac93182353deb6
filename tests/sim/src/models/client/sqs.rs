//! SQS as the SDK shows it: batches that are taken in part.

use std::rc::Rc;

use aws_sdk_sqs::{
    operation::{
        change_message_visibility_batch::ChangeMessageVisibilityBatchOutput, send_message_batch::SendMessageBatchOutput,
    },
    types::{
        BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry, ChangeMessageVisibilityBatchResultEntry,
        SendMessageBatchRequestEntry, SendMessageBatchResultEntry,
    },
};
use landslide_aws::queue::{ChangeVisibility, SendBatch, SendError, VisibilityError};

use super::{Busy, Client};
use crate::{
    faults::Fault,
    models::{
        account::Account,
        process::Process,
        queue::{Sent, read_handle},
    },
    names::TALLY_QUEUE,
};

impl SendBatch for Client {
    async fn send_batch(
        &self,
        queue_url: &str,
        entries: Vec<SendMessageBatchRequestEntry>,
    ) -> Result<SendMessageBatchOutput, SendError> {
        let (queue, who) = (queue_url.to_owned(), self.process.clone());
        let answer = self.call("send messages", move |account| take_batch(account, &who, &queue, &entries)).await;
        let answer = answer.ok_or_else(|| SendError("the model gave no answer".to_owned()))?;
        let (mut taken, mut refused) = (Vec::new(), Vec::new());
        for (id, is_taken) in answer {
            let broken = |error| SendError(format!("{error:?}"));
            if is_taken {
                let entry = SendMessageBatchResultEntry::builder().id(id).message_id("m").md5_of_message_body("m");
                taken.push(entry.build().map_err(broken)?);
            } else {
                let entry = BatchResultErrorEntry::builder().id(id).sender_fault(false).code("Throttled");
                refused.push(entry.build().map_err(broken)?);
            }
        }
        SendMessageBatchOutput::builder()
            .set_successful(Some(taken))
            .set_failed(Some(refused))
            .build()
            .map_err(|error| SendError(format!("{error:?}")))
    }
}

impl ChangeVisibility for Client {
    async fn change_visibility(
        &self,
        queue_url: &str,
        entries: Vec<ChangeMessageVisibilityBatchRequestEntry>,
    ) -> Result<ChangeMessageVisibilityBatchOutput, VisibilityError> {
        assert_eq!(queue_url, TALLY_QUEUE, "only this queue has a function that hands messages back");
        let who = self.process.clone();
        let answer = self.call("change visibility", move |account| hide_batch(account, &who, &entries)).await;
        let answer = answer.ok_or_else(|| VisibilityError("the model gave no answer".to_owned()))?;
        let broken = |error| VisibilityError(format!("{error:?}"));
        let (mut changed, mut refused) = (Vec::new(), Vec::new());
        for (id, is_changed) in answer {
            if is_changed {
                changed.push(ChangeMessageVisibilityBatchResultEntry::builder().id(id).build().map_err(broken)?);
            } else {
                let entry = BatchResultErrorEntry::builder().id(id).sender_fault(true).code("InvalidParameterValue");
                refused.push(entry.build().map_err(broken)?);
            }
        }
        let output = ChangeMessageVisibilityBatchOutput::builder();
        output.set_successful(Some(changed)).set_failed(Some(refused)).build().map_err(broken)
    }
}

/// Hides messages of the tally queue for other times; which of them.
fn hide_batch(
    account: &Rc<Account>,
    who: &Process,
    entries: &[ChangeMessageVisibilityBatchRequestEntry],
) -> Result<Vec<(String, bool)>, Busy> {
    if account.is_queue_out() {
        return Err(Busy);
    }
    let in_part = account.world.faults.strikes(Fault::PartlyTaken);
    let hide = |entry: &ChangeMessageVisibilityBatchRequestEntry| {
        let (receipt, id) = read_handle(entry.receipt_handle());
        let pause_s = entry.visibility_timeout().expect("a time");
        let pause_ms = u64::try_from(pause_s).expect("no negative time") * 1_000;
        let is_changed = !(in_part && account.world.once_in(2)) && account.hide_message(receipt, id, pause_ms);
        let fate = if is_changed { "" } else { ", which is refused" };
        account.world.tell(&who.name, || format!("has message {id} come again after {pause_ms} ms{fate}"));
        (entry.id().to_owned(), is_changed)
    };
    Ok(entries.iter().map(hide).collect())
}

/// Takes messages into a queue; which of them.
fn take_batch(
    account: &Rc<Account>,
    who: &Process,
    queue: &str,
    entries: &[SendMessageBatchRequestEntry],
) -> Result<Vec<(String, bool)>, Busy> {
    if account.is_queue_out() {
        return Err(Busy);
    }
    let in_part = account.world.faults.strikes(Fault::PartlyTaken);
    let take = |entry: &SendMessageBatchRequestEntry| {
        let is_taken = !in_part || account.world.once_in(2);
        if is_taken {
            account.take_message(&who.name, queue, sent(entry));
        }
        (entry.id().to_owned(), is_taken)
    };
    Ok(entries.iter().map(take).collect())
}

fn sent(entry: &SendMessageBatchRequestEntry) -> Sent {
    let reason = entry.message_attributes().and_then(|attributes| attributes.get("reason")?.string_value());
    Sent {
        body: entry.message_body().into(),
        group: entry.message_group_id().unwrap_or_default().into(),
        deduplication: entry.message_deduplication_id().map(Rc::from),
        reason: reason.map(str::to_owned),
    }
}
