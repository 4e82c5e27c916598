//! TLS for new connections: the certificate of now, replaced in one swap.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::language::Phrase;
use crate::problem::{Problem, Problems};

/// The certificate that new connections are shown. Clones share it.
#[derive(Clone, Debug)]
pub struct Tls {
    current: Arc<ArcSwap<Shown>>,
}

/// A certificate with those that it rests on, and what connections need to show it.
#[derive(Debug)]
struct Shown {
    chain: Vec<CertificateDer<'static>>,
    config: Arc<ServerConfig>,
}

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file that cannot be read, or is no PEM.
    #[error("{0}: {1}")]
    File(PathBuf, #[source] pem::Error),
    /// A file of certificates without any.
    #[error("{0} holds no certificate")]
    Empty(PathBuf),
    /// The two do not go together, or are of a kind that is not supported.
    #[error("{0} and {1}: {2}")]
    Unusable(PathBuf, PathBuf, #[source] rustls::Error),
}

impl Tls {
    /// Reads the certificate, with those that it rests on, and its key; both are PEM.
    ///
    /// # Errors
    /// Files that cannot be read or do not go together.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let shown = read(certificate, key)?;
        Ok(Tls {
            current: Arc::new(ArcSwap::from_pointee(shown)),
        })
    }

    /// Reads both again; connections from now on are shown what they hold. After an error, what was loaded
    /// before stays. Clients resume their sessions as long as the certificate is the same; who came by another is to
    /// see the new one.
    ///
    /// # Errors
    /// As with [`Tls::load`].
    pub fn replace(&self, certificate: &Path, key: &Path) -> Result<(), TlsError> {
        let shown = read(certificate, key)?;
        if shown.chain != self.current.load().chain {
            self.current.store(Arc::new(shown));
        }
        Ok(())
    }

    /// Shakes hands for one connection, with the certificate of now.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.current.load().config.clone())
    }
}

fn read(certificate: &Path, key: &Path) -> Result<Shown, TlsError> {
    let of = |path: &Path| {
        let path = path.to_owned();
        move |error| TlsError::File(path, error)
    };
    let chain: Vec<_> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(of(certificate))?;
    if chain.is_empty() {
        return Err(TlsError::Empty(certificate.to_owned()));
    }
    let secret = PrivateKeyDer::from_pem_file(key).map_err(of(key))?;
    let unusable = |error| TlsError::Unusable(certificate.to_owned(), key.to_owned(), error);
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_no_client_auth()
        .with_single_cert(chain.clone(), secret)
        .map_err(unusable)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Shown {
        chain,
        config: Arc::new(config),
    })
}

impl TlsError {
    /// For operators.
    pub fn explain(&self) -> Problems {
        let (file, message) = match self {
            TlsError::File(path, pem::Error::Io(error)) => (
                path,
                Phrase::new(
                    format!("读不了：{error}"),
                    format!("cannot be read: {error}"),
                ),
            ),
            TlsError::File(path, error) => (
                path,
                Phrase::new(
                    format!("不是需要的 PEM 文件：{error}"),
                    format!("is not the PEM file needed: {error}"),
                ),
            ),
            TlsError::Empty(path) => (
                path,
                Phrase::new(
                    "里没有证书；PEM 证书以 -----BEGIN CERTIFICATE----- 开头",
                    "holds no certificate; one begins with -----BEGIN CERTIFICATE-----",
                ),
            ),
            TlsError::Unusable(certificate, key, error) => {
                let key = key.display();
                let message = Phrase::new(
                    format!("和私钥 {key} 不能一起用：{error}"),
                    format!("cannot be used with the key {key}: {error}"),
                );
                (certificate, message)
            }
        };
        Problems(vec![Problem {
            key: Some("server.tls_certificate / server.tls_key".to_owned()),
            ..Problem::of_file(&file.display().to_string(), message)
        }])
    }
}
