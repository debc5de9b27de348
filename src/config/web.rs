//! The web config file of Prometheus' exporters, in exporter-toolkit's own format: TLS, client certificates, passwords,
//! headers and a rate limit for every service.
//!
//! What is asked for and cannot be had is an error, never passed over: a listener that is less guarded than its file says
//! would be found out by the wrong people.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::model::time::parse_duration;

/// Larger than any such file.
const MOST: u64 = 1024 * 1024;

/// Who a service answers, and how.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Web {
    /// How connections are encrypted; none means not at all.
    pub tls: Option<Tls>,
    /// Names with the bcrypt hashes of their passwords; empty means that everybody is answered.
    pub users: BTreeMap<String, String>,
    /// Headers of every answer.
    pub headers: Vec<(String, String)>,
    /// How many requests are answered.
    pub rate: Option<Rate>,
}

/// How connections are encrypted.
#[derive(Debug, Clone, PartialEq)]
pub struct Tls {
    /// The certificate chain, in PEM.
    pub cert: Pem,
    /// Its key, in PEM.
    pub key: Pem,
    /// Who signs the certificates of clients, in PEM.
    pub client_ca: Option<Pem>,
    /// Whether clients have to show a certificate.
    pub client_auth: ClientAuth,
    /// Names of which a client's certificate must hold one; empty means any.
    pub client_sans: Vec<String>,
    /// Whether TLS 1.2 is spoken beside 1.3.
    pub versions: Versions,
    /// The cipher suites of TLS 1.2 by their IANA names, in order of preference; empty means all.
    pub cipher_suites: Vec<String>,
    /// Whether our order of suites counts, not the client's.
    pub own_order: bool,
    /// The groups of the key exchange by Go's names; empty means all.
    pub curves: Vec<String>,
}

/// Text in the file itself, or a file of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pem {
    /// In the file itself.
    Inline(String),
    /// In this file.
    File(PathBuf),
}

/// Whether clients have to show a certificate (Go's `tls.ClientAuthType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuth {
    /// `NoClientCert`
    None,
    /// `VerifyClientCertIfGiven`
    IfGiven,
    /// `RequireAndVerifyClientCert`
    Required,
}

/// The versions of TLS that are spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Versions {
    /// Whether 1.2 is.
    pub tls12: bool,
    /// Whether 1.3 is.
    pub tls13: bool,
}

/// A token bucket.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// How long it takes until one more request is answered.
    pub interval: Duration,
    /// How many may come at once.
    pub burst: u32,
}

/// Everything that is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebErrors {
    /// The file.
    pub file: PathBuf,
    /// The problems.
    pub problems: Vec<String>,
}

impl fmt::Display for WebErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file.display(), self.problems.join("; "))
    }
}

impl std::error::Error for WebErrors {}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawWeb {
    tls_server_config: Option<RawTls>,
    http_server_config: Option<RawHttp>,
    basic_auth_users: BTreeMap<String, String>,
    rate_limit: Option<RawRate>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawTls {
    cert: Option<String>,
    cert_file: Option<PathBuf>,
    key: Option<String>,
    key_file: Option<PathBuf>,
    client_ca: Option<String>,
    client_ca_file: Option<PathBuf>,
    client_auth_type: Option<String>,
    client_allowed_sans: Vec<String>,
    min_version: Option<String>,
    max_version: Option<String>,
    cipher_suites: Vec<String>,
    curve_preferences: Vec<String>,
    prefer_server_cipher_suites: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawHttp {
    /// We speak HTTP/1.1 alone, which every client of HTTP/2 does too.
    #[serde(rename = "http2")]
    _http2: Option<bool>,
    headers: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawRate {
    interval: Option<String>,
    burst: Option<u32>,
}

/// The cipher suites that are spoken, by their IANA names.
pub const CIPHER_SUITES: [&str; 9] = [
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
];
/// The groups of the key exchange that are spoken, by Go's names.
pub const CURVES: [&str; 3] = ["X25519", "CurveP256", "CurveP384"];
/// The headers that the original lets a file set.
const HEADERS: [&str; 5] = [
    "Content-Security-Policy",
    "X-Frame-Options",
    "X-Content-Type-Options",
    "X-XSS-Protection",
    "Strict-Transport-Security",
];
/// Those that have a choice of values.
const CHOICES: [(&str, &[&str]); 2] =
    [("X-Frame-Options", &["deny", "sameorigin"]), ("X-Content-Type-Options", &["nosniff"])];
/// A hash above this takes seconds for one login, and each waits for the one before.
const MOST_COST: u32 = 18;

impl Web {
    /// Reads a file.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load(path: &Path) -> Result<Self, WebErrors> {
        let fail = |problem: String| WebErrors { file: path.to_owned(), problems: vec![problem] };
        let about = std::fs::metadata(path).map_err(|error| fail(error.to_string()))?;
        if !about.is_file() || about.len() > MOST {
            return Err(fail("it is no file of at most 1 MiB".to_owned()));
        }
        let text = std::fs::read_to_string(path).map_err(|error| fail(error.to_string()))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        Self::parse(&text, folder).map_err(|problems| WebErrors { file: path.to_owned(), problems })
    }

    /// Reads the text of a file that stands in `folder`.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(text: &str, folder: &Path) -> Result<Self, Vec<String>> {
        // An empty file is a valid one: no TLS, no passwords.
        let blank = text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'));
        let raw = if blank {
            RawWeb::default()
        } else {
            serde_saphyr::from_str(text).map_err(|error| vec![error.to_string()])?
        };
        let mut problems = Vec::new();
        let web = Self {
            tls: raw.tls_server_config.and_then(|tls| tls.valid(folder, &mut problems)),
            headers: raw.http_server_config.map(|http| headers(http, &mut problems)).unwrap_or_default(),
            rate: raw.rate_limit.and_then(|rate| rate.valid(&mut problems)),
            users: raw.basic_auth_users,
        };
        for (user, hash) in &web.users {
            let cost = hash.parse::<bcrypt::HashParts>().map(|parts| parts.get_cost());
            match cost {
                Ok(..=MOST_COST) => {}
                Ok(cost) => problems.push(format!(
                    "basic_auth_users: {user}: a bcrypt hash of cost {cost}; the most is {MOST_COST}"
                )),
                Err(_) => problems.push(format!(
                    "basic_auth_users: {user}: no bcrypt hash, as `htpasswd -nB {user}` prints it"
                )),
            }
        }
        if problems.is_empty() { Ok(web) } else { Err(problems) }
    }
}

fn headers(raw: RawHttp, problems: &mut Vec<String>) -> Vec<(String, String)> {
    for (name, value) in &raw.headers {
        if !HEADERS.contains(&name.as_str()) {
            problems
                .push(format!("http_server_config: headers: `{name}` is not one of {}", HEADERS.join(", ")));
        }
        let choice = CHOICES.iter().find(|(known, _)| known == name).map(|(_, choice)| *choice);
        if let Some(choice) = choice.filter(|choice| !choice.contains(&value.as_str()) && !value.is_empty()) {
            let choice = choice.join(" or ");
            problems.push(format!("http_server_config: headers: {name}: write {choice}"));
        }
        if !value.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
            problems.push(format!("http_server_config: headers: {name}: no text that a header can hold"));
        }
    }
    // Blank is unset, as in the original.
    raw.headers.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}

impl RawRate {
    fn valid(self, problems: &mut Vec<String>) -> Option<Rate> {
        let interval = self.interval.as_deref().map(parse_duration);
        match (interval, self.burst) {
            (None, None) => None,
            // The original's way to switch it off.
            (Some(Ok(Duration::ZERO)), _) => None,
            // The original takes this too, and then answers nothing at all.
            (Some(Ok(_)), Some(0)) => {
                problems.push("rate_limit: with a `burst` of 0 no request is answered".to_owned());
                None
            }
            (Some(Ok(interval)), burst) => Some(Rate { interval, burst: burst.unwrap_or(1) }),
            _ => {
                problems.push("rate_limit: `interval` must be a duration such as 1s".to_owned());
                None
            }
        }
    }
}

impl RawTls {
    fn valid(self, folder: &Path, problems: &mut Vec<String>) -> Option<Tls> {
        let before = problems.len();
        let mut wrong = |problem: String| problems.push(format!("tls_server_config: {problem}"));
        let mut pem = |name: &str, inline: Option<String>, file: Option<PathBuf>| match (inline, file) {
            (Some(_), Some(_)) => {
                wrong(format!("one of {name} and {name}_file, not both"));
                None
            }
            (Some(text), None) => Some(Pem::Inline(text)),
            (None, Some(file)) => Some(Pem::File(folder.join(file))),
            (None, None) => None,
        };
        let (cert, key) = (pem("cert", self.cert, self.cert_file), pem("key", self.key, self.key_file));
        let client_ca = pem("client_ca", self.client_ca, self.client_ca_file);
        for (part, name) in [(&cert, "cert_file"), (&key, "key_file")] {
            if part.is_none() {
                wrong(format!("{name} is missing"));
            }
        }
        let client_auth = match self.client_auth_type.as_deref() {
            None if client_ca.is_some() => ClientAuth::Required,
            None | Some("NoClientCert") => ClientAuth::None,
            Some("VerifyClientCertIfGiven") => ClientAuth::IfGiven,
            Some("RequireAndVerifyClientCert") => ClientAuth::Required,
            Some(other @ ("RequestClientCert" | "RequireAnyClientCert")) => {
                wrong(format!(
                    "client_auth_type: {other} proves nothing: anybody can sign a certificate; use RequireAndVerifyClientCert"
                ));
                ClientAuth::None
            }
            Some(other) => {
                wrong(format!(
                    "client_auth_type: `{other}` is not NoClientCert, VerifyClientCertIfGiven or RequireAndVerifyClientCert"
                ));
                ClientAuth::None
            }
        };
        if client_auth != ClientAuth::None && client_ca.is_none() {
            wrong(
                "client_ca_file is missing: without it no certificate of a client can be verified".to_owned(),
            );
        }
        if !self.client_allowed_sans.is_empty() && client_auth != ClientAuth::Required {
            wrong("client_allowed_sans wants client_auth_type: RequireAndVerifyClientCert".to_owned());
        }
        for (names, known, key) in [
            (&self.cipher_suites, &CIPHER_SUITES[..], "cipher_suites"),
            (&self.curve_preferences, &CURVES[..], "curve_preferences"),
        ] {
            for name in names.iter().filter(|name| !known.contains(&name.as_str())) {
                wrong(format!("{key}: `{name}` is not spoken; known are {}", known.join(", ")));
            }
        }
        let versions =
            versions(self.min_version.as_deref(), self.max_version.as_deref()).unwrap_or_else(|problem| {
                wrong(problem);
                Versions { tls12: true, tls13: true }
            });
        let older = |name: &String| name.contains("_WITH_");
        if !versions.tls13 && !self.cipher_suites.is_empty() && !self.cipher_suites.iter().any(older) {
            wrong(
                "cipher_suites: none of them is one of TLS 1.2, and max_version allows nothing newer"
                    .to_owned(),
            );
        }
        let tls = Tls {
            cert: cert?,
            key: key?,
            client_ca,
            client_auth,
            client_sans: self.client_allowed_sans,
            versions,
            cipher_suites: self.cipher_suites,
            own_order: self.prefer_server_cipher_suites.unwrap_or(true),
            curves: self.curve_preferences,
        };
        (problems.len() == before).then_some(tls)
    }
}

fn versions(min: Option<&str>, max: Option<&str>) -> Result<Versions, String> {
    let rank = |name: &str, key: &str| match name {
        "TLS12" => Ok(2),
        "TLS13" => Ok(3),
        "TLS10" | "TLS11" => Err(format!("{key}: {name} is broken and not spoken; use TLS12")),
        other => Err(format!("{key}: `{other}` is not TLS12 or TLS13")),
    };
    let min = rank(min.unwrap_or("TLS12"), "min_version")?;
    let max = rank(max.unwrap_or("TLS13"), "max_version")?;
    if min > max {
        return Err("min_version is above max_version".to_owned());
    }
    Ok(Versions { tls12: min == 2, tls13: max == 3 })
}

#[cfg(test)]
mod tests {
    use super::{ClientAuth, Pem, Rate, Versions, Web};
    use proptest::prelude::*;
    use std::path::Path;
    use std::time::Duration;

    const HASH: &str = "$2y$10$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG";

    fn parse(text: &str) -> Result<Web, Vec<String>> {
        Web::parse(text, Path::new("/etc/iaasmon"))
    }

    #[test]
    fn a_whole_file_is_read() {
        let text = format!(
            "tls_server_config:\n  cert_file: node.crt\n  key_file: /keys/node.key\n  client_ca_file: ca.crt\n  \
             client_auth_type: RequireAndVerifyClientCert\n  client_allowed_sans: [prom-a.east]\n  min_version: TLS13\n  \
             cipher_suites: [TLS_AES_128_GCM_SHA256]\n  curve_preferences: [X25519]\n  prefer_server_cipher_suites: true\n\
             http_server_config:\n  http2: true\n  headers:\n    X-Frame-Options: deny\n\
             basic_auth_users:\n  prom: {HASH}\nrate_limit:\n  interval: 1s\n  burst: 20\n"
        );
        let web = parse(&text).expect("valid");
        let tls = web.tls.expect("TLS");
        assert_eq!(tls.cert, Pem::File("/etc/iaasmon/node.crt".into()));
        assert_eq!(tls.key, Pem::File("/keys/node.key".into()));
        assert_eq!(
            (tls.client_auth, tls.versions),
            (ClientAuth::Required, Versions { tls12: false, tls13: true })
        );
        assert_eq!(web.rate, Some(Rate { interval: Duration::from_secs(1), burst: 20 }));
        assert_eq!(web.headers, [("X-Frame-Options".to_owned(), "deny".to_owned())]);
        assert_eq!(web.users["prom"], HASH);
    }

    #[test]
    fn an_empty_file_guards_nothing() {
        for text in ["", "\n# nothing\n", "{}"] {
            assert_eq!(parse(text), Ok(Web::default()), "{text:?}");
        }
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let text = "tls_server_config:\n  cert_file: a\n  cert: b\n  client_auth_type: RequestClientCert\n  min_version: TLS10\n  \
                    cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]\nhttp_server_config:\n  headers:\n    Server: x\n\
                    basic_auth_users:\n  bob: plain\nrate_limit:\n  burst: 5\n";
        let problems = parse(text).expect_err("wrong").join("\n");
        for told in [
            "one of cert and cert_file, not both",
            "key_file is missing",
            "RequestClientCert proves nothing",
            "TLS10 is broken",
            "`TLS_RSA_WITH_RC4_128_SHA` is not spoken",
            "`Server` is not one of",
            "bob: no bcrypt hash",
            "rate_limit: `interval`",
        ] {
            assert!(problems.contains(told), "{told}: {problems}");
        }
    }

    #[test]
    fn a_rate_can_be_switched_off_and_not_be_one_that_answers_nothing() {
        assert_eq!(parse("rate_limit: {interval: 0, burst: 20}").expect("off").rate, None);
        let problems = parse("rate_limit: {interval: 1s, burst: 0}").expect_err("nothing is answered");
        assert!(problems[0].contains("no request is answered"), "{problems:?}");
    }

    #[test]
    fn values_that_would_have_no_effect_or_too_much_are_refused() {
        for (text, told) in [
            ("http_server_config: {headers: {X-Frame-Options: allow}}", "write deny or sameorigin"),
            ("http_server_config: {headers: {X-Content-Type-Options: sniff}}", "write nosniff"),
            (
                "tls_server_config: {cert_file: a, key_file: b, max_version: TLS12, cipher_suites: [TLS_AES_128_GCM_SHA256]}",
                "none of them is one of TLS 1.2",
            ),
        ] {
            let problems = parse(text).expect_err(text);
            assert!(problems[0].contains(told), "{problems:?}");
        }
        let costly = HASH.replace("$10$", "$31$");
        let problems = parse(&format!("basic_auth_users: {{bob: {costly}}}")).expect_err("days for a login");
        assert!(problems[0].contains("of cost 31"), "{problems:?}");
        assert_eq!(
            parse("http_server_config: {headers: {X-XSS-Protection: ''}}").expect("unset").headers,
            []
        );
    }

    #[test]
    fn an_unknown_key_is_an_error_with_its_line() {
        let problems = parse("tls_server_config:\n  cert_fil: a\n").expect_err("unknown");
        assert!(problems[0].contains("cert_fil") && problems[0].contains("line 2"), "{problems:?}");
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "[a-z_:{}\\[\\]\n &*!|>'\"-]{0,80}") {
            let _ = parse(&text);
        }
    }
}
