//! Time, and waiting for what comes in time.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use landslide_domain::time::Timestamp;

/// By how much the clocks of test and cloud may differ, in milliseconds.
pub const SKEW_MS: u64 = 1_000;
/// How long anything is waited for. The longest that is: a killed function's messages, which their queue gives again
/// after its visibility timeout of 60 s, twice.
const WAIT_MAX: Duration = Duration::from_secs(180);
/// The pause between two looks.
const WAIT_PAUSE: Duration = Duration::from_millis(100);

/// Looks until there is what is looked for; fails with what was there last instead.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Result<T, String>) -> T {
    let started = Instant::now();
    loop {
        match look().await {
            Ok(found) => return found,
            Err(instead) if started.elapsed() > WAIT_MAX => panic!("no {what} within {WAIT_MAX:?}, but {instead}"),
            Err(_) => tokio::time::sleep(WAIT_PAUSE).await,
        }
    }
}

/// Waits until a time has come.
pub async fn passes(time: Timestamp) {
    eventually(
        &time.to_string(),
        async || {
            if now_ms() > time.as_millis() { Ok(()) } else { Err(format!("{} ms", now_ms())) }
        },
    )
    .await;
}

/// The time now, in milliseconds since the epoch.
pub fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis().try_into().unwrap()
}

/// The time `millis` milliseconds from now, as the API takes it.
pub fn in_ms(millis: u64) -> String {
    Timestamp::EPOCH.plus_millis(now_ms() + millis).to_string()
}
