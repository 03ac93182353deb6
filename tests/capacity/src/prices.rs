//! What it costs: units by the list of prices.

use std::{collections::BTreeMap, fs::File, io::BufReader, path::Path};

use serde_json::Value;

use crate::world::World;

/// The region's list prices, in dollars for one of each.
pub struct Prices(BTreeMap<String, f64>);

/// Memory of the functions in GB, as in `template.yaml`.
const REQUEST_GB: f64 = 0.25;
const RELAY_GB: f64 = 0.5;
const TALLY_GB: f64 = 1_769.0 / 1_024.0;
/// A line of metrics of relay-votes or tally-votes in GB, as it is billed: 460 and 501 bytes, and 26 of CloudWatch's own.
const METRICS_GB: f64 = 507e-9;

impl Prices {
    /// Reads the file of prices.
    pub fn read(path: &Path) -> Result<Self, Box<dyn std::error::Error>> {
        let file = File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Self::of(&serde_json::from_reader(BufReader::new(file))?)
    }

    fn of(list: &Value) -> Result<Self, Box<dyn std::error::Error>> {
        let prices = list["prices"].as_object().ok_or("the list has no prices")?;
        let one = |(name, price): (&String, &Value)| {
            let number = |key: &str| price[key].as_f64().ok_or_else(|| format!("price {name} has no number {key}"));
            Ok((name.clone(), number("usd")? / number("per")?))
        };
        Ok(Self(prices.iter().map(one).collect::<Result<_, String>>()?))
    }

    /// Their names, with the dollars for one.
    pub fn all(&self) -> impl Iterator<Item = (&str, f64)> {
        self.0.iter().map(|(name, usd)| (name.as_str(), *usd))
    }

    fn of_one(&self, name: &str) -> f64 {
        *self.0.get(name).unwrap_or_else(|| panic!("the list has no price {name:?}"))
    }

    /// Dollars for units of these prices.
    pub fn cost(&self, units: &[Units]) -> f64 {
        units.iter().map(|(price, amount)| amount * self.of_one(price)).sum()
    }
}

/// How many of what has a price.
pub type Units = (&'static str, f64);
/// A part of the path, and what it takes.
pub type Part = (&'static str, Vec<Units>);

/// By part of the path, all that a run took.
pub fn parts(world: &World) -> Vec<Part> {
    let counts = &world.measures.counts;
    let many = |count: &std::cell::Cell<u64>| count.get() as f64;
    let requests = many(&counts.through_gateway);
    let request = function(requests, requests * world.parameters.request_ms as f64, REQUEST_GB);
    let through_gateway = ("api_rest_request", requests);
    let devices = if world.parameters.new_devices { [request.clone(), vec![through_gateway]].concat() } else { vec![] };
    vec![
        ("gateway", vec![through_gateway]),
        ("authorizer", request.clone()),
        ("cast-vote", request),
        ("new devices", devices),
        ("votes' writes", vec![("dynamodb_write_unit", many(&counts.vote_units))]),
        ("relay", function(many(&counts.relays), many(&counts.relay_ms), RELAY_GB)),
        ("queue", vec![("sqs_fifo_request", many(&counts.queue_requests))]),
        ("tally", function(many(&counts.tallies), many(&counts.tally_ms), TALLY_GB)),
        ("tallies' writes", vec![("dynamodb_write_unit", many(&counts.tally_units))]),
        ("tallies' reads", vec![("dynamodb_read_unit", many(&counts.tally_read_units))]),
        ("metrics' lines", vec![("cloudwatch_logs_gb", (many(&counts.relays) + many(&counts.tallies)) * METRICS_GB)]),
    ]
}

/// What the page takes for the votes of a run in the place of `parts` before the votes' writes: it is loaded, takes the
/// form, and is loaded again, when it reads the vote. No authorizer runs before it.
pub fn by_page(world: &World) -> Vec<Units> {
    let votes = world.measures.counts.through_gateway.get() as f64;
    let requests = 3.0 * votes;
    let shown = function(requests, requests * world.parameters.request_ms as f64, REQUEST_GB);
    [shown, vec![("api_rest_request", requests), ("dynamodb_read_unit", votes)]].concat()
}

fn function(invocations: f64, ms: f64, gigabytes: f64) -> Vec<Units> {
    vec![("lambda_request", invocations), ("lambda_arm64_gb_second", ms / 1_000.0 * gigabytes)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameters::Parameters;

    #[test]
    fn a_million_votes_cost_what_the_list_says() {
        let prices = Prices::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../infra/prices.json")).unwrap();
        let world = World::new(Parameters::default());
        world.measures.counts.through_gateway.set(1_000_000);
        world.measures.counts.vote_units.set(1_000_000);
        let parts: BTreeMap<_, _> = parts(&world).into_iter().collect();
        let in_cents = |part: &str| (prices.cost(&parts[part]) * 100.0).round();
        assert_eq!(["gateway", "votes' writes", "cast-vote", "queue"].map(in_cents), [350.0, 63.0, 23.0, 0.0]);
        let page = prices.cost(&by_page(&world));
        assert_eq!((page * 100.0).round(), 1_050.0 + 68.0 + 13.0, "three requests of gateway and function, and a read");
    }
}
