//! What it takes get-results to renew its copy of a poll: from a real Valkey, and from the tables as an HTTP server of this
//! machine that has its answer ready. By turns in one run, so that the ratio says something; `make sharing` prints it.

// A measurement that goes wrong fails by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use landslide_aws::{
    clock,
    sdk::{https_client, sdk_config_over},
    store::{AssembledStore, ResultsStore, VoteStore},
    testing::OnePoll,
};
use landslide_cache::{Login, Settings, Trust, Valkey};
use landslide_domain::{ids::PollId, time::Timestamp};
use landslide_service::results::{CurrentResults, Renewal, SharedCache};

/// How often each is measured.
const ROUNDS: u64 = 2_000;
/// Rounds before the first that counts.
const WARM_UPS: u64 = 100;
const PASSWORD: &str = "of-a-measurement";

struct Nobody;

impl Renewal for Nobody {
    async fn ask(&self, _: &PollId) -> Result<(), String> {
        Ok(())
    }
}

/// Ends with the measurement.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn valkey() -> (Process, u16) {
    let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let program = std::env::var("VALKEY_SERVER").expect("VALKEY_SERVER: run `make sharing`");
    let arguments = ["--save", "", "--bind", "127.0.0.1", "--requirepass", PASSWORD, "--port", &port.to_string()];
    let process = Process(Command::new(program).args(arguments).stdout(Stdio::null()).spawn().unwrap());
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        thread::sleep(Duration::from_millis(20));
    }
    (process, port)
}

/// Answers every request with this body, on threads of its own; also counts them. Returns its URL.
fn tables(body: String, calls: Arc<AtomicU64>) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length:";
    let answer = format!("{head} {}\r\n\r\n{body}", body.len());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, answer, calls) = (stream.unwrap(), answer.clone(), calls.clone());
            stream.set_nodelay(true).unwrap();
            thread::spawn(move || answer_all(&stream, &answer, &calls));
        }
    });
    endpoint
}

fn answer_all(mut stream: &TcpStream, answer: &str, calls: &AtomicU64) {
    let mut requests = BufReader::new(stream);
    let (mut line, mut length) = (String::new(), 0);
    while requests.read_line(&mut line).unwrap_or_default() > 0 {
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            requests.read_exact(&mut vec![0; length]).unwrap();
            calls.fetch_add(1, Ordering::SeqCst);
            stream.write_all(answer.as_bytes()).unwrap();
        }
        line.clear();
    }
}

fn process(endpoint: &str) -> CurrentResults<Nobody> {
    let config = sdk_config_over(https_client(), "us-east-1".to_owned(), Some(endpoint.to_owned()), Duration::ZERO);
    let credentials = SharedCredentialsProvider::new(Credentials::new("key", "secret", None, None, "measurement"));
    let aws = config.to_builder().credentials_provider(credentials).build();
    let store = ResultsStore::new(&aws, "polls".to_owned(), "tallies".to_owned());
    let (assembled, votes) =
        (AssembledStore::new(&aws, "tallies".to_owned()), VoteStore::new(&aws, "votes".to_owned()));
    CurrentResults::new(store, assembled, votes, Nobody)
}

/// How long it takes, in microseconds.
async fn renewed<C: SharedCache>(results: &CurrentResults<Nobody, C>, now: Timestamp) -> f64 {
    let (poll, began) = (PollId::parse(OnePoll::ID).unwrap(), Instant::now());
    let document = results.document(&poll, None, now).await.unwrap();
    let took_us = began.elapsed().as_secs_f64() * 1e6;
    assert!(document.text.contains("\"ballots\":"), "{}", document.text);
    took_us
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let calls = Arc::new(AtomicU64::new(0));
    let endpoint = tables(OnePoll::default().response(), calls.clone());
    let (_valkey, port) = valkey();
    let login = Login::Password { user: None, password: PASSWORD.to_owned() };
    let settings = Settings { host: "127.0.0.1".to_owned(), port, has_tls: false, login };
    let cache = async || Valkey::open(settings.clone(), Trust::ByHost, "polls").await;
    let alone = process(&endpoint);
    let (writes, reads) = (process(&endpoint).sharing(cache().await), process(&endpoint).sharing(cache().await));
    // Ahead of the machine's clock, so that entries are as young as can be.
    let began = clock::now().plus_millis(100);
    renewed(&reads, began).await;
    let (mut from_tables, mut from_cache, mut with_writing) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=ROUNDS + WARM_UPS {
        let now = began.plus_millis(round * 1_001);
        let of_tables = renewed(&alone, now).await;
        let of_writer = renewed(&writes, now).await;
        let before = calls.load(Ordering::SeqCst);
        let of_cache = renewed(&reads, now.plus_millis(1)).await;
        if round > WARM_UPS && calls.load(Ordering::SeqCst) == before {
            from_tables.push(of_tables);
            with_writing.push(of_writer);
            from_cache.push(of_cache);
        }
    }
    assert!(from_cache.len() as u64 > ROUNDS / 2, "the cache served {} of {ROUNDS}", from_cache.len());
    let served = from_cache.len();
    let [of_tables, of_cache, of_writer] = [from_tables, from_cache, with_writing].map(median);
    println!(
        "A renewed copy, median of {served} by turns: from the tables {of_tables:.0} µs, from the cache {of_cache:.0} µs,"
    );
    println!("a ratio of {:.2}; from the tables and written to the cache {of_writer:.0} µs.", of_cache / of_tables);
}
