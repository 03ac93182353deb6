//! The run as a picture: arrivals, lag and backlog over time.

use std::path::Path;

use plotters::prelude::*;

use crate::{
    measures::{Second, backlog},
    report::Report,
};

/// Width and height of the picture, in pixels.
const SIZE: (u32, u32) = (900, 720);

/// Draws a report into an SVG file.
pub fn draw(path: &Path, report: &Report) -> Result<(), Box<dyn std::error::Error>> {
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let [rates, lag, waiting] = &root.split_evenly((3, 1))[..] else { return Err("three panels".into()) };
    let each = |value: fn(&Second) -> u64| report.seconds.iter().map(|second| value(second) as f64).collect();
    let requests = Line { name: "requests/s", color: RED, values: each(|second| second.requests) };
    let stored = Line { name: "votes stored/s", color: BLUE, values: each(|second| second.accepted) };
    let counted = Line { name: "votes counted/s", color: GREEN, values: each(|second| second.counted) };
    let lags = each(|second| second.lag_most_ms).into_iter().map(|ms: f64| ms / 1_000.0).collect();
    let longest = Line { name: "longest lag of the votes counted, s", color: BLUE, values: lags };
    let votes = backlog(&report.seconds).into_iter().map(|votes| votes as f64).collect();
    let uncounted = Line { name: "votes stored and not counted", color: BLUE, values: votes };
    panel(rates, report.name, &[requests, counted, stored])?;
    panel(lag, "", &[longest])?;
    panel(waiting, "", &[uncounted])?;
    root.present()?;
    Ok(())
}

struct Line {
    name: &'static str,
    color: RGBColor,
    values: Vec<f64>,
}

fn panel(
    area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    title: &str,
    lines: &[Line],
) -> Result<(), Box<dyn std::error::Error>> {
    let most = lines.iter().flat_map(|line| &line.values).copied().fold(0.0, f64::max);
    let seconds = lines.iter().map(|line| line.values.len()).max().unwrap_or(0);
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 18))
        .margin(8)
        .x_label_area_size(28)
        .y_label_area_size(80)
        .build_cartesian_2d(0.0..seconds as f64, 0.0..most.max(1.0) * 1.1)?;
    chart
        .configure_mesh()
        .x_desc("seconds")
        .light_line_style(TRANSPARENT)
        .y_label_formatter(&|value| short(*value))
        .draw()?;
    for line in lines {
        let color = line.color;
        let points = line.values.iter().enumerate().map(|(second, value)| (second as f64, *value));
        chart
            .draw_series(LineSeries::new(points, &color))?
            .label(line.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], color));
    }
    chart.configure_series_labels().background_style(WHITE).border_style(TRANSPARENT).draw()?;
    Ok(())
}

/// A number in few characters: `60k`, `2.5M`.
fn short(value: f64) -> String {
    let (scaled, unit) = match value {
        value if value >= 1e6 => (value / 1e6, "M"),
        value if value >= 1e3 => (value / 1e3, "k"),
        value => (value, ""),
    };
    format!("{}{unit}", (scaled * 10.0).round() / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_speaks_in_few_characters() {
        assert_eq!([0.0, 2.5, 60_000.0, 2_500_000.0].map(short), ["0", "2.5", "60k", "2.5M"]);
    }
}
