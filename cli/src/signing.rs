//! Signs AWS requests (Signature Version 4) for services whose SDK is not linked.

use std::time::SystemTime;

use anyhow::{Context, Result};
use aws_credential_types::{Credentials, provider::ProvideCredentials};
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode,
    sign,
};
use aws_sigv4::sign::v4;
use aws_types::SdkConfig;
use http::Request;

/// Credentials and a region.
pub struct Signer {
    credentials: Credentials,
    region: String,
}

impl Signer {
    /// Uses an SDK's configuration.
    pub async fn of(aws: &SdkConfig) -> Result<Self> {
        let region = aws.region().context("no region")?.to_string();
        let provider = aws.credentials_provider().context("no credentials")?;
        Ok(Self { credentials: provider.provide_credentials().await.context("no credentials")?, region })
    }

    /// Uses these credentials.
    pub fn new(credentials: Credentials, region: String) -> Self {
        Self { credentials, region }
    }

    /// Signs a request to a service such as `dynamodb`, with all headers it has now. Its URI must name the host.
    pub fn sign<Body: AsRef<[u8]>>(&self, service: &str, mut request: Request<Body>) -> Result<Request<Body>> {
        let identity = self.credentials.clone().into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(service)
            .time(SystemTime::now())
            .settings(settings(service))
            .build()?;
        let headers = request.headers().iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        let body = SignableBody::Bytes(request.body().as_ref());
        let signable = SignableRequest::new(request.method().as_str(), request.uri().to_string(), headers, body)?;
        let (signature, _) = sign(signable, &parameters.into())?.into_parts();
        signature.apply_to_request_http1x(&mut request);
        Ok(request)
    }
}

fn settings(service: &str) -> SigningSettings {
    let mut settings = SigningSettings::default();
    if service == "s3" {
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        // Keys are already URL-encoded, and S3 signs paths as they are.
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    }
    settings
}
