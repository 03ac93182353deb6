//! The election as a ranked poll: whole ballots, and their count by three methods.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use landslide_cli::api::{Api, ranking};
use landslide_cli::progress::{Progress, grouped};
use landslide_domain::method::{Lot, Method, Rankings, tally};
use serde_json::{Value, json};

use super::Arguments;
use super::chart::Expected;
use super::election::{BALLOTS, CANDIDATES, Candidate};
use crate::tabulate::{ballots::Ballots, parse_abif, table::Report};

/// The ballots, from the abiftool project's test data.
const FILE: &str = include_str!("../../tests/elections/burlington-2009.abif");
/// The methods by which the ballots name three winners.
const METHODS: [Method; 3] = [Method::Irv, Method::Condorcet, Method::Borda];
/// Time between two reads of the results once all have voted.
const COUNT_INTERVAL: Duration = Duration::from_millis(250);

/// Casts ballots, and fails unless the stack counts them by each method as this program does. Returns the poll and its
/// first choices.
pub async fn hold(api: &Api, arguments: &Arguments) -> Result<(String, Expected)> {
    let file = parse_abif(FILE)?;
    let rankings = sample(&file, arguments.voters, arguments.seed);
    let poll_id = arguments.create_poll(api, json!({"options": file.options, "kind": "ranked"})).await?;
    eprintln!("Poll {poll_id}: {} voters, each a device of its own", grouped(rankings.len() as u64));

    let progress = Progress::start(rankings.len() as u64);
    let started = Instant::now();
    let vote = async |ballot: &Vec<u8>| {
        let device = api.register_device().await?;
        api.cast_vote(&poll_id, &device, &ranking(ballot)).await.map(drop)
    };
    arguments.all_vote(&rankings, &progress, vote).await.with_context(|| format!("poll {poll_id}"))?;
    progress.finish();
    let voting = started.elapsed();

    let counting = await_count(api, &poll_id, rankings.len() as u64, arguments.count_wait()).await?;
    let counted: Vec<(&Vec<u8>, u64)> = rankings.iter().map(|ranking| (ranking, 1)).collect();
    let counted = Rankings::new(file.option_count(), &counted);
    for method in METHODS {
        let ours = tally(&counted, 1, method, &Lot::Provisional)?;
        let theirs = api.tally(&poll_id, method.name()).await?;
        ensure!(theirs == serde_json::to_value(&ours)?, "poll {poll_id}: another count by {}: {theirs}", method.name());
        println!("{}", Report { ballots: &file, tally: &ours });
        if method == Method::Irv && rankings.len() as u64 == BALLOTS {
            println!("{}", beside_official(&file, &theirs)?);
        }
    }
    let rate = rankings.len() as f64 / voting.as_secs_f64();
    println!("The stack's counts are equal to these, by each method, from {} votes.", grouped(rankings.len() as u64));
    println!("{rate:.0} voters/s; {:.2} s from the last vote to the rounds that had it", counting.as_secs_f64());
    let first_choices = (0..file.option_count())
        .map(|option| rankings.iter().filter(|ranking| ranking.first() == Some(&option)).count() as u64);
    let expected = Expected { labels: file.options.clone(), votes: first_choices.collect() };
    Ok((poll_id, expected))
}

/// This number of ballots, in a shuffled order.
fn sample(file: &Ballots, voters: u64, seed: u64) -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = Vec::new();
    for (ranking, ballots) in file.rankings() {
        all.extend((0..ballots).map(|_| ranking.to_vec()));
    }
    fastrand::Rng::with_seed(seed).shuffle(&mut all);
    all.truncate(usize::try_from(voters).unwrap_or(usize::MAX));
    all
}

/// Waits until all votes are in the rounds. Returns how long that took.
async fn await_count(api: &Api, poll_id: &str, votes: u64, wait_max: Duration) -> Result<Duration> {
    let started = Instant::now();
    loop {
        let tally = api.tally(poll_id, Method::Irv.name()).await?;
        let counted = tally.get("ballots").and_then(Value::as_u64).unwrap_or_default();
        ensure!(counted <= votes, "{} votes were cast, but {} are counted.", grouped(votes), grouped(counted));
        if counted == votes {
            return Ok(started.elapsed());
        }
        let waited = started.elapsed();
        ensure!(waited < wait_max, "{} votes were cast, but only {} are counted.", grouped(votes), grouped(counted));
        tokio::time::sleep(COUNT_INTERVAL).await;
    }
}

/// The stack's rounds beside the city's. Fails if they differ.
fn beside_official(file: &Ballots, tally: &Value) -> Result<String> {
    let mut lines = vec![format!("{:<16}{:>24}{:>24}", "by the city", "counted here", "official")];
    for Candidate { label: name, rounds: official } in CANDIDATES {
        let option = file.known(name).with_context(|| format!("The file has no {name}."))?;
        let ours = [0, 1, 2].map(|round| {
            let votes = tally.pointer(&format!("/rounds/{round}/votes/{option}"));
            votes.and_then(Value::as_u64).unwrap_or_default()
        });
        ensure!(ours == official, "{name}: {ours:?} by round, officially {official:?}");
        let row = |figures: [u64; 3]| figures.map(|votes| format!("{:>8}", grouped(votes))).concat();
        lines.push(format!("{name:<16}{}{}", row(ours), row(official)));
    }
    Ok(lines.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_ballots_are_cast_once_and_a_sample_is_some_of_them() {
        let file = parse_abif(FILE).unwrap();
        let (mut all, mut twice) = (sample(&file, u64::MAX, 1), sample(&file, u64::MAX, 2));
        assert_ne!(all, twice);
        assert_eq!(all.len() as u64, BALLOTS);
        assert_eq!(sample(&file, 300, 1), all[..300]);
        all.sort();
        twice.sort();
        assert_eq!(all, twice);
    }

    #[test]
    fn the_citys_rounds_are_those_of_the_ballots_and_others_fail() {
        let file = parse_abif(FILE).unwrap();
        let count = |rankings: &[Vec<u8>]| {
            let counted: Vec<(&Vec<u8>, u64)> = rankings.iter().map(|ranking| (ranking, 1)).collect();
            let tally = tally(&Rankings::new(6, &counted), 1, Method::Irv, &Lot::Provisional).unwrap();
            serde_json::to_value(tally).unwrap()
        };
        let all = sample(&file, u64::MAX, 1);
        assert!(beside_official(&file, &count(&all)).unwrap().contains("Bob Kiss"));
        assert!(beside_official(&file, &count(&all[1..])).is_err());
    }
}
