//! TLS as a web config file asks for it.

use super::listen::Socket;
use crate::config::web::{ClientAuth, Pem, Tls};
use crate::wire::x509;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ServerSessionMemoryCache, WebPkiClientVerifier};
use rustls::{CipherSuite, NamedGroup, RootCertStore, ServerConfig};
use std::io;
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Larger than any chain of certificates.
const MOST: u64 = 4 * 1024 * 1024;

/// Sessions that are remembered for clients that come back: two Prometheus and a few people.
const SESSIONS: usize = 32;

/// Encrypts connections.
#[derive(Clone)]
pub(super) struct Acceptor {
    acceptor: TlsAcceptor,
    sans: Arc<[String]>,
}

impl Acceptor {
    /// Shakes hands; also returns whether the client showed a certificate that was verified.
    pub(super) async fn accept(
        &self,
        socket: Box<dyn Socket>,
    ) -> io::Result<(TlsStream<Box<dyn Socket>>, bool)> {
        let stream = self.acceptor.accept(socket).await?;
        let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        if let (Some(certificate), false) = (shown, self.sans.is_empty()) {
            // Compared as text, as the original does: a certificate for `*.east` does not stand for `prom-a.east`.
            let names = x509::read(certificate).map(|read| read.names).unwrap_or_default();
            if !names.iter().any(|name| self.sans.contains(name)) {
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
    // The first that ends, be it the authority's between.
    let not_after =
        chain.iter().filter_map(|der| x509::read(der)).map(|read| read.not_after.timestamp()).min();
    let (Some(key), true) = (key, problems.is_empty()) else { return Err(problems) };
    let config = config(tls, provider, chain, key, authorities).map_err(|why| vec![why])?;
    let acceptor = TlsAcceptor::from(Arc::new(config));
    Ok((Acceptor { acceptor, sans: tls.client_sans.clone().into() }, not_after))
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
    let built = builder.with_single_cert(chain, key);
    let mut config = built.map_err(|error| format!("cert_file and key_file: {error}"))?;
    config.ignore_client_order = tls.own_order;
    config.session_storage = ServerSessionMemoryCache::new(SESSIONS);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// ring, with the suites and groups that the file names, in its order. The suites of TLS 1.3 are no choice, as in Go:
/// whoever lists those of 1.2 must not lose 1.3 by it.
fn provider(tls: &Tls) -> CryptoProvider {
    let mut provider = rustls::crypto::ring::default_provider();
    if !tls.cipher_suites.is_empty() {
        let all = std::mem::take(&mut provider.cipher_suites);
        let named = |name: &String| all.iter().find(|suite| *name == iana(suite.suite())).copied();
        let older = tls.cipher_suites.iter().filter_map(named).filter(|suite| suite.tls13().is_none());
        let newer = all.iter().filter(|suite| suite.tls13().is_some()).copied();
        provider.cipher_suites = newer.chain(older).collect();
    }
    if !tls.curves.is_empty() {
        let group = |name: &String| match name.as_str() {
            "X25519" => NamedGroup::X25519,
            "CurveP256" => NamedGroup::secp256r1,
            _ => NamedGroup::secp384r1,
        };
        let named =
            |name: &String| provider.kx_groups.iter().find(|known| known.name() == group(name)).copied();
        provider.kx_groups = tls.curves.iter().filter_map(named).collect();
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

#[cfg(test)]
#[path = "tls_tests.rs"]
mod tests;
