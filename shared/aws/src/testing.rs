//! A stub of AWS for tests: answers calls as a test says, and remembers them. It shows what no emulator does:
//! throttling, conflicts, lost answers. Also captures the log, and has a clock that only a test moves.

mod audit_table;
mod one_poll;
mod written;

use std::{
    fmt, io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_smithy_runtime_api::{
    client::{
        http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn},
        orchestrator::{HttpRequest, HttpResponse},
        result::ConnectorError,
    },
    http::StatusCode,
};
use aws_smithy_types::body::SdkBody;
use aws_types::SdkConfig;
use landslide_domain::time::Timestamp;
use serde_json::{Value, json};
use tracing::subscriber::DefaultGuard;

pub use self::{
    audit_table::AuditTable,
    one_poll::OnePoll,
    written::{item_written, items_written},
};
use crate::{clock::Clock, sdk::sdk_config_over};

/// A call as AWS would receive it.
#[derive(Clone, Debug)]
pub struct Call {
    /// The operation, such as `PutItem`.
    pub operation: String,
    /// The JSON body.
    pub body: Value,
}

/// The answer to a call.
#[derive(Clone, Debug)]
pub enum Answer {
    /// 200 with a body.
    Ok(Value),
    /// 400 with an error code, and more fields for its body.
    Refused(&'static str, Value),
    /// The connection breaks before an answer comes.
    Lost,
}

impl Answer {
    /// A failed condition, with the item that exists.
    pub fn condition_failed(item: Value) -> Self {
        Self::Refused("ConditionalCheckFailedException", json!({"Item": item}))
    }

    /// DynamoDB's answer when a partition is overloaded.
    pub fn throttled() -> Self {
        Self::Refused("ProvisionedThroughputExceededException", json!({}))
    }
}

/// The calls that a stub has received.
#[derive(Clone, Default)]
pub struct Calls(Arc<Mutex<Vec<Call>>>);

impl Calls {
    /// All of them, in order.
    pub fn all(&self) -> Vec<Call> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Their operations, in order.
    pub fn operations(&self) -> Vec<String> {
        self.all().into_iter().map(|call| call.operation).collect()
    }

    /// Records a call. Returns how many came before it.
    fn note(&self, call: Call) -> usize {
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        calls.push(call);
        calls.len() - 1
    }
}

/// A configuration whose clients all get their answers from `answer`, which receives the call and the number of calls
/// before it.
pub fn stub(answer: impl Fn(&Call, usize) -> Answer + Send + Sync + 'static) -> (SdkConfig, Calls) {
    let calls = Calls::default();
    let connector = SharedHttpConnector::new(Stub { calls: calls.clone(), answer: Arc::new(answer) });
    let http_client = http_client_fn(move |_, _| connector.clone());
    let credentials = SharedCredentialsProvider::new(Credentials::new("key", "secret", None, None, "test"));
    let config = sdk_config_over(http_client, region_of_its_own(), None, Duration::ZERO);
    (config.to_builder().credentials_provider(credentials).build(), calls)
}

/// All clients of a region in a process share how often they may try again, so tests would take tries from each other.
fn region_of_its_own() -> String {
    static STUBS: AtomicUsize = AtomicUsize::new(0);
    format!("stub-{}", STUBS.fetch_add(1, Ordering::Relaxed))
}

type AnswerFn = Arc<dyn Fn(&Call, usize) -> Answer + Send + Sync>;

#[derive(Clone)]
struct Stub {
    calls: Calls,
    answer: AnswerFn,
}

impl fmt::Debug for Stub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stub")
    }
}

impl HttpConnector for Stub {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        let body = request.body().bytes().and_then(|bytes| serde_json::from_slice(bytes).ok()).unwrap_or_default();
        let call = Call { operation, body };
        let before = self.calls.note(call.clone());
        HttpConnectorFuture::ready(respond((self.answer)(&call, before)))
    }
}

fn respond(answer: Answer) -> Result<HttpResponse, ConnectorError> {
    let (status, body) = match answer {
        Answer::Ok(body) => (200, body),
        Answer::Refused(code, mut body) => {
            if let Some(fields) = body.as_object_mut() {
                fields.insert("__type".to_owned(), json!(format!("com.amazonaws#{code}")));
                fields.insert("message".to_owned(), json!("by the stub"));
            }
            (400, body)
        }
        Answer::Lost => {
            return Err(ConnectorError::io(std::io::Error::from(std::io::ErrorKind::ConnectionReset).into()));
        }
    };
    let status = StatusCode::try_from(status).map_err(|error| ConnectorError::other(error.into(), None))?;
    Ok(HttpResponse::new(status, SdkBody::from(body.to_string())))
}

/// The captured log, as text.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Captures this thread's log until the guard is dropped.
    pub fn is_written_to(&self) -> DefaultGuard {
        let log = self.clone();
        let format = tracing_subscriber::fmt().without_time().with_ansi(false).with_writer(move || log.clone());
        tracing::subscriber::set_default(format.finish())
    }

    /// The lines so far.
    pub fn lines(&self) -> Vec<String> {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A clock that moves when someone sleeps, and when it is told to.
#[derive(Clone)]
pub struct VirtualClock(Arc<Mutex<Timestamp>>);

impl VirtualClock {
    /// A clock that begins at a time.
    pub fn new(now: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(now)))
    }

    /// Moves on by that many milliseconds.
    pub fn go_on(&self, millis: u64) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *now = now.plus_millis(millis);
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn sleep(&self, time: Duration) {
        self.go_on(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
    }
}
