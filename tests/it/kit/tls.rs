//! Certificates of the test's own, and an authority.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CertifiedKey, IsCa, KeyPair,
    generate_simple_self_signed,
};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

/// Writes a certificate for localhost to `c.pem` and its key to `k.pem`; what clients must know to trust it.
pub(crate) fn self_signed(folder: &Path) -> String {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(folder.join("c.pem"), cert.pem()).unwrap();
    fs::write(folder.join("k.pem"), signing_key.serialize_pem()).unwrap();
    cert.pem()
}

pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Authority {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Authority(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    /// What a client must know to trust it.
    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// Serves 127.0.0.1 with a certificate of this authority.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        let mut config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.into()], key.into())
            .unwrap();
        config.alpn_protocols = vec![b"h2".into(), b"http/1.1".into()];
        TlsAcceptor::from(Arc::new(config))
    }
}
