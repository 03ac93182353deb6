//! The run as a picture: arrivals, lag and backlog over time.

use landslide_plot::{Line, Panel, svg};

use crate::{
    measures::{Second, backlog},
    report::Report,
    viewers::{self, Watching},
};

/// Draws a report as an SVG.
pub fn draw(report: &Report) -> anyhow::Result<String> {
    let each = |value: fn(&Second) -> f64| report.seconds.iter().map(value).collect();
    let rates = vec![
        line("requests", each(|second| second.requests as f64)),
        line("votes counted", each(|second| second.counted as f64)),
        line("votes stored", each(|second| second.accepted as f64)),
    ];
    let lags = vec![line("of the votes counted", each(|second| second.lag_most_ms as f64 / 1_000.0))];
    let waiting = backlog(&report.seconds).into_iter().map(|votes| votes as f64).collect();
    let panels = [
        panel("each second", rates),
        panel("longest lag, seconds", lags),
        panel("votes", vec![line("stored, not counted", waiting)]),
    ];
    svg(report.name, &panels)
}

/// Draws those who watch as an SVG.
pub fn draw_viewers(watching: &Watching) -> anyhow::Result<String> {
    let each = |value: fn(&viewers::Second) -> f64| watching.seconds.iter().map(value).collect();
    let ages = vec![
        line("p99", each(|second| second.p99_ms as f64 / 1_000.0)),
        line("p50", each(|second| second.p50_ms as f64 / 1_000.0)),
    ];
    let panels = [
        panel("requests each second", vec![line("at the CDN", each(|second| second.requests as f64))]),
        panel("requests each second", vec![line("at the origin", each(|second| second.origin as f64))]),
        panel("age of counts on screens, seconds", ages),
    ];
    svg(watching.crowd.about, &panels)
}

fn panel(y: &str, lines: Vec<Line>) -> Panel<'_> {
    Panel { x: "seconds", y, lines }
}

fn line(name: &str, each_second: Vec<f64>) -> Line {
    let points = each_second.into_iter().enumerate().map(|(second, value)| (second as f64, value));
    Line { name: name.to_owned(), points: points.collect() }
}
