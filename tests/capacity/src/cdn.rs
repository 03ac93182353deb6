//! A CDN as far as results go through it: caches of edge locations that ask one more, the origin shield.

use landslide_domain::results::reading::{Reading, Reuse};

/// For how long a cache may go on showing what is stale while it asks again, in milliseconds: `stale-while-revalidate=1`.
const STALE_WHILE_REVALIDATE_MS: u64 = 1_000;

/// A response with results.
#[derive(Clone, Copy)]
pub struct Response {
    /// What was read for it.
    pub reading: Reading,
    /// What it says of its use.
    pub reuse: Reuse,
    /// `Age`: for how many seconds it lay in caches. Caches send whole ones.
    pub age_s: u64,
}

/// One cache, of one path. Requests that come while it asks wait for what it gets.
#[derive(Default)]
pub struct Cache<Asker> {
    kept: Option<(Response, u64)>,
    is_asking: bool,
    waiting: Vec<Asker>,
}

/// What a cache does with a request.
pub struct Handled {
    /// What it answers at once. If `None`, the asker waits.
    pub answer: Option<Response>,
    /// Whether it asks upstream now.
    pub asks: bool,
}

impl<Asker> Cache<Asker> {
    /// Handles a request.
    pub fn ask(&mut self, asker: Asker, now_ms: u64) -> Handled {
        let answer = self.kept.and_then(|(response, stored_ms)| {
            let age_ms = response.age_s * 1_000 + now_ms - stored_ms;
            let fresh_ms = response.reuse.max_age_seconds * 1_000;
            let is_shown = age_ms < fresh_ms + STALE_WHILE_REVALIDATE_MS;
            is_shown.then_some((Response { age_s: age_ms / 1_000, ..response }, age_ms < fresh_ms))
        });
        let is_fresh = answer.is_some_and(|(_, is_fresh)| is_fresh);
        let asks = !is_fresh && !self.is_asking;
        self.is_asking |= asks;
        if answer.is_none() {
            self.waiting.push(asker);
        }
        Handled { answer: answer.map(|(response, _)| response), asks }
    }

    /// Keeps what it got, and returns who waits for it.
    pub fn got(&mut self, response: Response, now_ms: u64) -> Vec<Asker> {
        self.kept = Some((response, now_ms));
        self.is_asking = false;
        std::mem::take(&mut self.waiting)
    }

    /// Forgets what it keeps.
    pub fn restart(&mut self) {
        self.kept = None;
    }
}

#[cfg(test)]
mod tests {
    use landslide_domain::{results::reading::Version, time::Timestamp};

    use super::*;

    fn response(max_age_seconds: u64) -> Response {
        let version = Version { poll: 1, counts: 1 };
        let reading = Reading { at: Timestamp::EPOCH, version, ballots: 0, as_of: None, is_final: false };
        Response { reading, reuse: Reuse { max_age_seconds, poll_after_seconds: 1 }, age_s: 0 }
    }

    /// Whether it answers, with which age, and whether it asks.
    fn asked(cache: &mut Cache<u8>, now_ms: u64) -> (Option<u64>, bool) {
        let handled = cache.ask(7, now_ms);
        (handled.answer.map(|response| response.age_s), handled.asks)
    }

    #[test]
    fn who_comes_while_it_asks_waits_and_it_asks_once() {
        let mut cache = Cache::default();
        assert_eq!([0, 1, 2].map(|now_ms| asked(&mut cache, now_ms)), [(None, true), (None, false), (None, false)]);
        assert_eq!(cache.got(response(1), 40), [7, 7, 7]);
        assert_eq!(asked(&mut cache, 1_039), (Some(0), false));
    }

    #[test]
    fn what_is_stale_is_shown_for_a_second_while_it_asks() {
        let mut cache = Cache::default();
        cache.ask(7, 0);
        cache.got(response(1), 0);
        assert_eq!([1_000, 1_999].map(|now_ms| asked(&mut cache, now_ms)), [(Some(1), true), (Some(1), false)]);
        assert_eq!(asked(&mut cache, 2_000), (None, false), "it still asks");
        assert_eq!(cache.got(response(0), 2_000), [7]);
        assert_eq!(asked(&mut cache, 2_001), (Some(0), true), "a lifetime of 0 s");
        cache.restart();
        assert_eq!(asked(&mut cache, 2_002), (None, false));
    }

    #[test]
    fn time_in_another_cache_counts() {
        let mut cache = Cache::default();
        cache.ask(7, 0);
        cache.got(Response { age_s: 1, ..response(1) }, 0);
        assert_eq!([0, 999, 1_000].map(|now_ms| asked(&mut cache, now_ms).0), [Some(1), Some(1), None]);
    }
}
