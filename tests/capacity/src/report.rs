//! The results of a run, in numbers and sentences.

use std::fmt;

use landslide_sim::summary::group_thousands;

use crate::{
    measures::{Counts, Lags, Limit, Met, Second, backlog},
    model::Model,
    parameters::Parameters,
    prices::{Part, Prices, Units, by_page, parts},
};

/// Lags in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LagMs {
    /// Half of the votes were faster.
    pub p50: u64,
    /// 99 of 100 were.
    pub p99: u64,
    /// The slowest.
    pub most: u64,
}

impl From<Lags> for LagMs {
    fn from(lags: Lags) -> Self {
        Self { p50: lags.quantile_ms(0.5), p99: lags.quantile_ms(0.99), most: lags.most_ms() }
    }
}

/// What has to be besides that nothing is lost; the reason if it is not.
pub type Demand = fn(&Report) -> Result<(), String>;

/// The results of a run.
pub struct Report {
    /// The scenario's name.
    pub name: &'static str,
    about: &'static str,
    /// Second by second.
    pub seconds: Vec<Second>,
    counts: Counts,
    /// Of the votes that were stored during the peak.
    pub steady_lag_ms: LagMs,
    lag_ms: LagMs,
    /// From the end of the peak until the last vote was counted.
    pub drain_ms: u64,
    limits: Vec<(Limit, Met)>,
    lanes: Vec<(u64, u8)>,
    costs: Vec<(&'static str, f64)>,
    /// Dollars for the page, if all voted by it.
    page: f64,
    parts: Vec<Part>,
    outcome: Result<(), String>,
}

impl Report {
    /// The report of a run of a scenario, by its name and what it is about, which is to come out as demanded.
    pub fn of((name, about): (&'static str, &'static str), model: &Model, prices: &Prices, demand: Demand) -> Self {
        let (measures, parts) = (&model.world.measures, parts(&model.world));
        let mut report = Self {
            name,
            about,
            seconds: measures.seconds(),
            counts: measures.counts.clone(),
            steady_lag_ms: measures.steady_lags().into(),
            lag_ms: measures.lags().into(),
            drain_ms: measures.last_counted_ms().saturating_sub(model.world.parameters.peak_ends_ms()),
            limits: measures.limits(),
            lanes: model.lanes(),
            costs: parts.iter().map(|(part, units)| (*part, prices.cost(units))).collect(),
            page: prices.cost(&by_page(&model.world)),
            parts,
            outcome: Ok(()),
        };
        report.outcome = report.lost().and_then(|()| demand(&report));
        report
    }

    /// Whether it came out as it has to.
    pub fn is_well(&self) -> bool {
        self.outcome.is_ok()
    }

    fn lost(&self) -> Result<(), String> {
        let (accepted, counted) = (self.counts.accepted.get(), self.counts.counted.get());
        if accepted == counted { Ok(()) } else { Err(format!("{accepted} votes stored, {counted} counted")) }
    }

    /// How many voters were refused until they gave up, of how many that came.
    pub fn gave_up(&self) -> (u64, u64) {
        let gave_up = self.counts.given_up.get();
        (gave_up, gave_up + self.counts.accepted.get())
    }

    fn accepted(&self) -> f64 {
        self.counts.accepted.get().max(1) as f64
    }

    fn refused(&self) -> u64 {
        self.seconds.iter().map(|second| second.refused).sum()
    }

    fn backlog_most(&self) -> u64 {
        backlog(&self.seconds).into_iter().max().unwrap_or(0)
    }

    /// Write units of a vote's counting, deletes included.
    pub fn counting_units(&self) -> f64 {
        self.counts.tally_units.get() as f64 / self.accepted()
    }

    /// Dollars for a million votes, all parts together, and what comes after the vote's own write.
    pub fn million(&self) -> (f64, f64) {
        let counting = ["relay", "queue", "tally", "tallies' writes", "tallies' reads", "metrics' lines"];
        let of = |is_wanted: &dyn Fn(&str) -> bool| {
            let parts = self.costs.iter().filter(|(part, _)| is_wanted(part));
            parts.map(|(_, dollars)| dollars).sum::<f64>() * 1e6 / self.accepted()
        };
        (of(&|_| true), of(&|part| counting.contains(&part)))
    }

    /// Dollars for a million votes if all are cast by the page, which takes the place of what the API takes before a vote is
    /// written.
    fn million_by_page(&self) -> f64 {
        let before = ["gateway", "authorizer", "cast-vote", "new devices"];
        let after: f64 = self.costs.iter().filter(|(part, _)| !before.contains(part)).map(|(_, dollars)| dollars).sum();
        (self.page + after) * 1e6 / self.accepted()
    }

    /// A million times what a vote takes of all units of a price.
    fn units(&self, price: &str) -> f64 {
        let of_price = |(name, amount): &Units| if *name == price { *amount } else { 0.0 };
        let all = self.parts.iter().flat_map(|(_, units)| units).map(of_price).sum::<f64>();
        all * 1e6 / self.accepted()
    }

    /// What held, or what gave first.
    fn last_line(&self) -> String {
        if let Err(reason) = &self.outcome {
            return format!("{}: NOT AS IT HAS TO BE: {reason}; {}", self.name, self.first_limit());
        }
        format!(
            "{}: nothing lost, lag p99 {} at the peak, drained {} after it; {}",
            self.name,
            seconds(self.steady_lag_ms.p99),
            seconds(self.drain_ms),
            self.first_limit()
        )
    }

    fn first_limit(&self) -> String {
        match self.limits.first() {
            None => "no limit was met".to_owned(),
            Some((limit, met)) => format!("what gave first: {} after {}", limit.name(), seconds(met.first_ms)),
        }
    }
}

fn seconds(ms: u64) -> String {
    format!("{:.1} s", ms as f64 / 1_000.0)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = &self.counts;
        let a_vote = |number: u64| number as f64 / self.accepted();
        let whole = |number: &std::cell::Cell<u64>| group_thousands(number.get());
        writeln!(f, "--- {}: {}", self.name, self.about)?;
        writeln!(
            f,
            "votes       {} stored, {} counted; {} requests, {} refused, {} voters gave up",
            whole(&counts.accepted),
            whole(&counts.counted),
            whole(&counts.requests),
            group_thousands(self.refused()),
            whole(&counts.given_up)
        )?;
        for (what, lag) in [("lag at peak", self.steady_lag_ms), ("lag, all", self.lag_ms)] {
            writeln!(f, "{what:<11} p50 {}, p99 {}, most {}", seconds(lag.p50), seconds(lag.p99), seconds(lag.most))?;
        }
        let most = group_thousands(self.backlog_most());
        writeln!(f, "backlog     {most} votes at most, drained {} after the peak", seconds(self.drain_ms))?;
        writeln!(
            f,
            "write units {:.3} a vote for votes, {:.4} for counting ({} HEAD, {} SEEN, {} COUNT); read units {:.4}, {} ids read",
            a_vote(counts.vote_units.get()),
            a_vote(counts.tally_units.get()),
            whole(&counts.heads),
            whole(&counts.spills),
            whole(&counts.copies),
            a_vote(counts.tally_read_units.get()),
            whole(&counts.ids_read)
        )?;
        if counts.run_rows.get() > 0 {
            let rows = [&counts.run_rows, &counts.run_rows_deleted].map(whole);
            writeln!(f, "runs        {} rows written, {} deleted", rows[0], rows[1])?;
        }
        writeln!(
            f,
            "messages    {} of {:.1} votes ({:.1} bytes a vote), {} delivered again",
            whole(&counts.messages),
            1.0 / a_vote(counts.messages.get()).max(f64::MIN_POSITIVE),
            a_vote(counts.message_bytes.get()),
            whole(&counts.redelivered)
        )?;
        writeln!(
            f,
            "invocations {} relay, {} tally on {} processes; {} partitions split",
            whole(&counts.relays),
            whole(&counts.tallies),
            whole(&counts.cold_processes),
            whole(&counts.splits)
        )?;
        let lanes: Vec<String> =
            self.lanes.iter().map(|(from, lanes)| format!("{lanes} from {}", seconds(*from))).collect();
        writeln!(f, "lanes       {}", lanes.join(", "))?;
        let (all, counting) = self.million();
        let parts: Vec<String> = self
            .costs
            .iter()
            .filter(|(_, dollars)| *dollars > 0.0)
            .map(|(part, dollars)| format!("{part} {:.3}", dollars * 1e6 / self.accepted()))
            .collect();
        writeln!(f, "$ a million {all:.2}, of which counting {counting:.3}: {}", parts.join(", "))?;
        for (limit, met) in &self.limits {
            writeln!(
                f,
                "limit       {}: {} times, first after {}",
                limit.name(),
                group_thousands(met.times),
                seconds(met.first_ms)
            )?;
        }
        writeln!(f, "{}", self.last_line())
    }
}

/// The results as a table in Markdown.
pub fn results_table(reports: &[Report]) -> String {
    let mut lines = vec![
        "| scenario | votes stored | refused | lag at the peak p50 / p99 / most, s | backlog, votes | drained, s | write units a vote, counting | messages | relay / tally invocations | $ a million, counting | what gave first |".to_owned(),
        "|---|---|---|---|---|---|---|---|---|---|---|".to_owned(),
    ];
    for report in reports {
        let (counts, lag) = (&report.counts, report.steady_lag_ms);
        let (all, counting) = report.million();
        let [p50, p99, most] = [lag.p50, lag.p99, lag.most].map(|ms| format!("{:.1}", ms as f64 / 1_000.0));
        let first = report.limits.first().map_or("nothing", |(limit, _)| limit.name());
        lines.push(format!(
            "| `{}` | {} | {} | {p50} / {p99} / {most} | {} | {:.1} | {:.4} | {} | {} / {} | {all:.2}, {counting:.3} | {first} |",
            report.name,
            group_thousands(counts.accepted.get()),
            group_thousands(report.refused()),
            group_thousands(report.backlog_most()),
            report.drain_ms as f64 / 1_000.0,
            report.counting_units(),
            group_thousands(counts.messages.get()),
            group_thousands(counts.relays.get()),
            group_thousands(counts.tallies.get()),
        ));
    }
    lines.join("\n")
}

/// What a million votes cost by part, and what is billed for them, as a table in Markdown.
pub fn costs_table(reports: &[Report], prices: &Prices) -> String {
    let row = |name: &str, cell: &dyn Fn(&Report) -> String| {
        let cells: Vec<String> = reports.iter().map(cell).collect();
        format!("| {name} | {} |", cells.join(" | "))
    };
    let mut lines =
        vec![row("a million votes", &|report| format!("`{}`", report.name)), row("---", &|_| "--:".to_owned())];
    // Of nothing the sum is -0.
    let dollars = |report: &Report, index: usize| report.costs[index].1 * 1e6 / report.accepted() + 0.0;
    let parts = reports.first().map(|report| report.costs.as_slice()).unwrap_or_default();
    for (index, (part, _)) in parts.iter().enumerate() {
        lines.push(row(&format!("{part}, $"), &|report| format!("{:.3}", dollars(report, index))));
    }
    lines.push(row("**in all, $**", &|report| format!("**{:.2}**", report.million().0)));
    lines.push(row("in all if cast by the page, $", &|report| format!("{:.2}", report.million_by_page())));
    for (price, usd) in prices.all().filter(|(price, _)| reports.iter().any(|report| report.units(price) > 0.0)) {
        let at = if usd < 0.1 { format!("${} a million", (usd * 1e10).round() / 1e4) } else { format!("${usd}") };
        lines.push(row(&format!("`{price}`, at {at}"), &|report| units(report.units(price))));
    }
    lines.join("\n")
}

fn units(number: f64) -> String {
    if number < 100.0 { format!("{number:.3}") } else { group_thousands(number.round() as u64) }
}

/// The parameters of `steady` as a table in Markdown.
pub fn parameters_table() -> String {
    let mut lines = vec!["| parameter | `steady` | what | from |".to_owned(), "|---|---|---|---|".to_owned()];
    for [name, value, what, source] in Parameters::default().rows() {
        lines.push(format!("| `{name}` | {value} | {what} | {source} |"));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_parameters_are_those_in_force() {
        let documented = include_str!("../../../docs/viral.md");
        for row in parameters_table().lines() {
            assert!(
                documented.contains(row),
                "docs/viral.md lacks {row:?}: paste what `make viral ARGS=--parameters` prints"
            );
        }
    }
}
