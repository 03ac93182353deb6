//! `landslide tabulate`: counts a file of ranked ballots by the methods of polls, without a stack.

mod abif;
pub mod ballots;
mod blt;
mod csv;
pub mod table;

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};
use landslide_domain::method::{Lot, Method, Rankings, Tally, tally};
use serde::Serialize;

use ballots::{Ballots, Treated};

/// The longest file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Counts a file of ranked ballots as a poll counts them. Needs no stack and no credentials.
///
/// A rank that names two options ends the ballot there; a rank without an option is passed over; of an option that is
/// ranked twice, the better rank counts. How many ballots these were is part of the output.
#[derive(Args)]
pub struct Arguments {
    /// The ballots: .abif, .blt or .csv.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// What the file is, if its name doesn't say.
    #[arg(long)]
    format: Option<Format>,
    /// How to count. Without it, instant runoff for one seat and the transferable vote for more.
    #[arg(long)]
    method: Option<MethodName>,
    /// How many win. Without it, as many as the file says, or one.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
    seats: Option<u8>,
    /// The seed of the lot, as a poll's final result has it. Without it, the order in the file breaks ties.
    #[arg(long, value_name = "HEX", value_parser = seed)]
    lot_seed: Option<[u8; 32]>,
    /// Print the document that the API shows.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Abif,
    Blt,
    Csv,
}

#[derive(Clone, Copy, ValueEnum)]
enum MethodName {
    Irv,
    Stv,
    Condorcet,
    Borda,
}

impl From<MethodName> for Method {
    fn from(name: MethodName) -> Self {
        match name {
            MethodName::Irv => Self::Irv,
            MethodName::Stv => Self::Stv,
            MethodName::Condorcet => Self::Condorcet,
            MethodName::Borda => Self::Borda,
        }
    }
}

/// What is printed: the API's document, with what the file said beside it.
#[derive(Serialize)]
struct Document<'a> {
    options: Vec<OptionName<'a>>,
    treated: Treated,
    #[serde(flatten)]
    tally: &'a Tally,
}

#[derive(Serialize)]
struct OptionName<'a> {
    id: u8,
    label: &'a str,
}

/// Reads, counts and prints.
pub fn run(arguments: &Arguments) -> Result<()> {
    let ballots = read(&arguments.file, arguments.format).with_context(|| arguments.file.display().to_string())?;
    let seats = arguments.seats.or(ballots.seats).unwrap_or(1);
    let method = arguments.method.map_or_else(|| Method::default_for(seats), Method::from);
    let lot = arguments.lot_seed.map_or(Lot::Provisional, Lot::Seed);
    let rankings = ballots.rankings();
    let tally = tally(&Rankings::new(ballots.option_count(), &rankings), seats, method, &lot)?;
    if arguments.json {
        let options = (0..).zip(&ballots.options).map(|(id, label)| OptionName { id, label }).collect();
        println!("{}", serde_json::to_string(&Document { options, treated: ballots.treated, tally: &tally })?);
    } else {
        print!("{}", table::Report { ballots: &ballots, tally: &tally });
    }
    Ok(())
}

/// The ballots of a file in ABIF.
pub fn parse_abif(text: &str) -> Result<Ballots> {
    abif::parse(text)
}

fn read(file: &Path, format: Option<Format>) -> Result<Ballots> {
    let Some(format) = format.or_else(|| named_by(file)) else {
        bail!("The file's name ends in neither .abif, .blt nor .csv. Say what it is by --format.");
    };
    let mut text = Vec::new();
    fs::File::open(file)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut text)?;
    ensure!(text.len() as u64 <= FILE_BYTES_MAX, "The file is longer than {FILE_BYTES_MAX} bytes.");
    let text = String::from_utf8(text).context("The file is not UTF-8.")?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    match format {
        Format::Abif => abif::parse(text),
        Format::Blt => blt::parse(text),
        Format::Csv => csv::parse(text),
    }
}

fn named_by(file: &Path) -> Option<Format> {
    Format::from_str(file.extension()?.to_str()?, true).ok()
}

fn seed(hex: &str) -> Result<[u8; 32], String> {
    let digits = |pair: &[u8; 2]| {
        let digit = |place: u8| char::from(place).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let [high, low] = pair.map(digit);
        Some(high? * 16 + low?)
    };
    let (pairs, rest) = hex.as_bytes().as_chunks();
    let bytes: Option<Vec<u8>> = pairs.iter().map(digits).collect();
    let bytes = bytes.filter(|_| rest.is_empty()).and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(|| "a seed is 64 hex digits".to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_seed_is_64_hex_digits() {
        assert_eq!(seed(&"0f".repeat(32)), Ok([15; 32]));
        for text in [String::new(), "0f".repeat(31), "0f".repeat(33), "+f".repeat(32), format!("{}0", "0f".repeat(31))]
        {
            assert!(seed(&text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_a_file_says_is_read_or_refused(lines in proptest::collection::vec("[-=0-9A-C :>,#\"\\[\\]{}/]{0,12}", 0..12)) {
            let text = lines.join("\n");
            for parse in [abif::parse, blt::parse, csv::parse] {
                let Ok(ballots) = parse(&text) else { continue };
                let rankings = ballots.rankings();
                let counted: u64 = rankings.iter().map(|(_, ballots)| ballots).sum();
                prop_assert_eq!(counted + ballots.treated.not_counted, ballots.read);
                for (ranking, _) in &rankings {
                    let mut distinct = ranking.clone();
                    distinct.sort();
                    distinct.dedup();
                    prop_assert_eq!(distinct.len(), ranking.len());
                    prop_assert!(!ranking.is_empty() && ranking.iter().all(|option| *option < ballots.option_count()));
                }
            }
        }

        #[test]
        fn a_blt_of_any_ballots_is_read_as_written(
            rankings in proptest::collection::btree_map(proptest::sample::subsequence(vec![0u8, 1, 2, 3], 1..=4).prop_shuffle(), 1u64..1_000, 1..20)
        ) {
            let ids = |ranking: &[u8]| ranking.iter().map(|id| (id + 1).to_string()).collect::<Vec<_>>().join(" ");
            let lines: Vec<String> = rankings.iter().map(|(ranking, ballots)| format!("{ballots} {} 0", ids(ranking))).collect();
            let read = blt::parse(&format!("4 2\n{}\n0\n\"A\"\n\"B\"\n\"C\"\n\"D\"\n\"T\"\n", lines.join("\n"))).unwrap();
            prop_assert_eq!(read.rankings(), rankings.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_format_is_told_by_the_name() {
        let format = |name: &str| named_by(Path::new(name));
        assert!(format("a/b.ABIF") == Some(Format::Abif) && format("b.blt") == Some(Format::Blt));
        assert!(format("b.csv") == Some(Format::Csv) && format("b.txt").is_none() && format("csv").is_none());
    }
}
