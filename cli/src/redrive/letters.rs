//! A queue of letters, for emptying it.

use std::cell::RefCell;
use std::collections::HashSet;

use anyhow::{Context, Result};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{MessageAttributeValue, MessageSystemAttributeName};
use aws_types::SdkConfig;

use landslide_cli::stack::explain;

/// The most messages that SQS returns at once.
const RECEIVE_MAX: i32 = 10;
/// How long a letter is hidden from others while it is processed, in seconds.
const HIDDEN_SECONDS: i32 = 60;
/// How long SQS waits for letters before it returns none, in seconds.
const WAIT_SECONDS: i32 = 2;
/// How many empty responses in a row mean that the queue is empty.
const EMPTY_LOOKS: u32 = 2;
/// The most characters that are shown of a letter.
const SHOWN_CHARS_MAX: usize = 120;

/// A message in the queue.
#[derive(Debug)]
pub struct Letter {
    /// The message's text.
    pub body: String,
    /// The FIFO group. `None` in a standard queue.
    pub group: Option<String>,
    reason: Option<String>,
    id: String,
    handle: String,
}

impl Letter {
    /// Why it is here, and its first characters.
    pub fn outline(&self) -> String {
        let text: String = self.body.chars().take(SHOWN_CHARS_MAX).collect();
        match &self.reason {
            Some(reason) => format!("{text} ({reason})"),
            None => text,
        }
    }
}

/// A queue of letters.
pub struct Letters {
    client: Client,
    url: String,
    /// Ids of letters that were read and stay.
    known: RefCell<HashSet<String>>,
    /// Handles of letters that stay, hidden until the end.
    hidden: RefCell<Vec<String>>,
}

impl Letters {
    /// A queue by its URL.
    pub fn of(aws: &SdkConfig, url: &str) -> Self {
        Self { client: Client::new(aws), url: url.to_owned(), known: RefCell::default(), hidden: RefCell::default() }
    }

    fn failed(&self, error: impl std::error::Error + Send + Sync + 'static) -> anyhow::Error {
        explain(error, &format!("queue {}", self.url))
    }

    /// Reads the next letters not read yet. Returns `None` once there are no more.
    pub async fn next(&self) -> Result<Option<Vec<Letter>>> {
        for _ in 0..EMPTY_LOOKS {
            let answer = self
                .client
                .receive_message()
                .queue_url(&self.url)
                .max_number_of_messages(RECEIVE_MAX)
                .visibility_timeout(HIDDEN_SECONDS)
                .wait_time_seconds(WAIT_SECONDS)
                .message_system_attribute_names(MessageSystemAttributeName::MessageGroupId)
                .message_attribute_names("reason")
                .send()
                .await
                .map_err(|error| self.failed(error.into_service_error()))?;
            let letters = answer.messages.unwrap_or_default().into_iter().map(read);
            let (known, news): (Vec<Letter>, Vec<Letter>) =
                letters.partition(|letter| self.known.borrow().contains(&letter.id));
            self.hidden.borrow_mut().extend(known.into_iter().map(|letter| letter.handle));
            if !news.is_empty() {
                return Ok(Some(news));
            }
        }
        self.show_hidden().await?;
        Ok(None)
    }

    /// Sends a letter's text to this queue, in the letter's group and with a new deduplication id.
    pub async fn send(&self, letter: &Letter) -> Result<()> {
        self.send_as_new(letter).await.map(drop)
    }

    /// Leaves a letter in the queue. In a FIFO queue it moves to the end, as it would block its group.
    pub async fn put_back(&self, letter: &Letter) -> Result<()> {
        if letter.group.is_none() {
            self.known.borrow_mut().insert(letter.id.clone());
            self.hidden.borrow_mut().push(letter.handle.clone());
            return Ok(());
        }
        let id = self.send_as_new(letter).await?;
        self.known.borrow_mut().insert(id);
        self.delete(letter).await
    }

    /// Shows the remaining letters to the next reader.
    async fn show_hidden(&self) -> Result<()> {
        for handle in self.hidden.take() {
            let show = self.client.change_message_visibility().queue_url(&self.url).receipt_handle(handle);
            show.visibility_timeout(0).send().await.map_err(|error| self.failed(error.into_service_error()))?;
        }
        Ok(())
    }

    /// Deletes a letter.
    pub async fn delete(&self, letter: &Letter) -> Result<()> {
        let delete = self.client.delete_message().queue_url(&self.url).receipt_handle(&letter.handle);
        delete.send().await.map_err(|error| self.failed(error.into_service_error()))?;
        Ok(())
    }

    /// Returns the new message's id.
    async fn send_as_new(&self, letter: &Letter) -> Result<String> {
        let deduplication = letter.group.as_ref().map(|_| format!("{:032x}", fastrand::u128(..)));
        let mut send = self
            .client
            .send_message()
            .queue_url(&self.url)
            .message_body(&letter.body)
            .set_message_group_id(letter.group.clone())
            .set_message_deduplication_id(deduplication);
        if let Some(reason) = &letter.reason {
            let value = MessageAttributeValue::builder().data_type("String").string_value(reason).build();
            send = send.message_attributes("reason", value.context("write a letter's reason")?);
        }
        let answer = send.send().await.map_err(|error| self.failed(error.into_service_error()))?;
        Ok(answer.message_id.unwrap_or_default())
    }
}

fn read(message: aws_sdk_sqs::types::Message) -> Letter {
    let reason =
        message.message_attributes().and_then(|all| all.get("reason")).and_then(|reason| reason.string_value());
    let group = message.attributes().and_then(|all| all.get(&MessageSystemAttributeName::MessageGroupId));
    Letter {
        group: group.cloned(),
        reason: reason.map(str::to_owned),
        body: message.body.unwrap_or_default(),
        id: message.message_id.unwrap_or_default(),
        handle: message.receipt_handle.unwrap_or_default(),
    }
}
