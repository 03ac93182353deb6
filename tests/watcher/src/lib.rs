//! A polite client that watches a poll's results, as a page or an app should: it asks when the service says, and never shows
//! counts that go down because a cache or a process is behind.
//!
//! `Watcher` decides, without I/O or a clock of its own; `watch` asks, waits and shows.

use std::time::Duration;

/// The pause where an answer has no `Landslide-Poll-After`.
const PAUSE: Duration = Duration::from_secs(2);
/// By which part of a pause it may be longer, at random: so that those who asked together do not go on asking together.
const JITTER: f64 = 0.25;
/// The same for the first pause: so that a million who came within a second are spread over all of it at once.
const FIRST_JITTER: f64 = 1.0;
/// The pause after a first failure; it doubles with each further one. After a failure it may be twice as long, at random:
/// all who failed together would come again together.
const BACKOFF: Duration = Duration::from_secs(1);
/// The longest that it doubles to.
const BACKOFF_MAX: Duration = Duration::from_secs(60);
const BACKOFF_JITTER: f64 = 1.0;

/// Which state of a poll a document shows: `version` in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// The poll's revision.
    pub poll: u64,
    /// That of its counts.
    pub counts: u64,
}

impl Version {
    fn is_behind(self, shown: Self) -> bool {
        self.poll < shown.poll || self.counts < shown.counts
    }
}

/// A document that was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document<Results> {
    /// `ETag`, with its quotes.
    pub etag: String,
    /// `version`.
    pub version: Version,
    /// `final`.
    pub is_final: bool,
    /// The rest of it.
    pub results: Results,
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer<Results> {
    /// 200, and `Landslide-Poll-After` in seconds.
    Results(Document<Results>, Option<u64>),
    /// 304, and `Landslide-Poll-After` in seconds.
    Unchanged(Option<u64>),
    /// 429, a 5xx, or no answer; and `Retry-After` in seconds.
    Failed(Option<u64>),
    /// Any other status. Asking again does not help.
    Refused(u16),
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Ask again after this time.
    Wait(Duration),
    /// Never ask again.
    Stop(Outcome),
}

/// How watching ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The results that are shown are final.
    Final,
    /// The service refused with this status.
    Refused(u16),
}

/// What a client knows.
pub struct Watcher<Results> {
    shown: Option<Document<Results>>,
    failures: u32,
    /// When it was last told to ask again.
    told: Duration,
    random: fastrand::Rng,
}

impl<Results> Watcher<Results> {
    /// One that shows nothing yet. Two with the same seed wait alike.
    pub fn new(seed: u64) -> Self {
        Self { shown: None, failures: 0, told: PAUSE, random: fastrand::Rng::with_seed(seed) }
    }

    /// What to send as `If-None-Match`.
    pub fn etag(&self) -> Option<&str> {
        self.shown.as_ref().map(|shown| &*shown.etag)
    }

    /// What is shown.
    pub fn shown(&self) -> Option<&Results> {
        self.shown.as_ref().map(|shown| &shown.results)
    }

    /// Takes an answer: shows what is newer, and says when to ask again.
    pub fn take(&mut self, answer: Answer<Results>) -> Next {
        let jitter = if self.shown.is_none() { FIRST_JITTER } else { JITTER };
        match answer {
            Answer::Refused(status) => return Next::Stop(Outcome::Refused(status)),
            Answer::Failed(retry_after) => return Next::Wait(self.backoff(retry_after)),
            Answer::Unchanged(after) => self.told = pause(after),
            Answer::Results(document, after) => {
                self.told = pause(after);
                self.show(document);
            }
        }
        self.failures = 0;
        match &self.shown {
            Some(shown) if shown.is_final => Next::Stop(Outcome::Final),
            _ => Next::Wait(self.longer(self.told, jitter)),
        }
    }

    fn show(&mut self, document: Document<Results>) {
        if self.shown.as_ref().is_none_or(|shown| !document.version.is_behind(shown.version)) {
            self.shown = Some(document);
        }
    }

    /// Not sooner than the service has said, neither with this failure nor before it.
    fn backoff(&mut self, retry_after: Option<u64>) -> Duration {
        let doubled = BACKOFF.saturating_mul(2u32.saturating_pow(self.failures)).min(BACKOFF_MAX);
        self.failures += 1;
        let asked = Duration::from_secs(retry_after.unwrap_or_default());
        self.longer(doubled.max(asked).max(self.told), BACKOFF_JITTER)
    }

    fn longer(&mut self, pause: Duration, by: f64) -> Duration {
        pause + pause.mul_f64(self.random.f64() * by)
    }
}

fn pause(after: Option<u64>) -> Duration {
    after.map_or(PAUSE, Duration::from_secs)
}

/// Asks with `If-None-Match` again and again, and shows what each answer leads to, until nothing new can come.
pub async fn watch<Results>(
    mut watcher: Watcher<Results>,
    mut ask: impl AsyncFnMut(Option<&str>) -> Answer<Results>,
    mut show: impl FnMut(&Results),
) -> Outcome {
    loop {
        let answer = ask(watcher.etag()).await;
        let next = watcher.take(answer);
        watcher.shown().into_iter().for_each(&mut show);
        match next {
            Next::Wait(pause) => tokio::time::sleep(pause).await,
            Next::Stop(outcome) => return outcome,
        }
    }
}

#[cfg(test)]
mod tests;
