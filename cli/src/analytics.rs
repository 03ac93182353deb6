//! `landslide analytics`: makes and looks after the database of analytics.

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use landslide_analytics::{
    API, SYNC,
    address::{Address, Side},
    connection, migrations,
    months::{self, MonthsChanged},
    status,
};
use landslide_aws::{clock, config};
use landslide_cli::stack::{aws, block_on};
use landslide_domain::time::Timestamp;

/// Makes and looks after the database of analytics. Its servers are in ANALYTICS_WRITE_URL (the primary, as
/// landslide_sync) and ANALYTICS_READ_URL (a replica, as landslide_api); a password that is not in an address is in the
/// secret that ANALYTICS_WRITE_SECRET or ANALYTICS_READ_SECRET names.
#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Makes the schema, or brings it up to date, and sets the passwords of its two roles to those of their addresses. Takes
    /// the server's administrator, in ANALYTICS_ADMIN_URL with ANALYTICS_ADMIN_SECRET.
    Migrate,
    /// Creates months ahead and detaches old ones, as sync-analytics does each day.
    Months,
    /// Shows what the database has, and how far its replica is behind.
    Status,
}

/// Runs it.
pub fn run(arguments: &Arguments) -> Result<()> {
    block_on(async {
        match arguments.action {
            Action::Migrate => migrate().await,
            Action::Months => keep_months().await,
            Action::Status => show().await,
        }
    })
}

async fn migrate() -> Result<()> {
    let admin = address(Side::Admin).await?;
    let roles = [(SYNC, address(Side::Write).await?), (API, address(Side::Read).await?)];
    let mut client = connection::open(&admin).await?;
    let applied = migrations::migrate(&mut client).await?;
    for (role, address) in &roles {
        migrations::set_password(&client, role, address.password()).await?;
    }
    match applied.as_slice() {
        [] => println!("The schema is up to date: migration {}.", migrations::NEWEST),
        names => println!("Applied {}; migration {} is the last.", names.join(", "), migrations::NEWEST),
    }
    keep_months().await
}

async fn keep_months() -> Result<()> {
    let address = address(Side::Write).await?;
    let client = connection::open_checked(&address, Side::Write).await?;
    let MonthsChanged { created, detached } = months::keep(&client, &address.server(), clock::now()).await?;
    for (months, what) in [(&created, "Created"), (&detached, "Detached into the schema analytics_archive:")] {
        if !months.is_empty() {
            println!("{what} {}.", months.join(", "));
        }
    }
    if created.is_empty() && detached.is_empty() {
        println!("No month was missing, and none is too old.");
    }
    Ok(())
}

async fn show() -> Result<()> {
    let (write, read) = (address(Side::Write).await?, address(Side::Read).await?);
    let primary = connection::open_checked(&write, Side::Write).await?;
    let replica = connection::open_checked(&read, Side::Read).await?;
    let status = status::status(&primary, &write.server()).await?;
    let shown = status::read_at(&replica, &read.server()).await?;
    let month = |month: Option<String>| month.unwrap_or_else(|| "none".to_owned());
    println!("schema    migration {} of {}", status.migration, migrations::NEWEST);
    println!("months    {} to {}, {} detached", month(status.first_month), month(status.last_month), status.detached);
    println!("polls     {}", status.polls);
    println!("history   {} rows", status.history_rows);
    println!("primary   {}", age(status.read_at));
    println!("replica   {}", age(shown));
    Ok(())
}

fn age(read_at: Option<Timestamp>) -> String {
    match read_at {
        Some(at) => format!("has changes until {at}, {} s ago", clock::now().millis_since(at) / 1_000),
        None => "nothing was synced yet".to_owned(),
    }
}

/// The address of this side. AWS is asked only where a secret has the password.
async fn address(side: Side) -> Result<Address> {
    let address = match config::text_if_any(side.secret()) {
        Some(_) => Address::from_env(&aws()?, side).await,
        None => Address::with_password(side),
    };
    address.context("an address of the database can't be used")
}
