//! The cache as a process uses it: read and write within some milliseconds, or leave it alone for a while.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use landslide_aws::{clock, config, log_limit::LogLimit};
use landslide_domain::{ids::PollId, results::reading::CURRENT_MS, time::Timestamp};
use landslide_service::results::{SharedCache, SharedCounts};
use redis::{FromRedisValue, RedisResult, aio::MultiplexedConnection};
use tokio::time::timeout;

use crate::{
    connection::{ANSWER_MS_MAX, ConnectError, Trust, open},
    entry::{FORMAT, ORDER_BYTES, decode, encode},
    settings::Settings,
};

/// How long a process waits at its start for the connection, in milliseconds. It is opened even if that takes longer.
const START_MS_MAX: u64 = 250;
/// How long the cache is left alone after it has failed, in milliseconds. The time doubles with each further failure.
const PAUSE_MS_MIN: u64 = 1_000;
/// The longest time for which it is left alone, in milliseconds.
const PAUSE_MS_MAX: u64 = 30_000;

/// What PTTL says of a key that is not there.
const NO_KEY: i64 = -2;
/// Writes an entry unless there is a newer one. An entry without an end is nobody's, and replaced.
const WRITE: &str = "\
local kept = redis.call('GET', KEYS[1])
if kept and redis.call('PTTL', KEYS[1]) > 0 then
  local order = tonumber(ARGV[3])
  if string.sub(kept, 1, order) > string.sub(ARGV[1], 1, order) then return 0 end
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1";

/// Counts that processes share in a Valkey, if there is one.
pub struct Valkey(Option<Server>);

struct Server {
    target: Arc<Target>,
    /// What comes before the poll in each key.
    prefix: String,
    lies: LogLimit<()>,
}

/// Where it is, and how the connection to it stands.
struct Target {
    settings: Settings,
    trust: Trust,
    link: Mutex<Link>,
    failures: LogLimit<()>,
}

struct Link {
    state: State,
    /// How often it has failed since it last answered.
    failed: u32,
}

enum State {
    Open(MultiplexedConnection),
    Opening,
    /// Left alone until then.
    Away(Timestamp),
}

impl Valkey {
    /// The cache that the environment names, after a first try to reach it. If there is none, or its settings are not valid, it
    /// is off.
    pub async fn from_env() -> Self {
        match (Settings::from_env(), config::text("POLLS_TABLE")) {
            (Ok(Some(settings)), Ok(table)) => Self::open(settings, Trust::ByHost, &table).await,
            (Ok(_), _) => Self(None),
            (Err(error), _) => {
                tracing::error!(%error, "the shared cache is not used: {error}");
                Self(None)
            }
        }
    }

    /// This cache, for polls of this table, after a first try to reach it.
    pub async fn open(settings: Settings, trust: Trust, table: &str) -> Self {
        let link = Mutex::new(Link { state: State::Opening, failed: 0 });
        let target = Arc::new(Target { settings, trust, link, failures: LogLimit::default() });
        let opening = tokio::spawn(target.clone().opened());
        // An error is in the log by now; the task itself does not panic.
        if let Ok(Err(error)) = timeout(Duration::from_millis(START_MS_MAX), opening).await {
            tracing::error!(%error, "opening the shared cache ended: {error}");
        }
        Self(Some(Server { target, prefix: format!("{table}:{FORMAT}:"), lies: LogLimit::default() }))
    }
}

impl SharedCache for Valkey {
    fn is_on(&self) -> bool {
        self.0.is_some()
    }

    async fn read(&self, poll: &PollId, now: Timestamp) -> Option<SharedCounts> {
        let server = self.0.as_ref()?;
        let key = server.key(poll);
        // The life first: of an entry that is replaced in between, it is too short rather than too long.
        let mut calls = redis::pipe();
        calls.cmd("PTTL").arg(&key).cmd("GET").arg(&key);
        let call = async |mut connection: MultiplexedConnection| calls.query_async(&mut connection).await;
        let (left_ms, entry): (i64, Option<Vec<u8>>) = server.target.call(now, call).await?;
        // Written between both calls.
        let left_ms = if left_ms == NO_KEY { 0 } else { left_ms };
        decode(&entry?, left_ms, now).unwrap_or_else(|lie| {
            if let Some(left_out) = server.lies.admit(&(), now) {
                tracing::warn!(%poll, %lie, left_out, "the shared cache's entry of poll {poll} is left alone: {lie}");
            }
            None
        })
    }

    async fn write(&self, poll: &PollId, counts: &SharedCounts) {
        let Some(server) = &self.0 else { return };
        let now = clock::now();
        let left_ms = CURRENT_MS.saturating_sub(now.millis_since(counts.read_at));
        if left_ms == 0 {
            return;
        }
        let mut eval = redis::cmd("EVAL");
        eval.arg(WRITE).arg(1).arg(server.key(poll)).arg(encode(counts)).arg(left_ms).arg(ORDER_BYTES);
        let call = async |mut connection: MultiplexedConnection| eval.query_async(&mut connection).await;
        let _written_or_failed: Option<i64> = server.target.call(now, call).await;
    }
}

impl Server {
    fn key(&self, poll: &PollId) -> String {
        format!("{}{poll}", self.prefix)
    }
}

impl Target {
    /// Calls the server. `None` if it is away, fails or takes too long.
    async fn call<T, C>(self: &Arc<Self>, now: Timestamp, call: C) -> Option<T>
    where
        T: FromRedisValue,
        C: AsyncFnOnce(MultiplexedConnection) -> RedisResult<T>,
    {
        let connection = self.connection(now)?;
        match timeout(Duration::from_millis(ANSWER_MS_MAX), call(connection)).await {
            Ok(Ok(answer)) => {
                self.link().failed = 0;
                Some(answer)
            }
            Ok(Err(error)) => {
                self.leave_alone(&error.to_string());
                None
            }
            Err(_) => {
                self.leave_alone(&ConnectError::Slow.to_string());
                None
            }
        }
    }

    /// The connection, if it is open. If its pause is over, it is opened meanwhile, and nobody waits for that.
    fn connection(self: &Arc<Self>, now: Timestamp) -> Option<MultiplexedConnection> {
        let mut link = self.link();
        match &link.state {
            State::Open(connection) => Some(connection.clone()),
            State::Away(until) if now >= *until => {
                link.state = State::Opening;
                tokio::spawn(self.clone().opened());
                None
            }
            State::Away(_) | State::Opening => None,
        }
    }

    async fn opened(self: Arc<Self>) {
        match open(&self.settings, &self.trust).await {
            Ok(connection) => self.link().state = State::Open(connection),
            Err(error) => self.leave_alone(&error.to_string()),
        }
    }

    /// Closes the connection, and says why.
    fn leave_alone(&self, error: &str) {
        let now = clock::now();
        let mut link = self.link();
        let pause_ms = (PAUSE_MS_MIN << link.failed.min(16)).min(PAUSE_MS_MAX);
        link.failed = link.failed.saturating_add(1);
        link.state = State::Away(now.plus_millis(pause_ms));
        drop(link);
        if let Some(left_out) = self.failures.admit(&(), now) {
            let (host, port) = (&self.settings.host, self.settings.port);
            tracing::error!(host, port, error, left_out, "the shared cache at {host}:{port} is left alone: {error}");
        }
    }

    /// No state is ever half written, so a panic can't leave one.
    fn link(&self) -> MutexGuard<'_, Link> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
