//! A count for people: what was read, the rounds as tables, and what decided.

use std::fmt::{Display, Formatter, Result};

use landslide_cli::progress::grouped;
use landslide_domain::method::{Condorcet, Course, Irv, LotUse, StageKind, Stv, Summary, Tally, TieBreak};

use super::ballots::Ballots;

/// How many rounds stand beside each other.
const COLUMNS_MAX: usize = 6;

/// What is printed.
pub struct Report<'a> {
    /// What the file said.
    pub ballots: &'a Ballots,
    /// What was counted.
    pub tally: &'a Tally,
}

impl Display for Report<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        self.write_head(f)?;
        match &self.tally.count.course {
            Course::Irv(irv) => self.write_irv(f, irv)?,
            Course::Stv(stv) => self.write_stv(f, stv)?,
            Course::Condorcet(condorcet) => self.write_condorcet(f, condorcet)?,
            Course::Borda(_) => self.write_borda(f, &self.tally.summary)?,
        }
        self.write_outcome(f)
    }
}

impl Report<'_> {
    fn write_head(&self, f: &mut Formatter<'_>) -> Result {
        if let Some(title) = &self.ballots.title {
            writeln!(f, "{title}")?;
        }
        let method = match &self.tally.count.course {
            Course::Irv(_) => "instant runoff",
            Course::Stv(_) => "single transferable vote, Scottish rules",
            Course::Condorcet(_) => "ranked pairs",
            Course::Borda(_) => "Borda count",
        };
        let seats = if self.tally.seats == 1 { "1 seat".to_owned() } else { format!("{} seats", self.tally.seats) };
        let counted = grouped(self.tally.summary.ballots);
        writeln!(f, "{} ballots read, {counted} counted; {seats}; {method}", grouped(self.ballots.read))?;
        let treated = &self.ballots.treated;
        for (ballots, what) in [
            (treated.not_counted, "not counted, for they rank nobody, or several first"),
            (treated.cut_at_tied_ranks, "counted down to a rank that names several"),
            (treated.closed_skipped_ranks, "counted without the ranks that name nobody"),
            (treated.without_repeated_options, "counted with the better rank of an option that they rank twice"),
            (treated.without_withdrawn_options, "counted without options that have withdrawn"),
        ] {
            if ballots > 0 {
                writeln!(f, "  {what}: {}", grouped(ballots))?;
            }
        }
        writeln!(f)
    }

    fn name(&self, option: u8) -> &str {
        self.ballots.options.get(usize::from(option)).map_or("?", String::as_str)
    }

    fn names(&self, options: &[u8]) -> String {
        options.iter().map(|option| self.name(*option)).collect::<Vec<_>>().join(", ")
    }

    /// Options in the order of their first choices, the most first.
    fn by_first_choices(&self) -> Vec<u8> {
        let first_choices = &self.tally.summary.first_choices;
        let mut options: Vec<(u64, u8)> = first_choices.iter().copied().zip(0..).collect();
        options.sort_by_key(|(votes, option)| (std::cmp::Reverse(*votes), *option));
        options.into_iter().map(|(_, option)| option).collect()
    }

    fn write_irv(&self, f: &mut Formatter<'_>, irv: &Irv) -> Result {
        let mut rows: Vec<(&str, Vec<String>)> = Vec::new();
        for option in self.by_first_choices() {
            let votes = irv.rounds.iter().map(|round| cell(&round.votes, option, grouped));
            rows.push((self.name(option), votes.collect()));
        }
        rows.push(("exhausted", irv.rounds.iter().map(|round| grouped(round.exhausted)).collect()));
        write_table(f, "round", &rows)?;
        for (number, round) in (1..).zip(&irv.rounds) {
            if !round.eliminated.is_empty() {
                writeln!(f, "round {number}: {} out", self.names(&round.eliminated))?;
            }
            self.write_tie_break(f, round.tie_break.as_ref(), "round")?;
        }
        Ok(())
    }

    fn write_stv(&self, f: &mut Formatter<'_>, stv: &Stv) -> Result {
        writeln!(f, "quota {}\n", grouped(stv.quota))?;
        let votes = |figure: u64| format!("{}.{:05}", grouped(figure / stv.one_vote), figure % stv.one_vote);
        let mut rows: Vec<(&str, Vec<String>)> = Vec::new();
        for option in self.by_first_choices() {
            rows.push((self.name(option), stv.stages.iter().map(|stage| cell(&stage.votes, option, votes)).collect()));
        }
        let totals = |of: fn(&landslide_domain::method::Stage) -> u64| stv.stages.iter().map(of).map(votes).collect();
        rows.push(("not transferable", totals(|stage| stage.not_transferable_total)));
        rows.push(("lost by rounding", totals(|stage| stage.rounding_loss_total)));
        write_table(f, "stage", &rows)?;
        for (number, stage) in (1..).zip(&stv.stages) {
            let from = stage.from.map_or("", |option| self.name(option));
            match stage.kind {
                StageKind::FirstChoices => write!(f, "stage {number}: first choices")?,
                StageKind::Surplus => write!(f, "stage {number}: surplus of {from}")?,
                StageKind::Exclusion => write!(f, "stage {number}: exclusion of {from}")?,
            }
            if !stage.elected.is_empty() {
                write!(f, "; {} elected", self.names(&stage.elected))?;
            }
            writeln!(f)?;
            self.write_tie_break(f, stage.tie_break.as_ref(), "stage")?;
        }
        Ok(())
    }

    fn write_tie_break(&self, f: &mut Formatter<'_>, tie: Option<&TieBreak>, round: &str) -> Result {
        let Some(tie) = tie else { return Ok(()) };
        let rounds: Vec<String> = tie.by_rounds.iter().map(usize::to_string).collect();
        let mut by = if rounds.is_empty() { Vec::new() } else { vec![format!("{round} {}", rounds.join(", "))] };
        by.extend(tie.by_lot.map(|lot| lot_text(lot).to_owned()));
        writeln!(f, "  a tie of {}, broken by {}", self.names(&tie.tied), by.join(", then "))
    }

    fn write_condorcet(&self, f: &mut Formatter<'_>, condorcet: &Condorcet) -> Result {
        for pair in &condorcet.pairs {
            let (winner, loser) = (self.name(pair.winner), self.name(pair.loser));
            write!(f, "{winner} beats {loser}, {} to {}", grouped(pair.votes), grouped(pair.against))?;
            if !pair.locked {
                write!(f, "; not locked, it would close a cycle")?;
            }
            match pair.by_lot {
                Some(lot) => writeln!(f, "; its place is by {}", lot_text(lot))?,
                None => writeln!(f)?,
            }
        }
        match condorcet.condorcet_winner {
            Some(winner) => writeln!(f, "\n{} beats each other option", self.name(winner)),
            None => writeln!(f, "\nno option beats each other one"),
        }
    }

    fn write_borda(&self, f: &mut Formatter<'_>, summary: &Summary) -> Result {
        let mut options: Vec<(u64, u8)> = summary.borda_half_points.iter().copied().zip(0..).collect();
        options.sort_by_key(|(points, option)| (std::cmp::Reverse(*points), *option));
        let points = |half: u64| format!("{}.{}", grouped(half / 2), half % 2 * 5);
        let row = |(half, option): (u64, u8)| (self.name(option), vec![points(half)]);
        write_table(f, "points", &options.into_iter().map(row).collect::<Vec<_>>())
    }

    fn write_outcome(&self, f: &mut Formatter<'_>) -> Result {
        let outcome = &self.tally.count.outcome;
        writeln!(f)?;
        if !outcome.winners.is_empty() {
            writeln!(f, "elected: {}", self.names(&outcome.winners))?;
        } else if outcome.tie.is_none() {
            writeln!(f, "nobody is elected: there is no ballot")?;
        }
        if let Some(tie) = &outcome.tie {
            writeln!(f, "tied: {} for {} of the seats; no lot is drawn", self.names(&tie.options), tie.seats)?;
        }
        if self.tally.count.provisional {
            writeln!(f, "provisional: the order in the file stood in for a lot")?;
        }
        Ok(())
    }
}

fn lot_text(lot: LotUse) -> &'static str {
    match lot {
        LotUse::Drawn => "lot",
        LotUse::Provisional => "the order in the file",
    }
}

fn cell(figures: &[Option<u64>], option: u8, text: impl Fn(u64) -> String) -> String {
    figures.get(usize::from(option)).copied().flatten().map_or_else(|| "-".to_owned(), text)
}

/// Rows of a name and figures, in tables of a few columns each. The header numbers the columns if there are several.
fn write_table(f: &mut Formatter<'_>, header: &str, rows: &[(&str, Vec<String>)]) -> Result {
    let columns = rows.iter().map(|(_, cells)| cells.len()).max().unwrap_or_default();
    let names = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    let figures = rows.iter().flat_map(|(_, cells)| cells).map(String::len).max().unwrap_or_default();
    let width = figures.max(header.len() + 3) + 2;
    for start in (0..columns).step_by(COLUMNS_MAX) {
        write!(f, "{:names$}", "")?;
        let shown = start..columns.min(start + COLUMNS_MAX);
        for number in shown.clone() {
            let title = if columns == 1 { header.to_owned() } else { format!("{header} {}", number + 1) };
            write!(f, "{title:>width$}")?;
        }
        writeln!(f)?;
        for (name, cells) in rows {
            write!(f, "{name:names$}")?;
            for cell in cells.get(shown.clone()).unwrap_or_default() {
                write!(f, "{cell:>width$}")?;
            }
            writeln!(f)?;
        }
        writeln!(f)?;
    }
    Ok(())
}
