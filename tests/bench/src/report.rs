//! The table of all rows, in Markdown.

use crate::measured::Measured;

/// Prints it.
pub fn print(all: &[Measured]) {
    let floors: Vec<f64> = all.iter().map(Measured::floor_us).collect();
    let (lowest, highest) = floors.iter().fold((f64::MAX, 0.0_f64), |(low, high), us| (low.min(*us), high.max(*us)));
    println!("Floor: {lowest:.0} to {highest:.0} µs of CPU a call.\n");
    println!(
        "| | init ms | CPU of it ms | first call ms | warm p50 ms | p99 ms | CPU µs | × floor | each a second and core | peak RSS MB | AWS calls | zip MB |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    for measured in all {
        println!(
            "| {} | {:.1} | {:.1} | {:.2} | {:.3} | {:.3} | {:.0} | {:.2} | {:.0} | {:.1} | {:.2} | {:.2} |",
            measured.row.name,
            measured.median(|run| run.init_ms),
            measured.median(|run| run.init_cpu_ms),
            measured.median(|run| run.first_ms),
            measured.time_ms(50),
            measured.time_ms(99),
            measured.median(|run| run.cpu_us),
            measured.multiple(),
            measured.row.units as f64 * 1e6 / measured.median(|run| run.cpu_us),
            measured.median(|run| run.peak_mb),
            measured.median(|run| run.aws_calls),
            measured.zip_mb,
        );
    }
}
