//! One connection to a server, opened when it is needed and again when it is gone.

use std::time::Duration;

use tokio_postgres::{Client, NoTls, error::SqlState};

use crate::{
    address::{Address, Side},
    error::{Error, describe},
    migrations,
};

/// How long sent bytes may stay without a receipt before the connection counts as gone. Lambda freezes processes, and a
/// server that was replaced meanwhile says nothing.
const SILENT_MAX: Duration = Duration::from_secs(5);

/// Whether the server replays another one's writes, and whether the role may see all rows.
const STANDING: &str = "SELECT pg_is_in_recovery(), r.rolsuper OR r.rolbypassrls OR EXISTS (
        SELECT FROM pg_roles a WHERE a.rolname IN ('landslide_analyst', 'landslide_sync', 'landslide_owner')
            AND pg_has_role(a.oid, 'member'))
    FROM pg_roles r WHERE r.rolname = current_user";

/// Opens a connection, whatever is at its other end.
pub async fn open(address: &Address) -> Result<Client, Error> {
    let mut config = address.config.clone();
    config
        .tcp_user_timeout(SILENT_MAX)
        .keepalives_idle(SILENT_MAX)
        .keepalives_interval(SILENT_MAX)
        .keepalives_retries(2);
    let failed = |error: tokio_postgres::Error| why_not(address, &error);
    if address.trust.is_anybody() {
        let tls = address.trust.connector().map_err(|error| Error::Tls(address.server(), error.to_string()))?;
        let (client, connection) = config.connect(tls).await.map_err(failed)?;
        tokio::spawn(async move { log_end(connection.await) });
        Ok(client)
    } else {
        let (client, connection) = config.connect(NoTls).await.map_err(failed)?;
        tokio::spawn(async move { log_end(connection.await) });
        Ok(client)
    }
}

/// Opens a connection to the server of this side. Fails if it is of the other one, lacks the schema, or would show more
/// than it should.
pub async fn open_checked(address: &Address, side: Side) -> Result<Client, Error> {
    let client = open(address).await?;
    let failed = |error: tokio_postgres::Error| Error::of_statement(&address.server(), &error);
    let standing = client.query_one(STANDING, &[]).await.map_err(failed)?;
    let (is_replica, sees_all): (bool, bool) = (standing.get(0), standing.get(1));
    match side {
        Side::Read if !is_replica => return Err(Error::NotAReplica),
        Side::Read if sees_all => return Err(Error::NotBound(address.role().to_owned())),
        Side::Write | Side::Admin if is_replica => return Err(Error::NotAPrimary),
        Side::Read | Side::Write | Side::Admin => {}
    }
    let found = migrations::applied(&client).await.map_err(|error| match error.code() {
        Some(&SqlState::INSUFFICIENT_PRIVILEGE) => Error::NoSchema,
        _ => failed(error),
    })?;
    match found {
        None => Err(Error::NoSchema),
        Some(found) if found < migrations::NEWEST => Err(Error::OldSchema { found, wanted: migrations::NEWEST }),
        Some(_) => Ok(client),
    }
}

fn why_not(address: &Address, error: &tokio_postgres::Error) -> Error {
    let text = describe(error);
    match error.code() {
        Some(&SqlState::INVALID_CATALOG_NAME) => Error::NoDatabase(address.database().to_owned()),
        Some(&SqlState::INVALID_PASSWORD | &SqlState::INVALID_AUTHORIZATION_SPECIFICATION) => {
            Error::WrongPassword(address.role().to_owned())
        }
        // The role may not connect to the database.
        Some(&SqlState::INSUFFICIENT_PRIVILEGE) => Error::NoSchema,
        None if text.contains("TLS") => Error::Tls(address.server(), text),
        _ => Error::Unreachable(address.server(), text),
    }
}

fn log_end(end: Result<(), tokio_postgres::Error>) {
    if let Err(error) = end {
        let error = describe(&error);
        tracing::info!(error, "a connection to the analytics database has ended: {error}");
    }
}

/// A connection that is kept.
pub(crate) struct Kept {
    address: Address,
    side: Side,
    client: Option<Client>,
}

impl Kept {
    pub(crate) fn new(address: Address, side: Side) -> Self {
        Self { address, side, client: None }
    }

    /// The connection, opened if there is none or it has ended.
    pub(crate) async fn client(&mut self) -> Result<&mut Client, Error> {
        let client = match self.client.take() {
            Some(client) if !client.is_closed() => client,
            _ => open_checked(&self.address, self.side).await?,
        };
        Ok(self.client.insert(client))
    }

    /// Gives the connection up, for one that may have ended without a word.
    pub(crate) fn drop_client(&mut self) {
        self.client = None;
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    pub(crate) fn failed(&self, error: &tokio_postgres::Error) -> Error {
        Error::of_statement(&self.address.server(), error)
    }
}
