//! Shows how far a long command is: a bar on a terminal, else a line every few seconds.

use std::cell::Cell;
use std::fmt;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use landslide_domain::lane::Partitions;

/// Time between two lines without a terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// A terminal's bar while voters vote.
const VOTERS: &str = "{bar:40} {human_pos} of {human_len} voted · {msg} · {rate} · {eta} left";
/// A terminal's bar while partitions are read.
const PARTITIONS: &str = "{bar:40} {human_pos} of {human_len} partitions · {eta} left";

/// Progress of reading all partitions. Shows nothing without a terminal.
pub fn of_partitions(partitions: Partitions) -> ProgressBar {
    bar(u64::from(partitions.number()), PARTITIONS, |style| style)
}

/// A bar with this template. If it can't be parsed, the bar is plainer; the command still runs.
fn bar(total: u64, template: &str, with: impl FnOnce(ProgressStyle) -> ProgressStyle) -> ProgressBar {
    let bar = ProgressBar::new(total);
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(with(style));
    }
    bar
}

/// Progress of `total` voters.
pub struct Progress {
    total: u64,
    voted: Cell<u64>,
    started: Instant,
    display: Display,
}

enum Display {
    Bar(ProgressBar),
    Lines { last: Cell<Instant> },
}

impl Progress {
    /// Starts the clock.
    pub fn start(total: u64) -> Self {
        let started = Instant::now();
        let display = if std::io::stderr().is_terminal() {
            let bar = bar(total, VOTERS, |style| {
                style.with_key("rate", |state: &ProgressState, out: &mut dyn fmt::Write| {
                    // It fails only with the formatter's own error, which indicatif ignores too.
                    write!(out, "{:.0}/s", state.per_sec()).ok();
                })
            });
            bar.set_message("0 counted");
            Display::Bar(bar)
        } else {
            Display::Lines { last: Cell::new(started) }
        };
        Self { total, voted: Cell::new(0), started, display }
    }

    /// Counts one more voter.
    pub fn voted(&self) {
        self.voted.set(self.voted.get() + 1);
        if let Display::Bar(bar) = &self.display {
            bar.inc(1);
        }
    }

    /// Shows how many ballots are counted. Called about once a second.
    pub fn counted(&self, ballots: u64) {
        match &self.display {
            Display::Bar(bar) => bar.set_message(format!("{} counted", grouped(ballots))),
            Display::Lines { last } if last.get().elapsed() >= LINE_INTERVAL => {
                last.set(Instant::now());
                eprintln!("{}", self.line(ballots));
            }
            Display::Lines { .. } => {}
        }
    }

    /// Clears the bar.
    pub fn finish(&self) {
        if let Display::Bar(bar) = &self.display {
            bar.finish_and_clear();
        }
    }

    fn line(&self, ballots: u64) -> String {
        let voted = self.voted.get();
        let rate = voted as f64 / self.started.elapsed().as_secs_f64();
        let left = if voted == 0 {
            "time left unknown".to_owned()
        } else {
            format!("{:.0} s left", (self.total - voted) as f64 / rate)
        };
        format!(
            "{} of {} voted · {} counted · {rate:.0}/s · {left}",
            grouped(voted),
            grouped(self.total),
            grouped(ballots)
        )
    }
}

/// A number with commas between groups of three digits.
pub fn grouped(number: u64) -> String {
    indicatif::HumanCount(number).to_string()
}
