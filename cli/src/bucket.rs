//! An S3 bucket: lists, reads and deletes objects by signed requests. That is too little to need S3's own SDK.

use std::time::Duration;

use anyhow::{Context, Result};
use aws_types::SdkConfig;
use landslide_cli::signing::Signer;
use reqwest::{Method, StatusCode};

use landslide_cli::stack;

/// Time limit for a request. An object has a little more than 6 MB.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// The most attempts if S3 does not respond, or is too busy.
const ATTEMPTS_MAX: u32 = 5;
/// The pause before the n-th further attempt, times n.
const ATTEMPT_PAUSE: Duration = Duration::from_millis(300);

/// An S3 bucket.
pub struct Bucket {
    aws: SdkConfig,
    url: String,
    http: reqwest::Client,
}

impl Bucket {
    /// A bucket by name.
    pub fn new(aws: SdkConfig, name: &str) -> Result<Self> {
        let region = aws.region().context("no region")?.to_string();
        let host = aws.endpoint_url().map_or_else(|| stack::endpoint("s3", &region), str::to_owned);
        let http = reqwest::Client::builder().timeout(REQUEST_TIMEOUT).build().context("make an HTTP client")?;
        Ok(Self { url: format!("{}/{name}", host.trim_end_matches('/')), aws, http })
    }

    /// Lists up to 1,000 object keys after `key`, in order, URL-encoded.
    pub async fn keys_after(&self, key: &str) -> Result<Vec<String>> {
        let listed = self.call(Method::GET, &format!("?list-type=2&encoding-type=url&start-after={key}")).await?;
        let keys = listed.split("<Key>").skip(1).filter_map(|rest| rest.split_once("</Key>"));
        Ok(keys.map(|(key, _)| key.to_owned()).collect())
    }

    /// Reads an object's text.
    pub async fn read(&self, key: &str) -> Result<String> {
        self.call(Method::GET, &format!("/{key}")).await
    }

    /// Deletes an object, whether it exists or not.
    pub async fn delete(&self, key: &str) -> Result<()> {
        self.call(Method::DELETE, &format!("/{key}")).await.map(drop)
    }

    async fn call(&self, method: Method, path: &str) -> Result<String> {
        let url = format!("{}{path}", self.url);
        let mut attempt = 0;
        loop {
            attempt += 1;
            let outcome = match self.http.execute(self.signed(&method, &url).await?).await {
                Ok(answer) => read_answer(answer).await,
                Err(error) => Err(Attempt::Passing(error.into())),
            };
            match outcome {
                Ok(text) => return Ok(text),
                Err(Attempt::Passing(_)) if attempt < ATTEMPTS_MAX => tokio::time::sleep(ATTEMPT_PAUSE * attempt).await,
                Err(Attempt::Passing(error) | Attempt::Final(error)) => {
                    return Err(error.context(format!("{method} {url}")));
                }
            }
        }
    }

    async fn signed(&self, method: &Method, url: &str) -> Result<reqwest::Request> {
        let request = http::Request::builder().method(method.as_str()).uri(url).body(String::new())?;
        Ok(Signer::of(&self.aws).await?.sign("s3", request)?.try_into()?)
    }
}

/// Why a request failed, and whether another attempt may succeed.
enum Attempt {
    Passing(anyhow::Error),
    Final(anyhow::Error),
}

async fn read_answer(answer: reqwest::Response) -> Result<String, Attempt> {
    let status = answer.status();
    let text = answer.text().await.map_err(|error| Attempt::Passing(error.into()))?;
    if status.is_success() {
        return Ok(text);
    }
    let error = match status {
        StatusCode::NOT_FOUND => anyhow::anyhow!("the bucket or the object does not exist: {text}"),
        StatusCode::FORBIDDEN => anyhow::anyhow!("these credentials have no permission: {text}"),
        _ => anyhow::anyhow!("{status}: {text}"),
    };
    Err(if status.is_server_error() { Attempt::Passing(error) } else { Attempt::Final(error) })
}
