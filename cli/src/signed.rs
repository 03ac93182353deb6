//! Signed requests to services that this program calls once or twice; their SDKs take minutes to compile.

use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use aws_types::SdkConfig;
use landslide_cli::signing::Signer;
use reqwest::StatusCode;
use roxmltree::Document;
use serde_json::Value;

use landslide_cli::stack;

/// Time limit for one attempt.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// The most attempts if the service does not respond, or is too busy.
const ATTEMPTS_MAX: u32 = 4;
/// The pause before the n-th further attempt, times n.
const ATTEMPT_PAUSE: Duration = Duration::from_millis(300);

/// AWS in one region, with credentials.
pub struct Api {
    signer: Signer,
    http: reqwest::Client,
    endpoint: Option<String>,
    region: String,
}

/// Why AWS refused a call.
#[derive(Debug)]
pub struct Refused {
    /// The error code, such as `AccessDeniedException`. Empty if nobody responded.
    pub code: String,
    /// The message.
    pub message: String,
}

impl Api {
    /// Uses an SDK's configuration.
    pub async fn of(aws: &SdkConfig) -> Result<Self> {
        Ok(Self {
            signer: Signer::of(aws).await?,
            http: reqwest::Client::builder().timeout(REQUEST_TIMEOUT).build().context("make an HTTP client")?,
            endpoint: aws.endpoint_url().map(|url| url.trim_end_matches('/').to_owned()),
            region: aws.region().context("no region")?.to_string(),
        })
    }

    /// The region.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The account number that these credentials belong to. Fails if AWS refuses them.
    pub async fn account(&self) -> Result<String> {
        let answer = self.query("sts", "Action=GetCallerIdentity&Version=2011-06-15").await;
        answer.and_then(|text| element(&text, "Account")).map_err(|Refused { code, message }| {
            let what = if code.contains("Expired") {
                "These credentials have expired. Sign in again (aws sso login), or export new ones."
            } else if code.is_empty() {
                "AWS can't be reached."
            } else {
                "AWS did not take these credentials."
            };
            anyhow!("{what} It said: {code} {message}")
        })
    }

    /// Calls a service that speaks JSON.
    pub async fn call(&self, service: &str, target: &str, body: &Value) -> Result<Value, Refused> {
        let version = if service == "dynamodb" { "1.0" } else { "1.1" };
        let headers =
            [("content-type", format!("application/x-amz-json-{version}")), ("x-amz-target", target.to_owned())];
        json(&self.send(service, "POST", "/", &headers, body.to_string()).await?)
    }

    /// Reads a path from a REST service.
    pub async fn get(&self, service: &str, path: &str) -> Result<Value, Refused> {
        let headers = [("accept", "application/json".to_owned())];
        json(&self.send(service, "GET", path, &headers, String::new()).await?)
    }

    /// Calls a service that takes a form and responds with XML.
    pub async fn query(&self, service: &str, form: &str) -> Result<String, Refused> {
        let headers = [("content-type", "application/x-www-form-urlencoded".to_owned())];
        self.send(service, "POST", "/", &headers, form.to_owned()).await
    }

    async fn send(
        &self,
        service: &str,
        method: &str,
        path: &str,
        headers: &[(&str, String)],
        body: String,
    ) -> Result<String, Refused> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let request = self.signed(service, method, path, headers, body.clone()).map_err(unanswered)?;
            let outcome = match self.http.execute(request).await {
                Ok(answer) => read(answer).await,
                Err(error) => Err((true, unanswered(error.into()))),
            };
            match outcome {
                Ok(text) => return Ok(text),
                Err((true, _)) if attempt < ATTEMPTS_MAX => tokio::time::sleep(ATTEMPT_PAUSE * attempt).await,
                Err((_, refused)) => return Err(refused),
            }
        }
    }

    fn signed(
        &self,
        service: &str,
        method: &str,
        path: &str,
        headers: &[(&str, String)],
        body: String,
    ) -> Result<reqwest::Request> {
        let host = self.endpoint.clone().unwrap_or_else(|| stack::endpoint(service, &self.region));
        let mut request = http::Request::builder().method(method).uri(format!("{host}{path}"));
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        Ok(self.signer.sign(service, request.body(body)?)?.try_into()?)
    }
}

/// The response's text, or the error, and whether another attempt may succeed.
async fn read(answer: reqwest::Response) -> Result<String, (bool, Refused)> {
    let status = answer.status();
    let header = answer.headers().get("x-amzn-errortype").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let text = answer.text().await.map_err(|error| (true, unanswered(error.into())))?;
    if status.is_success() {
        return Ok(text);
    }
    let refused = refusal(status, header, &text);
    let is_passing = status == StatusCode::TOO_MANY_REQUESTS
        || refused.code.contains("Throttl")
        || status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED;
    Err((is_passing, refused))
}

fn refusal(status: StatusCode, header: Option<String>, text: &str) -> Refused {
    let of_json = |names: [&str; 3]| {
        let body: Value = serde_json::from_str(text).ok()?;
        names.into_iter().find_map(|name| Some(body.get(name)?.as_str()?.to_owned()))
    };
    let of_xml = |name: &str| Document::parse(text).ok().and_then(|document| text_of(&document, name));
    let code = header.or_else(|| of_json(["__type", "code", "Code"])).or_else(|| of_xml("Code"));
    let code = code.unwrap_or_else(|| status.as_u16().to_string());
    // Such as `com.amazonaws.servicequotas#NoSuchResourceException`, or followed by a colon and an address.
    let code = code.rsplit('#').next().and_then(|code| code.split(':').next()).unwrap_or_default().to_owned();
    let message = of_json(["message", "Message", "error"]).or_else(|| of_xml("Message")).unwrap_or_default();
    Refused { code, message }
}

fn element(text: &str, name: &str) -> Result<String, Refused> {
    let found = Document::parse(text).ok().and_then(|document| text_of(&document, name));
    found.ok_or_else(|| Refused { code: String::new(), message: format!("no {name} in the answer") })
}

/// The text of the first element with this name.
pub fn text_of(document: &Document<'_>, name: &str) -> Option<String> {
    let element = document.descendants().find(|node| node.tag_name().name() == name)?;
    Some(element.text().unwrap_or_default().to_owned())
}

fn json(text: &str) -> Result<Value, Refused> {
    serde_json::from_str(text).map_err(|error| unanswered(error.into()))
}

fn unanswered(error: anyhow::Error) -> Refused {
    Refused { code: String::new(), message: format!("{error:#}") }
}
