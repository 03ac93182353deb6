//! TLS to the database by rustls, which the AWS clients use too.

use std::{io, sync::Arc};

use landslide_aws::sdk::AMAZON_ROOTS;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};

/// Who may vouch for the server.
#[derive(Clone)]
pub(crate) enum Trust {
    /// Nobody is asked to: there is no TLS.
    Nobody,
    /// These.
    Roots(Arc<RootCertStore>),
}

impl Trust {
    /// The authorities in a PEM text. `None` if there are none. Parameters of a template may have lost their line breaks:
    /// spaces count as such.
    pub(crate) fn these(pem: &str) -> Option<Self> {
        let pem = pem.replace("-----BEGIN CERTIFICATE-----", "\n-----BEGIN CERTIFICATE-----\n");
        let pem = pem.replace("-----END CERTIFICATE-----", "\n-----END CERTIFICATE-----\n");
        Self::roots(pem.as_bytes())
    }

    /// Amazon's public authorities: those of RDS Proxy. RDS itself has others.
    pub(crate) fn amazon() -> Self {
        Self::roots(AMAZON_ROOTS).unwrap_or(Self::Roots(Arc::new(RootCertStore::empty())))
    }

    fn roots(pem: &[u8]) -> Option<Self> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            roots.add(certificate.ok()?).ok()?;
        }
        (!roots.is_empty()).then(|| Self::Roots(Arc::new(roots)))
    }

    pub(crate) fn is_anybody(&self) -> bool {
        matches!(self, Self::Roots(_))
    }

    /// What opens connections that these vouch for.
    pub(crate) fn connector(&self) -> io::Result<Tls> {
        let roots = match self {
            Self::Nobody => Arc::new(RootCertStore::empty()),
            Self::Roots(roots) => roots.clone(),
        };
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().map_err(io::Error::other)?;
        Ok(Tls(Arc::new(builder.with_root_certificates(roots).with_no_client_auth())))
    }
}

/// Opens TLS connections.
#[derive(Clone)]
pub(crate) struct Tls(Arc<ClientConfig>);

/// Opens one to this server.
pub(crate) struct TlsTo {
    config: Arc<ClientConfig>,
    server: ServerName<'static>,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> MakeTlsConnect<S> for Tls {
    type Stream = TlsStream<S>;
    type TlsConnect = TlsTo;
    type Error = io::Error;

    fn make_tls_connect(&mut self, host: &str) -> io::Result<TlsTo> {
        let server = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        Ok(TlsTo { config: self.0.clone(), server })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> TlsConnect<S> for TlsTo {
    type Stream = TlsStream<S>;
    type Error = io::Error;
    type Future = std::pin::Pin<Box<dyn Future<Output = io::Result<TlsStream<S>>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        Box::pin(async move {
            let stream = TlsConnector::from(self.config).connect(self.server, stream).await?;
            Ok(TlsStream(stream))
        })
    }
}

/// An encrypted connection.
pub(crate) struct TlsStream<S>(tokio_rustls::client::TlsStream<S>);

mod io_of_stream {
    use std::{
        io,
        pin::Pin,
        task::{Context, Poll},
    };

    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
    use tokio_postgres::tls;

    use super::{ChannelBinding, TlsStream};

    impl<S: AsyncRead + AsyncWrite + Unpin> tls::TlsStream for TlsStream<S> {
        /// None: the certificate is checked by its name and root.
        fn channel_binding(&self) -> ChannelBinding {
            ChannelBinding::none()
        }
    }

    impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsStream<S> {
        fn poll_read(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            into: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_read(context, into)
        }
    }

    impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsStream<S> {
        fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            Pin::new(&mut self.0).poll_write(context, bytes)
        }

        fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_flush(context)
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_shutdown(context)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_read_without_its_line_breaks_too() {
        let pem = String::from_utf8(AMAZON_ROOTS.to_vec()).unwrap();
        let first = &pem[pem.find("-----BEGIN").unwrap()..pem.find("-----END CERTIFICATE-----").unwrap() + 25];
        for text in [first.to_owned(), first.replace('\n', " ")] {
            assert!(matches!(Trust::these(&text), Some(Trust::Roots(roots)) if roots.len() == 1), "{text}");
        }
        assert!(Trust::these("").is_none() && Trust::these("a certificate").is_none());
    }
}
