//! `landslide tenant`: shows and sets a tenant's limits, and shows what it has used.

use anyhow::{Context, Result, anyhow, ensure};
use clap::{Args, Subcommand, ValueEnum, builder::RangedU64ValueParser};
use landslide_aws::{
    clock::{self, SystemClock},
    random,
    store::{Appended, AuditStore, LimitStore, PollStore, ResultsStore},
};
use landslide_cli::stack::{self, Tables};
use landslide_domain::{
    audit::Entry,
    limits::{LIMIT_MAX, Limits, OwnLimits},
    member::{Action as Done, Author, Stamp},
    tenant::{Tenant, TenantKind},
    time::Timestamp,
    usage::Month,
};
use landslide_service::usage::TenantUsage;

use crate::consent::Consent;

/// Shows and sets a tenant's limits, and shows what it has used.
#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Shows the tenant's limits, and what it has used of them.
    Show(Whose),
    /// Sets limits of the tenant's own. They are in force within a minute.
    Set(Set),
    /// Shows what the tenant has used in a month, as `GET /v1/usage` does.
    Usage(Used),
}

#[derive(Args)]
struct Whose {
    /// Whose tokens name the tenant.
    #[arg(long, value_name = "URL")]
    issuer: String,
    #[command(flatten)]
    named: Named,
    #[command(flatten)]
    stack: Stack,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct Named {
    /// The account that is the tenant, by its `sub`.
    #[arg(long, value_name = "SUB")]
    account: Option<String>,
    /// The organisation that is the tenant, by its id.
    #[arg(long, value_name = "ID")]
    organisation: Option<String>,
}

#[derive(Args)]
struct Stack {
    #[command(flatten)]
    tables: Tables,
    /// The stack's output `TenantsTable`.
    #[arg(long, value_name = "TABLE", env = "TENANTS_TABLE")]
    tenants_table: String,
    /// The stack's output `AuditTable`.
    #[arg(long, value_name = "TABLE", env = "AUDIT_TABLE")]
    audit_table: String,
    /// The stack's output `Limits`: those of tenants without their own.
    #[arg(long, value_name = "JSON", env = "LIMITS")]
    limits: Limits,
}

#[derive(Args)]
struct Set {
    #[command(flatten)]
    whose: Whose,
    /// Polls that it may create in a day of UTC.
    #[arg(long, value_name = "N", value_parser = limit())]
    polls_per_day: Option<u32>,
    /// Polls that it may have that are not closed.
    #[arg(long, value_name = "N", value_parser = limit())]
    open_polls: Option<u32>,
    /// Management requests that it may make in a minute.
    #[arg(long, value_name = "N", value_parser = limit())]
    requests_per_minute: Option<u32>,
    /// Has a limit be that of all tenants again. May be given several times.
    #[arg(long, value_name = "LIMIT")]
    default: Vec<Limit>,
    #[command(flatten)]
    consent: Consent,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Limit {
    PollsPerDay,
    OpenPolls,
    RequestsPerMinute,
}

#[derive(Args)]
struct Used {
    #[command(flatten)]
    whose: Whose,
    /// Which month of UTC, such as 2026-11. Default: this one.
    #[arg(long, value_parser = month)]
    month: Option<Month>,
}

fn limit() -> RangedU64ValueParser<u32> {
    RangedU64ValueParser::new().range(0..=u64::from(LIMIT_MAX))
}

fn month(text: &str) -> Result<Month, String> {
    text.parse().map_err(|_| "it must be a year and a month, such as 2026-11".to_owned())
}

/// Does what is asked for, and prints what is so then.
pub fn run(arguments: &Arguments) -> Result<()> {
    stack::block_on(async {
        match &arguments.action {
            Action::Show(whose) => show(whose).await,
            Action::Set(set) => self::set(set).await,
            Action::Usage(used) => usage(used).await,
        }
    })
}

async fn show(whose: &Whose) -> Result<()> {
    let (tenant, aws, now) = (whose.tenant()?, stack::aws()?, clock::now());
    let store = LimitStore::new(&aws, whose.stack.tenants_table.clone());
    let own = store.own_limits(&tenant.key()).await?;
    let used = store.day_use(&tenant.key(), now).await?;
    let polls = PollStore::new(&aws, whose.stack.tables.polls_table.clone());
    let open = polls.count_open(&tenant.key(), u32::MAX, now).await?;
    let limits = whose.stack.limits.with(&own);
    let row = |what: &str, max: u32, own: Option<u32>, used: String| {
        let whose = if own.is_some() { "its own" } else { "as all" };
        println!("{what:<32} {max:>7}  {whose:<8} {used}");
    };
    println!("Tenant: {tenant}");
    if !whose.is_seen().await? {
        println!("{UNSEEN}");
    }
    row(
        "management requests a minute",
        limits.requests_per_minute,
        own.requests_per_minute,
        format!("{} today", used.requests),
    );
    row("new polls a day", limits.polls_per_day, own.polls_per_day, format!("{} today", used.polls));
    row("open polls", limits.open_polls, own.open_polls, format!("{open} now"));
    Ok(())
}

async fn set(set: &Set) -> Result<()> {
    let (whose, aws, now) = (&set.whose, stack::aws()?, clock::now());
    whose.warn_if_unseen().await?;
    let (tenant, stack) = (whose.tenant()?, &whose.stack);
    let store = LimitStore::new(&aws, stack.tenants_table.clone());
    let before = store.own_limits(&tenant.key()).await?;
    let after = set.applied_to(before)?;
    if after != before {
        set.consent.ask(&aws, &format!("sets limits of the tenant {tenant}"), &stack.tenants_table).await?;
        let write = store.replace_own_limits(&tenant.key(), &before, &after)?;
        let audit = AuditStore::new(&aws, stack.audit_table.clone());
        let entry = Entry::limits_set(stamp(now)?, &before, &after);
        let appended = audit.append_with(&tenant.key(), &entry, &[write], &SystemClock, now).await?;
        ensure!(
            appended == Appended::Done,
            "Somebody else has set limits of this tenant just now. Nothing was changed."
        );
    }
    show(whose).await
}

/// Who has set them, and by which run of this command.
fn stamp(now: Timestamp) -> Result<Stamp> {
    let run: [u8; 8] = random::bytes().map_err(|error| anyhow!("name this run: {error}"))?;
    let request_id = format!("landslide tenant set {:016x}", u64::from_be_bytes(run));
    Ok(Stamp { action: Done::LimitsSet, author: Author::Operator, at: now, request_id })
}

async fn usage(used: &Used) -> Result<()> {
    let (whose, aws, now) = (&used.whose, stack::aws()?, clock::now());
    let Stack { tables, tenants_table, .. } = &whose.stack;
    let usage = TenantUsage::new(
        PollStore::new(&aws, tables.polls_table.clone()),
        ResultsStore::new(&aws, tables.polls_table.clone(), tables.tallies_table.clone()),
        LimitStore::new(&aws, tenants_table.clone()),
    );
    whose.warn_if_unseen().await?;
    let month = used.month.unwrap_or_else(|| Month::of(now));
    let used = usage.of(&whose.tenant()?.key(), month).await.map_err(|error| anyhow!("{error:?}"))?;
    println!("{}", serde_json::to_string_pretty(&used.view())?);
    Ok(())
}

/// What is said of a tenant of which nothing is stored.
const UNSEEN: &str = "Nobody has seen this tenant: it has no polls and no API keys, and made no request within 400 days. \
                      Is it named to the letter, as its tokens name it?";

impl Whose {
    async fn warn_if_unseen(&self) -> Result<()> {
        if !self.is_seen().await? {
            eprintln!("{UNSEEN}");
        }
        Ok(())
    }

    /// Whether anything of the tenant is stored.
    async fn is_seen(&self) -> Result<bool> {
        let (tenant, aws) = (self.tenant()?.key(), stack::aws()?);
        let polls = PollStore::new(&aws, self.stack.tables.polls_table.clone());
        Ok(LimitStore::new(&aws, self.stack.tenants_table.clone()).knows(&tenant).await?
            || !polls.page(&tenant, None, 1).await?.polls.is_empty())
    }

    fn tenant(&self) -> Result<Tenant> {
        let Named { account, organisation } = &self.named;
        let (kind, value) = match (account, organisation) {
            (Some(account), _) => (TenantKind::Account, account),
            (None, organisation) => (TenantKind::Organisation, organisation.as_ref().context("no tenant is named")?),
        };
        Tenant::new(&self.issuer, kind, value)
            .with_context(|| format!("No token can name the tenant {} {value:?} of {:?}.", kind.as_str(), self.issuer))
    }
}

impl Set {
    fn applied_to(&self, own: OwnLimits) -> Result<OwnLimits> {
        Ok(OwnLimits {
            polls_per_day: self.one(Limit::PollsPerDay, self.polls_per_day, own.polls_per_day)?,
            open_polls: self.one(Limit::OpenPolls, self.open_polls, own.open_polls)?,
            requests_per_minute: self.one(
                Limit::RequestsPerMinute,
                self.requests_per_minute,
                own.requests_per_minute,
            )?,
        })
    }

    fn one(&self, limit: Limit, given: Option<u32>, own: Option<u32>) -> Result<Option<u32>> {
        let is_default = self.default.contains(&limit);
        ensure!(!(is_default && given.is_some()), "A limit can't be set and be that of all tenants too.");
        Ok(if is_default { None } else { given.or(own) })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use landslide_domain::testing::at;

    use super::*;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        arguments: Arguments,
    }

    const STACK: [&str; 12] = [
        "--polls-table",
        "polls",
        "--votes-table",
        "votes",
        "--tallies-table",
        "tallies",
        "--tenants-table",
        "tenants",
        "--audit-table",
        "audit",
        "--limits",
        r#"{"polls_per_day": 1000, "open_polls": 1000, "requests_per_minute": 600}"#,
    ];

    fn parsed(arguments: &[&str]) -> Result<Action, String> {
        let all = [&["landslide"], arguments, &STACK].concat();
        Program::try_parse_from(all).map(|program| program.arguments.action).map_err(|error| error.to_string())
    }

    fn applied(flags: &[&str], own: OwnLimits) -> Result<OwnLimits, String> {
        let whose = ["set", "--issuer", "https://id.example.org", "--account", "alice"];
        let Action::Set(set) = parsed(&[&whose, flags].concat())? else { panic!("it sets") };
        set.applied_to(own).map_err(|error| error.to_string())
    }

    #[test]
    fn a_tenant_is_named_by_an_account_or_an_organisation() {
        let named = |flags: &[&str]| match parsed(&[&["show", "--issuer", "https://id.example.org"], flags].concat()) {
            Ok(Action::Show(whose)) => whose.tenant().map(|tenant| tenant.kind).map_err(|error| error.to_string()),
            Ok(_) => panic!("it shows"),
            Err(error) => Err(error),
        };
        assert_eq!(named(&["--account", "alice"]), Ok(TenantKind::Account));
        assert_eq!(named(&["--organisation", "acme"]), Ok(TenantKind::Organisation));
        for flags in [&[][..], &["--account", "alice", "--organisation", "acme"], &["--account", "a\tb"]] {
            assert!(named(flags).is_err(), "{flags:?}");
        }
    }

    #[test]
    fn what_is_given_is_set_and_the_rest_stays() {
        let own = OwnLimits { polls_per_day: Some(5), open_polls: Some(6), requests_per_minute: None };
        assert_eq!(applied(&["--open-polls", "0"], own), Ok(OwnLimits { open_polls: Some(0), ..own }));
        let default = ["--default", "polls-per-day", "--default", "open-polls"];
        assert_eq!(applied(&default, own), Ok(OwnLimits::default()));
        assert_eq!(applied(&[], own), Ok(own));
        for flags in [
            &["--polls-per-day", "1", "--default", "polls-per-day"][..],
            &["--polls-per-day", "-1"],
            &["--polls-per-day", "100001"],
        ] {
            assert!(applied(flags, own).is_err(), "{flags:?}");
        }
    }

    #[test]
    fn each_run_is_another_event_of_the_log() {
        let [one, other] = [at(1), at(1)].map(|now| stamp(now).unwrap());
        assert_eq!((one.author, one.action), (Author::Operator, Done::LimitsSet));
        assert_ne!(one.request_id, other.request_id);
    }
}
