//! Why the database could not be used, in words for the log.

use landslide_aws::{config::ConfigError, secret::SecretError};
use tokio_postgres::error::SqlState;

use crate::OWNER;

/// A failure. Its text says what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A variable is missing or not valid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The secret with the password can't be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The secret has no password.
    #[error("secret {0} is not a JSON object with a \"password\"")]
    NoPasswordIn(String),
    /// The server does not answer, or has gone in the middle.
    #[error("the analytics database at {0} can't be reached: {1}")]
    Unreachable(String, String),
    /// The server refuses the role or its password.
    #[error(
        "the analytics database refuses the role {0:?} with its password. `landslide analytics migrate` sets the \
         passwords of its roles to those of the addresses and secrets."
    )]
    WrongPassword(String),
    /// There is no database with this name.
    #[error("the server has no database {0:?}. Create it, then run `landslide analytics migrate`.")]
    NoDatabase(String),
    /// There is no encrypted connection that can be trusted.
    #[error(
        "the analytics database at {0} has no TLS that can be trusted: {1}. ANALYTICS_CA must hold the root of its \
         certificate; only a database on this machine goes without, by `sslmode=disable` in its address."
    )]
    Tls(String, String),
    /// The schema is not there.
    #[error("the analytics database has no schema, or this role may not see it. Run `landslide analytics migrate`.")]
    NoSchema,
    /// The schema is another one than this program needs.
    #[error("the analytics database has migration {found}, and {wanted} is needed. Run `landslide analytics migrate`.")]
    OldSchema {
        /// The last migration that was applied.
        found: i32,
        /// The last one that this program has.
        wanted: i32,
    },
    /// A migration that was applied differs from the one in this program.
    #[error(
        "migration {0} was applied from another text than this program has. Use the program that matches the database."
    )]
    OtherMigration(i32),
    /// The address of the replica leads to a primary.
    #[error("the server that analytics are read from is a primary: ANALYTICS_READ_URL must name a replica.")]
    NotAReplica,
    /// The address of the primary leads to a replica.
    #[error("the server that analytics are written to is a replica: ANALYTICS_WRITE_URL must name the primary.")]
    NotAPrimary,
    /// The role may see more than one tenant's rows.
    #[error("the role {0:?} is not bound by row-level security. ANALYTICS_READ_URL must name the role {api:?}.", api = crate::API)]
    NotBound(String),
    /// The month of a row has no partition.
    #[error("count_history has no partition for what was counted last. Run `landslide analytics months`.")]
    NoMonth,
    /// The role may not do what a command takes.
    #[error(
        "this role may not do that: {0}. ANALYTICS_ADMIN_URL must name the server's administrator, a member of {OWNER}."
    )]
    NotAllowed(String),
    /// The server gave a statement up: it took too long, or was in the way of what it replays.
    #[error("the analytics database gave up a statement: {0}")]
    GivenUp(String),
    /// The database refused a statement.
    #[error("the analytics database: {0}")]
    Query(String),
}

impl Error {
    /// Whether a retry may succeed without anybody's doing.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Unreachable(..) | Self::GivenUp(_))
    }

    /// What happened to a statement on an open connection to `server`.
    pub(crate) fn of_statement(server: &str, error: &tokio_postgres::Error) -> Self {
        let Some(state) = error.code() else { return Self::Unreachable(server.to_owned(), describe(error)) };
        match *state {
            SqlState::ADMIN_SHUTDOWN | SqlState::CRASH_SHUTDOWN | SqlState::CANNOT_CONNECT_NOW => {
                Self::Unreachable(server.to_owned(), describe(error))
            }
            SqlState::QUERY_CANCELED | SqlState::T_R_SERIALIZATION_FAILURE => Self::GivenUp(describe(error)),
            SqlState::UNDEFINED_TABLE | SqlState::INVALID_SCHEMA_NAME | SqlState::UNDEFINED_FUNCTION => Self::NoSchema,
            SqlState::INSUFFICIENT_PRIVILEGE => Self::NotAllowed(describe(error)),
            SqlState::READ_ONLY_SQL_TRANSACTION => Self::NotAPrimary,
            SqlState::CHECK_VIOLATION if describe(error).contains("no partition of relation") => Self::NoMonth,
            _ => Self::Query(describe(error)),
        }
    }
}

/// An error with its causes. The client's own text names only the place where it happened.
pub(crate) fn describe(error: &tokio_postgres::Error) -> String {
    use std::error::Error as _;
    let mut text = match error.as_db_error() {
        Some(said) => return format!("{} ({})", said.message(), said.code().code()),
        None => error.to_string(),
    };
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
