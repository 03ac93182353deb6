//! What the load tool prints at its end.

use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;
use landslide_cli::api::Retries;
use landslide_cli::progress::grouped;

use landslide_load::meter::Reading;

/// What the figures of a local cloud say nothing of.
const HIDDEN: &str = "\
A local cloud is the bottleneck here: it runs every call on this machine, some hundreds a second at most, and the load
itself uses the same cores. Rates and latencies are its own, not what Landslide does on AWS; nor do they show cold starts
at scale, DynamoDB's throttling, or several lanes counted at once. Counts of calls, units and messages are Landslide's, but
for how many votes come together in one batch, which depends on the rate.
Each connection waits for its answer before the next vote (a closed loop): where the stack slows down, so do voters.";

/// All that was measured.
pub struct Report<'a> {
    /// Votes that were acknowledged.
    pub votes: u64,
    /// Of these, by a 200: an earlier attempt without an answer had stored them.
    pub found_on_retry: u64,
    /// From the first vote's sending to the last one's answer.
    pub voting: Duration,
    /// Of the answer that acknowledged, in microseconds.
    pub latency: &'a Histogram<u64>,
    /// Requests that were sent again.
    pub retries: &'a Retries,
    /// From `cast_at` to the count, in milliseconds.
    pub lag: &'a Histogram<u64>,
    /// What the functions' calls consumed, where these were led through the meter.
    pub reading: Option<Reading>,
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = self.votes as f64 / self.voting.as_secs_f64();
        writeln!(
            f,
            "votes       {} acknowledged in {:.1} s, {rate:.0}/s; {} of them by a 200 on retry",
            grouped(self.votes),
            self.voting.as_secs_f64(),
            grouped(self.found_on_retry)
        )?;
        let ms = |quantile| self.latency.value_at_quantile(quantile) as f64 / 1_000.0;
        writeln!(
            f,
            "latency     p50 {:.1} ms, p90 {:.1}, p99 {:.1}, p99.9 {:.1}, max {:.1}: of the answer that acknowledged",
            ms(0.5),
            ms(0.9),
            ms(0.99),
            ms(0.999),
            self.latency.max() as f64 / 1_000.0
        )?;
        writeln!(
            f,
            "sent again  {} after 429, {} after 503 (each as Retry-After says), {} without an answer",
            grouped(self.retries.throttled.get()),
            grouped(self.retries.unavailable.get()),
            grouped(self.retries.unanswered.get())
        )?;
        writeln!(
            f,
            "lag         p50 {} ms, p99 {}, max {}: from cast_at to the COUNT item, which is read every 100 ms",
            self.lag.value_at_quantile(0.5),
            self.lag.value_at_quantile(0.99),
            self.lag.max()
        )?;
        match &self.reading {
            Some(reading) => self.costs(f, reading)?,
            None => writeln!(f, "units       not measured: without --meter nobody sees the functions' calls")?,
        }
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        writeln!(f, "machine     {cores} cores, {}", std::env::consts::ARCH)?;
        write!(f, "\n{HIDDEN}")
    }
}

impl Report<'_> {
    fn costs(&self, f: &mut fmt::Formatter<'_>, reading: &Reading) -> fmt::Result {
        let votes = self.votes as f64;
        writeln!(
            f,
            "counting    {:.4} write units a vote (ConsumedCapacity), {:.4} read units",
            reading.write_units() / votes,
            reading.reads.units / votes
        )?;
        for (item, calls) in &reading.writes {
            writeln!(
                f,
                "            {item:<5} {} writes of {} units; {} refused by their condition, which AWS bills too",
                grouped(calls.number),
                calls.units,
                calls.refused
            )?;
        }
        writeln!(
            f,
            "messages    {:.4} a vote: {} of {:.1} bytes a vote, in {} calls",
            reading.messages as f64 / votes,
            grouped(reading.messages),
            reading.message_bytes as f64 / votes,
            grouped(reading.sends)
        )
    }
}
