//! A database for each test, and the servers.

use std::{path::Path, process::Command, time::Duration};

use landslide_analytics::{
    API, SYNC,
    address::{Address, CA},
    connection, migrations, months,
    reader::Reader,
    writer::Writer,
};
use landslide_domain::time::Timestamp;
use tokio::sync::{Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio_postgres::{Client, types::ToSql};

/// A test that ends a server keeps all others out.
static SERVERS: RwLock<()> = RwLock::const_new(());
/// Roles are the server's: two migrations at once would meet at them.
static MIGRATING: Mutex<()> = Mutex::const_new(());
const REPLAY_SECONDS_MAX: u64 = 60;

/// What keeps servers to a test.
pub enum Servers {
    /// With others.
    Shared(#[expect(dead_code, reason = "held until the test's end")] RwLockReadGuard<'static, ()>),
    /// Alone.
    Alone(#[expect(dead_code, reason = "held until the test's end")] RwLockWriteGuard<'static, ()>),
}

/// A database with schema and months.
pub struct Database {
    name: String,
    #[expect(dead_code, reason = "held until the test's end")]
    servers: Servers,
}

/// The time of tests.
pub fn now() -> Timestamp {
    Timestamp::parse("2026-11-30T10:00:00Z").unwrap()
}

pub fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

impl Database {
    pub async fn new() -> Self {
        Self::on(Servers::Shared(SERVERS.read().await)).await
    }

    /// One whose test may end servers, or set roles.
    pub async fn alone() -> Self {
        Self::on(Servers::Alone(SERVERS.write().await)).await
    }

    async fn on(servers: Servers) -> Self {
        let database = Self::empty_on(servers).await;
        {
            let _migrating = MIGRATING.lock().await;
            let mut admin = database.admin().await;
            migrations::migrate(&mut admin).await.unwrap();
            for (role, side) in [(SYNC, "WRITE"), (API, "READ")] {
                migrations::set_password(&admin, role, database.address(side).password()).await.unwrap();
            }
        }
        let client = database.open("WRITE").await;
        months::keep(&client, "the primary", now()).await.unwrap();
        database.replayed().await;
        database
    }

    /// One without a schema.
    pub async fn empty() -> Self {
        let database = Self::empty_on(Servers::Shared(SERVERS.read().await)).await;
        database.replayed().await;
        database
    }

    async fn empty_on(servers: Servers) -> Self {
        let database = Self { name: format!("test_{:016x}", fastrand::u64(..)), servers };
        let maintenance = connection::open(&Address::parse(&url("ADMIN"), None).unwrap()).await.unwrap();
        maintenance.batch_execute(&format!("CREATE DATABASE {}", database.name)).await.unwrap();
        database
    }

    /// ADMIN, WRITE or READ.
    pub fn address(&self, side: &str) -> Address {
        Address::parse(&self.url(side), None).unwrap()
    }

    pub fn url(&self, side: &str) -> String {
        url(side).replace("/landslide?", &format!("/{}?", self.name))
    }

    pub async fn open(&self, side: &str) -> Client {
        connection::open(&self.address(side)).await.unwrap()
    }

    /// Sees all rows, by whatever policy.
    pub async fn admin(&self) -> Client {
        self.open("ADMIN").await
    }

    /// The API's role, but on the primary: nothing there is read-only by nature.
    pub async fn api_on_primary(&self) -> Client {
        let (read, write) = (url("READ"), url("WRITE"));
        let api = read.split('@').next().unwrap();
        let primary = write.split('@').nth(1).unwrap().replace("/landslide?", &format!("/{}?", self.name));
        connection::open(&Address::parse(&format!("{api}@{primary}"), None).unwrap()).await.unwrap()
    }

    pub fn writer(&self) -> Writer {
        Writer::new(self.address("WRITE"))
    }

    pub fn reader(&self) -> Reader {
        Reader::new(self.address("READ"))
    }

    /// Returns when the replica has what the primary has now.
    pub async fn replayed(&self) {
        let primary = connection::open(&Address::parse(&url("ADMIN"), None).unwrap()).await.unwrap();
        let written: String = primary.query_one("SELECT pg_current_wal_insert_lsn()::text", &[]).await.unwrap().get(0);
        let replica = url("READ").split('@').nth(1).unwrap().to_owned();
        let admin = url("ADMIN").split('@').next().unwrap().to_owned();
        let replica = Address::parse(&format!("{admin}@{replica}"), None).unwrap();
        let asked = "SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn";
        for _ in 0..REPLAY_SECONDS_MAX * 50 {
            if let Ok(client) = connection::open(&replica).await
                && client.query_one(asked, &[&written]).await.unwrap().get::<_, bool>(0)
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the replica has not replayed {written} in {REPLAY_SECONDS_MAX} s");
    }
}

/// An address of the servers, with the database that all have.
fn url(side: &str) -> String {
    std::env::var(format!("ANALYTICS_{side}_URL")).expect("`make test-analytics` runs these tests")
}

/// The certificate that the primary has, as PEM.
pub fn certificate() -> String {
    std::fs::read_to_string(std::env::var(CA).expect("`make test-analytics` runs these tests")).unwrap()
}

/// Starts, stops or kills servers, as the checkout does.
pub fn servers(arguments: &[&str]) {
    let run = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../infra/local/run");
    let done = Command::new(run).arg("postgres").args(arguments).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// The first column of the first row.
pub async fn count(client: &Client, query: &str) -> i64 {
    client.query_one(query, &[]).await.unwrap().get(0)
}

/// The texts in the first column.
pub async fn texts(client: &Client, query: &str, parameters: &[&(dyn ToSql + Sync)]) -> Vec<String> {
    client.query(query, parameters).await.unwrap().iter().map(|row| row.get(0)).collect()
}

/// What the server says of a statement that it refuses.
pub async fn refusal(client: &Client, statements: &str) -> String {
    match client.batch_execute(statements).await {
        Ok(()) => panic!("it was not refused: {statements}"),
        Err(error) => error.as_db_error().expect("an answer of the server").message().to_owned(),
    }
}
