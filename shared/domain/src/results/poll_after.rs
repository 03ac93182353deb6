//! When to ask for a poll's results again: the header `Landslide-Poll-After`.

use super::reading::Counted;
use crate::{
    poll::{Settings, Status},
    time::Timestamp,
};

/// The shortest pause, in seconds. A document is current for a second, so asking more often brings nothing new.
pub const POLL_AFTER_MIN: u64 = 1;
/// The longest pause while results may change, in seconds. Nobody who watches should believe that it is broken.
pub const POLL_AFTER_MAX: u64 = 10;
/// The pause once results are final, in seconds. They never change; a client that does not stop by itself is slowed down.
pub const POLL_AFTER_FINAL: u64 = 60;
/// The pause if nobody knows yet how fast votes are counted, in milliseconds.
const UNKNOWN_MS: u64 = 2_000;
/// How many requests a second all viewers of a poll may make. CloudFront takes 250,000 a second for a distribution unless
/// AWS raises it (Amazon CloudFront Developer Guide, "Quotas"), and votes and pages go through the same one.
pub const VIEWERS_REQUESTS_PER_SECOND: u64 = 200_000;

/// What a process knows of a poll that somebody watches.
pub struct Watched<'a> {
    /// The poll's settings.
    pub settings: &'a Settings,
    /// Whether its results are final.
    pub is_final: bool,
    /// `cast_at` of the newest vote counted.
    pub as_of: Option<Timestamp>,
    /// What was counted between the last two documents. `None` if nobody knows.
    pub counted: Option<Counted>,
}

/// After how many seconds to ask again: after about as long as it takes until there is something new to see.
///
/// - Final results never change: 60 s.
/// - A scheduled poll shows nothing new until it opens: 10 s, but not past the opening.
/// - While votes are counted, the pause is the time between two of them. From one vote a second on it is 1 s. This holds
///   after the closing and in a pause too, as the last votes are counted a little later.
/// - In an open poll of which the process has one document only, it is 2 s: as long as to a second document.
/// - If nothing was counted, nothing is expected to be for about as long again as it has been quiet: since the newest vote,
///   the opening, the pause or the closing, whichever was last. So all see the first votes, and the last ones after a
///   closing, within 1 s or 2 s, and a poll in which nothing happens is asked for every 10 s: one that is paused until it
///   is resumed, one that is closed until it is final, a few minutes later.
/// - No pause goes past the opening or the closing: then at the latest there is something to see.
/// - With the `viewers` that the owner expects, the pause is at least so long that they make no more than 200,000 requests
///   a second together: 5 s for a million of them. This goes before all else but `final`, as a CDN over its quota answers
///   nobody. Over two million, the quota has to be raised.
///
/// How many requests a process gets is not in it: behind a CDN it is the same for ten viewers and for ten million.
pub fn poll_after_seconds(watched: &Watched<'_>, now: Timestamp) -> u64 {
    if watched.is_final {
        return POLL_AFTER_FINAL;
    }
    let until_news_ms = watched.until_news_ms(now).min(watched.until_next_status_ms(now));
    let pause = until_news_ms.div_ceil(1_000).clamp(POLL_AFTER_MIN, POLL_AFTER_MAX);
    pause.max(least_for(watched.settings.spec.viewers))
}

/// The shortest pause at which this many viewers keep within their requests a second.
fn least_for(viewers: Option<u64>) -> u64 {
    viewers.unwrap_or_default().div_ceil(VIEWERS_REQUESTS_PER_SECOND).min(POLL_AFTER_MAX)
}

impl Watched<'_> {
    fn until_news_ms(&self, now: Timestamp) -> u64 {
        match (self.settings.status(now), self.counted) {
            (Status::Scheduled, _) => u64::MAX,
            (_, Some(Counted { votes: votes @ 1.., in_ms })) => in_ms / votes,
            (Status::Open, None) => UNKNOWN_MS,
            (Status::Open | Status::Paused | Status::Closed, _) => now.millis_since(self.last_event(now)),
        }
    }

    /// When something last happened that changes what is shown.
    fn last_event(&self, now: Timestamp) -> Timestamp {
        let Settings { spec, paused_from, .. } = self.settings;
        let has_come = |time: &Timestamp| *time <= now;
        let events = [self.as_of, *paused_from, spec.closes_at].into_iter().flatten().filter(has_come);
        events.fold(self.settings.start(), Timestamp::max)
    }

    fn until_next_status_ms(&self, now: Timestamp) -> u64 {
        let spec = &self.settings.spec;
        let next = match self.settings.status(now) {
            Status::Scheduled => spec.opens_at,
            Status::Open | Status::Paused => spec.closes_at,
            Status::Closed => None,
        };
        next.map_or(u64::MAX, |next| next.millis_since(now))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{at, poll_asked_for};

    /// A poll that opens after 100 s and closes after 1,000 s, with these settings besides.
    fn settings(besides: &Value) -> Settings {
        let mut body = json!({"question": "Q", "options": ["a", "b"], "opens_at": at(100), "closes_at": at(1_000)});
        body.as_object_mut().unwrap().extend(besides.as_object().unwrap().clone());
        poll_asked_for(body, at(0)).unwrap().rules.settings
    }

    const NOTHING: Option<Counted> = Some(Counted { votes: 0, in_ms: 1_000 });
    const UNKNOWN: Option<Counted> = None;

    fn counted(votes: u64, in_ms: u64) -> Option<Counted> {
        Some(Counted { votes, in_ms })
    }

    fn after(settings: &Settings, now_ms: u64, as_of: Option<u64>, counted: Option<Counted>) -> u64 {
        let watched = Watched { settings, is_final: false, as_of: as_of.map(at), counted };
        poll_after_seconds(&watched, at(0).plus_millis(now_ms))
    }

    #[test]
    fn it_is_about_as_long_as_until_there_is_something_new() {
        let settings = settings(&json!({}));
        for (why, now_ms, as_of, counted, seconds) in [
            ("scheduled, long before", 0, None, UNKNOWN, 10),
            ("scheduled, not past the opening", 93_500, None, NOTHING, 7),
            ("scheduled, about to open", 99_999, None, UNKNOWN, 1),
            ("just open", 100_000, None, NOTHING, 1),
            ("open and unknown", 100_000, None, UNKNOWN, 2),
            ("open for 4 s without a vote", 104_000, None, NOTHING, 4),
            ("open for long without a vote", 200_000, None, NOTHING, 10),
            ("60,000 votes a second", 200_000, Some(199), counted(60_000, 1_000), 1),
            ("one vote a second", 200_000, Some(199), counted(2, 2_000), 1),
            ("less than one vote a second", 200_000, Some(199), counted(2, 2_500), 2),
            ("a vote in 4 s", 200_000, Some(197), counted(1, 4_000), 4),
            ("a vote in 30 s", 200_000, Some(170), counted(1, 30_000), 10),
            ("many are counted late, after an outage", 200_000, Some(120), counted(9_000, 1_000), 1),
            ("quiet for 3 s", 200_000, Some(197), NOTHING, 3),
            ("quiet for 3.001 s", 200_001, Some(197), NOTHING, 4),
            ("quiet for long", 200_000, Some(110), NOTHING, 10),
            ("unknown, whatever the newest vote is", 200_000, Some(110), UNKNOWN, 2),
            ("a newest vote by a clock that is ahead", 200_000, Some(201), NOTHING, 10),
            ("quiet, not past the closing", 996_600, Some(500), NOTHING, 4),
            ("busy, about to close", 999_900, Some(998), counted(9, 1_000), 1),
        ] {
            assert_eq!(after(&settings, now_ms, as_of, counted), seconds, "{why}");
        }
    }

    #[test]
    fn after_a_closing_the_last_votes_are_seen_soon_and_then_final_is_waited_for() {
        let settings = settings(&json!({}));
        for (why, now_ms, as_of, counted, seconds) in [
            ("at once", 1_000_000, Some(999), UNKNOWN, 1),
            ("the last votes are counted", 1_002_500, Some(999), counted(40_000, 1_000), 1),
            ("nothing is counted any more", 1_002_500, Some(999), NOTHING, 3),
            ("by a process that is new", 1_005_000, Some(999), UNKNOWN, 5),
            ("until it is final", 1_090_000, Some(999), NOTHING, 10),
        ] {
            assert_eq!(after(&settings, now_ms, as_of, counted), seconds, "{why}");
        }
    }

    #[test]
    fn in_a_pause_the_last_votes_are_seen_soon_and_then_it_is_quiet() {
        let mut settings = settings(&json!({}));
        settings.paused_from = Some(at(300));
        for (why, now_ms, as_of, counted, seconds) in [
            ("not yet, and quiet", 299_000, Some(200), NOTHING, 10),
            ("at once", 300_500, Some(299), UNKNOWN, 1),
            ("the last votes are counted", 302_500, Some(299), counted(9, 1_000), 1),
            ("nothing is counted any more", 304_000, Some(299), UNKNOWN, 4),
            ("until it is resumed", 900_000, Some(299), NOTHING, 10),
            ("not past the closing", 998_200, Some(299), NOTHING, 2),
        ] {
            assert_eq!(after(&settings, now_ms, as_of, counted), seconds, "{why}");
        }
    }

    #[test]
    fn many_viewers_ask_less_often_also_about_to_close() {
        for (viewers, busy, closing, quiet) in [
            (json!(null), 1, 1, 10),
            (json!(1), 1, 1, 10),
            (json!(200_000), 1, 1, 10),
            (json!(200_001), 2, 2, 10),
            (json!(1_000_000), 5, 5, 10),
            (json!(2_000_000), 10, 10, 10),
            (json!(50_000_000), 10, 10, 10),
        ] {
            let settings = settings(&json!({"viewers": viewers}));
            let found = [(500_000, counted(9_000, 1_000)), (999_500, counted(9_000, 1_000)), (500_000, NOTHING)];
            let found = found.map(|(now_ms, counted)| after(&settings, now_ms, Some(400), counted));
            assert_eq!(found, [busy, closing, quiet], "{viewers}");
        }
    }

    #[test]
    fn once_final_it_is_a_minute_whatever_else_is_known() {
        let settings = settings(&json!({"viewers": 1_000_000}));
        for counted in [UNKNOWN, NOTHING, counted(9, 1_000)] {
            let watched = Watched { settings: &settings, is_final: true, as_of: Some(at(999)), counted };
            assert_eq!(poll_after_seconds(&watched, at(1_400)), 60);
        }
    }

    #[test]
    fn a_poll_without_times_is_quiet_since_it_was_made() {
        let settings = settings(&json!({"opens_at": null, "closes_at": null}));
        assert_eq!([3, 30].map(|seconds| after(&settings, seconds * 1_000, None, NOTHING)), [3, 10]);
    }
}
