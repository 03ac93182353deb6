//! Limits over the stack's own table: exact under races, at the turn of a minute, and with clocks that differ.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use landslide_aws::testing::VirtualClock;
use landslide_domain::{
    limits::{Limits, Standing},
    tenant::TenantKey,
    time::{MINUTE_MS, Timestamp},
};
use landslide_service::limits::{Admission, TenantLimits};

use crate::support::{App, now_ms, someone};

const MAX: u32 = 12;
const LIMITS: Limits = Limits { polls_per_day: 5, open_polls: 5, requests_per_minute: MAX };

/// The start of a minute, long before any day's end.
fn minute() -> Timestamp {
    let at = Timestamp::from_millis(now_ms()).unwrap();
    at.midnight().plus_millis(11 * 60 * MINUTE_MS)
}

/// Sends that many requests, one after the other, each a while after the one before; how those that were admitted stood.
async fn admitted(app: &App, tenant: &TenantKey, begins: Timestamp, requests: u64, pause_ms: u64) -> Vec<Standing> {
    let clock = VirtualClock::new(begins);
    let limits = TenantLimits::over(app.aws.limit_store(), LIMITS, clock.clone());
    let mut admitted = Vec::new();
    for _ in 0..requests {
        if let Admission::Admitted(standing) = limits.admit(tenant).await.unwrap() {
            admitted.push(standing);
        }
        clock.go_on(pause_ms);
    }
    admitted
}

/// How many requests were admitted in each minute, and the highest count that one of them saw.
fn by_minute(standings: &[Standing]) -> BTreeMap<Timestamp, (u32, u32)> {
    let mut minutes = BTreeMap::new();
    for standing in standings {
        let (admitted, highest) = minutes.entry(standing.used.minute.unwrap()).or_insert((0, 0));
        *admitted += 1;
        *highest = standing.used.in_minute.max(*highest);
    }
    minutes
}

#[tokio::test]
async fn processes_that_race_admit_exactly_as_many_as_may() {
    let app = App::new();
    let tenant = TenantKey::stored(&app.issuer.owner(&someone()));
    let all = join_all((0..6).map(|_| admitted(&app, &tenant, minute(), 10, 0))).await.concat();
    assert_eq!(by_minute(&all), [(minute(), (MAX, MAX))].into());
}

#[tokio::test]
async fn clocks_that_differ_open_no_hole_at_the_turn_of_a_minute() {
    let app = App::new();
    let tenant = TenantKey::stored(&app.issuer.owner(&someone()));
    // From 3 s before a minute's end to 5 s after it, by clocks that are up to two seconds apart.
    let begins = |skew_ms: u64| minute().plus_millis(MINUTE_MS - 3_000 + skew_ms);
    let all =
        join_all([0, 500, 1_000, 2_000].map(|skew| admitted(&app, &tenant, begins(skew), 80, 100))).await.concat();
    let minutes = by_minute(&all);
    let next = minute().plus_millis(MINUTE_MS);
    assert_eq!(minutes.get(&next), Some(&(MAX, MAX)), "{minutes:?}");
    assert!(minutes.values().all(|(admitted, _)| *admitted <= MAX) && minutes.len() == 2, "{minutes:?}");
}

#[tokio::test]
async fn who_is_behind_is_refused_where_others_have_filled_the_next_minute() {
    let app = App::new();
    let tenant = TenantKey::stored(&app.issuer.owner(&someone()));
    let next = minute().plus_millis(MINUTE_MS);
    assert_eq!(admitted(&app, &tenant, next, u64::from(MAX) + 3, 0).await.len(), MAX as usize);
    let behind = Timestamp::from_millis(next.as_millis() - 500).unwrap();
    assert_eq!(admitted(&app, &tenant, behind, 3, 0).await, []);
    let after = next.plus_millis(MINUTE_MS);
    assert_eq!(admitted(&app, &tenant, after, 3, 0).await.len(), 3);
}
