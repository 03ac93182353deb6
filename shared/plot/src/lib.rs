//! Lines over time as an SVG: panels one below the other, each with its axes, their units and a legend.
//!
//! The background is white, so that it reads on a dark page as on a light one.

use anyhow::Result;
use plotters::coord::Shift;
use plotters::prelude::*;

/// Width of the picture, in pixels.
const WIDTH: u32 = 900;
/// Height of the title and of each panel.
const TITLE_HEIGHT: u32 = 40;
const PANEL_HEIGHT: u32 = 240;
/// Of the width, what the lines take. The legend has the rest.
const LINES_WIDTH: u32 = 715;
/// Height of a line in the legend.
const LEGEND_ROW: i32 = 20;
const TITLE_FONT: (&str, i32) = ("sans-serif", 18);
const FONT: (&str, i32) = ("sans-serif", 13);
/// The colours of Okabe and Ito, which people with any colour vision tell apart, without yellow, which is too light.
const COLORS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(102, 102, 102),
];

/// Lines over the same axes.
pub struct Panel<'a> {
    /// What the horizontal axis shows, with its unit.
    pub x: &'a str,
    /// What the vertical axis shows, with its unit. It begins at 0.
    pub y: &'a str,
    /// The lines.
    pub lines: Vec<Line>,
}

/// A line.
pub struct Line {
    /// Its name in the legend.
    pub name: String,
    /// Its points, from left to right.
    pub points: Vec<(f64, f64)>,
}

/// Draws the panels, all of them as wide as the longest line. Returns the SVG.
pub fn svg(title: &str, panels: &[Panel<'_>]) -> Result<String> {
    let right = most(panels.iter().flat_map(|panel| &panel.lines), |(x, _)| *x);
    let mut svg = String::new();
    {
        let height = TITLE_HEIGHT + PANEL_HEIGHT * panels.len() as u32;
        let root = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        root.fill(&WHITE)?;
        let (top, below) = root.split_vertically(TITLE_HEIGHT);
        top.titled(title, TITLE_FONT)?;
        for (area, panel) in below.split_evenly((panels.len(), 1)).iter().zip(panels) {
            let (lines, legend) = area.split_horizontally(LINES_WIDTH);
            draw_lines(&lines, panel, right)?;
            draw_legend(&legend, panel)?;
        }
        root.present()?;
    }
    Ok(svg)
}

fn colored(lines: &[Line]) -> impl Iterator<Item = (&Line, RGBColor)> {
    lines.iter().zip(COLORS.into_iter().cycle())
}

/// The greatest coordinate of all points, and at least 1.
fn most<'a>(lines: impl Iterator<Item = &'a Line>, of: fn(&(f64, f64)) -> f64) -> f64 {
    lines.flat_map(|line| &line.points).map(of).fold(1.0, f64::max)
}

fn draw_lines(area: &DrawingArea<SVGBackend<'_>, Shift>, panel: &Panel<'_>, right: f64) -> Result<()> {
    let top = most(panel.lines.iter(), |(_, y)| *y) * 1.1;
    let mut chart = ChartBuilder::on(area)
        .margin(8)
        .x_label_area_size(42)
        .y_label_area_size(80)
        .build_cartesian_2d(0.0..right, 0.0..top)?;
    chart
        .configure_mesh()
        .x_desc(panel.x)
        .y_desc(panel.y)
        .label_style(FONT)
        .axis_desc_style(FONT)
        .light_line_style(TRANSPARENT)
        .x_label_formatter(&|value| short(*value))
        .y_label_formatter(&|value| short(*value))
        .draw()?;
    for (line, color) in colored(&panel.lines) {
        chart.draw_series(LineSeries::new(line.points.iter().copied(), color.stroke_width(2)))?;
    }
    Ok(())
}

fn draw_legend(area: &DrawingArea<SVGBackend<'_>, Shift>, panel: &Panel<'_>) -> Result<()> {
    for (row, (line, color)) in (1..).zip(colored(&panel.lines)) {
        let middle = row * LEGEND_ROW;
        area.draw(&PathElement::new([(0, middle), (16, middle)], color.stroke_width(2)))?;
        area.draw(&Text::new(line.name.clone(), (22, middle - FONT.1 / 2), FONT))?;
    }
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

    #[test]
    fn a_picture_has_its_title_units_names_and_a_line_for_each() {
        let line = |name: &str, points: &[(f64, f64)]| Line { name: name.to_owned(), points: points.to_vec() };
        let lines = vec![line("stored", &[(0.0, 1.0), (1.0, 4.0)]), line("counted", &[(0.0, 0.0), (1.0, 3.0)])];
        let svg = svg("A run", &[Panel { x: "seconds", y: "votes/s", lines }]).unwrap();
        for text in ["A run", "seconds", "votes/s", "stored", "counted"] {
            assert!(svg.contains(&format!(">\n{text}\n")), "{text}: {svg}");
        }
        for color in ["#0072B2", "#D55E00"] {
            assert_eq!(svg.matches(color).count(), 2, "a line, and its sign in the legend: {svg}");
        }
    }
}
