//! Mails as they lie in a file: one message, or many in the form of mbox.

use mail_parser::{Message, MessageParser, mailbox::mbox::MessageIterator};

/// What is wanted of a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// The subject, decoded; empty where there is none.
    pub subject: String,
    /// When it was sent, as its header says; empty where there is none.
    pub date: String,
    /// The headers whose names begin with `X-`, and their values.
    pub extra: Vec<(String, String)>,
    /// The text, decoded, with plain line ends.
    pub body: String,
}

impl Mail {
    /// Returns a header that begins with `X-`; names are compared without case.
    pub fn extra(&self, name: &str) -> Option<&str> {
        self.extra.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// Decodes the mails of a file, in their order; what is no mail is passed over.
pub fn decode_mails(bytes: &[u8]) -> Vec<Mail> {
    if bytes.starts_with(b"From ") {
        MessageIterator::new(bytes).filter_map(|entry| mail(entry.ok()?.contents())).collect()
    } else {
        mail(bytes).into_iter().collect()
    }
}

fn mail(bytes: &[u8]) -> Option<Mail> {
    let message = MessageParser::default().parse(bytes)?;
    // Anything with a colon in a line passes for a header: a mail has one of these at least.
    let is_mail = message.subject().is_some() || message.from().is_some() || message.date().is_some();
    is_mail.then(|| Mail {
        subject: message.subject().unwrap_or_default().to_owned(),
        date: message.date().map(ToString::to_string).unwrap_or_default(),
        extra: extra(&message),
        body: message.body_text(0).unwrap_or_default().replace("\r\n", "\n"),
    })
}

fn extra(message: &Message<'_>) -> Vec<(String, String)> {
    let of_ours =
        message.headers().iter().filter(|header| header.name().to_ascii_lowercase().starts_with("x-"));
    let raw = of_ours.map(|header| {
        let value = header.value().as_text().unwrap_or_default();
        (header.name().to_owned(), value.trim().to_owned())
    });
    raw.collect()
}

#[cfg(test)]
mod tests {
    use super::decode_mails;
    use proptest::prelude::*;

    const ONE: &str = "Date: Mon, 23 Nov 2026 06:22:41 +0000\r\nFrom: sensu@example.com\r\nTo: oncall@example.com\r\n\
        Subject: =?UTF-8?Q?ALERT_-_hv-1/disk:_CRITICAL?=\r\nX-Sensu-Host: hv-1\r\nX-Sensu-Check-Name: disk\r\n\
        Content-Type: text/plain; charset=ISO-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
        CRIT: 97=25 f=FCll\r\nHost: hv-1\r\n";

    #[test]
    fn one_mail_and_a_file_of_many_are_decoded() {
        let mails = decode_mails(ONE.as_bytes());
        assert_eq!(mails[0].subject, "ALERT - hv-1/disk: CRITICAL");
        assert_eq!(mails[0].extra("x-sensu-host"), Some("hv-1"));
        assert_eq!(mails[0].body, "CRIT: 97% f\u{fc}ll\nHost: hv-1\n");
        let mbox = format!(
            "From sensu@example.com Mon Nov 23 06:22:41 2026\n{0}\nFrom x Mon Nov 23 06:22:42 2026\n{0}",
            ONE.replace("\r\n", "\n")
        );
        let mails = decode_mails(mbox.as_bytes());
        assert_eq!((mails.len(), mails[1].extra("X-Sensu-Check-Name")), (2, Some("disk")));
        for bad in ["", "nothing", "From x\n"] {
            assert!(decode_mails(bad.as_bytes()).is_empty(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..300), cut in 0..ONE.len()) {
            let _ = decode_mails(&bytes);
            let _ = decode_mails(&ONE.as_bytes()[..cut]);
            let _ = decode_mails(&[b"From x\n", &ONE.as_bytes()[cut..], &bytes].concat());
        }
    }
}
