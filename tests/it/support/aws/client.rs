//! Signed calls of the stack's cloud, with one set of credentials.

use std::{collections::HashMap, time::Duration};

use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use http::HeaderMap;
use landslide_aws::{
    sdk::{https_client, sdk_config_over},
    store::{JobStore, LimitStore, PollStore, TallyStore, VoteStore},
};
use landslide_cli::signing::Signer;
use serde_json::Value;

use crate::support::{gate, stack::Stack};

/// The stack's cloud.
pub struct Aws {
    pub(super) http: reqwest::Client,
    credentials: Credentials,
    pub(super) endpoint: Option<String>,
    region: String,
    pub(super) polls: String,
    pub(super) votes: String,
    pub(super) tallies: String,
    pub(super) tenants: String,
    pub(super) audit: String,
    pub(super) jobs: String,
}

impl Aws {
    /// The cloud of a stack, with the credentials of the environment (a local cloud's by default).
    pub fn new(http: reqwest::Client, stack: &Stack) -> Self {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let credentials = Credentials::new(
            variable("AWS_ACCESS_KEY_ID").unwrap_or_else(|| "test".to_owned()),
            variable("AWS_SECRET_ACCESS_KEY").unwrap_or_else(|| "test".to_owned()),
            variable("AWS_SESSION_TOKEN"),
            None,
            "tests",
        );
        let table = |output: &str| stack.output(output).to_owned();
        Self {
            http,
            credentials,
            endpoint: stack.endpoint_url.clone(),
            region: stack.region.clone(),
            polls: table("PollsTable"),
            votes: table("VotesTable"),
            tallies: table("TalliesTable"),
            tenants: table("TenantsTable"),
            audit: table("AuditTable"),
            jobs: table("JobsTable"),
        }
    }

    /// The same cloud with other credentials: those in a function's environment.
    pub fn with_credentials_of(&self, environment: &HashMap<String, String>) -> Self {
        let variable = |name: &str| environment.get(name).filter(|value| !value.is_empty()).cloned();
        let key = variable("AWS_ACCESS_KEY_ID").unwrap();
        let secret = variable("AWS_SECRET_ACCESS_KEY").unwrap();
        let credentials = Credentials::new(key, secret, variable("AWS_SESSION_TOKEN"), None, "function");
        Self {
            http: self.http.clone(),
            credentials,
            endpoint: self.endpoint.clone(),
            region: self.region.clone(),
            polls: self.polls.clone(),
            votes: self.votes.clone(),
            tallies: self.tallies.clone(),
            tenants: self.tenants.clone(),
            audit: self.audit.clone(),
            jobs: self.jobs.clone(),
        }
    }

    /// The votes as the product stores them.
    pub fn vote_store(&self) -> VoteStore {
        VoteStore::new(&self.sdk_config(), self.votes.clone())
    }

    /// The polls as the product stores them.
    pub fn poll_store(&self) -> PollStore {
        PollStore::new(&self.sdk_config(), self.polls.clone())
    }

    /// The tallies as the product stores them.
    pub fn tally_store(&self) -> TallyStore {
        TallyStore::new(&self.sdk_config(), self.tallies.clone())
    }

    /// The tenants' limits as the product stores them.
    pub fn limit_store(&self) -> LimitStore {
        LimitStore::new(&self.sdk_config(), self.tenants.clone())
    }

    /// The jobs as the product stores them.
    pub fn job_store(&self) -> JobStore {
        JobStore::new(&self.sdk_config(), self.jobs.clone())
    }

    /// The product's own settings of its clients, with these credentials.
    fn sdk_config(&self) -> aws_types::SdkConfig {
        let settings = sdk_config_over(https_client(), self.region.clone(), self.endpoint.clone(), Duration::ZERO);
        let credentials = SharedCredentialsProvider::new(self.credentials.clone());
        settings.to_builder().credentials_provider(credentials).build()
    }

    /// These credentials as a function's environment holds them.
    pub fn credentials_as_environment(&self) -> [(&'static str, String); 3] {
        [
            ("AWS_ACCESS_KEY_ID", self.credentials.access_key_id().to_owned()),
            ("AWS_SECRET_ACCESS_KEY", self.credentials.secret_access_key().to_owned()),
            ("AWS_SESSION_TOKEN", self.credentials.session_token().unwrap_or_default().to_owned()),
        ]
    }

    /// A call of a service that speaks JSON, which must succeed.
    pub(super) async fn json(&self, service: &str, target: &str, body: &Value) -> Value {
        self.try_json(service, target, body).await.unwrap_or_else(|refusal| panic!("{target}: {refusal}"))
    }

    /// A call of a service that speaks JSON; else its refusal.
    pub async fn try_json(&self, service: &str, target: &str, body: &Value) -> Result<Value, String> {
        let headers = [("content-type", "application/x-amz-json-1.0"), ("x-amz-target", target)];
        let (_, answer) = self.try_call(service, "POST", "/", &headers, body.to_string()).await?;
        Ok(if answer.is_empty() { Value::Null } else { serde_json::from_str(&answer).unwrap() })
    }

    /// A call that must succeed.
    pub(super) async fn call(
        &self,
        service: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> (HeaderMap, String) {
        self.try_call(service, method, path, headers, body).await.unwrap_or_else(|refusal| panic!("{refusal}"))
    }

    /// One call, signed (Signature Version 4); else its refusal.
    pub async fn try_call(
        &self,
        service: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Result<(HeaderMap, String), String> {
        let host = match (&self.endpoint, service) {
            (Some(endpoint), _) => endpoint.clone(),
            (None, "iam") => "https://iam.amazonaws.com".to_owned(),
            (None, _) => format!("https://{service}.{}.amazonaws.com", self.region),
        };
        let url = format!("{host}{path}");
        let mut request = http::Request::builder().method(method).uri(&url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let signer = Signer::new(self.credentials.clone(), self.region.clone());
        let request = signer.sign(service, request.body(body).unwrap()).unwrap();
        let _turn = gate::pass().await;
        let response = self.http.execute(request.try_into().unwrap()).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let answer = response.text().await.unwrap();
        if status.is_success() { Ok((headers, answer)) } else { Err(format!("{service} {path}: {status} {answer}")) }
    }
}

/// The text up to the next tag of XML.
pub(super) fn until_tag(text: &str) -> &str {
    text.split('<').next().unwrap()
}
