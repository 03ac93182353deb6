//! Tests against real servers: Valkey, and Redis for TLS. `make test-cache` says by environment variables where they are.

mod gate;
mod server;

use std::{sync::Arc, time::Duration};

use landslide_aws::{
    clock,
    store::{AssembledStore, ResultsStore, VoteStore},
    testing::{Log, OnePoll},
};
use landslide_domain::{ids::PollId, results::reading::Version, time::Timestamp};
use landslide_service::results::{CurrentResults, Renewal, ResultsDocument, SharedCache, SharedCounts};
use serde_json::Value;

use self::{
    gate::Gate,
    server::{Certificates, PASSWORD, Server},
};
use crate::{Login, Settings, Trust, Valkey, entry::FORMAT};

/// Longer than any pause of a cache that has failed, in milliseconds.
const AFTER_PAUSE_MS: u64 = 40_000;

fn settings(port: u16) -> Settings {
    let login = Login::Password { user: None, password: PASSWORD.to_owned() };
    Settings { host: "localhost".to_owned(), port, has_tls: false, login }
}

async fn cache_at(port: u16) -> Valkey {
    Valkey::open(settings(port), Trust::ByHost, "polls").await
}

fn poll() -> PollId {
    PollId::parse(OnePoll::ID).unwrap()
}

fn counts(version: u64, read_at: Timestamp) -> SharedCounts {
    let version = Version { poll: 1, counts: version };
    SharedCounts { read_at, took_ms: 3, version, poll: [7; 16], items: vec![0, 255, 13, 10] }
}

async fn version(cache: &Valkey) -> Option<u64> {
    cache.read(&poll(), clock::now()).await.map(|counts| counts.version.counts)
}

/// Waits until something is so.
async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    for _ in 0..500 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("not so for long: {what}");
}

/// Has a cache that has failed tried again, as if its pause was over, until it answers.
async fn until_open(cache: &Valkey) {
    let answers = async || {
        let later = clock::now().plus_millis(AFTER_PAUSE_MS);
        let _opens_it: Option<SharedCounts> = cache.read(&poll(), later).await;
        cache.write(&poll(), &counts(u64::MAX, clock::now())).await;
        version(cache).await.is_some()
    };
    until("the cache answers", answers).await;
}

#[tokio::test]
async fn counts_are_shared_until_their_second_is_over() {
    let server = Server::valkey();
    let (writes, reads) = (cache_at(server.port).await, cache_at(server.port).await);
    assert_eq!(version(&reads).await, None);
    let written = counts(5, clock::now());
    writes.write(&poll(), &written).await;
    let found = reads.read(&poll(), clock::now()).await.unwrap();
    assert!(found.read_at <= written.read_at, "never younger than it is");
    assert_eq!(SharedCounts { read_at: written.read_at, ..found }, written);
    until("the server has dropped it", async || server.keys().await.is_empty()).await;
    assert_eq!(version(&reads).await, None);
}

#[tokio::test]
async fn older_counts_never_replace_newer_ones_and_an_entry_without_an_end_is_replaced() {
    let server = Server::valkey();
    let cache = cache_at(server.port).await;
    cache.write(&poll(), &counts(9, clock::now())).await;
    cache.write(&poll(), &counts(8, clock::now())).await;
    assert_eq!(version(&cache).await, Some(9));
    cache.write(&poll(), &counts(10, clock::now())).await;
    assert_eq!(version(&cache).await, Some(10));
    server.set(&format!("polls:{FORMAT}:{}", OnePoll::ID), &"9".repeat(80), None).await;
    assert_eq!(version(&cache).await, None);
    cache.write(&poll(), &counts(11, clock::now())).await;
    assert_eq!(version(&cache).await, Some(11));
}

#[tokio::test]
async fn a_slow_cache_is_left_alone_by_all_but_the_first_request() {
    let server = Server::valkey();
    let gate = Gate::to(server.port).await;
    let cache = cache_at(gate.port).await;
    cache.write(&poll(), &counts(5, clock::now())).await;
    gate.delay_ms(100);
    let log = Log::default();
    let guard = log.is_written_to();
    assert_eq!(version(&cache).await, None);
    drop(guard);
    assert!(
        log.lines().iter().any(|line| line.contains("is left alone: it takes longer than 20 ms to answer")),
        "{:?}",
        log.lines()
    );
    // Whatever it answers by now: nobody asks.
    let asked = gate.bytes();
    for _ in 0..10 {
        assert_eq!(version(&cache).await, None);
        cache.write(&poll(), &counts(6, clock::now())).await;
    }
    assert_eq!(gate.bytes(), asked);
    // While it is slow, it is not asked after the pause either: no connection is opened without a quick answer.
    let later = clock::now().plus_millis(AFTER_PAUSE_MS);
    assert_eq!(cache.read(&poll(), later).await, None);
    until("it was tried", async || gate.bytes() > asked).await;
    gate.delay_ms(0);
    until_open(&cache).await;
}

#[tokio::test]
async fn a_cache_that_is_away_is_named_and_found_once_it_is_there() {
    let server = Server::valkey();
    let port = server.port;
    drop(server);
    let log = Log::default();
    let guard = log.is_written_to();
    let cache = cache_at(port).await;
    drop(guard);
    assert!(
        log.lines().iter().any(|line| line.contains("ERROR") && line.contains("it can't be reached")),
        "{:?}",
        log.lines()
    );
    assert_eq!(version(&cache).await, None);
    cache.write(&poll(), &counts(5, clock::now())).await;
    let _server = Server::valkey_at(port);
    until_open(&cache).await;
}

#[tokio::test]
async fn a_cache_that_is_restarted_is_empty_and_used_again() {
    let server = Server::valkey();
    let port = server.port;
    let cache = cache_at(port).await;
    cache.write(&poll(), &counts(5, clock::now())).await;
    drop(server);
    assert_eq!(version(&cache).await, None);
    let server = Server::valkey_at(port);
    assert!(server.keys().await.is_empty());
    until_open(&cache).await;
}

#[tokio::test]
async fn a_wrong_password_is_named_at_the_start() {
    let server = Server::valkey();
    let log = Log::default();
    let guard = log.is_written_to();
    let login = Login::Password { user: None, password: "wrong".to_owned() };
    let cache = Valkey::open(Settings { login, ..settings(server.port) }, Trust::ByHost, "polls").await;
    drop(guard);
    let lines = log.lines();
    assert!(lines.iter().any(|line| line.contains("ERROR") && line.contains("the login is refused")), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains("wrong\"") || line.contains(PASSWORD)), "{lines:?}");
    assert_eq!(version(&cache).await, None);
}

#[tokio::test]
async fn tls_is_used_with_a_certificate_that_is_trusted_and_named_where_it_is_refused() {
    let certificates = Certificates::new();
    let server = Server::redis_with_tls(&certificates);
    let with_tls = |port| Settings { has_tls: true, ..settings(port) };
    let trusted = Trust::Roots(certificates.root());
    let cache = Valkey::open(with_tls(server.port), trusted.clone(), "polls").await;
    until_open(&cache).await;
    let without_tls = Server::valkey();
    for (why, port, trust) in
        [("another root", server.port, Trust::ByHost), ("no TLS there", without_tls.port, trusted)]
    {
        let log = Log::default();
        let guard = log.is_written_to();
        let cache = Valkey::open(with_tls(port), trust, "polls").await;
        until("it is named", async || log.lines().iter().any(|line| line.contains("TLS is refused"))).await;
        drop(guard);
        assert_eq!(version(&cache).await, None, "{why}");
    }
}

#[tokio::test]
async fn a_server_that_wants_tls_is_named_where_there_is_none() {
    let certificates = Certificates::new();
    let server = Server::redis_with_tls(&certificates);
    let log = Log::default();
    let guard = log.is_written_to();
    let cache = cache_at(server.port).await;
    until("it is named", async || log.lines().iter().any(|line| line.contains("is left alone"))).await;
    drop(guard);
    assert_eq!(version(&cache).await, None);
}

/// Renews nothing: the poll is not assembled.
struct Nobody;

impl Renewal for Nobody {
    async fn ask(&self, _: &PollId) -> Result<(), String> {
        Ok(())
    }
}

async fn process(tables: &OnePoll, port: u16) -> CurrentResults<Nobody, Valkey> {
    let (aws, _) = tables.stub();
    let store = ResultsStore::new(&aws, "polls".to_owned(), "tallies".to_owned());
    let (assembled, votes) =
        (AssembledStore::new(&aws, "tallies".to_owned()), VoteStore::new(&aws, "votes".to_owned()));
    CurrentResults::new(store, assembled, votes, Nobody).sharing(cache_at(port).await)
}

fn ballots(document: &ResultsDocument) -> u64 {
    serde_json::from_str::<Value>(&document.text).unwrap()["ballots"].as_u64().unwrap()
}

/// How many votes were counted at which time.
type History = Arc<std::sync::Mutex<Vec<(Timestamp, u64)>>>;

/// What every document must show at the least at `now`: what was counted a second before.
fn counted_a_second_before(history: &History, now: Timestamp) -> u64 {
    let history = history.lock().unwrap();
    let is_old = |(at, _): &&(Timestamp, u64)| now.millis_since(*at) > 1_000;
    history.iter().rev().find(is_old).map_or(0, |(_, counted)| *counted)
}

#[tokio::test]
async fn whatever_happens_to_the_cache_nobody_sees_an_error_an_older_count_or_one_of_more_than_a_second_ago() {
    const PROCESSES: usize = 8;
    const MINUTE_OF_FAULTS: usize = 24;
    let server = Server::valkey();
    let gate = Gate::to(server.port).await;
    let (tables, history) = (OnePoll::default(), History::default());
    let mut processes = Vec::new();
    for _ in 0..PROCESSES {
        let (results, history, tables) = (process(&tables, gate.port).await, history.clone(), tables.clone());
        processes.push(tokio::spawn(async move {
            let (mut shown, mut newer) = (0, 0_u64);
            loop {
                let now = clock::now();
                let least = counted_a_second_before(&history, now);
                let document = results.document(&poll(), None, now).await.unwrap();
                let ballots = ballots(&document);
                assert!(ballots >= shown, "{ballots} after {shown}");
                assert!(
                    ballots >= least && ballots <= tables.counted(),
                    "{ballots}, and {least} were counted a second before"
                );
                newer += u64::from(ballots > shown);
                shown = ballots;
                if shown == u64::from(u32::MAX) {
                    return newer;
                }
                tokio::time::sleep(Duration::from_millis(fastrand::u64(1..40))).await;
            }
        }));
    }
    let mut random = fastrand::Rng::with_seed(17);
    let key = format!("polls:{FORMAT}:{}", OnePoll::ID);
    let mut running = Some(server);
    for counted in 1..=MINUTE_OF_FAULTS as u64 {
        tables.count(counted);
        history.lock().unwrap().push((clock::now(), counted));
        match (random.u8(..6), &running) {
            (0, _) => gate.delay_ms(if random.bool() { 50 } else { 0 }),
            (1, Some(server)) => server.set(&key, &"9".repeat(random.usize(1..90)), Some(500)).await,
            (2, Some(server)) => server.set(&key, &"0".repeat(76), Some(900)).await,
            (3, Some(server)) => server.set(&key, &"9".repeat(76), None).await,
            (4, Some(_)) => running = None,
            (4, None) => running = Some(Server::valkey_at(gate.leads_to)),
            _ => gate.cut(),
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    tables.count(u32::MAX.into());
    for process in processes {
        assert!(process.await.unwrap() > 3);
    }
}
