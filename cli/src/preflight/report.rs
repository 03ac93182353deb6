//! Prints the table for people.

use super::rows::{Row, Verdict};

const HEAD: [&str; 6] = ["what", "has", "needs", "short by", "verdict", "where to raise it, or what to do"];

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Verdict::Ok => "ok",
            Verdict::Warning => "warning",
            Verdict::Stops | Verdict::Stuck => "stops",
        }
    }
}

/// All rows under a heading, with columns as wide as needed.
pub fn table(rows: &[Row]) -> String {
    let body = rows.iter().map(|row| {
        [&row.what, &row.has, &row.needs, &row.short_by, row.verdict.word(), &row.remedy].map(str::to_owned)
    });
    let lines: Vec<[String; 6]> = std::iter::once(HEAD.map(str::to_owned)).chain(body).collect();
    let mut widths = [0; 6];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.chars().count());
        }
    }
    lines.iter().map(|line| shown(line, &widths)).collect()
}

fn shown(line: &[String; 6], widths: &[usize; 6]) -> String {
    let cells: Vec<String> = line.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
    format!("{}\n", cells.join("  ").trim_end())
}

/// The sentence under the table.
pub fn conclusion(worst: Verdict) -> &'static str {
    match worst {
        Verdict::Ok => "Nothing stands in the way of a deploy.",
        Verdict::Warning => "A deploy goes through. Read the warnings before you rely on it.",
        Verdict::Stops => "This deploy can't go through. Nothing was changed.",
        Verdict::Stuck => "This stack takes no deploy as it is. Nothing was changed.",
    }
}
