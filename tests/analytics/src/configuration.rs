//! Each mistake in the configuration is named, with what to do about it.

use landslide_analytics::{
    address::{Address, Side},
    connection,
    error::Error,
    migrations,
    reader::Reader,
};

use crate::database::{Database, certificate};

async fn mistake(url: &str, side: Side) -> String {
    match connection::open_checked(&Address::parse(url, None).unwrap(), side).await {
        Ok(_) => panic!("it was taken: {url}"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn both_servers_are_taken_where_nothing_is_wrong() {
    let database = Database::new().await;
    database.writer().check().await.unwrap();
    database.reader().check().await.unwrap();
}

#[tokio::test]
async fn a_database_without_the_schema_is_named() {
    let database = Database::empty().await;
    for (url, side) in [("WRITE", Side::Write), ("READ", Side::Read)] {
        let said = mistake(&database.url(url), side).await;
        assert!(said.contains("has no schema") && said.contains("`landslide analytics migrate`"), "{said}");
    }
}

#[tokio::test]
async fn a_schema_of_before_is_named() {
    let database = Database::new().await;
    let admin = database.admin().await;
    let newest = migrations::NEWEST;
    admin.execute("DELETE FROM analytics.migrations WHERE number = $1", &[&newest]).await.unwrap();
    let said = mistake(&database.url("WRITE"), Side::Write).await;
    assert!(said.contains(&format!("has migration {}, and {newest} is needed", newest - 1)), "{said}");
}

#[tokio::test]
async fn a_migration_that_was_applied_from_another_text_is_named() {
    // It sets roles, which are the server's: not beside another migration.
    let database = Database::alone().await;
    let mut admin = database.admin().await;
    assert_eq!(migrations::migrate(&mut admin).await.unwrap(), Vec::<&str>::new(), "applied already");
    admin.execute("UPDATE analytics.migrations SET sha256 = '' WHERE number = 1", &[]).await.unwrap();
    assert!(matches!(migrations::migrate(&mut admin).await, Err(Error::OtherMigration(1))));
}

#[tokio::test]
async fn a_migration_without_an_administrator_is_refused() {
    let database = Database::empty().await;
    let mut sync = connection::open(&database.address("WRITE")).await.unwrap();
    let said = migrations::migrate(&mut sync).await.unwrap_err().to_string();
    assert!(said.contains("ANALYTICS_ADMIN_URL must name the server's administrator"), "{said}");
}

#[tokio::test]
async fn a_replica_that_is_a_primary_is_named() {
    let database = Database::new().await;
    let said = mistake(&database.url("WRITE"), Side::Read).await;
    assert!(said.contains("is a primary: ANALYTICS_READ_URL must name a replica"), "{said}");
    let api = database.url("READ");
    let on_primary = format!("{}@{}", api.split('@').next().unwrap(), database.url("WRITE").split('@').nth(1).unwrap());
    assert!(mistake(&on_primary, Side::Read).await.contains("is a primary"));
}

#[tokio::test]
async fn a_primary_that_is_a_replica_is_named() {
    let database = Database::new().await;
    let said = mistake(&database.url("READ"), Side::Write).await;
    assert!(said.contains("is a replica: ANALYTICS_WRITE_URL must name the primary"), "{said}");
}

#[tokio::test]
async fn a_role_that_would_show_all_tenants_is_not_read_with() {
    let database = Database::new().await;
    let replica = database.url("READ").split('@').nth(1).unwrap().to_owned();
    for side in ["ADMIN", "WRITE"] {
        let role = database.url(side).split('@').next().unwrap().to_owned();
        let said = mistake(&format!("{role}@{replica}"), Side::Read).await;
        assert!(said.contains("is not bound by row-level security"), "{said}");
    }
}

#[tokio::test]
async fn a_wrong_password_is_named_and_not_shown() {
    let database = Database::new().await;
    for (url, side, role) in [("WRITE", Side::Write, "landslide_sync"), ("READ", Side::Read, "landslide_api")] {
        let (_, server) =
            database.url(url).split_once('@').map(|(role, server)| (role.to_owned(), server.to_owned())).unwrap();
        let said = mistake(&format!("postgresql://{role}:hush@{server}"), side).await;
        assert!(
            said.contains(&format!("refuses the role {role:?} with its password")) && !said.contains("hush"),
            "{said}"
        );
    }
}

#[tokio::test]
async fn a_database_that_is_not_there_is_named() {
    let database = Database::new().await;
    let url = database.url("WRITE");
    let (server, _) = url.rsplit_once('/').unwrap();
    let said = mistake(&format!("{server}/nowhere?sslmode=disable"), Side::Write).await;
    assert!(said.contains("has no database \"nowhere\""), "{said}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_and_temporary() {
    let address = Address::parse("postgresql://landslide_api:x@127.0.0.1:1/landslide?sslmode=disable", None).unwrap();
    let error = Reader::new(address).check().await.unwrap_err();
    assert!(error.is_temporary() && error.to_string().contains("127.0.0.1:1 can't be reached"), "{error}");
}

fn with_tls(url: &str) -> String {
    url.replace("?sslmode=disable", "?sslmode=verify-full")
}

#[tokio::test]
async fn a_server_without_tls_is_refused() {
    let database = Database::new().await;
    let said = mistake(&with_tls(&database.url("READ")), Side::Read).await;
    assert!(said.contains("has no TLS that can be trusted") && said.contains("does not support TLS"), "{said}");
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused() {
    let database = Database::new().await;
    let said = mistake(&with_tls(&database.url("WRITE")), Side::Write).await;
    assert!(said.contains("has no TLS that can be trusted") && said.contains("ANALYTICS_CA"), "{said}");
    let ours =
        Address::parse(&with_tls(&database.url("WRITE")).replace("127.0.0.1", "127.0.0.2"), Some(&certificate()));
    let said = connection::open(&ours.unwrap()).await.err().unwrap().to_string();
    assert!(said.contains("can be trusted") || said.contains("can't be reached"), "of another name: {said}");
}

#[tokio::test]
async fn a_certificate_of_the_named_authority_is_trusted_and_the_connection_encrypted() {
    let database = Database::new().await;
    let address = Address::parse(&with_tls(&database.url("WRITE")), Some(&certificate())).unwrap();
    let client = connection::open_checked(&address, Side::Write).await.unwrap();
    let ssl = "SELECT ssl AND version = 'TLSv1.3' FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    assert!(client.query_one(ssl, &[]).await.unwrap().get::<_, bool>(0));
}
