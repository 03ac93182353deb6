//! A process of a function for one test alone. The test is its Lambda (the Runtime API) and stands between it and the
//! cloud: it decides when the process runs, what it is asked and when its calls get through.

use std::{
    path::PathBuf,
    process::{Child, Command},
    sync::{Arc, Mutex},
    time::Duration,
};

use http::{Method, Request};
use hyper::body::Incoming;
use landslide_load::proxy::{self, Call};
use landslide_runtime::{ANY_PORT, Answer, Lambda, NoAnswer, Server};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::{app::App, time::eventually};

/// How long an answer is waited for.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// A running process of a function; ends when dropped, asleep or not.
pub struct OwnProcess {
    child: Child,
    lambda: Lambda,
    cloud: Arc<Cloud>,
    _way: Server,
}

/// The way to the cloud.
struct Cloud {
    cloud: proxy::Cloud,
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
        Self::start_with(app, folder, &[]).await
    }

    /// The same, with other values of some variables.
    pub async fn start_with(app: &App, folder: &str, others: &[(&str, &str)]) -> Self {
        let endpoint = app.stack.endpoint_url.clone().unwrap();
        let cloud =
            Arc::new(Cloud { cloud: proxy::Cloud::at(&endpoint), gate: Mutex::default(), calls: Mutex::default() });
        let lambda = Lambda::start().await;
        let way = Server::start(ANY_PORT, {
            let cloud = cloud.clone();
            move |request| cloud.clone().pass_on(request)
        })
        .await
        .unwrap();
        let settings = app.aws.function(&app.stack.function(folder)).await;
        let variables = settings["Environment"]["Variables"].as_object().unwrap().clone();
        let variables = variables.into_iter().map(|(name, value)| (name, value.as_str().unwrap().to_owned()));
        let child = Command::new(binary(folder))
            .env_clear()
            .envs(variables)
            .envs(others.iter().copied())
            .envs(app.aws.credentials_as_environment())
            .env("AWS_REGION", &app.stack.region)
            .env("AWS_ENDPOINT_URL", format!("http://{}", way.address()))
            .envs(lambda.environment(&app.stack.function(folder)))
            .spawn()
            .unwrap();
        let process = Self { child, lambda, cloud, _way: way };
        tokio::time::timeout(ANSWER_MAX, process.lambda.is_ready()).await.expect("the process asks for work");
        process
    }

    /// Hands the process a request; what it answers, once it does. The request waits for it also while it sleeps.
    pub fn hand(&self, event: Value) -> impl Future<Output = (u64, Value)> + use<> {
        let outcome = self.invoke(event);
        async move {
            let answer = outcome.await;
            let body = answer["body"].as_str().and_then(|body| serde_json::from_str(body).ok()).unwrap_or_default();
            (answer["statusCode"].as_u64().unwrap_or_else(|| panic!("no answer, but {answer}")), body)
        }
    }

    /// The same of an event that is no request.
    pub fn invoke(&self, event: Value) -> impl Future<Output = Value> + use<> {
        let outcome = self.lambda.hand(event.to_string().into());
        async move {
            let outcome = tokio::time::timeout(ANSWER_MAX, outcome).await.expect("the process answers");
            serde_json::from_slice(&outcome.unwrap_or_else(|error| error)).unwrap_or_default()
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

impl Cloud {
    async fn pass_on(self: Arc<Self>, request: Request<Incoming>) -> Result<Answer, NoAnswer> {
        let call = Call::of(request).await?;
        self.calls.lock().unwrap().push(call.operation().to_owned());
        if let Some(gate) = self.gate_of(call.operation()) {
            // If the test has failed, the other end of the gate is gone.
            gate.arrived.send(()).unwrap_or_default();
            gate.opened.await.unwrap_or_default();
        }
        // A process that wakes too late hangs up.
        self.cloud.answer(call).await
    }

    fn gate_of(&self, operation: &str) -> Option<Gate> {
        self.gate.lock().unwrap().take_if(|gate| gate.operation == operation)
    }
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
