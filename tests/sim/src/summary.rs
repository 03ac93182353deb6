//! The results of many runs, in sentences.

use std::fmt;

use crate::{faults::Fault, run::Report};

/// Sums over runs.
#[derive(Default)]
pub struct Summary {
    seeds: u64,
    lost: u64,
    double: u64,
    breaches: u64,
    numbers: Vec<(&'static str, u64)>,
    faults: Vec<u64>,
}

impl Summary {
    /// Adds a run.
    pub fn add(&mut self, report: &Report) {
        self.seeds += 1;
        self.lost += report.verdict.lost;
        self.double += report.verdict.double;
        self.breaches += report.verdict.breaches.len() as u64;
        if self.numbers.is_empty() {
            self.numbers = report.numbers.iter().map(|(name, _)| (*name, 0)).collect();
            self.faults = vec![0; report.faults.len()];
        }
        self.numbers.iter_mut().zip(&report.numbers).for_each(|((_, sum), (_, number))| *sum += number);
        self.faults.iter_mut().zip(&report.faults).for_each(|(sum, count)| *sum += count);
    }

    /// `lost 0, double 0` when all is well.
    pub fn last_line(&self) -> String {
        let counts = format!("lost {}, double {}", self.lost, self.double);
        if self.breaches > 0 && self.lost + self.double == 0 {
            return format!("{counts}, but {} other promises were broken", self.breaches);
        }
        counts
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:>14}  seeds", group_thousands(self.seeds))?;
        for (name, sum) in &self.numbers {
            writeln!(f, "{:>14}  {name}", group_thousands(*sum))?;
        }
        writeln!(f, "{:>14}  faults, of these:", group_thousands(self.faults.iter().sum()))?;
        for (fault, count) in Fault::ALL.iter().zip(&self.faults) {
            writeln!(f, "{:>14}    {}", group_thousands(*count), fault.names().1)?;
        }
        Ok(())
    }
}

/// A number with commas.
pub fn group_thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}
