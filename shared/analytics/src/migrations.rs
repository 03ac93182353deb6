//! The schema, as steps that are applied once and in order.

use sha2::{Digest, Sha256};
use tokio_postgres::{Client, error::SqlState};

use crate::error::{Error, describe};

/// Roles, and the table that says what was applied. Runs before the others each time.
const ROLES: &str = include_str!("../migrations/roles.sql");

struct Migration {
    number: i32,
    name: &'static str,
    text: &'static str,
}

const MIGRATIONS: &[Migration] = &[
    Migration { number: 1, name: "tables", text: include_str!("../migrations/0001-tables.sql") },
    Migration { number: 2, name: "apply", text: include_str!("../migrations/0002-apply.sql") },
];

/// The last migration that this program has.
pub const NEWEST: i32 = 2;

/// Of the advisory lock that keeps two operators from migrating at once.
const LOCK: i64 = 0x6c61_6e64_736c_6964;

/// The last migration that was applied. `None` if the table of migrations is there and empty, or not there at all.
pub(crate) async fn applied(client: &Client) -> Result<Option<i32>, tokio_postgres::Error> {
    match client.query_one("SELECT max(number) FROM analytics.migrations", &[]).await {
        Ok(row) => Ok(row.get(0)),
        Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Applies what is missing, each migration in a transaction, and returns the names. The administrator runs it; twice does
/// the same as once.
pub async fn migrate(client: &mut Client) -> Result<Vec<&'static str>, Error> {
    // Held until the connection ends.
    run(client, &format!("SELECT pg_advisory_lock({LOCK})")).await?;
    run(client, &format!("BEGIN; {ROLES} COMMIT;")).await?;
    let mut names = Vec::new();
    for migration in MIGRATIONS {
        if apply(client, migration).await? {
            names.push(migration.name);
        }
    }
    Ok(names)
}

/// Whether it was still to be applied.
async fn apply(client: &mut Client, migration: &Migration) -> Result<bool, Error> {
    let Migration { number, name, text } = migration;
    let sha256: String = Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
    let transaction = client.transaction().await.map_err(failed)?;
    transaction.batch_execute("SET LOCAL ROLE landslide_owner").await.map_err(failed)?;
    let stored = transaction.query_opt("SELECT sha256 FROM analytics.migrations WHERE number = $1", &[number]).await;
    match stored.map_err(failed)? {
        Some(row) if row.get::<_, &str>(0) == sha256 => return Ok(false),
        Some(_) => return Err(Error::OtherMigration(*number)),
        None => {}
    }
    transaction.batch_execute(text).await.map_err(failed)?;
    let insert = "INSERT INTO analytics.migrations (number, name, sha256) VALUES ($1, $2, $3)";
    transaction.execute(insert, &[number, name, &sha256]).await.map_err(failed)?;
    transaction.commit().await.map_err(failed)?;
    Ok(true)
}

/// Gives a role its password. The server is told a SCRAM verifier, so that no log of its statements has the password.
pub async fn set_password(client: &Client, role: &str, password: &[u8]) -> Result<(), Error> {
    let verifier = postgres_protocol::password::scram_sha_256(password);
    let quoted = client.query_one("SELECT quote_ident($1), quote_literal($2)", &[&role, &verifier]).await;
    let quoted = quoted.map_err(failed)?;
    let (role, verifier): (&str, &str) = (quoted.get(0), quoted.get(1));
    run(client, &format!("ALTER ROLE {role} PASSWORD {verifier}")).await
}

async fn run(client: &Client, statements: &str) -> Result<(), Error> {
    let outcome = client.batch_execute(statements).await;
    if outcome.is_err() && !client.is_closed() {
        client.batch_execute("ROLLBACK").await.map_err(failed)?;
    }
    outcome.map_err(failed)
}

fn failed(error: tokio_postgres::Error) -> Error {
    match error.code() {
        Some(&SqlState::INSUFFICIENT_PRIVILEGE) => Error::NotAllowed(describe(&error)),
        Some(&SqlState::READ_ONLY_SQL_TRANSACTION) => Error::NotAPrimary,
        _ => Error::Query(describe(&error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn migrations_are_numbered_from_one_on_without_a_gap() {
        let numbers: Vec<i32> = MIGRATIONS.iter().map(|migration| migration.number).collect();
        assert_eq!(numbers, (1..=NEWEST).collect::<Vec<_>>());
    }
}
