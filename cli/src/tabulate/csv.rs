//! CSV with a ballot a row: each cell is a rank, the best first.

use anyhow::{Context, Result, ensure};
use csv::{ReaderBuilder, StringRecord};
use landslide_domain::ballot::OPTIONS_MAX;

use super::ballots::{self, Ballots, Rank};

/// Reads rows of option names, or of option ids from 0 on if every cell is a whole number. A cell that is empty or says
/// `skipped` or `undervote` is a skipped rank, `overvote` a tied one. A first row `rank 1`, `rank 2`, … (or any other word
/// before the numbers) is a header; if it begins with `count`, the first column has the number of ballots.
pub fn parse(text: &str) -> Result<Ballots> {
    let mut rows = Vec::new();
    for row in ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes()).into_records() {
        let row = row?;
        rows.push((row.position().map_or(0, csv::Position::line), row));
    }
    let (counted, header) = rows.first().map_or((false, false), |(_, row)| header(row));
    let rows = rows.get(usize::from(header)..).unwrap_or_default();
    ensure!(!rows.is_empty(), "The file has no ballots.");
    let mut ballots = Ballots::default();
    let ids = rows.iter().all(|(_, row)| ranks(row, counted).all(|cell| is_none(cell) || cell.parse::<u64>().is_ok()));
    if ids {
        name_by_ids(&mut ballots, rows, counted)?;
    }
    for (line, row) in rows {
        add(&mut ballots, row, counted).with_context(|| format!("line {line}"))?;
    }
    ensure!(!ballots.options.is_empty(), "No ballot ranks an option.");
    Ok(ballots)
}

/// Whether the first column has counts, and whether the row is a header.
fn header(row: &StringRecord) -> (bool, bool) {
    let counted = row.get(0).is_some_and(|cell| cell.trim().eq_ignore_ascii_case("count"));
    let numbered = |(number, cell): (usize, &str)| {
        let word = cell.trim_end_matches(|sign: char| sign.is_ascii_digit());
        !word.trim().is_empty() && cell.strip_prefix(word).is_some_and(|digits| digits.parse() == Ok(number))
    };
    let is_header = ranks(row, counted).next().is_some() && (1..).zip(ranks(row, counted)).all(numbered);
    (counted && is_header, is_header)
}

fn ranks(row: &StringRecord, counted: bool) -> impl Iterator<Item = &str> {
    row.iter().skip(usize::from(counted)).map(str::trim)
}

fn is_none(cell: &str) -> bool {
    is_skipped(cell) || is_tied(cell)
}

fn is_skipped(cell: &str) -> bool {
    cell.is_empty() || cell.eq_ignore_ascii_case("skipped") || cell.eq_ignore_ascii_case("undervote")
}

fn is_tied(cell: &str) -> bool {
    cell.eq_ignore_ascii_case("overvote")
}

/// The options 0 to the highest id.
fn name_by_ids(ballots: &mut Ballots, rows: &[(u64, StringRecord)], counted: bool) -> Result<()> {
    for (line, row) in rows {
        for id in ranks(row, counted).filter_map(|cell| cell.parse::<usize>().ok()) {
            ensure!(id < OPTIONS_MAX, "line {line}: An option's id is below {OPTIONS_MAX}.");
            for id in ballots.options.len()..=id {
                ballots.option(&id.to_string())?;
            }
        }
    }
    Ok(())
}

fn add(file: &mut Ballots, row: &StringRecord, counted: bool) -> Result<()> {
    let count = if counted { row.get(0).unwrap_or_default().trim() } else { "1" };
    let count = ballots::count(count)?;
    let mut read = Vec::new();
    for cell in ranks(row, counted) {
        read.push(if is_skipped(cell) {
            Rank::Of(Vec::new())
        } else if is_tied(cell) {
            Rank::Overvote
        } else {
            Rank::Of(vec![file.option(cell)?])
        });
    }
    file.add(count, &read)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tabulate::ballots::Treated;

    #[test]
    fn cells_are_names_ranked_from_left_to_right() {
        let ballots =
            parse("Anna,\"Ben, jr\",\nAnna\nCem,,Anna\nCem,overvote,Anna\nskipped,,\nAnna,Anna,Cem\n").unwrap();
        assert_eq!(ballots.options, ["Anna", "Ben, jr", "Cem"]);
        let rankings = [(vec![0], 1), (vec![0, 1], 1), (vec![0, 2], 1), (vec![2], 1), (vec![2, 0], 1)];
        assert_eq!(ballots.rankings(), rankings);
        let treated = Treated {
            cut_at_tied_ranks: 1,
            closed_skipped_ranks: 1,
            without_repeated_options: 1,
            not_counted: 1,
            ..Treated::default()
        };
        assert_eq!(ballots.treated, treated);
    }

    #[test]
    fn cells_that_are_all_numbers_are_ids_from_0_on() {
        let ballots = parse("2,0\n0\n").unwrap();
        assert_eq!(ballots.options, ["0", "1", "2"]);
        assert_eq!(ballots.rankings(), [(vec![0], 1), (vec![2, 0], 1)]);
        // One name makes them names.
        assert_eq!(parse("2,0\nx\n").unwrap().options, ["2", "0", "x"]);
    }

    #[test]
    fn a_header_may_say_that_the_first_column_counts() {
        let ballots = parse("Count,Rank 1,Rank 2\n12,A,B\n3,B\n").unwrap();
        assert_eq!(ballots.rankings(), [(vec![0, 1], 12), (vec![1], 3)]);
        assert_eq!(parse("choice_1,choice_2\nA,B\n").unwrap().options, ["A", "B"]);
        // Without numbers it is a ballot.
        assert_eq!(parse("choice,other\nA,B\n").unwrap().options, ["choice", "other", "A", "B"]);
        assert_eq!(parse("1,2\n0,1\n").unwrap().read, 2);
    }

    #[test]
    fn a_bad_line_is_named_by_its_number() {
        for (text, why) in [
            ("count,rank 1\nx,A", "line 2: \"x\" is no number of ballots."),
            ("0,1\n100", "line 2: An option's id is below 100."),
            ("rank 1,rank 2\n", "The file has no ballots."),
            ("", "The file has no ballots."),
            (",\n,", "No ballot ranks an option."),
        ] {
            assert_eq!(format!("{:#}", parse(text).unwrap_err()), why, "{text}");
        }
    }
}
