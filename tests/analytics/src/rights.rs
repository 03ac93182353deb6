//! Who sees which rows, tried by hand as the role that the API logs in as.

use landslide_analytics::{
    reader::{DAYS, HISTORY, RANKING, VALUES, Window},
    writer::Written,
};
use tokio_postgres::Client;

use crate::{
    database::{Database, at, count, refusal, texts},
    snapshots::{id, snapshot, tenant},
};

const TABLES: [&str; 4] = ["polls", "option_counts", "segment_counts", "count_history"];
const VIEWS: [&str; 2] = ["results", "votes_by_day"];

/// Alice and Bob have a poll each.
async fn of_two_tenants() -> Database {
    let database = Database::new().await;
    let polls = [
        snapshot("p-alice", "alice", 5, at("2026-11-30T09:00:00Z"), [3, 1]),
        snapshot("p-bob", "bob", 5, at("2026-11-30T09:00:00Z"), [30, 10]),
    ];
    for outcome in database.writer().write(&polls).await.unwrap() {
        assert_eq!(outcome.unwrap(), Written::Written);
    }
    database.replayed().await;
    database
}

async fn become_tenant(client: &Client, subject: &str, in_transaction: bool) {
    client
        .execute("SELECT set_config('app.tenant', $1, $2)", &[&tenant(subject).as_str(), &in_transaction])
        .await
        .unwrap();
}

async fn tenants_seen(client: &Client) -> Vec<Vec<String>> {
    let mut seen = Vec::new();
    for relation in TABLES.iter().chain(&VIEWS) {
        seen.push(texts(client, &format!("SELECT DISTINCT tenant FROM analytics.{relation} ORDER BY 1"), &[]).await);
    }
    seen
}

#[tokio::test]
async fn a_tenant_sees_its_own_rows_in_each_table_and_view() {
    let database = of_two_tenants().await;
    let client = database.open("READ").await;
    client.batch_execute("BEGIN").await.unwrap();
    become_tenant(&client, "alice", true).await;
    assert_eq!(tenants_seen(&client).await, vec![vec![tenant("alice").as_str().to_owned()]; 6]);
}

#[tokio::test]
async fn without_the_setting_no_row_is_seen() {
    let database = of_two_tenants().await;
    for client in [database.open("READ").await, database.api_on_primary().await] {
        assert_eq!(tenants_seen(&client).await, vec![Vec::<String>::new(); 6]);
    }
}

#[tokio::test]
async fn an_empty_or_unknown_tenant_sees_no_row() {
    let database = of_two_tenants().await;
    let client = database.open("READ").await;
    for name in ["", "%", "https://id.example.org alice' OR 'a'='a"] {
        client.execute("SELECT set_config('app.tenant', $1, false)", &[&name]).await.unwrap();
        assert_eq!(tenants_seen(&client).await, vec![Vec::<String>::new(); 6], "{name:?}");
    }
}

#[tokio::test]
async fn the_setting_ends_with_its_transaction() {
    let database = of_two_tenants().await;
    let client = database.open("READ").await;
    for end in ["COMMIT", "ROLLBACK"] {
        client.batch_execute("BEGIN").await.unwrap();
        become_tenant(&client, "alice", true).await;
        assert_eq!(count(&client, "SELECT count(*) FROM analytics.polls").await, 1);
        client.batch_execute(end).await.unwrap();
        assert_eq!(tenants_seen(&client).await, vec![Vec::<String>::new(); 6], "{end}");
    }
}

#[tokio::test]
async fn a_pooled_connection_sees_nothing_after_an_error() {
    let database = of_two_tenants().await;
    let mut client = database.open("READ").await;
    {
        let transaction = client.transaction().await.unwrap();
        let set = "SELECT set_config('app.tenant', $1, true)";
        transaction.execute(set, &[&tenant("alice").as_str()]).await.unwrap();
        assert!(transaction.batch_execute("SELECT 1 / 0").await.is_err());
        // Dropped without an end, as where the request failed.
    }
    assert_eq!(tenants_seen(&client).await, vec![Vec::<String>::new(); 6]);
}

#[tokio::test]
async fn the_reader_shows_each_tenant_its_own_one_after_the_other() {
    let database = of_two_tenants().await;
    let reader = database.reader();
    let window = Window { from: at("2026-11-01T00:00:00Z"), until: at("2026-12-01T00:00:00Z") };
    for (subject, other, votes) in [("alice", "p-bob", 4), ("bob", "p-alice", 40), ("carol", "p-bob", 0)] {
        let key = tenant(subject);
        let ranking = reader.ranking(&key, window, 10).await.unwrap().rows;
        assert_eq!(ranking.iter().map(|row| row.votes).sum::<i64>(), votes, "{subject}");
        assert!(ranking.iter().all(|row| row.poll_id == format!("p-{subject}")), "{ranking:?}");
        let days = reader.days(&key, window, None).await.unwrap().rows;
        assert_eq!(days.iter().map(|day| day.votes).sum::<i64>(), votes, "{subject}");
        assert_eq!(reader.days(&key, window, Some(&id(other))).await.unwrap().rows, vec![], "{subject}");
        let values = reader.values(&key, "region").await.unwrap().rows;
        assert_eq!(values.iter().map(|value| value.ballots).sum::<i64>(), votes, "{subject}");
        assert_eq!(reader.history(&key, &id(other), window, 10).await.unwrap().rows, None, "{subject}");
    }
}

#[tokio::test]
async fn no_query_of_the_reader_shows_a_row_without_the_setting() {
    let database = of_two_tenants().await;
    let client = database.open("READ").await;
    let (from, until) =
        (std::time::SystemTime::UNIX_EPOCH, std::time::SystemTime::now() + std::time::Duration::from_secs(1 << 31));
    let no_poll: Option<&str> = None;
    assert!(client.query(RANKING, &[&from, &until, &9i64]).await.unwrap().is_empty());
    assert!(client.query(DAYS, &[&from, &until, &no_poll]).await.unwrap().is_empty());
    assert!(client.query(VALUES, &[&"region", &9i64]).await.unwrap().is_empty());
    assert!(client.query(HISTORY, &[&"p-bob", &from, &until, &9i64]).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_partition_by_its_name_is_refused() {
    let database = of_two_tenants().await;
    let admin = database.admin().await;
    let parts =
        "SELECT c.relname::text FROM pg_partition_tree('analytics.count_history') t JOIN pg_class c ON c.oid = t.relid
        WHERE t.level > 0";
    let parts = texts(&admin, parts, &[]).await;
    assert_eq!(parts.len(), 4 * 9, "four months of eight, {parts:?}");
    let client = database.open("READ").await;
    become_tenant(&client, "alice", false).await;
    for part in parts {
        let said = refusal(&client, &format!("SELECT FROM analytics.{part}")).await;
        assert_eq!(said, format!("permission denied for table {part}"));
    }
}

#[tokio::test]
async fn a_partition_has_no_row_for_a_role_that_was_let_in_by_mistake() {
    let database = of_two_tenants().await;
    let admin = database.admin().await;
    admin.batch_execute("GRANT SELECT ON ALL TABLES IN SCHEMA analytics TO landslide_api").await.unwrap();
    let client = database.api_on_primary().await;
    become_tenant(&client, "alice", false).await;
    assert_eq!(count(&client, "SELECT count(*) FROM analytics.count_history_2026_11").await, 0);
    assert_eq!(count(&admin, "SELECT count(*) FROM analytics.count_history_2026_11").await, 2);
}

#[tokio::test]
async fn the_api_can_not_become_another_role() {
    let database = of_two_tenants().await;
    let client = database.open("READ").await;
    for role in ["landslide_owner", "landslide_sync", "landslide_analyst", "landslide_admin"] {
        for statement in ["SET ROLE", "SET SESSION AUTHORIZATION"] {
            let said = refusal(&client, &format!("{statement} {role}")).await;
            assert!(said.starts_with("permission denied to set"), "{said}");
        }
    }
}

#[tokio::test]
async fn the_api_can_not_switch_row_security_off() {
    let database = of_two_tenants().await;
    let client = database.open("READ").await;
    client.batch_execute("SET row_security = off").await.unwrap();
    for table in TABLES {
        let said = refusal(&client, &format!("SELECT FROM analytics.{table}")).await;
        assert!(said.contains("would be affected by row-level security policy"), "{said}");
    }
}

#[tokio::test]
async fn the_api_writes_nothing() {
    let database = of_two_tenants().await;
    let client = database.api_on_primary().await;
    client.batch_execute("SET default_transaction_read_only = off").await.unwrap();
    become_tenant(&client, "alice", false).await;
    for statement in [
        "DELETE FROM analytics.polls",
        "UPDATE analytics.option_counts SET votes = 0",
        "INSERT INTO analytics.state (read_at) VALUES (now())",
        "TRUNCATE analytics.count_history",
        "CREATE TABLE analytics.mine (a int)",
        "CREATE TABLE public.mine (a int)",
        "CREATE TEMPORARY TABLE mine (a int)",
        "SELECT analytics.stage()",
        "SELECT analytics.apply('p-bob')",
        "SELECT analytics.delete('p-bob', now())",
        "SELECT analytics.create_month('2030-01-01')",
    ] {
        let said = refusal(&client, statement).await;
        assert!(said.starts_with("permission denied"), "{statement}: {said}");
    }
}

#[tokio::test]
async fn each_table_and_partition_has_row_security_forced() {
    let database = of_two_tenants().await;
    let admin = database.admin().await;
    let unforced = "SELECT c.relname::text FROM pg_class c WHERE c.relnamespace = 'analytics'::regnamespace
        AND c.relkind IN ('r', 'p') AND NOT (c.relrowsecurity AND c.relforcerowsecurity) ORDER BY 1";
    assert_eq!(texts(&admin, unforced, &[]).await, ["migrations", "months", "state"], "these have no tenant's rows");
}

#[tokio::test]
async fn each_view_has_the_rights_of_who_asks() {
    let database = of_two_tenants().await;
    let admin = database.admin().await;
    let views =
        "SELECT c.relname::text FROM pg_class c WHERE c.relnamespace = 'analytics'::regnamespace AND c.relkind = 'v'
        AND 'security_invoker=true' = ANY (c.reloptions) ORDER BY 1";
    assert_eq!(texts(&admin, views, &[]).await, VIEWS);
    assert_eq!(count(&admin, "SELECT count(*) FROM pg_views WHERE schemaname = 'analytics'").await, VIEWS.len() as i64);
}

#[tokio::test]
async fn nobody_logs_in_as_the_owner_who_sees_no_row() {
    let database = of_two_tenants().await;
    let admin = database.admin().await;
    let owned = "SELECT count(*) FROM pg_class WHERE relnamespace = 'analytics'::regnamespace
        AND pg_get_userbyid(relowner) <> 'landslide_owner'";
    assert_eq!(count(&admin, owned).await, 0);
    let can = "SELECT rolname::text FROM pg_roles WHERE rolname LIKE 'landslide%' AND rolname <> 'landslide_admin'
        AND (rolcanlogin OR rolsuper OR rolbypassrls OR rolcreaterole) ORDER BY 1";
    assert_eq!(texts(&admin, can, &[]).await, ["landslide_api", "landslide_sync"]);
    let sync = database.open("WRITE").await;
    assert_eq!(count(&sync, "SELECT count(*) FROM analytics.polls").await, 2);
    sync.batch_execute("SET ROLE landslide_owner").await.unwrap();
    for table in TABLES {
        assert_eq!(count(&sync, &format!("SELECT count(*) FROM analytics.{table}")).await, 0, "{table}");
    }
}

#[tokio::test]
async fn the_sync_has_the_owners_rights_only_when_it_says_so() {
    let database = of_two_tenants().await;
    let sync = database.open("WRITE").await;
    for statement in [
        "DROP TABLE analytics.polls",
        "ALTER TABLE analytics.polls NO FORCE ROW LEVEL SECURITY",
        "TRUNCATE analytics.polls",
    ] {
        let said = refusal(&sync, statement).await;
        assert!(said.contains("must be owner") || said.contains("permission denied"), "{statement}: {said}");
    }
}

#[tokio::test]
async fn an_analyst_sees_all_tenants_and_writes_nothing() {
    let database = of_two_tenants().await;
    let admin = database.admin().await;
    admin.batch_execute("SET ROLE landslide_analyst").await.unwrap();
    let both = vec![tenant("alice").as_str().to_owned(), tenant("bob").as_str().to_owned()];
    assert_eq!(tenants_seen(&admin).await, vec![both; 6]);
    for statement in ["DELETE FROM analytics.polls", "UPDATE analytics.months SET detached_at = now()"] {
        assert!(refusal(&admin, statement).await.starts_with("permission denied"), "{statement}");
    }
}
