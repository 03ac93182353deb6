//! Opens a connection: TCP, TLS, login, and a first answer in time.

use std::{io, sync::Arc, time::Duration};

use landslide_aws::sdk::AMAZON_ROOTS;
use redis::{AsyncConnectionConfig, ErrorKind, RedisConnectionInfo, RedisError, aio::MultiplexedConnection};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};

use crate::{
    iam::{self, TokenError},
    settings::{Login, Settings},
};

/// How long a call of the cache may last, in milliseconds. Several reads of DynamoDB fit into it.
pub const ANSWER_MS_MAX: u64 = 20;
/// How long each step of opening a connection may last, in milliseconds: TCP, TLS, login.
const OPEN_MS_MAX: u64 = 2_000;

/// Why there is no connection. Each text says what to look at.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Nobody answers there.
    #[error("it can't be reached: {0}")]
    Away(io::Error),
    /// Nobody answers there in time.
    #[error(
        "it can't be reached within {OPEN_MS_MAX} ms: are CacheSubnets and CacheSecurityGroups those of the cache?"
    )]
    Silent,
    /// TLS failed.
    #[error("TLS is refused: {0}")]
    Tls(String),
    /// The login was refused.
    #[error("the login is refused: {0}")]
    Login(RedisError),
    /// There is no token to log in with.
    #[error("no token for the login: {0}")]
    Token(#[from] TokenError),
    /// Something answers that is no Valkey, or none that this user may use.
    #[error("it does not answer as a Valkey does: {0}")]
    Answer(RedisError),
    /// Its first answer took too long.
    #[error("it takes longer than {ANSWER_MS_MAX} ms to answer")]
    Slow,
}

/// Whose certificates are believed.
#[derive(Clone, Debug)]
pub enum Trust {
    /// Amazon's roots for hosts of AWS, this machine's for others.
    ByHost,
    /// These roots, as PEM.
    Roots(Vec<u8>),
}

impl Trust {
    fn roots(&self, host: &str) -> Result<RootCertStore, ConnectError> {
        let failed = |error: String| ConnectError::Tls(error);
        let of_pem = |pem: &[u8]| {
            CertificateDer::pem_slice_iter(pem)
                .collect::<Result<Vec<_>, _>>()
                .map_err(|error| failed(error.to_string()))
        };
        let certificates = match self {
            Self::Roots(pem) => of_pem(pem)?,
            // Reading the machine's 150 roots takes most of a cold start.
            Self::ByHost if host.ends_with(".amazonaws.com") => of_pem(AMAZON_ROOTS)?,
            Self::ByHost => rustls_native_certs::load_native_certs().certs,
        };
        let mut roots = RootCertStore::empty();
        for certificate in certificates {
            roots.add(certificate).map_err(|error| failed(error.to_string()))?;
        }
        Ok(roots)
    }
}

/// Opens a connection on which the server has answered once.
pub async fn open(settings: &Settings, trust: &Trust) -> Result<MultiplexedConnection, ConnectError> {
    let mut connection = open_stream(settings, trust).await?;
    let ping = redis::cmd("PING");
    match timeout(Duration::from_millis(ANSWER_MS_MAX), ping.query_async::<String>(&mut connection)).await {
        Ok(Ok(_)) => Ok(connection),
        Ok(Err(error)) => Err(ConnectError::Answer(error)),
        Err(_) => Err(ConnectError::Slow),
    }
}

async fn open_stream(settings: &Settings, trust: &Trust) -> Result<MultiplexedConnection, ConnectError> {
    let Settings { host, port, has_tls, login } = settings;
    let connecting = timeout(Duration::from_millis(OPEN_MS_MAX), TcpStream::connect((host.as_str(), *port)));
    let stream = connecting.await.map_err(|_| ConnectError::Silent)?.map_err(ConnectError::Away)?;
    stream.set_nodelay(true).map_err(ConnectError::Away)?;
    if !has_tls {
        return log_in(stream, login).await;
    }
    let failed = |error: &dyn std::fmt::Display| ConnectError::Tls(error.to_string());
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(&error))?
        .with_root_certificates(trust.roots(host)?)
        .with_no_client_auth();
    let name = ServerName::try_from(host.clone()).map_err(|error| failed(&error))?;
    let connector = TlsConnector::from(Arc::new(config));
    let shaking_hands = timeout(Duration::from_millis(OPEN_MS_MAX), connector.connect(name, stream));
    let stream = shaking_hands.await.map_err(|_| failed(&"no answer"))?.map_err(|error| failed(&error))?;
    log_in(stream, login).await
}

async fn log_in<S>(stream: S, login: &Login) -> Result<MultiplexedConnection, ConnectError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (user, password) = match login {
        Login::Password { user, password } => (user.clone(), password.clone()),
        Login::Iam { user, cache } => (Some(user.clone()), iam::token(user, cache)?),
    };
    let mut info = RedisConnectionInfo::default().set_password(password).set_skip_set_lib_name();
    if let Some(user) = user {
        info = info.set_username(user);
    }
    // Each call has a time limit of its own.
    let config = AsyncConnectionConfig::new().set_response_timeout(None);
    let opening = MultiplexedConnection::new_with_config(&info, stream, config);
    let opened = timeout(Duration::from_millis(OPEN_MS_MAX), opening).await.map_err(|_| ConnectError::Slow)?;
    let (connection, driver) = opened.map_err(|error| match error.kind() {
        ErrorKind::AuthenticationFailed => ConnectError::Login(error),
        _ => ConnectError::Answer(error),
    })?;
    tokio::spawn(driver);
    Ok(connection)
}
