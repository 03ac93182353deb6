//! A process of a function for one test alone. The test is its Lambda (the Runtime API) and stands between it and the
//! cloud: it decides when the process runs, what it is asked and when its calls get through.

use std::{
    collections::HashMap,
    path::PathBuf,
    process::{Child, Command},
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::{Notify, mpsc, oneshot},
    task::JoinHandle,
};

use super::{App, eventually, now_ms};

/// How long a request may take by what the process is told: longer than any test lets it sleep, so that nothing but
/// the function's own rules ends a request.
const DEADLINE_MS: u64 = 120_000;
/// How long an answer is waited for.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// A running process of a function; ends when dropped, asleep or not.
pub struct OwnProcess {
    child: Child,
    requests: mpsc::UnboundedSender<Event>,
    cloud: Arc<Cloud>,
    servers: [JoinHandle<()>; 2],
}

/// What the process is asked, and where the answer goes.
type Event = (Value, oneshot::Sender<Value>);

/// Lambda's side: requests that the process has not taken yet, and the answers that are due.
struct Lambda {
    is_ready: Notify,
    requests: tokio::sync::Mutex<mpsc::UnboundedReceiver<Event>>,
    answers: Mutex<HashMap<String, oneshot::Sender<Value>>>,
}

/// The way to the cloud.
struct Cloud {
    http: reqwest::Client,
    endpoint: String,
    gate: Mutex<Option<Gate>>,
    calls: Mutex<Vec<String>>,
}

/// What stops the next call of an operation on its way.
struct Gate {
    operation: &'static str,
    arrived: oneshot::Sender<()>,
    opened: oneshot::Receiver<()>,
}

/// A call that waits for the test.
pub struct Held {
    arrived: oneshot::Receiver<()>,
    open: oneshot::Sender<()>,
}

impl Held {
    /// Waits until the call is on its way.
    pub async fn arrives(self) -> oneshot::Sender<()> {
        tokio::time::timeout(ANSWER_MAX, self.arrived).await.expect("the call is made").unwrap();
        self.open
    }
}

impl OwnProcess {
    /// Starts the function of a folder as the stack has it, with this test's credentials, up to where it asks for
    /// work. The cloud must have `plain-http`.
    pub async fn start(app: &App, folder: &str) -> Self {
        let endpoint = app.stack.endpoint_url.clone().unwrap();
        let cloud =
            Arc::new(Cloud { http: reqwest::Client::new(), endpoint, gate: Mutex::default(), calls: Mutex::default() });
        let (requests, queue) = mpsc::unbounded_channel();
        let lambda = Arc::new(Lambda {
            is_ready: Notify::new(),
            requests: tokio::sync::Mutex::new(queue),
            answers: Mutex::default(),
        });
        let (runtime_api, lambda_task) = serve({
            let lambda = lambda.clone();
            move |request| lambda.clone().answer(request)
        })
        .await;
        let (way, cloud_task) = serve({
            let cloud = cloud.clone();
            move |request| cloud.clone().pass_on(request)
        })
        .await;
        let settings = app.aws.function(&app.stack.function(folder)).await;
        let variables = settings["Environment"]["Variables"].as_object().unwrap().clone();
        let variables = variables.into_iter().map(|(name, value)| (name, value.as_str().unwrap().to_owned()));
        let child = Command::new(binary(folder))
            .env_clear()
            .envs(variables)
            .envs(app.aws.credentials_as_environment())
            .env("AWS_REGION", &app.stack.region)
            .env("AWS_ENDPOINT_URL", format!("http://{way}"))
            .env("AWS_LAMBDA_RUNTIME_API", runtime_api)
            .env("AWS_LAMBDA_FUNCTION_NAME", app.stack.function(folder))
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .spawn()
            .unwrap();
        let process = Self { child, requests, cloud, servers: [lambda_task, cloud_task] };
        tokio::time::timeout(ANSWER_MAX, lambda.is_ready.notified()).await.expect("the process asks for work");
        process
    }

    /// Hands the process a request; what it answers, once it does. The request waits for it also while it sleeps.
    pub fn hand(&self, event: Value) -> impl Future<Output = (u64, Value)> + use<> {
        let (answer, answered) = oneshot::channel();
        self.requests.send((event, answer)).unwrap();
        async move {
            let answer = tokio::time::timeout(ANSWER_MAX, answered).await.expect("the process answers").unwrap();
            let body = answer["body"].as_str().and_then(|body| serde_json::from_str(body).ok()).unwrap_or_default();
            (answer["statusCode"].as_u64().unwrap_or_else(|| panic!("no answer, but {answer}")), body)
        }
    }

    /// Holds the next call of an operation of AWS, such as `PutItem`, until it is let through (or `Held` is dropped).
    pub fn hold(&self, operation: &'static str) -> Held {
        let ((arrived, arrival), (open, opened)) = (oneshot::channel(), oneshot::channel());
        *self.cloud.gate.lock().unwrap() = Some(Gate { operation, arrived, opened });
        Held { arrived: arrival, open }
    }

    /// The operations of AWS that the process called since this was asked last, in order.
    pub fn calls(&self) -> Vec<String> {
        std::mem::take(&mut *self.cloud.calls.lock().unwrap())
    }

    /// Stops the process where it is, as Lambda freezes an environment: it does nothing, and does not know.
    pub async fn freeze(&self) {
        self.signal("STOP");
        eventually("process that is stopped", async || {
            let status = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
            // The state follows the name, which is in parentheses (proc(5)).
            let state = status.rsplit(')').next().and_then(|rest| rest.trim_start().chars().next());
            if state == Some('T') { Ok(()) } else { Err(status) }
        })
        .await;
    }

    /// Lets the process go on.
    pub fn wake(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([format!("-{name}"), self.child.id().to_string()]).status().unwrap();
        assert!(sent.success(), "SIG{name}: {sent}");
    }
}

impl Drop for OwnProcess {
    fn drop(&mut self) {
        self.servers.iter().for_each(JoinHandle::abort);
        // SIGKILL ends a stopped process too.
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait()) {
            eprintln!("end process {}: {error}", self.child.id());
        }
    }
}

/// What was built beside this program and deployed.
fn binary(folder: &str) -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    tests.parent().and_then(|deps| deps.parent()).unwrap().join(folder)
}

impl Lambda {
    /// The Runtime API: the next request, and what became of it.
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path().to_owned();
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        match parts[..] {
            [_, "runtime", "invocation", "next"] => self.next().await,
            [_, "runtime", "invocation", id, "response" | "error"] => {
                let answer = self.answers.lock().unwrap().remove(id).unwrap();
                // A test that does not wait for the answer has dropped its end.
                answer.send(serde_json::from_slice(&body).unwrap_or_default()).unwrap_or_default();
                accepted()
            }
            _ => panic!("{path}: {body:?}"),
        }
    }

    async fn next(&self) -> Response<Full<Bytes>> {
        self.is_ready.notify_one();
        let Some((event, answer)) = self.requests.lock().await.recv().await else {
            return std::future::pending().await;
        };
        let id = format!("{:032x}", fastrand::u128(..));
        self.answers.lock().unwrap().insert(id.clone(), answer);
        Response::builder()
            .header("lambda-runtime-aws-request-id", id)
            .header("lambda-runtime-deadline-ms", now_ms() + DEADLINE_MS)
            .header("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:000000000000:function:own")
            .header("content-type", "application/json")
            .body(event.to_string().into())
            .unwrap()
    }
}

impl Cloud {
    async fn pass_on(self: Arc<Self>, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let target = parts.headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
        self.calls.lock().unwrap().push(target.rsplit('.').next().unwrap_or_default().to_owned());
        if let Some(gate) = self.gate_of(target) {
            // Whoever holds the gate is gone when its test has failed.
            gate.arrived.send(()).unwrap_or_default();
            gate.opened.await.unwrap_or_default();
        }
        // The same headers, as they are signed: `host` too.
        let call = self.http.request(parts.method, format!("{}{}", self.endpoint, parts.uri)).headers(parts.headers);
        // On its way whatever becomes of the process: one that wakes too late hangs up.
        let answer = tokio::spawn(call.body(body).send()).await.unwrap().unwrap();
        let mut response = Response::builder().status(answer.status());
        for (name, value) in answer.headers().iter().filter(|(name, _)| !is_of_connection(name.as_str())) {
            response = response.header(name, value);
        }
        response.body(answer.bytes().await.unwrap().into()).unwrap()
    }

    fn gate_of(&self, target: &str) -> Option<Gate> {
        self.gate.lock().unwrap().take_if(|gate| target.rsplit('.').next() == Some(gate.operation))
    }
}

/// Headers that each connection sets for itself.
fn is_of_connection(name: &str) -> bool {
    ["connection", "keep-alive", "transfer-encoding", "content-length"].contains(&name)
}

fn accepted() -> Response<Full<Bytes>> {
    Response::builder().status(StatusCode::ACCEPTED).body(Full::default()).unwrap()
}

/// Serves HTTP on a free port of this machine; its address, and what ends it.
async fn serve<Answer>(
    answer: impl Fn(Request<Incoming>) -> Answer + Clone + Send + Sync + 'static,
) -> (String, JoinHandle<()>)
where
    Answer: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serving = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let answer = answer.clone();
            let service = service_fn(move |request| {
                let answer = answer(request);
                async { Ok::<_, std::convert::Infallible>(answer.await) }
            });
            tokio::spawn(async move {
                // A process that is killed breaks its connections.
                http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.unwrap_or_default();
            });
        }
    });
    (address, serving)
}

/// A vote as the gateway hands it to `cast-vote`.
pub fn vote_event(poll: &str, authorizer: Value, choices: &Value) -> Value {
    let body = json!({"choices": choices}).to_string();
    event(&Method::POST, "/v1/polls/{poll_id}/votes", poll, authorizer, Some(body))
}

/// A request of a poll's resource as the gateway hands it to a function.
pub fn event(method: &Method, resource: &str, poll: &str, authorizer: Value, body: Option<String>) -> Value {
    json!({
        "resource": resource, "path": resource.replace("{poll_id}", poll), "httpMethod": method.as_str(),
        "headers": {"content-type": "application/json"}, "multiValueHeaders": {}, "queryStringParameters": null,
        "pathParameters": {"poll_id": poll}, "isBase64Encoded": false, "body": body,
        "requestContext": {
            "requestId": "r", "httpMethod": method.as_str(), "resourcePath": resource, "stage": "prod",
            "authorizer": authorizer,
        },
    })
}
