//! TLS as a web config file asks for it.

use crate::config::web::{ClientAuth, Pem, Tls};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{CipherSuite, NamedGroup, RootCertStore, ServerConfig};
use std::io;
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Larger than any chain of certificates.
const MOST: u64 = 4 * 1024 * 1024;

/// Encrypts connections.
#[derive(Clone)]
pub(super) struct Acceptor {
    acceptor: TlsAcceptor,
    sans: Arc<[ServerName<'static>]>,
}

impl Acceptor {
    /// Shakes hands; also returns whether the client showed a certificate that was verified.
    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<(TlsStream<TcpStream>, bool)> {
        let stream = self.acceptor.accept(stream).await?;
        let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        if let (Some(certificate), false) = (shown, self.sans.is_empty()) {
            let parsed = webpki::EndEntityCert::try_from(certificate).map_err(io::Error::other)?;
            let is_named = |name: &ServerName<'static>| parsed.verify_is_valid_for_subject_name(name).is_ok();
            if !self.sans.iter().any(is_named) {
                return Err(io::Error::other("the client's certificate holds none of client_allowed_sans"));
            }
        }
        let certificate = shown.is_some();
        Ok((stream, certificate))
    }
}

/// Builds the acceptor; also returns when the certificate ends, in epoch seconds.
///
/// # Errors
/// Everything that is wrong with keys and certificates.
pub(super) fn build(tls: &Tls) -> Result<(Acceptor, Option<i64>), Vec<String>> {
    let mut problems = Vec::new();
    let provider = Arc::new(provider(tls));
    let chain = read(&tls.cert).and_then(|pem| certificates(&pem));
    let chain = chain.unwrap_or_else(|why| note(&mut problems, "cert_file", &tls.cert, &why));
    let key =
        read(&tls.key).and_then(|pem| PrivateKeyDer::from_pem_slice(&pem).map_err(|error| error.to_string()));
    let key = key.map_err(|why| note::<Vec<()>>(&mut problems, "key_file", &tls.key, &why)).ok();
    let authorities = tls.client_ca.as_ref().map(|ca| {
        let authorities = read(ca).and_then(|pem| certificates(&pem));
        authorities.unwrap_or_else(|why| note(&mut problems, "client_ca_file", ca, &why))
    });
    let mut sans = Vec::new();
    for name in &tls.client_sans {
        match ServerName::try_from(name.clone()) {
            Ok(name) => sans.push(name),
            Err(_) => problems.push(format!("client_allowed_sans: `{name}` is no DNS name or address")),
        }
    }
    let not_after = chain.first().and_then(not_after);
    let (Some(key), true) = (key, problems.is_empty()) else { return Err(problems) };
    let config = config(tls, provider, chain, key, authorities).map_err(|why| vec![why])?;
    let acceptor = TlsAcceptor::from(Arc::new(config));
    Ok((Acceptor { acceptor, sans: sans.into() }, not_after))
}

fn config(
    tls: &Tls,
    provider: Arc<CryptoProvider>,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    authorities: Option<Vec<CertificateDer<'static>>>,
) -> Result<ServerConfig, String> {
    let mut versions = Vec::new();
    if tls.versions.tls12 {
        versions.push(&rustls::version::TLS12);
    }
    if tls.versions.tls13 {
        versions.push(&rustls::version::TLS13);
    }
    let builder = ServerConfig::builder_with_provider(provider.clone());
    let builder =
        builder.with_protocol_versions(&versions).map_err(|error| format!("cipher_suites: {error}"))?;
    let builder = match (tls.client_auth, authorities) {
        (ClientAuth::None, _) | (_, None) => builder.with_no_client_auth(),
        (auth, Some(authorities)) => {
            let mut roots = RootCertStore::empty();
            for authority in authorities {
                roots.add(authority).map_err(|error| format!("client_ca_file: {error}"))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            let verifier =
                if auth == ClientAuth::IfGiven { verifier.allow_unauthenticated() } else { verifier };
            builder.with_client_cert_verifier(
                verifier.build().map_err(|error| format!("client_ca_file: {error}"))?,
            )
        }
    };
    builder.with_single_cert(chain, key).map_err(|error| format!("cert_file and key_file: {error}"))
}

/// ring, with the suites and groups that the file names; in its order, as Go does it.
fn provider(tls: &Tls) -> CryptoProvider {
    let mut provider = rustls::crypto::ring::default_provider();
    if !tls.cipher_suites.is_empty() {
        provider
            .cipher_suites
            .retain(|suite| tls.cipher_suites.iter().any(|name| *name == iana(suite.suite())));
    }
    if !tls.curves.is_empty() {
        let group = |name: &String| match name.as_str() {
            "X25519" => NamedGroup::X25519,
            "CurveP256" => NamedGroup::secp256r1,
            _ => NamedGroup::secp384r1,
        };
        let wanted: Vec<NamedGroup> = tls.curves.iter().map(group).collect();
        provider.kx_groups.retain(|group| wanted.contains(&group.name()));
    }
    provider
}

/// The IANA name of a suite: rustls calls those of TLS 1.3 `TLS13_...`.
fn iana(suite: CipherSuite) -> String {
    suite.as_str().unwrap_or_default().replacen("TLS13_", "TLS_", 1)
}

fn read(pem: &Pem) -> Result<Vec<u8>, String> {
    match pem {
        Pem::Inline(text) => Ok(text.clone().into_bytes()),
        Pem::File(file) => read_file(file).map_err(|error| error.to_string()),
    }
}

fn read_file(file: &Path) -> io::Result<Vec<u8>> {
    let about = std::fs::metadata(file)?;
    if !about.is_file() || about.len() > MOST {
        return Err(io::Error::other("it is no file of at most 4 MiB"));
    }
    std::fs::read(file)
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match read {
        Ok(chain) if chain.is_empty() => Err("it holds no certificate".to_owned()),
        Ok(chain) => Ok(chain),
        Err(error) => Err(error.to_string()),
    }
}

/// Notes a problem with a part and returns nothing in its place.
fn note<T: Default>(problems: &mut Vec<String>, key: &str, pem: &Pem, why: &str) -> T {
    problems.push(match pem {
        Pem::Inline(_) => format!("{}: {why}", key.trim_end_matches("_file")),
        Pem::File(file) => format!("{key}: {}: {why}", file.display()),
    });
    T::default()
}

/// Reads when a certificate ends: the second time of its validity, which is the only pair of times in it (RFC 5280, 4.1).
fn not_after(certificate: &CertificateDer<'_>) -> Option<i64> {
    let der = certificate.as_ref();
    // SEQUENCE { Time, Time }: each UTCTime (0x17, 13 bytes) or GeneralizedTime (0x18, 15 bytes), both ending in Z.
    (0..der.len()).find_map(|at| {
        let (first, rest) = time(der.get(at..)?)?;
        let (last, _) = time(rest)?;
        (first <= last).then_some(last)
    })
}

fn time(der: &[u8]) -> Option<(i64, &[u8])> {
    let (length, format) = match der {
        [0x17, 13, ..] => (13, "%y%m%d%H%M%SZ"),
        [0x18, 15, ..] => (15, "%Y%m%d%H%M%SZ"),
        _ => return None,
    };
    let text = std::str::from_utf8(der.get(2..2 + length)?).ok()?;
    let parsed = chrono::NaiveDateTime::parse_from_str(text, format).ok()?;
    Some((parsed.and_utc().timestamp(), &der[2 + length..]))
}
