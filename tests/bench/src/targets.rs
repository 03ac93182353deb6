//! What is aimed at, beside what was measured.

use std::{collections::HashSet, fs, path::Path};

use landslide_paths::{
    PATHS,
    votes::{FLUSH_VOTES, changes, choice, full_minute, message},
};
use serde_json::Value;

use crate::measured::Measured;

/// A figure that has a bound.
struct Target {
    what: String,
    measured: f64,
    bound: Bound,
}

enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

use Bound::{AtLeast, AtMost};

impl Target {
    fn new(what: impl Into<String>, measured: f64, bound: Bound) -> Self {
        Self { what: what.into(), measured, bound }
    }

    fn is_met(&self) -> bool {
        match self.bound {
            AtMost(most) => self.measured <= most,
            AtLeast(least) => self.measured >= least,
        }
    }
}

/// A hot path as criterion has measured it: its name, and how many requests, records or votes a second.
pub type Rate = (&'static str, f64);

/// The rates of all paths, from criterion's estimates of their medians.
pub fn of_paths(criterion: &Path) -> Vec<Rate> {
    let rate = |path: &'static landslide_paths::Path| {
        let file = criterion.join(path.name).join("time/new/estimates.json");
        let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let estimates: Value = serde_json::from_str(&text).unwrap();
        (path.name, path.units as f64 * 1e9 / estimates["median"]["point_estimate"].as_f64().unwrap())
    };
    PATHS.iter().map(rate).collect()
}

/// Prints the paths and the targets; how many of these are missed.
pub fn print(rows: &[Measured], rates: &[Rate], minute_mb: f64) -> usize {
    println!("\n| path, in one process without I/O | a second | ns each |\n|---|--:|--:|");
    for (name, rate) in rates {
        println!("| {name} | {rate:.0} | {:.0} |", 1e9 / rate);
    }
    println!("\n| target | measured | aimed at | |\n|---|--:|--:|---|");
    let targets = targets(rows, rates, minute_mb);
    for target in &targets {
        let bound = match target.bound {
            AtMost(most) => format!("≤ {}", shown(most)),
            AtLeast(least) => format!("≥ {}", shown(least)),
        };
        let verdict = if target.is_met() { "✓" } else { "missed" };
        println!("| {} | {} | {bound} | {verdict} |", target.what, shown(target.measured));
    }
    targets.iter().filter(|target| !target.is_met()).count()
}

fn shown(figure: f64) -> String {
    if figure >= 1_000.0 { format!("{figure:.0}") } else { format!("{}", (figure * 100.0).round() / 100.0) }
}

fn targets(rows: &[Measured], rates: &[Rate], minute_mb: f64) -> Vec<Target> {
    let row = |name: &str| rows.iter().find(|measured| measured.row.name == name).unwrap();
    let rate = |name: &str| rates.iter().find(|(path, _)| *path == name).unwrap().1;
    let multiple = |name: &str, most| Target::new(format!("{name}: × floor"), row(name).multiple(), AtMost(most));
    let calls = |name: &str, most| {
        Target::new(format!("{name}: AWS calls"), row(name).median(|run| run.aws_calls), AtMost(most))
    };
    let (cast_vote, query) = (row("cast-vote"), row("graphql, a kept query"));
    let init = |row: &Measured| row.median(|run| run.init_cpu_ms);
    let cpu = |name: &str, other: &str| row(name).median(|run| run.cpu_us) / row(other).median(|run| run.cpu_us);
    let others = || rows.iter().filter(|measured| measured.row.function != "graphql");
    let largest_zip = others().map(|row| row.zip_mb).fold(0.0, f64::max);
    let longest_init = others().map(init).fold(0.0, f64::max);
    let counted = ["1e3", "1e4", "1e5", "1e6", "1e7"].map(|counted| rate(&format!("tally-vote-after-{counted}")));
    let slowest = counted.iter().copied().fold(f64::MAX, f64::min);
    let message = message(changes(FLUSH_VOTES, 1, choice)).encode();
    vec![
        Target::new("cast-vote: init ms", cast_vote.median(|run| run.init_ms), AtMost(8.0)),
        multiple("cast-vote", 4.0),
        Target::new("cast-vote: peak RSS MB", cast_vote.median(|run| run.peak_mb), AtMost(9.0)),
        calls("cast-vote", 1.0),
        multiple("authorizer, device token", 3.0),
        multiple("authorizer, RS256 token", 5.0),
        calls("authorizer, device token", 0.0),
        calls("authorizer, RS256 token", 0.0),
        multiple("register-device", 3.0),
        calls("register-device", 0.0),
        multiple("get-results", 3.0),
        // One a second.
        calls("get-results", 0.01),
        Target::new(
            "relay-votes: records a second and core, to message bodies",
            rate("relay-record"),
            AtLeast(700_000.0),
        ),
        Target::new("relay-votes: bytes a vote in a message", message.len() as f64 / FLUSH_VOTES as f64, AtMost(45.0)),
        calls("relay-votes, a full batch", 1.0),
        Target::new(
            "tally-votes: votes a second and core, decode and plan, at the slowest",
            slowest,
            AtLeast(1_000_000.0),
        ),
        Target::new(
            "tally-votes: time a vote, after 10⁷ as a multiple of after 10³",
            counted[0] / counted[4],
            AtMost(1.25),
        ),
        Target::new(
            "relay-votes: time a plain record, as a multiple of a ranked one's",
            rate("relay-ranked-record") / rate("relay-record"),
            AtLeast(0.5),
        ),
        Target::new(
            "tally-votes: time a plain vote, as a multiple of a ranked one's",
            rate("tally-ranked-vote") / rate("tally-vote-after-1e6"),
            AtLeast(0.5),
        ),
        Target::new("tally-votes: MB of a minute of 480,000 ids", minute_mb, AtMost(24.0)),
        Target::new(
            "a kept query of graphql: CPU, as a multiple of get-results'",
            cpu("graphql, a kept query", "get-results"),
            AtMost(3.0),
        ),
        Target::new(
            "graphql: CPU of init, as a multiple of get-poll's",
            init(query) / init(row("get-poll")),
            AtMost(3.0),
        ),
        Target::new(
            "show-poll, a ballot: CPU, as a multiple of get-poll's",
            cpu("show-poll, a ballot", "get-poll"),
            AtMost(3.0),
        ),
        Target::new(
            "show-poll, a vote: CPU, as a multiple of cast-vote's",
            cpu("show-poll, a vote", "cast-vote"),
            AtMost(1.3),
        ),
        Target::new("graphql: zip MB", query.zip_mb, AtMost(4.5)),
        Target::new("largest other zip MB", largest_zip, AtMost(2.9)),
        Target::new("most CPU of another init, ms", longest_init, AtMost(5.0)),
    ]
}

/// Memory of a full lane's minute of counted ids, as they are remembered after they were read, in megabytes.
pub fn minute_mb() -> f64 {
    let ids = full_minute();
    let before = resident_bytes();
    let mut remembered = HashSet::new();
    remembered.extend(ids.iter().copied());
    let bytes = resident_bytes() - before;
    assert_eq!(remembered.len(), ids.len());
    bytes / 1e6
}

fn resident_bytes() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    resident.trim().trim_end_matches(" kB").parse::<f64>().unwrap() * 1_024.0
}
