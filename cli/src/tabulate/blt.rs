//! BLT, as OpaVote writes it: `12 3 1 2 0` is twelve ballots.

use anyhow::{Context, Result, bail, ensure};
use landslide_domain::ballot::OPTIONS_MAX;

use super::ballots::{self, Ballots, Rank};

/// Reads the number of options and seats, withdrawn options (`-2`), ballots (weight, options from 1 on, 0; `=` between
/// options of the same rank, `-` for a skipped one), a line with 0, the options' names, and the title.
pub fn parse(text: &str) -> Result<Ballots> {
    let lines = (1..).zip(text.lines()).map(|(number, line)| (number, without_comment(line).trim()));
    let mut lines = lines.filter(|(_, line)| !line.is_empty()).peekable();
    let (number, first) = lines.next().context("The file is empty.")?;
    let mut ballots = header(first).with_context(|| format!("line {number}"))?;
    while let Some((number, line)) = lines.next_if(|(_, line)| line.starts_with('-')) {
        withdraw(&mut ballots, line).with_context(|| format!("line {number}"))?;
    }
    loop {
        let (number, line) = lines.next().context("No line with 0 ends the ballots.")?;
        if line == "0" {
            break;
        }
        add(&mut ballots, line).with_context(|| format!("line {number}"))?;
    }
    let options = ballots.options.len();
    for id in 0..options {
        let (number, name) = lines.next().with_context(|| format!("The name of option {} is missing.", id + 1))?;
        let name = unquoted(name);
        if ballots.known(name).is_some() {
            bail!("line {number}: Two options are named {name}.");
        }
        if let Some(place) = ballots.options.get_mut(id) {
            name.clone_into(place);
        }
    }
    ballots.title = lines.next().map(|(_, title)| unquoted(title).to_owned());
    if let Some((number, _)) = lines.next() {
        bail!("line {number}: The file goes on after its title.");
    }
    Ok(ballots.without_withdrawn())
}

fn header(line: &str) -> Result<Ballots> {
    let numbers: Option<Vec<u8>> = line.split_whitespace().map(|number| number.parse().ok()).collect();
    let Some([options, seats]) = numbers.as_deref() else {
        bail!("The file begins with two numbers: options and seats.");
    };
    ensure!((1..=OPTIONS_MAX).contains(&usize::from(*options)), "There are 1 to {OPTIONS_MAX} options.");
    ensure!(*seats > 0, "There is no seat.");
    Ok(Ballots::of_unnamed(*options, *seats))
}

fn withdraw(ballots: &mut Ballots, line: &str) -> Result<()> {
    for number in line.split_whitespace() {
        let option = number.strip_prefix('-').context("A withdrawn option is written -2.")?;
        let option = option_id(ballots, option)?;
        ballots.withdrawn.push(option);
    }
    Ok(())
}

fn add(read: &mut Ballots, line: &str) -> Result<()> {
    ensure!(!line.starts_with(['(', '[']), "Ballot ids and settings are not supported.");
    let line = line.replace('=', " = ");
    let mut words = line.split_whitespace();
    let weight = ballots::count(words.next().unwrap_or_default())?;
    let mut ranks: Vec<Rank> = Vec::new();
    let (mut tied, mut ended) = (false, false);
    for word in words {
        ensure!(!ended, "The ballot goes on after its 0.");
        ensure!(!tied || !["0", "-", "="].contains(&word), "An = is not between options.");
        match word {
            "0" => ended = true,
            "-" => ranks.push(Rank::Of(Vec::new())),
            "=" => tied = true,
            option => {
                let option = option_id(read, option)?;
                match ranks.last_mut() {
                    Some(Rank::Of(options)) if tied && !options.is_empty() => options.push(option),
                    _ if tied => bail!("An = is not between options."),
                    _ => ranks.push(Rank::Of(vec![option])),
                }
                tied = false;
            }
        }
    }
    ensure!(ended, "The ballot does not end in 0.");
    read.add(weight, &ranks)
}

fn option_id(ballots: &Ballots, number: &str) -> Result<u8> {
    let option = number.parse::<u8>().ok().and_then(|number| number.checked_sub(1));
    let option = option.filter(|option| *option < ballots.option_count());
    option.with_context(|| format!("There is no option {number}."))
}

fn unquoted(text: &str) -> &str {
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text).trim()
}

/// The line up to a # that is not within quotes.
fn without_comment(line: &str) -> &str {
    let mut quoted = false;
    let comment = line.char_indices().find(|(_, sign)| {
        quoted ^= *sign == '"';
        *sign == '#' && !quoted
    });
    comment.and_then(|(place, _)| line.get(..place)).unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tabulate::ballots::Treated;

    const CLUB: &str = r#"4 2          # four candidates, two seats
-2                        # Basil has withdrawn
1 4 1 3 2 0
3 3 4 1 2 0
1 2 4 1 0
6 4 3 0
1 0                       # blank
1 4 - 3 0
1 1=3 4 0
1 4 2=3 0
1 4 1=3 0
1 4 4 1 0
1 2 0
0
"Adam"
"Basil"
"Charlotte #1"
"Donald"
"Gardening Club"
"#;

    #[test]
    fn weights_ties_gaps_and_withdrawals_are_read() {
        let ballots = parse(CLUB).unwrap();
        assert_eq!(ballots.title.as_deref(), Some("Gardening Club"));
        assert_eq!(ballots.options, ["Adam", "Charlotte #1", "Donald"]);
        assert_eq!(ballots.seats, Some(2));
        let rankings = [(vec![1, 2, 0], 3), (vec![2], 1), (vec![2, 0], 2), (vec![2, 0, 1], 1), (vec![2, 1], 8)];
        assert_eq!(ballots.rankings(), rankings);
        let treated = Treated {
            cut_at_tied_ranks: 1,
            closed_skipped_ranks: 1,
            without_repeated_options: 1,
            without_withdrawn_options: 6,
            not_counted: 3,
        };
        assert_eq!((ballots.treated, ballots.read), (treated, 18));
    }

    #[test]
    fn names_need_no_quotes_and_the_file_no_title() {
        let ballots = parse("2 1\n5 2 1 0\n0\nAnna (Party)\nBen\n").unwrap();
        assert_eq!((ballots.options, ballots.title), (vec!["Anna (Party)".to_owned(), "Ben".to_owned()], None));
    }

    #[test]
    fn a_bad_line_is_named_by_its_number() {
        let names = "0\n\"A\"\n\"B\"";
        for (text, why) in [
            ("2\n".to_owned(), "line 1: The file begins with two numbers: options and seats."),
            ("101 1\n".to_owned(), "line 1: There are 1 to 100 options."),
            ("2 0\n".to_owned(), "line 1: There is no seat."),
            (format!("2 1\n-3\n{names}"), "line 2: There is no option 3."),
            (format!("2 1\n\n1 3 0\n{names}"), "line 3: There is no option 3."),
            (format!("2 1\n1 1 2\n{names}"), "line 2: The ballot does not end in 0."),
            (format!("2 1\n1 1 0 2 0\n{names}"), "line 2: The ballot goes on after its 0."),
            (format!("2 1\n1.5 1 0\n{names}"), "line 2: \"1.5\" is no number of ballots."),
            (format!("2 1\n1 =2 0\n{names}"), "line 2: An = is not between options."),
            (format!("2 1\n1 1= 0\n{names}"), "line 2: An = is not between options."),
            (format!("2 1\n1 1==2 0\n{names}"), "line 2: An = is not between options."),
            (format!("2 1\n1 -=2 0\n{names}"), "line 2: An = is not between options."),
            (format!("2 1\n(7) 1 0\n{names}"), "line 2: Ballot ids and settings are not supported."),
            ("2 1\n1 1 0\n".to_owned(), "No line with 0 ends the ballots."),
            ("2 1\n0\n\"A\"".to_owned(), "The name of option 2 is missing."),
            ("2 1\n0\n\"A\"\n\"A\"".to_owned(), "line 4: Two options are named A."),
            (format!("2 1\n{names}\n\"T\"\nmore"), "line 6: The file goes on after its title."),
            (String::new(), "The file is empty."),
        ] {
            assert_eq!(format!("{:#}", parse(&text).unwrap_err()), why, "{text}");
        }
    }
}
