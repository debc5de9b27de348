//! Encryption: certificates of the service, renewed under an open connection, and certificates of its clients.

use super::support::service::Place;
use super::support::{SOON, await_until};
use super::{args, curl};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use std::net::TcpStream;
use std::sync::Arc;

/// Signs certificates and writes them into a place.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new(place: &Place, file: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        // OpenSSL takes a certificate whose holder is called as its issuer for a self-signed one.
        params.distinguished_name.push(DnType::CommonName, "an authority of the tests");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("an authority");
        place.write(file, issuer.pem());
        Self { issuer }
    }

    /// Writes `NAME.pem` and `NAME.key`.
    fn issue(&self, place: &Place, name: &str, holder: &str) {
        let params = CertificateParams::new(vec![holder.to_owned()]).expect("a name");
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        place.write(&format!("{name}.pem"), certificate.pem());
        place.write(&format!("{name}.key"), key.serialize_pem());
    }
}

fn host(place: &Place) -> &str {
    place.address.split(':').next().unwrap_or_default()
}

/// Starts an encrypted exporter and waits for the port; the plain question of [`Place::serve`] has no answer.
fn encrypted(place: &Place, more: &str) -> super::Running {
    place.write(
        "web.yml",
        format!("tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n{more}"),
    );
    let running = place.spawn(&mut place.command(&args(&["--web.config.file", &place.arg("web.yml")])));
    assert!(await_until(SOON, || TcpStream::connect(&place.address).is_ok()), "{}", place.said());
    running
}

/// Asks with curl and returns its exit code with what it printed.
fn ask(place: &Place, authority: &str, more: &[&str]) -> (Option<i32>, String) {
    let (ca, url) = (place.arg(authority), format!("https://{}/metrics", place.address));
    let outcome = curl(&[&["--cacert", &ca, &url], more].concat());
    (outcome.code, outcome.stdout + &outcome.stderr)
}

/// A connection that stays open.
fn open(place: &Place, authority: &str) -> rustls::StreamOwned<rustls::ClientConnection, TcpStream> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(place.path(authority)).expect("PEM")).expect("a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.expect("versions").with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from(host(place).to_owned()).expect("an address");
    let stream = TcpStream::connect(&place.address).expect("it listens");
    stream.set_read_timeout(Some(SOON)).expect("set");
    rustls::StreamOwned::new(rustls::ClientConnection::new(Arc::new(config), name).expect("a client"), stream)
}

fn healthy(stream: &mut (impl std::io::Read + std::io::Write)) {
    stream.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n").expect("taken");
    let mut got = Vec::new();
    while !got.ends_with(b"healthy\n") {
        let mut byte = [0; 1];
        stream.read_exact(&mut byte).expect("answered");
        got.extend(byte);
    }
}

#[test]
fn a_certificate_is_renewed_under_an_open_connection() {
    let place = Place::new();
    Authority::new(&place, "old.ca").issue(&place, "server", host(&place));
    let _exporter = encrypted(&place, "");
    let (code, page) = ask(&place, "old.ca", &[]);
    assert!(code == Some(0) && page.contains("iaasmon_tls_not_after_timestamp_seconds "), "{code:?} {page}");
    // Who does not encrypt is not answered.
    assert!(place.get("/metrics").is_none());
    let mut stays = open(&place, "old.ca");
    healthy(&mut stays);
    Authority::new(&place, "new.ca").issue(&place, "server", host(&place));
    assert!(await_until(SOON, || ask(&place, "new.ca", &[]).0 == Some(0)), "{}", place.said());
    assert_ne!(ask(&place, "old.ca", &[]).0, Some(0));
    healthy(&mut stays);
    // A broken one is not taken: the last good one stays in force, and the service says so.
    place.write("server.pem", "nothing\n");
    assert!(
        await_until(SOON, || ask(&place, "new.ca", &[]).1.contains("iaasmon_ready 0\n")),
        "{}",
        place.said()
    );
    healthy(&mut stays);
    let (_, page) = ask(&place, "new.ca", &[]);
    assert!(!page.contains("iaasmon_tls_handshakes_failed_total 0\n"), "{page}");
}

#[test]
fn with_client_certificates_only_the_right_ones_are_answered() {
    let place = Place::new();
    let authority = Authority::new(&place, "ca");
    authority.issue(&place, "server", host(&place));
    authority.issue(&place, "friend", "prometheus.example");
    authority.issue(&place, "other", "other.example");
    Authority::new(&place, "foreign.ca").issue(&place, "stranger", "prometheus.example");
    let _exporter = encrypted(
        &place,
        "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca\n  client_allowed_sans: [prometheus.example]\n",
    );
    let with = |name: &str| {
        let (pem, key) = (place.arg(&format!("{name}.pem")), place.arg(&format!("{name}.key")));
        ask(&place, "ca", &["--cert", &pem, "--key", &key])
    };
    let (code, page) = with("friend");
    assert!(code == Some(0) && page.contains("iaasmon_ready "), "{code:?} {page}");
    for (who, answer) in
        [("stranger", with("stranger")), ("other", with("other")), ("nobody", ask(&place, "ca", &[]))]
    {
        assert!(answer.0 != Some(0) && !answer.1.contains("iaasmon_"), "{who}: {answer:?}");
    }
    assert_eq!(with("friend").0, Some(0));
}
