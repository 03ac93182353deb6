//! The counts, looked at while voters vote.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use landslide_aws::clock;
use landslide_aws::store::{ResultsStore, Snapshot};
use landslide_cli::stack::{Tables, explain};
use landslide_domain::ids::PollId;
use landslide_load::lag::Look;

/// Time between two looks; no lag is measured finer.
const PAUSE: Duration = Duration::from_millis(100);
/// A complete count is looked at once more after this time: a vote counted twice would show late.
const RECHECK: Duration = Duration::from_secs(2);

/// A poll's counts in the table, where no cache is in between.
pub struct Watch {
    store: ResultsStore,
    poll: PollId,
}

impl Watch {
    /// Of a poll in these tables.
    pub fn new(aws: &aws_types::SdkConfig, tables: Tables, poll: &str) -> Result<Self> {
        let poll = PollId::parse(poll).context("the poll's id is none")?;
        Ok(Self { store: ResultsStore::new(aws, tables.polls_table, tables.tallies_table), poll })
    }

    async fn snapshot(&self, lanes: u8) -> Result<Snapshot> {
        let found = self.store.read(&self.poll, lanes).await.map_err(|error| explain(error, "tables of the stack"))?;
        found.with_context(|| format!("poll {} is gone", self.poll.as_str()))
    }

    /// Looks again and again, until it can't.
    pub async fn look_on(&self, mut seen: impl FnMut(Look)) -> anyhow::Error {
        let mut lanes = 1;
        loop {
            match self.snapshot(lanes).await {
                Ok(snapshot) => {
                    lanes = snapshot.poll.rules.lanes;
                    seen(Look { at: clock::now(), ballots: ballots(&snapshot) });
                }
                Err(error) => return error,
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Waits until that many votes are counted, by option, and looks once more after a while.
    pub async fn counts_are(&self, expected: &[u64], wait_max: Duration, mut seen: impl FnMut(Look)) -> Result<()> {
        let votes = expected.iter().sum();
        let started = Instant::now();
        loop {
            let snapshot = self.snapshot(1).await?;
            let look = Look { at: clock::now(), ballots: ballots(&snapshot) };
            seen(look);
            if look.ballots >= votes {
                break;
            }
            if started.elapsed() > wait_max {
                bail!("{votes} votes were acknowledged, but only {} are counted after {wait_max:?}", look.ballots);
            }
            tokio::time::sleep(PAUSE).await;
        }
        tokio::time::sleep(RECHECK).await;
        let snapshot = self.snapshot(1).await?;
        let counted: Vec<u64> = (0..expected.len()).map(|option| of_option(&snapshot, option)).collect();
        ensure!(
            ballots(&snapshot) == votes && counted == expected,
            "acknowledged are {expected:?} votes by option, counted {counted:?}"
        );
        Ok(())
    }
}

fn ballots(snapshot: &Snapshot) -> u64 {
    not_negative(snapshot.counts.iter().map(|count| count.counters.ballots()).sum())
}

fn of_option(snapshot: &Snapshot, option: usize) -> u64 {
    let option = u8::try_from(option).unwrap_or(u8::MAX);
    not_negative(snapshot.counts.iter().map(|count| count.counters.option(option)).sum())
}

/// Counters are below zero for a while, where a change comes before the vote that it changes.
fn not_negative(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}
