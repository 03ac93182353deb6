//! The count of rankings: who is elected, and how that came about.

use landslide_domain::method::VOTE;
use maud::{Markup, html};
use serde::Deserialize;

use crate::words::Words;

/// The most rounds in a table: the first one, and the last ones.
const ROUNDS_SHOWN_MAX: usize = 6;
/// The most rows in a table of options.
const ROWS_SHOWN_MAX: usize = 20;
/// The most rows in a table of pairs, which has each name several times.
const PAIRS_SHOWN_MAX: usize = 10;

/// The parts of a tally that a page shows.
#[derive(Deserialize)]
pub(super) struct Tally {
    outcome: Outcome,
    #[serde(default)]
    provisional: bool,
    borda_half_points: Vec<u64>,
    /// For each two options, how many ballots rank one above the other.
    pairwise: Vec<Vec<u64>>,
    #[serde(flatten)]
    course: Course,
}

#[derive(Deserialize)]
struct Outcome {
    winners: Vec<u8>,
    #[serde(default)]
    tie: Option<Tie>,
}

#[derive(Deserialize)]
struct Tie {
    options: Vec<u8>,
}

#[derive(Deserialize)]
#[serde(tag = "method", rename_all = "snake_case")]
enum Course {
    Irv { rounds: Vec<Round> },
    Stv { stages: Vec<Stage> },
    Condorcet { locked: Vec<Pair> },
    Borda {},
}

#[derive(Deserialize)]
struct Round {
    votes: Vec<Option<u64>>,
    exhausted: u64,
}

#[derive(Deserialize)]
struct Stage {
    votes: Vec<Option<u64>>,
    not_transferable_total: u64,
}

/// An option, and one that it beats.
type Pair = (u8, u8);

/// A column of the table of rounds. Votes are in tenths.
struct Column {
    number: usize,
    votes: Vec<Option<u64>>,
    rest: u64,
}

impl Tally {
    /// Who is elected, or ties.
    pub(super) fn outcome(&self, words: &Words, labels: &[&str]) -> Markup {
        let say = words.say;
        html! {
            @if !self.outcome.winners.is_empty() {
                p.note { b { (say.elected) } ": " (names(labels, &self.outcome.winners)) }
            }
            @if let Some(tie) = &self.outcome.tie { p.note { (say.tie) " " (names(labels, &tie.options)) } }
            @if self.provisional { p.quiet { (say.provisional) } }
        }
    }

    /// The steps of the count.
    pub(super) fn course(&self, words: &Words, labels: &[&str]) -> Markup {
        let round = |(number, round): (usize, &Round)| {
            let votes = round.votes.iter().map(|votes| votes.map(|votes| votes * 10)).collect();
            Column { number, votes, rest: round.exhausted * 10 }
        };
        let tenths = |parts: u64| (parts * 10 + VOTE / 2) / VOTE;
        let stage = |(number, stage): (usize, &Stage)| {
            let votes = stage.votes.iter().map(|parts| parts.map(tenths)).collect();
            Column { number, votes, rest: tenths(stage.not_transferable_total) }
        };
        match &self.course {
            Course::Irv { rounds } => columns(words, labels, (1..).zip(rounds).map(round).collect()),
            Course::Stv { stages } => columns(words, labels, (1..).zip(stages).map(stage).collect()),
            Course::Condorcet { locked } => self.pairs(words, labels, locked),
            Course::Borda {} => self.points(words, labels),
        }
    }

    fn pairs(&self, words: &Words, labels: &[&str], pairs: &[Pair]) -> Markup {
        let say = words.say;
        let votes = |one: u8, other: u8| {
            let row = self.pairwise.get(usize::from(one)).and_then(|row| row.get(usize::from(other)));
            words.number(row.copied().unwrap_or_default())
        };
        let rows = html! {
            tr { th { (say.preferred) } th { (say.over) } th { (say.votes) } }
            @for (winner, loser) in pairs.iter().copied().take(PAIRS_SHOWN_MAX) {
                tr {
                    th { (name(labels, winner)) }
                    td { (name(labels, loser)) }
                    td { (votes(winner, loser)) " : " (votes(loser, winner)) }
                }
            }
        };
        html! { @if !pairs.is_empty() { (table(say.preferred, &rows)) } }
    }

    fn points(&self, words: &Words, labels: &[&str]) -> Markup {
        let mut points: Vec<_> = (0..).zip(&self.borda_half_points).collect();
        points.sort_by(|one, other| other.1.cmp(one.1));
        let rows = html! {
            @for (id, half_points) in points.into_iter().take(ROWS_SHOWN_MAX) {
                tr { th { (name(labels, id)) } td { (words.tenths_if_any(half_points.saturating_mul(5))) } }
            }
        };
        table(words.say.points, &rows)
    }
}

/// Rounds as a table. If there are more than fit, the first and the last; and the options that were in longest.
fn columns(words: &Words, labels: &[&str], mut columns: Vec<Column>) -> Markup {
    let say = words.say;
    if columns.is_empty() {
        return html! {};
    }
    let left_out = columns.len().saturating_sub(ROUNDS_SHOWN_MAX);
    columns.drain(1..1 + left_out);
    let last = |id: &u8| {
        let votes = columns.iter().rev().map(|column| column.votes.get(usize::from(*id)).copied().flatten());
        votes.collect::<Vec<_>>()
    };
    let mut ids: Vec<u8> = (0..).zip(labels).map(|(id, _)| id).collect();
    ids.sort_by_cached_key(|id| std::cmp::Reverse(last(id)));
    let rows = html! {
        tr { td {} @for column in &columns { th scope="col" { (say.round.replace("{n}", &words.number(column.number as u64))) } } }
        @for id in ids.into_iter().take(ROWS_SHOWN_MAX) {
            tr {
                th { (name(labels, id)) }
                @for column in &columns {
                    td {
                        @match column.votes.get(usize::from(id)).copied().flatten() {
                            Some(votes) => (words.tenths_if_any(votes)),
                            None => (say.out),
                        }
                    }
                }
            }
        }
        @if columns.iter().any(|column| column.rest > 0) {
            tr {
                th { (say.no_further_choice) }
                @for column in &columns { td { (words.tenths_if_any(column.rest)) } }
            }
        }
    };
    table(say.rounds, &rows)
}

/// A table that scrolls within the page.
fn table(title: &str, rows: &Markup) -> Markup {
    html! {
        h2 { (title) }
        div.scroll tabindex="0" role="region" aria-label=(title) { table { (rows) } }
    }
}

fn name(labels: &[&str], id: u8) -> Markup {
    html! { bdi { (labels.get(usize::from(id)).copied().unwrap_or_default()) } }
}

fn names(labels: &[&str], ids: &[u8]) -> Markup {
    html! { @for (place, id) in ids.iter().enumerate() { @if place > 0 { ", " } (name(labels, *id)) } }
}
