//! The two things of a certificate that a server must know and rustls does not tell: when it ends, and its names.
//!
//! Nothing is verified here; that is done before by rustls. X.509 in DER is read as far as RFC 5280 needs for this.

use crate::model::time::Timestamp;
use chrono::NaiveDateTime;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What is read of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// When it ends.
    pub not_after: Timestamp,
    /// The subject alternative names: DNS names, e-mail addresses, URIs, IP addresses as text.
    pub names: Vec<String>,
}

const SEQUENCE: u8 = 0x30;
const OBJECT_ID: u8 = 0x06;
const OCTETS: u8 = 0x04;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// The tag `[0]` of the version and `[3]` of the extensions.
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
/// 2.5.29.17, subjectAltName.
const ALTERNATIVE_NAMES: [u8; 3] = [0x55, 0x1d, 0x11];

/// Reads a certificate in DER; `None` if it is none.
pub fn read(der: &[u8]) -> Option<Certificate> {
    let mut signed = Der(Der(der).expect(SEQUENCE)?);
    let mut fields = Der(signed.expect(SEQUENCE)?);
    if fields.peek()? == VERSION {
        fields.next()?;
    }
    // Serial number, algorithm, issuer; then the time.
    for _ in 0..3 {
        fields.next()?;
    }
    let mut validity = Der(fields.expect(SEQUENCE)?);
    validity.next()?;
    let not_after = time(validity.next()?)?;
    let mut names = Vec::new();
    while let Some((tag, content)) = fields.next() {
        if tag == EXTENSIONS {
            names = alternative_names(content)?;
        }
    }
    Some(Certificate { not_after, names })
}

fn time((tag, content): (u8, &[u8])) -> Option<Timestamp> {
    let text = std::str::from_utf8(content).ok()?;
    let text = match tag {
        // RFC 5280, 4.1.2.5.1: two digits of the year, from 1950 to 2049.
        UTC_TIME => format!("{}{text}", if text.get(..2)? < "50" { "20" } else { "19" }),
        GENERALIZED_TIME => text.to_owned(),
        _ => return None,
    };
    Some(NaiveDateTime::parse_from_str(&text, "%Y%m%d%H%M%SZ").ok()?.and_utc())
}

fn alternative_names(extensions: &[u8]) -> Option<Vec<String>> {
    let mut names = Vec::new();
    let mut extensions = Der(Der(extensions).expect(SEQUENCE)?);
    while let Some((SEQUENCE, extension)) = extensions.next() {
        let mut extension = Der(extension);
        if extension.expect(OBJECT_ID)? != ALTERNATIVE_NAMES {
            continue;
        }
        // A flag may say that it is critical.
        let value = loop {
            if let (OCTETS, value) = extension.next()? {
                break value;
            }
        };
        let mut general = Der(Der(value).expect(SEQUENCE)?);
        while let Some(name) = general.next() {
            names.extend(general_name(name));
        }
    }
    Some(names)
}

/// Reads a name as Go prints it, which is what `client_allowed_sans` is compared with.
fn general_name((tag, content): (u8, &[u8])) -> Option<String> {
    match tag {
        // rfc822Name, dNSName, uniformResourceIdentifier
        0x81 | 0x82 | 0x86 => Some(std::str::from_utf8(content).ok()?.to_owned()),
        0x87 => match content.len() {
            4 => Some(IpAddr::from(Ipv4Addr::from(<[u8; 4]>::try_from(content).ok()?)).to_string()),
            16 => Some(IpAddr::from(Ipv6Addr::from(<[u8; 16]>::try_from(content).ok()?)).to_string()),
            _ => None,
        },
        _ => None,
    }
}

/// Values of DER, one after the other.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// Takes the next value: its tag and its content.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, mut rest) = rest.split_first()?;
        let mut length = usize::from(first);
        if first >= 0x80 {
            let (digits, after) = rest.split_at_checked(usize::from(first & 0x7f))?;
            if digits.len() > 4 {
                return None; // no certificate is that large
            }
            length = digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit));
            rest = after;
        }
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, content))
    }

    /// Takes the next value, which must have this tag.
    fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next().filter(|(found, _)| *found == tag).map(|(_, content)| content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rcgen::{CertificateParams, KeyPair, SanType, date_time_ymd};

    fn certificate(sans: Vec<SanType>, year: i32) -> Vec<u8> {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.subject_alt_names = sans;
        params.not_after = date_time_ymd(year, 3, 4);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn names_of_every_kind_and_the_end_are_read() {
        let der = certificate(
            vec![
                SanType::DnsName("prom-a.east".try_into().unwrap()),
                SanType::Rfc822Name("ops@example.net".try_into().unwrap()),
                SanType::URI("spiffe://east/prom".try_into().unwrap()),
                SanType::IpAddress("10.0.0.7".parse().unwrap()),
                SanType::IpAddress("2001:db8::1".parse().unwrap()),
            ],
            2031,
        );
        let read = read(&der).expect("a certificate");
        assert_eq!(
            read.names,
            ["prom-a.east", "ops@example.net", "spiffe://east/prom", "10.0.0.7", "2001:db8::1"]
        );
        assert_eq!(read.not_after.to_rfc3339(), "2031-03-04T00:00:00+00:00");
    }

    #[test]
    fn an_end_after_2049_is_written_differently_and_no_names_are_none() {
        let read = read(&certificate(Vec::new(), 2077)).expect("a certificate");
        assert_eq!(read.not_after.to_rfc3339(), "2077-03-04T00:00:00+00:00");
        assert!(read.names.is_empty());
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = read(&bytes);
        }

        #[test]
        fn a_damaged_certificate_never_panics(at in 0usize..400, value in any::<u8>(), end in 0usize..400) {
            let mut der = certificate(vec![SanType::IpAddress("10.0.0.7".parse().unwrap())], 2031);
            let length = der.len();
            der[at % length] = value;
            let _ = read(&der);
            let _ = read(&der[..end % length]);
        }
    }
}
