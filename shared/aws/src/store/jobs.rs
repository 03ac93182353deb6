//! The Jobs table: the state of each job over a poll, one item each, and how far the minutes were looked through.

use aws_sdk_dynamodb::{
    Client,
    operation::{
        get_item::GetItemInput,
        update_item::{UpdateItemInput, builders::UpdateItemInputBuilder},
    },
    types::AttributeValue,
};
use aws_types::SdkConfig;
use landslide_domain::{
    due::Job,
    ids::PollId,
    keys,
    lane::Split,
    poll::Off,
    time::{DAY_MS, Timestamp},
};

use super::{
    DynamoDb, StoreError,
    change::Change,
    item::{Attributes, Item, number, string, time},
    store_error, unless_refused,
};
use crate::config::{self, ConfigError};

/// The attribute with the time until which a process has the job.
const UNTIL: &str = "until";
/// The attribute with the time of the last step.
const AT: &str = "at";
/// The attribute with the time at which the job was done, if it is.
const DONE_AT: &str = "done_at";
/// The attribute with the time at which the job was given up, if it is.
const FAILED_AT: &str = "failed_at";
/// The attribute with why the last try failed.
const ERROR: &str = "error";
/// The attributes with the number of parts and the time of the split, where there are several.
const PARTS: &str = "parts";
const SPLIT_AT: &str = "split_at";
/// What the attributes of parts that are done begin with.
const PART: &str = "part_";
/// The attribute with how far the counts were off, as the first who made them final has seen them.
const OFF: &str = "off";
/// The attribute with the last minute that was looked through.
const MINUTE: &str = "minute";
/// The one item of a job.
const STATE: &str = "STATE";
/// How long a job's state is kept after its last step, in milliseconds.
const KEPT_MS: u64 = 90 * DAY_MS;

/// Whether a job may be worked on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is the caller's until the time that it named.
    Yes,
    /// Another process has it.
    Busy,
    /// It was given up. An operator may have it tried again.
    GivenUp,
}

/// The state of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobState {
    /// Which.
    pub job: Job,
    /// Over which poll.
    pub poll_id: PollId,
    /// The time of the last step.
    pub at: Timestamp,
    /// Until when a process has it.
    pub until: Option<Timestamp>,
    /// When it was done, if it is.
    pub done_at: Option<Timestamp>,
    /// When it was given up, if it is.
    pub failed_at: Option<Timestamp>,
    /// Why the last try failed.
    pub error: Option<String>,
    /// Whether a try has come as far as to know how far the counts were off.
    pub knows_off: bool,
    /// How it is split, if it has several parts, and how many of them are done.
    pub split: Option<(Split, u16)>,
}

impl JobState {
    /// Whether all parts of this split are done.
    pub fn has_all_of(&self, split: Split) -> bool {
        self.split == Some((split, split.parts))
    }

    /// Whether a try failed, or its process died, before it had counted the votes.
    pub fn has_failed_to_count(&self) -> bool {
        self.done_at.is_none() && !self.knows_off && (self.until.is_some() || self.error.is_some())
    }
}

/// The Jobs table.
pub struct JobStore<D = Client> {
    db: D,
    table: String,
}

impl JobStore {
    /// The table in the environment's variable.
    pub fn from_env(aws: &SdkConfig) -> Result<Self, ConfigError> {
        Ok(Self::new(aws, config::text("JOBS_TABLE")?))
    }

    /// A table by name.
    pub fn new(aws: &SdkConfig, table: String) -> Self {
        Self::over(Client::new(aws), table)
    }

    /// The states of all jobs. Reads the whole table.
    pub async fn all(&self) -> Result<Vec<JobState>, StoreError> {
        let (mut states, mut start) = (Vec::new(), None);
        loop {
            let scan = self.db.scan().table_name(&self.table).set_exclusive_start_key(start);
            let page = scan.send().await.map_err(|error| store_error("list jobs", error))?;
            for item in page.items() {
                states.extend(read_state(item)?);
            }
            start = page.last_evaluated_key;
            if start.is_none() {
                return Ok(states);
            }
        }
    }
}

impl<D: DynamoDb> JobStore<D> {
    /// A table by name, in any database.
    pub fn over(db: D, table: String) -> Self {
        Self { db, table }
    }

    /// The table's name.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// Takes a job until `until`, unless another process has it or it was given up.
    pub async fn take(&self, job: Job, poll: &PollId, now: Timestamp, until: Timestamp) -> Result<Taken, StoreError> {
        let update = self
            .step(job, poll, now, [(UNTIL, Some(time(until)))])
            .condition_expression("attribute_not_exists(#failed_at) AND (attribute_not_exists(#until) OR #until < :at)")
            .expression_attribute_names("#failed_at", FAILED_AT);
        if unless_refused("take a job", self.db.update_item(update).await)? {
            return Ok(Taken::Yes);
        }
        Ok(match self.state(job, poll).await? {
            Some(state) if state.failed_at.is_some() => Taken::GivenUp,
            // This very write: its first answer was lost.
            Some(state) if state.until == Some(until) => Taken::Yes,
            _ => Taken::Busy,
        })
    }

    /// Lets others take the job. `error` says why it is not done.
    pub async fn release(&self, job: Job, poll: &PollId, now: Timestamp, error: &str) -> Result<(), StoreError> {
        let update = self.step(job, poll, now, [(ERROR, Some(string(error))), (UNTIL, None)]);
        self.write("release a job", update).await
    }

    /// Splits the job into parts, none of which is done, and lets others take it.
    pub async fn split(&self, job: Job, poll: &PollId, split: Split) -> Result<(), StoreError> {
        let at_split = [(PARTS, Some(number(split.parts))), (SPLIT_AT, Some(time(split.at))), (UNTIL, None)];
        self.write("split a job", self.step(job, poll, split.at, at_split)).await
    }

    /// Notes that a part of the last split is done. Returns whether all of them are. A part of an earlier split is not noted.
    pub async fn part_is_done(
        &self,
        job: Job,
        poll: &PollId,
        now: Timestamp,
        (split, part): (Split, u16),
    ) -> Result<bool, StoreError> {
        let update = self
            .step(job, poll, now, [(&*format!("{PART}{part}"), Some(time(split.at)))])
            // Two splits that are under way at once would overwrite each other's parts, and neither would ever be done.
            .condition_expression("#split_at = :split_at")
            .expression_attribute_names("#split_at", SPLIT_AT)
            .expression_attribute_values(":split_at", time(split.at));
        if !unless_refused("note a part of a job", self.db.update_item(update).await)? {
            return Ok(false);
        }
        Ok(self.state(job, poll).await?.is_some_and(|state| state.has_all_of(split)))
    }

    /// Notes how far counts were off, unless that is known. Returns what is known then: after the first who writes them,
    /// counts are not off any more.
    pub async fn note_off(&self, job: Job, poll: &PollId, now: Timestamp, off: Off) -> Result<Off, StoreError> {
        let broken = |error: serde_json::Error| StoreError::Broken(format!("note a difference: {error}"));
        let text = serde_json::to_string(&off).map_err(broken)?;
        let update =
            self.step(job, poll, now, [(OFF, Some(string(text)))]).condition_expression("attribute_not_exists(#off)");
        if unless_refused("note a difference", self.db.update_item(update).await)? {
            return Ok(off);
        }
        let item = self.read(&keys::job(job, poll), "read a difference").await?.unwrap_or_default();
        serde_json::from_str(Attributes(&item).string(OFF)?).map_err(broken)
    }

    /// Notes that the job is done, also if it was given up.
    pub async fn end(&self, job: Job, poll: &PollId, now: Timestamp) -> Result<(), StoreError> {
        let done = [(DONE_AT, Some(time(now))), (UNTIL, None), (FAILED_AT, None), (ERROR, None)];
        self.write("end a job", self.step(job, poll, now, done)).await
    }

    /// Gives the job up: nobody can take it until it is tried again.
    pub async fn give_up(&self, job: Job, poll: &PollId, now: Timestamp, error: &str) -> Result<(), StoreError> {
        let given_up = [(FAILED_AT, Some(time(now))), (ERROR, Some(string(error))), (UNTIL, None)];
        self.write("give a job up", self.step(job, poll, now, given_up)).await
    }

    /// Has a job that was given up be one that anyone can take.
    pub async fn try_again(&self, job: Job, poll: &PollId, now: Timestamp) -> Result<(), StoreError> {
        let free = [(UNTIL, None), (FAILED_AT, None), (ERROR, None)];
        self.write("have a job tried again", self.step(job, poll, now, free)).await
    }

    /// A job's state, strongly consistent.
    pub async fn state(&self, job: Job, poll: &PollId) -> Result<Option<JobState>, StoreError> {
        let item = self.read(&keys::job(job, poll), "read a job").await?;
        Ok(item.as_ref().map(read_state).transpose()?.flatten())
    }

    /// The last minute that was looked through for what is due. `None` before the first time.
    pub async fn looked_through(&self) -> Result<Option<u64>, StoreError> {
        let item = self.read(keys::TICK, "read the last minute").await?;
        item.as_ref().map(|item| Attributes(item).number(MINUTE)).transpose()
    }

    /// Notes that all minutes up to this one were looked through. Only goes forwards.
    pub async fn look_through(&self, minute: u64) -> Result<(), StoreError> {
        let update = UpdateItemInput::builder()
            .table_name(&self.table)
            .set_key(Some(state_key(keys::TICK)))
            .update_expression("SET #minute = :minute")
            .condition_expression("attribute_not_exists(#minute) OR #minute < :minute")
            .expression_attribute_names("#minute", MINUTE)
            .expression_attribute_values(":minute", number(minute));
        unless_refused("note the minute", self.db.update_item(update).await).map(drop)
    }

    async fn read(&self, job: &str, doing: &str) -> Result<Option<Item>, StoreError> {
        let get = GetItemInput::builder().table_name(&self.table).set_key(Some(state_key(job))).consistent_read(true);
        let answer = self.db.get_item(get).await.map_err(|error| store_error(doing, error))?;
        Ok(answer.item)
    }

    /// An update of a job's state: of the time of its last step, and of these attributes.
    fn step<'a>(
        &self,
        job: Job,
        poll: &PollId,
        now: Timestamp,
        attributes: impl IntoIterator<Item = (&'a str, Option<AttributeValue>)>,
    ) -> UpdateItemInputBuilder {
        let expires_at = number(now.plus_millis(KEPT_MS).as_millis() / 1_000);
        let of_all = [(AT, Some(time(now))), (keys::EXPIRES_AT, Some(expires_at))];
        let change = Change::of(of_all.into_iter().chain(attributes));
        UpdateItemInput::builder()
            .table_name(&self.table)
            .set_key(Some(state_key(&keys::job(job, poll))))
            .update_expression(change.expression)
            .set_expression_attribute_names(Some(change.names))
            .set_expression_attribute_values(Some(change.values))
    }

    async fn write(&self, doing: &str, update: UpdateItemInputBuilder) -> Result<(), StoreError> {
        self.db.update_item(update).await.map_err(|error| store_error(doing, error)).map(drop)
    }
}

fn state_key(job: &str) -> Item {
    Item::from([(keys::JOB.to_owned(), string(job)), (keys::ITEM.to_owned(), string(STATE))])
}

/// Parses a job's state. `None` for an item that is none.
fn read_state(item: &Item) -> Result<Option<JobState>, StoreError> {
    let attributes = Attributes(item);
    let Some((job, poll_id)) = keys::read_job(attributes.string(keys::JOB)?) else { return Ok(None) };
    let parts: Option<u16> = attributes.optional_number(PARTS)?;
    let split = parts.zip(attributes.optional_time(SPLIT_AT)?).map(|(parts, at)| Split { parts, at });
    let done = |at: Timestamp| {
        let of_split = |name: &&String| name.starts_with(PART) && attributes.optional_time(name).ok() == Some(Some(at));
        item.keys().filter(of_split).count()
    };
    Ok(Some(JobState {
        job,
        poll_id,
        at: attributes.time(AT)?,
        until: attributes.optional_time(UNTIL)?,
        done_at: attributes.optional_time(DONE_AT)?,
        failed_at: attributes.optional_time(FAILED_AT)?,
        error: attributes.optional_string(ERROR)?.map(str::to_owned),
        knows_off: item.contains_key(OFF),
        split: split.map(|split| (split, u16::try_from(done(split.at)).unwrap_or(split.parts))),
    }))
}
