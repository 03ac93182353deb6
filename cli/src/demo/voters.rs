//! How the voters come: some at a time, one after the other or spread over some minutes.

use std::time::Duration;

use anyhow::Result;
use futures_util::{StreamExt, TryStreamExt, stream};
use landslide_cli::progress::Progress;
use tokio::time::{Instant, sleep_until};

/// Has a voter cast each of these ballots, in this order and `connections` at a time. If `over` is given, they come
/// spread over that time.
pub async fn all_vote<T>(
    ballots: &[T],
    connections: usize,
    over: Option<Duration>,
    progress: &Progress,
    vote: impl AsyncFn(&T) -> Result<()>,
) -> Result<()> {
    let (began, vote) = (Instant::now(), &vote);
    let voters = stream::iter(ballots.iter().enumerate()).map(Ok);
    let voted = voters.try_for_each_concurrent(connections, |(number, ballot)| async move {
        if let Some(over) = over {
            sleep_until(began + arrival(number, ballots.len(), over)).await;
        }
        vote(ballot).await?;
        progress.voted();
        Ok(())
    });
    voted.await
}

/// When a voter comes, of all that come in this time: few at its beginning and end, most in the middle.
fn arrival(number: usize, all: usize, over: Duration) -> Duration {
    let share = (number as f64 + 0.5) / all as f64;
    // The quantiles of a triangular distribution.
    let time = if share < 0.5 { (share / 2.0).sqrt() } else { 1.0 - ((1.0 - share) / 2.0).sqrt() };
    over.mul_f64(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn voters_come_in_order_and_most_of_them_in_the_middle() {
        let arrivals: Vec<u64> =
            (0..1_000).map(|voter| arrival(voter, 1_000, Duration::from_secs(100)).as_secs()).collect();
        assert!(arrivals.is_sorted());
        let between = |from: u64, to: u64| arrivals.iter().filter(|at| (from..to).contains(at)).count();
        assert_eq!([between(0, 25), between(25, 50), between(50, 75), between(75, 100)], [125, 375, 375, 125]);
    }
}
