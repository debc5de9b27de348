use super::*;
use crate::config::web::Web;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ClientConfig;
use rustls::version::{TLS12, TLS13};
use std::fs;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsConnector;

/// A folder with an authority, a server's certificate, and clients' certificates.
struct Keys {
    folder: TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Keys {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority =
            CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("signed");
        let keys = Self { folder: tempfile::tempdir().expect("a folder"), authority };
        keys.write("ca.pem", &keys.authority.pem());
        let (chain, key) = keys.sign("server.east");
        keys.write("server.pem", &chain);
        keys.write("server.key", &key);
        keys
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).expect("written");
    }

    /// Signs a certificate for `name`; returns it and its key in PEM.
    fn sign(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
        (params.signed_by(&key, &self.authority).expect("signed").pem(), key.serialize_pem())
    }

    fn acceptor(&self, more: &str) -> Acceptor {
        let text = format!("tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n{more}");
        let web = Web::parse(&text, self.folder.path()).expect("valid");
        build(&web.tls.expect("TLS")).unwrap_or_else(|problems| panic!("{problems:?}")).0
    }

    /// Shakes hands as a client with this certificate; returns whether the server takes it, and as what.
    async fn greet(
        &self,
        acceptor: &Acceptor,
        version: &'static rustls::SupportedProtocolVersion,
        client: Option<&(String, String)>,
    ) -> Result<bool, String> {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.der().clone()).expect("an authority");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[version]);
        let config = config.expect("versions").with_root_certificates(roots);
        let config = match client {
            None => config.with_no_client_auth(),
            Some((chain, key)) => {
                let chain = certificates(chain.as_bytes()).expect("a chain");
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key");
                config.with_client_auth_cert(chain, key).expect("a certificate")
            }
        };
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let talk = async {
            let name = "server.east".try_into().expect("a name");
            let mut stream = TlsConnector::from(Arc::new(config)).connect(name, theirs).await?;
            stream.write_all(b"x").await?;
            stream.flush().await?;
            stream.read_u8().await
        };
        let serve = async {
            let (mut stream, certificate) =
                acceptor.accept(Box::new(ours)).await.map_err(|error| error.to_string())?;
            let _ = stream.read_u8().await;
            let _ = stream.write_all(b"y").await;
            let _ = stream.shutdown().await;
            Ok(certificate)
        };
        let (served, talked) = tokio::join!(serve, talk);
        assert_eq!(served.is_ok(), talked.is_ok(), "{served:?} {talked:?}");
        served
    }
}

#[tokio::test]
async fn naming_suites_of_the_old_version_takes_nothing_from_the_new_one() {
    let keys = Keys::new();
    let acceptor = keys.acceptor("  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]\n");
    assert_eq!(keys.greet(&acceptor, &TLS13, None).await, Ok(false));
    assert_eq!(keys.greet(&acceptor, &TLS12, None).await, Ok(false));
    // None of them fits the server's key.
    let acceptor = keys.acceptor("  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384]\n");
    assert!(keys.greet(&acceptor, &TLS12, None).await.is_err());
    let acceptor = keys.acceptor("  min_version: TLS13\n  curve_preferences: [CurveP384]\n");
    assert_eq!(keys.greet(&acceptor, &TLS13, None).await, Ok(false));
    assert!(keys.greet(&acceptor, &TLS12, None).await.is_err());
}

#[tokio::test]
async fn a_client_is_known_by_a_certificate_that_the_authority_signed_and_by_no_other() {
    let keys = Keys::new();
    let (known, stranger) = (keys.sign("prom-a.east"), Keys::new().sign("prom-a.east"));
    for (policy, without) in [("RequireAndVerifyClientCert", false), ("VerifyClientCertIfGiven", true)] {
        let acceptor = keys.acceptor(&format!("  client_ca_file: ca.pem\n  client_auth_type: {policy}\n"));
        assert_eq!(keys.greet(&acceptor, &TLS13, Some(&known)).await, Ok(true), "{policy}");
        assert!(keys.greet(&acceptor, &TLS13, Some(&stranger)).await.is_err(), "{policy}");
        assert_eq!(keys.greet(&acceptor, &TLS13, None).await.ok(), without.then_some(false), "{policy}");
    }
}

#[tokio::test]
async fn only_clients_of_the_names_that_are_allowed_come_in_and_a_wildcard_is_no_name() {
    let keys = Keys::new();
    let acceptor = keys.acceptor(
        "  client_ca_file: ca.pem\n  client_auth_type: RequireAndVerifyClientCert\n  \
         client_allowed_sans: [prom-a.east, 10.0.0.7]\n",
    );
    for (name, taken) in
        [("prom-a.east", true), ("10.0.0.7", true), ("prom-b.east", false), ("*.east", false)]
    {
        let outcome = keys.greet(&acceptor, &TLS12, Some(&keys.sign(name))).await;
        assert_eq!(outcome.is_ok(), taken, "{name}: {outcome:?}");
    }
}
