//! ABIF, the Aggregated Ballot Information Format: `12:A>B=C` is twelve ballots.

use anyhow::{Context, Result, bail, ensure};

use super::ballots::{self, Ballots, Rank};

/// Reads ballots (`>` next rank, `=` or `,` the same rank), lines that name an option (`=A:[Anna Berg]`), metadata
/// (`{title: …}`) and comments. Scores are refused.
pub fn parse(text: &str) -> Result<Ballots> {
    let mut abif = Abif::default();
    for (number, line) in (1..).zip(text.lines()) {
        abif.line(line).with_context(|| format!("line {number}"))?;
    }
    ensure!(!abif.ballots.options.is_empty(), "The file has neither options nor ballots.");
    Ok(abif.ballots)
}

#[derive(Default)]
struct Abif {
    ballots: Ballots,
    /// What ballots call an option, by option id. Names of options without a line of their own are their tokens.
    tokens: Vec<String>,
    /// Whether there are lines that name options. Ballots then use no others.
    declared: bool,
}

impl Abif {
    fn line(&mut self, line: &str) -> Result<()> {
        let line = without_comment(line).trim();
        if line.is_empty() {
            Ok(())
        } else if let Some(declaration) = line.strip_prefix('=') {
            self.declare(declaration)
        } else if line.starts_with('{') {
            self.metadata(line)
        } else {
            self.ballot(line)
        }
    }

    fn declare(&mut self, declaration: &str) -> Result<()> {
        let (token, name) = declaration.split_once(':').context("An option is written =token:[name].")?;
        let (token, name) = (unquoted(token), unquoted(name));
        ensure!(!token.is_empty(), "The option has no token.");
        ensure!(self.declared || self.tokens.is_empty(), "Options are named after ballots that use them.");
        ensure!(!self.tokens.iter().any(|known| known == token), "The option {token} is there twice.");
        ensure!(self.ballots.known(name).is_none(), "Two options are named {name}.");
        self.declared = true;
        self.ballots.option(if name.is_empty() { token } else { name })?;
        self.tokens.push(token.to_owned());
        Ok(())
    }

    /// `{title: "…"}`. All other metadata is left aside.
    fn metadata(&mut self, line: &str) -> Result<()> {
        let inner = line.strip_prefix('{').and_then(|line| line.strip_suffix('}'));
        let inner = inner.context("Metadata begins with { and ends with }.")?;
        let quote = |text: &str| text.trim().trim_matches(['"', '\'']).to_owned();
        if let Some((_, title)) = inner.split_once(':').filter(|(key, _)| quote(key) == "title") {
            self.ballots.title = Some(quote(title));
        }
        Ok(())
    }

    fn ballot(&mut self, line: &str) -> Result<()> {
        let (count, ranking) = line.split_once(':').context("A ballot is written count:A>B>C.")?;
        let count = ballots::count(count.trim())?;
        ensure!(!outside_brackets(ranking).any(|(_, sign)| sign == '/'), "Scores are not supported.");
        let ranking = ranking.trim();
        let mut ranks = Vec::new();
        if !ranking.is_empty() {
            for rank in split(ranking, &['>']) {
                ranks.push(self.rank(rank)?);
            }
        }
        self.ballots.add(count, &ranks)
    }

    fn rank(&mut self, rank: &str) -> Result<Rank> {
        let mut options = Vec::new();
        for token in split(rank, &['=', ',']) {
            options.push(self.option(unquoted(token))?);
        }
        Ok(Rank::Of(options))
    }

    fn option(&mut self, token: &str) -> Result<u8> {
        ensure!(!token.is_empty(), "A rank names no option.");
        if let Some(option) = self.tokens.iter().position(|known| known == token) {
            return Ok(u8::try_from(option)?);
        }
        if let Some(option) = self.ballots.known(token) {
            return Ok(option);
        }
        if self.declared {
            bail!("No line names the option {token}.");
        }
        self.tokens.push(token.to_owned());
        self.ballots.option(token)
    }
}

/// The text without brackets or quotes around it.
fn unquoted(text: &str) -> &str {
    let text = text.trim();
    let within = |open, close| text.strip_prefix(open).and_then(|text| text.strip_suffix(close));
    within('[', ']').or_else(|| within('"', '"')).unwrap_or(text).trim()
}

fn without_comment(line: &str) -> &str {
    let comment = outside_brackets(line).find(|(_, sign)| *sign == '#');
    comment.and_then(|(place, _)| line.get(..place)).unwrap_or(line)
}

/// Splits at signs that are not within brackets.
fn split<'a>(text: &'a str, signs: &[char]) -> Vec<&'a str> {
    let mut parts = Vec::new();
    let mut start = 0;
    for (place, sign) in outside_brackets(text).filter(|(_, sign)| signs.contains(sign)) {
        parts.extend(text.get(start..place));
        start = place + sign.len_utf8();
    }
    parts.extend(text.get(start..));
    parts
}

fn outside_brackets(text: &str) -> impl Iterator<Item = (usize, char)> {
    let mut within = false;
    text.char_indices().filter(move |(_, sign)| {
        match sign {
            '[' => within = true,
            ']' => within = false,
            _ => {}
        }
        !within
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tabulate::ballots::Treated;

    #[test]
    fn ballots_options_and_comments_are_read() {
        let text = "# all of them\n{title: \"Board\"}\n=A:[Anna, the 1st]\n=B:[Ben]\n=C:[]\n\n 3:A>B  # three\n2: B = A > C\n1:C>[Ben]\n4:\n";
        let ballots = parse(text).unwrap();
        assert_eq!(ballots.title.as_deref(), Some("Board"));
        assert_eq!(ballots.options, ["Anna, the 1st", "Ben", "C"]);
        assert_eq!(ballots.rankings(), [(vec![0, 1], 3), (vec![2, 1], 1)]);
        assert_eq!(ballots.treated, Treated { not_counted: 6, ..Treated::default() });
        assert_eq!(ballots.read, 10);
    }

    #[test]
    fn options_without_lines_are_those_that_ballots_name() {
        let ballots = parse("2:Ben>Anna,Cem\n1:Anna").unwrap();
        assert_eq!(ballots.options, ["Ben", "Anna", "Cem"]);
        assert_eq!(ballots.rankings(), [(vec![0], 2), (vec![1], 1)]);
        assert_eq!(ballots.treated.cut_at_tied_ranks, 2);
    }

    #[test]
    fn a_bad_line_is_named_by_its_number() {
        for (text, line, why) in [
            ("1:A\nA>B", 2, "A ballot is written count:A>B>C."),
            ("x:A", 1, "\"x\" is no number of ballots."),
            ("-1:A", 1, "\"-1\" is no number of ballots."),
            ("1:A>>B", 1, "A rank names no option."),
            ("1:A>", 1, "A rank names no option."),
            ("1:A/5>B/3", 1, "Scores are not supported."),
            ("=A:[Anna]\n1:A\n\n1:B", 4, "No line names the option B."),
            ("=A:[Anna]\n=A:[Ben]", 2, "The option A is there twice."),
            ("=A:[Anna]\n=B:[Anna]", 2, "Two options are named Anna."),
            ("1:A\n=A:[Anna]", 2, "Options are named after ballots that use them."),
            ("=Anna", 1, "An option is written =token:[name]."),
            ("{title: a", 1, "Metadata begins with { and ends with }."),
            ("1:A\n1000000000000:A", 2, "There are too many ballots."),
        ] {
            assert_eq!(format!("{:#}", parse(text).unwrap_err()), format!("line {line}: {why}"), "{text}");
        }
        assert_eq!(parse("# nothing\n").unwrap_err().to_string(), "The file has neither options nor ballots.");
    }
}
