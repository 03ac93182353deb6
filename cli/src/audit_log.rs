//! `landslide audit-log`: checks tenants' audit logs, row by row, against themselves and against the polls.

use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::{Args, Subcommand};
use landslide_aws::{
    clock,
    store::{AuditStore, PollStore, StoreError},
};
use landslide_cli::stack::{self, explain};
use landslide_domain::{
    audit::{Check, Fault, ROW_LIFE_MS, Tail},
    ids::PollId,
    tenant::{Tenant, TenantKey, TenantKind},
    time::Timestamp,
};

use crate::EXIT_LEFT_OVER;

/// How many polls are read at once.
const POLLS_A_PAGE: usize = 100;

/// Works with audit logs.
#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Verify(Verify),
}

/// Checks that no row is missing, changed or replaced, and that every poll's revision has its row. Exit code 0: no
/// fault; 3: faults, each of them named; 1: a log could not be read, or the named tenant has neither log nor polls.
#[derive(Args)]
struct Verify {
    /// The stack's output `AuditTable`.
    #[arg(long, value_name = "TABLE", env = "AUDIT_TABLE")]
    audit_table: String,
    /// The stack's output `PollsTable`.
    #[arg(long, value_name = "TABLE", env = "POLLS_TABLE")]
    polls_table: String,
    #[command(flatten)]
    tenant: OneTenant,
    /// A revision younger than this that has no row yet is on its way.
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    on_their_way_seconds: u32,
}

/// One tenant. If none is named, all are checked.
#[derive(Args)]
struct OneTenant {
    /// The tenant's issuer.
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// The account that the tenant is, as the subject of its tokens.
    #[arg(long, value_name = "SUB", requires = "issuer", conflicts_with = "organisation")]
    account: Option<String>,
    /// The organisation that the tenant is.
    #[arg(long, value_name = "ID", requires = "issuer")]
    organisation: Option<String>,
    /// A row that was noted earlier, as this command prints it. The tenant's log must still have it.
    #[arg(long, value_name = "NUMBER:HASH", requires = "issuer", value_parser = noted)]
    noted: Option<Tail>,
}

fn noted(text: &str) -> Result<Tail, String> {
    let tail = text.split_once(':').and_then(|(sequence, hash)| {
        Some(Tail { sequence: sequence.parse().ok()?, hash: hash.to_owned() }).filter(|tail| tail.hash.len() == 64)
    });
    tail.ok_or_else(|| "a row is noted as its number, a colon and its hash of 64 digits".to_owned())
}

impl OneTenant {
    /// The tenant. `None` for all.
    fn key(&self) -> Result<Option<TenantKey>> {
        let Some(issuer) = &self.issuer else { return Ok(None) };
        let (kind, value) = match (&self.account, &self.organisation) {
            (Some(account), _) => (TenantKind::Account, account),
            (None, Some(organisation)) => (TenantKind::Organisation, organisation),
            (None, None) => anyhow::bail!("An issuer has many tenants: name one by --account or --organisation."),
        };
        let tenant = Tenant::new(issuer, kind, value).context("No token can name this tenant.")?;
        Ok(Some(tenant.key()))
    }
}

/// Checks and prints.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let Command::Verify(verify) = &arguments.command;
    stack::block_on(check_all(verify))
}

async fn check_all(verify: &Verify) -> Result<ExitCode> {
    let aws = stack::aws()?;
    let reader = Reader {
        audit: AuditStore::new(&aws, verify.audit_table.clone()),
        polls: PollStore::new(&aws, verify.polls_table.clone()),
        on_their_way_ms: u64::from(verify.on_their_way_seconds) * 1_000,
    };
    let tenants = match verify.tenant.key()? {
        Some(tenant) => vec![tenant],
        None => reader.tenants().await?,
    };
    let is_named = verify.tenant.issuer.is_some();
    let (mut rows, mut polls, mut faults) = (0, 0, 0);
    for tenant in &tenants {
        let checked = reader.check(tenant, verify.tenant.noted.clone()).await?;
        ensure!(!(is_named && checked.is_empty()), "{UNSEEN}");
        println!("{}", checked.line(tenant));
        checked.faults.iter().for_each(|fault| println!("  FAULT {fault}"));
        rows += checked.rows;
        polls += checked.polls;
        faults += checked.faults.len();
    }
    println!("{} tenants, {rows} rows, {polls} polls, {faults} faults", tenants.len());
    Ok(if faults == 0 { ExitCode::SUCCESS } else { ExitCode::from(EXIT_LEFT_OVER) })
}

/// What is said of a named tenant of which there is nothing to check.
const UNSEEN: &str = "There is nothing to verify: the tenant has no log and no polls. Is it named to the letter, as its \
                      tokens name it?";

/// The outcome for one tenant.
struct Checked {
    rows: u64,
    last: Tail,
    polls: usize,
    on_their_way: usize,
    unstamped: usize,
    faults: Vec<Fault>,
}

impl Checked {
    fn is_empty(&self) -> bool {
        self.rows == 0 && self.polls == 0 && self.faults.is_empty()
    }

    fn line(&self, tenant: &TenantKey) -> String {
        let named = tenant.tenant().map_or_else(|| tenant.as_str().to_owned(), |tenant| tenant.to_string());
        let Self { rows, last, polls, on_their_way, unstamped, faults } = self;
        format!(
            "{named}: {rows} rows, the last is {}:{}; {polls} polls, {on_their_way} revisions on their way, \
             {unstamped} from before there was a log; {} faults",
            last.sequence,
            last.hash,
            faults.len()
        )
    }
}

/// The tables that a check reads.
struct Reader {
    audit: AuditStore,
    polls: PollStore,
    on_their_way_ms: u64,
}

/// What became of a poll's revision without a row.
enum Unlogged {
    /// It is young.
    OnItsWay,
    /// It is from before there were stamps.
    Unstamped,
    /// It may have had a row, which has expired, or the poll is another tenant's by now.
    Nothing,
    /// Its row was never written, or is gone.
    Fault(Fault),
}

impl Reader {
    /// All tenants with a log or with polls.
    async fn tenants(&self) -> Result<Vec<TenantKey>> {
        let mut tenants = self.audit.tenants().await.map_err(of_audit)?;
        tenants.extend(self.polls.tenants().await.map_err(of_polls)?);
        Ok(tenants.into_iter().collect())
    }

    /// Checks a tenant's log. Polls are read before the rows, so that a revision without a row is late or lost.
    async fn check(&self, tenant: &TenantKey, noted: Option<Tail>) -> Result<Checked> {
        let now = clock::now();
        let polls = self.revisions(tenant).await?;
        let check = self.rows(tenant, noted, now).await?;
        let mut checked = Checked {
            rows: check.rows(),
            last: check.tail().clone(),
            polls: polls.len(),
            on_their_way: 0,
            unstamped: 0,
            faults: check.faults(),
        };
        for (poll, revision) in polls.iter().filter(|(poll, revision)| !check.has(poll, *revision)) {
            match self.unlogged(tenant, poll, *revision, now).await? {
                Unlogged::OnItsWay => checked.on_their_way += 1,
                Unlogged::Unstamped => checked.unstamped += 1,
                Unlogged::Nothing => {}
                Unlogged::Fault(fault) => checked.faults.push(fault),
            }
        }
        Ok(checked)
    }

    /// The tenant's polls, each with its revision.
    async fn revisions(&self, tenant: &TenantKey) -> Result<Vec<(PollId, u64)>> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let page = self.polls.page(tenant, after.as_ref(), POLLS_A_PAGE).await.map_err(of_polls)?;
            all.extend(page.polls.into_iter().map(|poll| (poll.poll_id, poll.revision)));
            after = page.next_after;
            if after.is_none() {
                return Ok(all);
            }
        }
    }

    async fn rows(&self, tenant: &TenantKey, noted: Option<Tail>, now: Timestamp) -> Result<Check> {
        let mut check = Check::new(tenant, noted);
        let mut last = 0;
        loop {
            let rows = self.audit.rows_after(tenant, last).await.map_err(of_audit)?;
            let Some(newest) = rows.last() else { return Ok(check) };
            last = newest.row.sequence;
            rows.iter().for_each(|stored| check.row(&stored.row, stored.may_be_the_oldest(now)));
        }
    }

    async fn unlogged(&self, tenant: &TenantKey, poll: &PollId, revision: u64, now: Timestamp) -> Result<Unlogged> {
        let rules = self.polls.rules(poll).await.map_err(of_polls)?;
        let Some(rules) = rules.filter(|rules| rules.tenant == *tenant) else { return Ok(Unlogged::Nothing) };
        let Some(stamp) = rules.stamp else { return Ok(Unlogged::Unstamped) };
        let age = now.millis_since(stamp.at);
        Ok(if age < self.on_their_way_ms {
            Unlogged::OnItsWay
        } else if age > ROW_LIFE_MS {
            Unlogged::Nothing
        } else {
            Unlogged::Fault(Fault::Unlogged { poll_id: poll.clone(), revision })
        })
    }
}

fn of_audit(error: StoreError) -> anyhow::Error {
    explain(error, "the Audit table")
}

fn of_polls(error: StoreError) -> anyhow::Error {
    explain(error, "the Polls table")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_noted_row_is_a_number_and_a_hash() {
        let hash = "a".repeat(64);
        assert_eq!(noted(&format!("7:{hash}")), Ok(Tail { sequence: 7, hash: hash.clone() }));
        for text in ["", "7", ":", "7:abc", &format!("x:{hash}")] {
            assert!(noted(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_tenant_is_named_whole_or_not_at_all() {
        let of = |issuer: Option<&str>, account: Option<&str>, organisation: Option<&str>| {
            let [issuer, account, organisation] = [issuer, account, organisation].map(|word| word.map(str::to_owned));
            OneTenant { issuer, account, organisation, noted: None }.key()
        };
        assert_eq!(of(None, None, None).unwrap(), None);
        let key = of(Some("https://id.example.org"), Some("alice"), None).unwrap().unwrap();
        assert_eq!(key.as_str(), "https://id.example.org alice");
        assert_ne!(of(Some("https://id.example.org"), None, Some("alice")).unwrap(), Some(key));
        assert!(of(Some("https://id.example.org"), None, None).is_err());
        assert!(of(Some("not an issuer"), Some("alice"), None).is_err());
    }
}
