//! Turns facts and parameters into rows: what an account has, what a deploy needs, and whether it would go through.

use indicatif::HumanCount;
use landslide_identity::{issuers, key_sets::Reach};

use super::facts::{Concurrency, Facts, Gateway, Reading, Unread, Warm};
use super::state::State;
use super::template::Parameters;

/// A function's name has at most 64 characters, and `-authorizer-owners` is the longest suffix to the stack's name.
const NAME_CHARACTERS_MAX: usize = 45;
/// The most bytes that Lambda accepts for a function's environment.
const ENVIRONMENT_BYTES_MAX: usize = 4_096;
/// How much of Lambda's concurrency must stay unreserved. An account with less can't reserve any: Lambda then names its
/// whole limit as the "minimum value" (10 or 50).
/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html>
const UNRESERVED_MIN: u64 = 100;
/// A new on-demand table's warm throughput. Less can't be requested.
const NEW_TABLE: Warm = Warm { writes: 4_000, reads: 12_000 };
/// Requests a second that one environment serves, as docs/viral.md assumes.
const REQUESTS_A_ENVIRONMENT: u64 = 10;
/// A Votes table with this many write units was split into 256 partitions, each a stream shard, and keeps them. From
/// there on, one lane is too few (docs/viral.md).
const WIDE_WRITE_UNITS: u64 = 256_000;
/// The most characters that are shown of a parameter's value.
const SHOWN_MAX: usize = 40;
/// How many lanes are then enough.
const WIDE_LANES: u64 = 4;

const UNRESERVED: &str = "Lambda concurrency left unreserved";
const LAMBDA_QUOTA: &str = "Service Quotas: lambda L-B99A9384";
const WRITE_QUOTA: &str = "Service Quotas: dynamodb L-AB614373";
const READ_QUOTA: &str = "Service Quotas: dynamodb L-CF0CBE56";
const RATE_QUOTA: &str = "Service Quotas: apigateway L-8A5B8E43";
/// AWS raises the burst with the rate; it can't be requested alone.
const BURST_QUOTA: &str = "comes with the rate: apigateway L-8A5B8E43";

/// What a row means for the deploy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Enough.
    Ok,
    /// The deploy goes through, but the account will throttle, or a fact is unknown.
    Warning,
    /// CloudFormation would refuse the deploy, or an issuer's users would be locked out.
    Stops,
    /// The stack's state takes no deploy.
    Stuck,
}

/// A throughput unit, as the template's parameters spell it.
#[derive(Clone, Copy, Debug)]
enum Unit {
    Write,
    Read,
}

impl Unit {
    fn of(self, warm: Warm) -> u64 {
        match self {
            Self::Write => warm.writes,
            Self::Read => warm.reads,
        }
    }
}

/// One row in the table.
#[derive(Debug, PartialEq, Eq)]
pub struct Row {
    /// What is compared.
    pub what: String,
    /// What the account has.
    pub has: String,
    /// What the parameters need.
    pub needs: String,
    /// How much is missing.
    pub short_by: String,
    /// The verdict on it.
    pub verdict: Verdict,
    /// Where to request more, or what else to do.
    pub remedy: String,
}

/// A requested deploy.
pub struct Wanted<'a> {
    /// All parameters, as the stack will have them.
    pub parameters: &'a Parameters,
    /// The function with the largest environment: its logical id, and its bytes.
    pub environment: (&'a str, usize),
    /// Parameters with values that the template refuses: the name, and what it accepts.
    pub refused: &'a [(String, String)],
}

impl Wanted<'_> {
    fn text(&self, parameter: &str) -> &str {
        self.parameters.get(parameter).map_or("", String::as_str)
    }

    fn number(&self, parameter: &str) -> u64 {
        self.text(parameter).parse().unwrap_or(0)
    }
}

/// Checks the stack's name. If it is not valid, other calls would only fail.
pub fn name_row(name: &str) -> Row {
    let is_name = name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.chars().all(|character| character.is_ascii_alphanumeric() || character == '-');
    let remedy = if is_name {
        "a shorter STACK=: Lambda takes 64 characters with a function's name behind"
    } else {
        "another STACK=: letters, digits and hyphens, and a letter first"
    };
    let length = name.chars().count();
    let has = if is_name { format!("{length} characters") } else { format!("{name:?}") };
    let mut row = at_most("stack's name", length, NAME_CHARACTERS_MAX, " characters", remedy);
    if !is_name {
        row = Row { needs: "a name".to_owned(), remedy: remedy.to_owned(), verdict: Verdict::Stops, ..row };
    }
    Row { has, ..row }
}

/// All other rows.
pub fn rows(wanted: &Wanted<'_>, facts: &Facts) -> Vec<Row> {
    let mut rows = vec![state_row(facts), environment_row(wanted)];
    rows.extend(wanted.refused.iter().map(|(name, takes)| refused_row(wanted, name, takes)));
    rows.extend(issuer_rows(wanted));
    rows.extend(concurrency_rows(wanted, &facts.concurrency));
    rows.push(tally_row(wanted));
    rows.extend(gateway_rows(wanted, &facts.gateway));
    rows.extend(quota_rows(wanted, facts));
    rows.extend(warm_rows(wanted, "Votes", &facts.votes));
    rows.extend(warm_rows(wanted, "Tallies", &facts.tallies));
    rows.push(lanes_row(wanted, facts));
    rows.push(alarms_row(wanted));
    rows
}

fn state_row(facts: &Facts) -> Row {
    let stack = match &facts.stack {
        Ok(stack) => stack.as_ref(),
        Err(why) => return Row { verdict: Verdict::Stops, ..unread("stack's state", "", why) },
    };
    let status = stack.map(|stack| stack.status.as_str());
    let (needs, verdict, remedy) = match State::of(status) {
        State::New | State::Usable => ("", Verdict::Ok, ""),
        State::RolledBack => ("", Verdict::Ok, "make deploy removes this record of a failed create first"),
        State::Stuck if status.is_some_and(|status| status.ends_with("_IN_PROGRESS")) => {
            ("an end", Verdict::Stuck, "wait until that operation ends")
        }
        State::Stuck => ("mending", Verdict::Stuck, "docs/operate.md, When a deploy fails"),
    };
    row("stack's state", status.unwrap_or("no stack yet"), needs, "", verdict, remedy)
}

fn environment_row(wanted: &Wanted<'_>) -> Row {
    let (function, bytes) = wanted.environment;
    let what = format!("environment of {function}");
    at_most(&what, bytes, ENVIRONMENT_BYTES_MAX, " bytes", "shorter ISSUERS: keys by jwks_uri, not inline")
}

fn refused_row(wanted: &Wanted<'_>, name: &str, takes: &str) -> Row {
    let value = wanted.text(name);
    let has = if value.chars().count() > SHOWN_MAX {
        format!("{} characters", value.chars().count())
    } else {
        value.to_owned()
    };
    row(name, &has, takes, "", Verdict::Stops, "another value: the top of template.yaml says which")
}

/// One row for each `Issuers` entry that the authorizer would skip.
fn issuer_rows(wanted: &Wanted<'_>) -> Vec<Row> {
    let reach = if wanted.text("LoopbackIssuers") == "true" { Reach::PublicAndLoopback } else { Reach::Public };
    let problems = issuers::problems(wanted.text("Issuers"), reach).into_iter();
    let rows = problems.map(|issuers::Problem { entry, field, wrong }| {
        let has: String = entry.chars().take(SHOWN_MAX).collect();
        let remedy = format!("{field:?} {wrong}: docs/identity.md says how");
        row("Issuers", &has, "what can be used", "", Verdict::Stops, &remedy)
    });
    rows.collect()
}

fn concurrency_rows(wanted: &Wanted<'_>, concurrency: &Reading<Concurrency>) -> Vec<Row> {
    const FOR_THROTTLES: &str = "Lambda concurrency for the throttles";
    let reserved = wanted.number("RelayReservedConcurrency") + wanted.number("TallyReservedConcurrency");
    let needed = environments_at_peak(wanted) + reserved;
    let has = match concurrency {
        Ok(concurrency) => concurrency,
        Err(why) => {
            let unreserved = (reserved > 0).then(|| unread(UNRESERVED, &grouped(UNRESERVED_MIN), why));
            return std::iter::once(unread(FOR_THROTTLES, &grouped(needed), why)).chain(unreserved).collect();
        }
    };
    let usable = has.unreserved + has.reserved_by_stack;
    let mut rows = vec![at_least(FOR_THROTTLES, usable, needed, Verdict::Warning, LAMBDA_QUOTA)];
    if reserved > 0 {
        rows.push(unreserved_row(has, reserved, usable));
    }
    rows
}

/// Only an increase over the present reservation can be refused.
fn unreserved_row(has: &Concurrency, reserved: u64, usable: u64) -> Row {
    let least = if reserved > has.reserved_by_stack { UNRESERVED_MIN.min(has.limit) } else { 0 };
    let short_by = (reserved + least).saturating_sub(usable);
    let left = grouped(usable.saturating_sub(reserved));
    if short_by == 0 {
        return row(UNRESERVED, &left, &grouped(least), "", Verdict::Ok, "");
    }
    let remedy = format!("{LAMBDA_QUOTA}; or less in RelayReservedConcurrency, TallyReservedConcurrency");
    row(UNRESERVED, &left, &grouped(least), &grouped(short_by), Verdict::Stops, &remedy)
}

/// Environments at the peak that these throttles are set for, which is four fifths of them: authorizer and cast-vote
/// for each vote, register-device, and a third as much for reads.
fn environments_at_peak(wanted: &Wanted<'_>) -> u64 {
    let votes = wanted.number("ThrottleRate") * 4 / 5 / REQUESTS_A_ENVIRONMENT;
    let devices = wanted.number("DeviceThrottleRate") * 4 / 5 / REQUESTS_A_ENVIRONMENT;
    2 * votes + devices + votes / 3
}

fn tally_row(wanted: &Wanted<'_>) -> Row {
    let reserved = wanted.number("TallyReservedConcurrency");
    let most = wanted.number("TallyMaximumConcurrency");
    let what = "TallyReservedConcurrency";
    if reserved == 0 {
        return row(what, "none", "", "", Verdict::Ok, "");
    }
    at_least(what, reserved, most, Verdict::Stops, "as much as TallyMaximumConcurrency, or 0")
}

fn gateway_rows(wanted: &Wanted<'_>, gateway: &Reading<Gateway>) -> [Row; 2] {
    const RATE: &str = "API Gateway, requests/s";
    const BURST: &str = "API Gateway, burst";
    // Voters register and vote within the same second. The burst applies to one method and can't be requested.
    let rate = wanted.number("ThrottleRate") + wanted.number("DeviceThrottleRate");
    let burst = wanted.number("ThrottleBurst").max(wanted.number("DeviceThrottleBurst"));
    match gateway {
        Ok(has) => [
            at_least(RATE, has.rate, rate, Verdict::Warning, RATE_QUOTA),
            at_least(BURST, has.burst, burst, Verdict::Warning, BURST_QUOTA),
        ],
        Err(why) => [unread(RATE, &grouped(rate), why), unread(BURST, &grouped(burst), why)],
    }
}

fn quota_rows(wanted: &Wanted<'_>, facts: &Facts) -> [Row; 2] {
    let writes = wanted.number("WarmVotesWriteUnits").max(wanted.number("WarmTalliesWriteUnits"));
    let reads = wanted.number("WarmVotesReadUnits").max(wanted.number("WarmTalliesReadUnits"));
    [
        quota_row("DynamoDB write units of a table", &facts.write_quota, writes, WRITE_QUOTA),
        quota_row("DynamoDB read units of a table", &facts.read_quota, reads, READ_QUOTA),
    ]
}

fn quota_row(what: &str, quota: &Reading<u64>, needed: u64, remedy: &str) -> Row {
    match quota {
        Ok(has) => at_least(what, *has, needed, Verdict::Stops, remedy),
        Err(why) => unread(what, &grouped(needed), why),
    }
}

/// One row per requested unit. Warm throughput never decreases, so less than the table has is refused.
fn warm_rows(wanted: &Wanted<'_>, table: &str, warm: &Reading<Option<Warm>>) -> Vec<Row> {
    let rows = [Unit::Write, Unit::Read].into_iter().filter_map(|unit| {
        let parameter = format!("Warm{table}{unit:?}Units");
        let asked = wanted.number(&parameter);
        (asked > 0).then(|| warm_row(&parameter, asked, warm, unit))
    });
    rows.collect()
}

fn warm_row(parameter: &str, asked: u64, warm: &Reading<Option<Warm>>, unit: Unit) -> Row {
    let has = match warm {
        Ok(warm) => warm.map_or(0, |warm| unit.of(warm)).max(unit.of(NEW_TABLE)),
        Err(why) => return unread(parameter, "", why),
    };
    let remedy = format!("0, which leaves it alone, or {has} and more");
    at_least(parameter, asked, has, Verdict::Stops, &remedy)
}

fn lanes_row(wanted: &Wanted<'_>, facts: &Facts) -> Row {
    let table = facts.votes.as_ref().ok().copied().flatten().map_or(0, |warm| warm.writes);
    let is_wide = table.max(wanted.number("WarmVotesWriteUnits")) >= WIDE_WRITE_UNITS;
    let needed = if is_wide { WIDE_LANES } else { 1 };
    let remedy = "PARAMETERS=MinLanes=4, for a Votes table of 256 partitions";
    at_least("MinLanes", wanted.number("MinLanes"), needed, Verdict::Warning, remedy)
}

fn alarms_row(wanted: &Wanted<'_>) -> Row {
    let hearer = ["AlarmTopicArn", "AlarmEmail"].map(|name| wanted.text(name)).into_iter().find(|to| !to.is_empty());
    match hearer {
        Some(to) => row("who hears the alarms", to, "", "", Verdict::Ok, ""),
        None => {
            let remedy = "PARAMETERS=AlarmEmail=you@example.org, or AlarmTopicArn";
            row("who hears the alarms", "nobody", "somebody", "", Verdict::Warning, remedy)
        }
    }
}

fn at_least(what: &str, has: u64, needed: u64, if_short: Verdict, remedy: &str) -> Row {
    if has >= needed {
        return row(what, &grouped(has), &grouped(needed), "", Verdict::Ok, "");
    }
    row(what, &grouped(has), &grouped(needed), &grouped(needed - has), if_short, remedy)
}

fn at_most(what: &str, has: usize, most: usize, unit: &str, remedy: &str) -> Row {
    let size = |number: usize| format!("{}{unit}", grouped(number as u64));
    let (short_by, verdict, remedy) = match has.checked_sub(most) {
        Some(over) if over > 0 => (grouped(over as u64), Verdict::Stops, remedy),
        _ => (String::new(), Verdict::Ok, ""),
    };
    row(what, &size(has), &format!("{} at most", grouped(most as u64)), &short_by, verdict, remedy)
}

fn unread(what: &str, needs: &str, Unread(why): &Unread) -> Row {
    row(what, "could not be read", needs, "", Verdict::Warning, why)
}

fn row(what: &str, has: &str, needs: &str, short_by: &str, verdict: Verdict, remedy: &str) -> Row {
    let [what, has, needs, short_by, remedy] = [what, has, needs, short_by, remedy].map(str::to_owned);
    Row { what, has, needs, short_by, verdict, remedy }
}

/// With commas between thousands.
fn grouped(number: u64) -> String {
    HumanCount(number).to_string()
}

#[cfg(test)]
mod tests;
