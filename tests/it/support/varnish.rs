//! The CDN on this machine: Varnish under the rules of infra/cdn.yaml, and an origin behind it that counts.

use std::{
    fs,
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use landslide_runtime::{ANY_PORT, Answer, NoAnswer, Server};
use tokio::sync::{RwLock, RwLockWriteGuard};

use super::{app::App, stack::skip, time::eventually};

/// The rules, as VCL.
const RULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../infra/local/varnish");
/// What the origin's address has in front of a path, as CloudFront's has a stage.
const STAGE: &str = "/stage";
/// The proof that Varnish adds to what it is to prove.
pub const PROOF: &str = "a-proof-that-only-the-cdn-and-the-api-know-of";
/// Headers that belong to one connection, or are Varnish's own.
const NOT_PASSED_ON: [&str; 5] = ["connection", "content-length", "host", "transfer-encoding", "x-varnish"];

/// Varnish in front of an origin. It ends when this is dropped.
pub struct Varnish {
    folder: PathBuf,
    edge: String,
    shield: String,
    server: Option<Child>,
}

impl Varnish {
    /// Starts it in front of an origin. Returns `None` where it is not installed, and says so.
    pub async fn start(origin: &Origin) -> Option<Self> {
        Self::start_with(origin, PROOF).await
    }

    /// The same, with what it is to prove itself by.
    pub async fn start_with(origin: &Origin, proof: &str) -> Option<Self> {
        if Command::new("varnishd").arg("-V").stderr(Stdio::null()).status().is_err() {
            skip("varnishd is not installed (Debian's package varnish)");
            return None;
        }
        let folder = std::env::temp_dir().join(format!("landslide-varnish-{:016x}", fastrand::u64(..)));
        fs::create_dir_all(&folder).unwrap();
        let free = || TcpListener::bind(ANY_PORT).unwrap().local_addr().unwrap().to_string();
        let mut varnish = Self { edge: free(), shield: free(), folder, server: None };
        fs::write(varnish.folder.join("test.vcl"), varnish.vcl(origin, proof)).unwrap();
        varnish.run().await;
        Some(varnish)
    }

    /// Where it answers.
    pub fn url(&self) -> String {
        format!("http://{}", self.edge)
    }

    /// Ends it and starts it again, with nothing kept.
    pub async fn restart(&mut self) {
        self.stop();
        self.run().await;
    }

    fn vcl(&self, origin: &Origin, proof: &str) -> String {
        let backend = |name: &str, address: &str| {
            let (host, port) = address.rsplit_once(':').unwrap();
            format!("backend {name} {{ .host = \"{host}\"; .port = \"{port}\"; }}\n")
        };
        let backends = backend("api", origin.server.address()) + &backend("shield", &self.shield);
        let to_origin =
            format!("set bereq.url = \"{STAGE}\" + bereq.url; set bereq.http.Host = \"{}\";", origin.server.address());
        let to_verified_origin = format!("set bereq.http.Landslide-Origin-Verify = \"{proof}\";");
        format!(
            "vcl 4.1;\n{backends}sub to_origin {{ {to_origin} }}\nsub to_verified_origin {{ {to_verified_origin} }}\n\
             include \"cdn.vcl\";\n"
        )
    }

    async fn run(&mut self) {
        let log = self.folder.join("log");
        let said = fs::File::create(&log).unwrap();
        let mut command = Command::new("varnishd");
        command.args(["-F", "-j", "none", "-s", "malloc,64m", "-n"]).arg(self.folder.join("work"));
        command.args(["-a", &format!("edge={}", self.edge), "-a", &format!("shield={}", self.shield)]);
        command.arg("-f").arg(self.folder.join("test.vcl"));
        let path = format!("vcl_path={RULES}");
        for setting in [&path, "default_ttl=0", "default_grace=0", "default_keep=0", "http_gzip_support=off"] {
            command.args(["-p", setting]);
        }
        let mut server = command.stdout(said.try_clone().unwrap()).stderr(said).spawn().unwrap();
        eventually("Varnish", async || {
            if let Some(status) = server.try_wait().unwrap() {
                panic!("Varnish ended with {status}: {}", fs::read_to_string(&log).unwrap());
            }
            tokio::net::TcpStream::connect(&self.edge).await.map_err(|error| error.to_string())
        })
        .await;
        self.server = Some(server);
    }

    fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            // By the signal at which it ends its own child, too. An error says that it has ended already.
            Command::new("kill").arg(server.id().to_string()).status().ok();
            server.wait().ok();
        }
    }
}

impl Drop for Varnish {
    fn drop(&mut self) {
        self.stop();
        fs::remove_dir_all(&self.folder).ok();
    }
}

/// A request as the origin sees it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Path and query, without the stage.
    pub target: String,
    /// The method.
    pub method: Method,
    /// The headers.
    pub headers: HeaderMap,
    /// When it came.
    pub at: Instant,
}

/// What a scripted origin says.
#[derive(Clone, Copy)]
pub struct Says {
    /// The status.
    pub status: u16,
    /// Who may keep it.
    pub cache_control: &'static str,
    /// A cookie that it sets.
    pub cookie: Option<&'static str>,
}

/// What stands behind the CDN.
pub struct Origin {
    server: Server,
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    seen: Mutex<Vec<Seen>>,
    says: Mutex<Option<Says>>,
    held: RwLock<()>,
}

impl Origin {
    /// An origin that says the same to each request, with the request's number as its body.
    pub async fn scripted(says: Says) -> Self {
        let inner = Arc::new(Inner { says: Mutex::new(Some(says)), ..Inner::default() });
        let answering = inner.clone();
        let answer = move |request: Request<Incoming>| {
            let inner = answering.clone();
            async move {
                let number = inner.note(&request);
                let _may_answer = inner.held.read().await;
                let says = inner.says.lock().unwrap().unwrap();
                let mut answer = Answer::new(format!("answer {number}").into_bytes().into());
                *answer.status_mut() = StatusCode::from_u16(says.status).unwrap();
                answer.headers_mut().insert(header::CACHE_CONTROL, says.cache_control.parse().unwrap());
                answer.headers_mut().extend(says.cookie.map(|cookie| (header::SET_COOKIE, cookie.parse().unwrap())));
                Ok(answer)
            }
        };
        Self { server: Server::start(ANY_PORT, answer).await.unwrap(), inner }
    }

    /// An origin that passes all on to the stack's API.
    pub async fn of(app: &App) -> Self {
        Self::before(app.stack.api_url.clone()).await
    }

    /// An origin that passes all on to the stack's pages.
    pub async fn of_pages(app: &App) -> Self {
        Self::before(app.stack.output("PagesUrl").to_owned()).await
    }

    async fn before(url: String) -> Self {
        let inner = Arc::new(Inner::default());
        let answering = inner.clone();
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(30))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        let answer = move |request: Request<Incoming>| {
            let (inner, http, url) = (answering.clone(), http.clone(), url.clone());
            async move {
                inner.note(&request);
                pass_on(&http, &url, request).await
            }
        };
        Self { server: Server::start(ANY_PORT, answer).await.unwrap(), inner }
    }

    /// Says something else from now on.
    pub fn says(&self, says: Says) {
        *self.inner.says.lock().unwrap() = Some(says);
    }

    /// Answers nothing until what this gives is dropped.
    pub async fn hold(&self) -> RwLockWriteGuard<'_, ()> {
        self.inner.held.write().await
    }

    /// How many requests have come.
    pub fn count(&self) -> usize {
        self.inner.seen.lock().unwrap().len()
    }

    /// The request that came last.
    pub fn last(&self) -> Seen {
        self.inner.seen.lock().unwrap().last().unwrap().clone()
    }

    /// The most requests that came within a second.
    pub fn most_in_a_second(&self) -> usize {
        let seen = self.inner.seen.lock().unwrap();
        let within = |first: &Seen| {
            let second = first.at..first.at + Duration::from_secs(1);
            seen.iter().filter(|seen| second.contains(&seen.at)).count()
        };
        seen.iter().map(within).max().unwrap_or_default()
    }

    /// Whether a request with this header has come.
    pub fn has_seen(&self, name: &str, value: &str) -> bool {
        let seen = self.inner.seen.lock().unwrap();
        seen.iter().any(|seen| seen.headers.get(name).is_some_and(|found| found == value))
    }
}

impl Inner {
    /// Notes a request; how many there are then.
    fn note(&self, request: &Request<Incoming>) -> usize {
        let target = request.uri().to_string();
        let target = target.strip_prefix(STAGE).unwrap_or_else(|| panic!("no stage in {target}")).to_owned();
        let mut seen = self.seen.lock().unwrap();
        seen.push(Seen {
            target,
            method: request.method().clone(),
            headers: request.headers().clone(),
            at: Instant::now(),
        });
        seen.len()
    }
}

async fn pass_on(http: &reqwest::Client, base: &str, request: Request<Incoming>) -> Result<Answer, NoAnswer> {
    let (parts, body) = request.into_parts();
    let body: Bytes = body.collect().await.map_err(|_| NoAnswer)?.to_bytes();
    let target = parts.uri.to_string();
    let url = format!("{base}{}", target.strip_prefix(STAGE).ok_or(NoAnswer)?);
    let headers = passed_on(&parts.headers);
    let answer = http.request(parts.method, url).headers(headers).body(body).send().await.map_err(|_| NoAnswer)?;
    let (status, headers) = (answer.status(), passed_on(answer.headers()));
    let mut passed = Answer::new(answer.bytes().await.map_err(|_| NoAnswer)?.into());
    *passed.status_mut() = status;
    *passed.headers_mut() = headers;
    Ok(passed)
}

fn passed_on(headers: &HeaderMap) -> HeaderMap {
    let is_passed_on = |name: &str| !NOT_PASSED_ON.contains(&name) && !name.starts_with("cdn-");
    headers
        .iter()
        .filter(|(name, _)| is_passed_on(name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}
