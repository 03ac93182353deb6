//! A process of a function, driven as Lambda drives it.

use std::{
    fs,
    io::Read,
    path::Path,
    process::{Child, Command, Stdio},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use landslide_paths::{cloud::TABLES, tokens};
use landslide_runtime::Lambda;

use crate::{aws::Aws, places::Places, rows::Row};

/// How long anything is waited for.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// A running process; ends when dropped.
pub struct Process {
    child: Child,
    lambda: Lambda,
    log: Option<JoinHandle<String>>,
}

impl Process {
    /// Starts a binary, up to where it asks for work; also how long that took, in milliseconds.
    pub async fn start(row: &Row, binary: &Path, aws: &Aws, places: Places) -> (Self, f64) {
        let lambda = Lambda::start().await;
        let mut command = Command::new(binary);
        command
            .env_clear()
            .envs(lambda.environment(row.function))
            .envs(TABLES)
            .envs([
                ("ALLOWED_ORIGIN", "*"),
                ("ASSEMBLY_QUEUE_URL", "https://sqs.us-east-1.amazonaws.com/000000000000/assembly"),
                ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
                ("AWS_LAMBDA_LOG_LEVEL", "INFO"),
                ("AWS_REGION", "us-east-1"),
                ("AWS_SECRET_ACCESS_KEY", "secret"),
                ("BALLOT_KINDS", "all"),
                ("CLIENT_SECRETS", "client-secrets"),
                ("DEVICE_SECRET", "device-secret"),
                ("KEY_SECRET", "key-secret"),
                ("KEY_SETS_SECRET", "key-sets-secret"),
                ("LIMITS", r#"{"polls_per_day": 100000, "open_polls": 100000, "requests_per_minute": 100000}"#),
                ("MIN_LANES", "1"),
                ("PAGES_API_ID", "a1b2c3d4e5"),
                ("PAGE_SECRET", "page-secret"),
                ("PUBLIC_URL", "https://show.example.org"),
                ("POLL_ID_SECRET", "poll-id-secret"),
                ("RELAY_DLQ_URL", "https://sqs.us-east-1.amazonaws.com/000000000000/relay-dlq"),
                ("TALLY_DLQ_URL", "https://sqs.us-east-1.amazonaws.com/000000000000/tally-dlq.fifo"),
                ("TALLY_QUEUE_URL", "https://sqs.us-east-1.amazonaws.com/000000000000/tally.fifo"),
            ])
            // As long as Lambda's.
            .env("AWS_SESSION_TOKEN", "t".repeat(800))
            .env("AWS_ENDPOINT_URL", aws.endpoint())
            .env("ISSUERS", tokens::issuers())
            .env("LOOPBACK_ISSUERS", "false");
        // One that has not run for a while may have left the memory, and a start would read the disk.
        fs::read(binary).unwrap_or_else(|error| panic!("{}: {error}", binary.display()));
        let began = Instant::now();
        let mut child = places
            .start(|| command.stdout(Stdio::piped()).spawn())
            .unwrap_or_else(|error| panic!("{}: {error}", binary.display()));
        let mut output = child.stdout.take().unwrap();
        let log = Some(thread::spawn(move || {
            let mut log = String::new();
            output.read_to_string(&mut log).unwrap();
            log
        }));
        let process = Self { child, lambda, log };
        process.is_ready().await;
        (process, milliseconds(began))
    }

    /// One call; how long it took, in milliseconds. Returns once the process asks for more.
    pub async fn call(&mut self, row: &Row) -> f64 {
        let began = Instant::now();
        let outcome = tokio::time::timeout(WAIT_MAX, self.lambda.hand(row.event.clone())).await.expect("an answer");
        let took_ms = milliseconds(began);
        let answer = String::from_utf8_lossy(outcome.as_ref().unwrap_or_else(|error| error));
        assert!(outcome.is_ok() && answer.contains(row.answer), "{}: {answer}", row.name);
        self.is_ready().await;
        took_ms
    }

    /// Ends it; all that it has written to its log.
    pub fn end(mut self) -> String {
        self.kill();
        self.log.take().unwrap().join().unwrap()
    }

    fn kill(&mut self) {
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait()) {
            eprintln!("end process {}: {error}", self.child.id());
        }
    }

    async fn is_ready(&self) {
        tokio::time::timeout(WAIT_MAX, self.lambda.is_ready()).await.expect("the process asks for work");
    }

    /// CPU time of all its threads so far, in microseconds (the kernel's schedstat: nanoseconds on a processor).
    pub fn cpu_us(&self) -> f64 {
        let threads = fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let nanoseconds = |thread: fs::DirEntry| -> f64 {
            let stat = fs::read_to_string(thread.path().join("schedstat")).unwrap();
            stat.split(' ').next().and_then(|time| time.parse().ok()).unwrap()
        };
        threads.map(|thread| nanoseconds(thread.unwrap())).sum::<f64>() / 1_000.0
    }

    /// The most memory that it had resident so far, in megabytes.
    pub fn peak_mb(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let kilobytes: f64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
        kilobytes * 1_024.0 / 1e6
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1_000.0
}
