//! The results of a row, over all rounds.

use std::path::Path;

use crate::rows::Row;

/// One run of one process.
pub struct Run {
    /// From its start to where it asks for work, in milliseconds.
    pub init_ms: f64,
    /// The CPU time that this took, in milliseconds.
    pub init_cpu_ms: f64,
    /// The first call, in milliseconds.
    pub first_ms: f64,
    /// CPU time of a warm call, in microseconds.
    pub cpu_us: f64,
    /// Calls of AWS in a warm call.
    pub aws_calls: f64,
    /// Most memory resident, in megabytes.
    pub peak_mb: f64,
    /// Each warm call, in milliseconds.
    pub times_ms: Vec<f64>,
}

/// A row and its runs.
pub struct Measured {
    /// What was measured.
    pub row: Row,
    /// The size of the function's zip, in megabytes.
    pub zip_mb: f64,
    runs: Vec<Run>,
    multiples: Vec<f64>,
    floor_us: Vec<f64>,
}

impl Measured {
    /// A row that was not run yet.
    pub fn new(row: Row, zips: &Path) -> Self {
        let zip = zips.join(format!("{}.zip", row.function));
        let zip = zip.metadata().unwrap_or_else(|error| panic!("{}: {error}", zip.display()));
        Self { row, zip_mb: zip.len() as f64 / 1e6, runs: Vec::new(), multiples: Vec::new(), floor_us: Vec::new() }
    }

    /// Adds a run, and that of the floor beside it.
    pub fn add(&mut self, run: Run, floor: &Run) {
        self.multiples.push(run.cpu_us / floor.cpu_us);
        self.floor_us.push(floor.cpu_us);
        self.runs.push(run);
    }

    /// The median of a figure.
    pub fn median(&self, figure: impl Fn(&Run) -> f64) -> f64 {
        percentile(self.runs.iter().map(figure).collect(), 50)
    }

    /// The median of the rounds' percentiles of a warm call's time, in milliseconds.
    pub fn time_ms(&self, percent: usize) -> f64 {
        self.median(|run| percentile(run.times_ms.clone(), percent))
    }

    /// CPU time of a warm call as a multiple of the floor's, each of a run right before.
    pub fn multiple(&self) -> f64 {
        percentile(self.multiples.clone(), 50)
    }

    /// The floor's CPU time of a call beside these runs, in microseconds.
    pub fn floor_us(&self) -> f64 {
        percentile(self.floor_us.clone(), 50)
    }
}

/// The value that this percentage of all values does not exceed.
fn percentile(mut values: Vec<f64>, percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    values[(values.len() - 1) * percent / 100]
}
