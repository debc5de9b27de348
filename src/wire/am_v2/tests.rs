use super::*;
use proptest::prelude::*;

const OLD: &[u8] = include_bytes!("../../../fixtures/alertmanager/0.25/alerts.json");
const NEW: &[u8] = include_bytes!("../../../fixtures/alertmanager/0.34/alerts.json");
const OLD_SILENCES: &[u8] = include_bytes!("../../../fixtures/alertmanager/0.25/silences.json");
const NEW_SILENCES: &[u8] = include_bytes!("../../../fixtures/alertmanager/0.34/silences.json");
const OLD_STATUS: &[u8] = include_bytes!("../../../fixtures/alertmanager/0.25/status.json");

fn alerts(body: &[u8], keep: Annotations) -> Vec<AmAlert> {
    decode_alerts(body, keep).expect("alerts")
}

#[test]
fn fingerprints_of_both_versions_are_what_we_calculate() {
    for alert in alerts(OLD, Annotations::Whole).iter().chain(&alerts(NEW, Annotations::Whole)) {
        assert_eq!(alert.labels.fingerprint(), alert.fingerprint, "{}", alert.labels);
    }
}

#[test]
fn a_members_view_of_itself_names_version_peers_and_configuration() {
    let status = decode_status(OLD_STATUS).expect("status");
    assert_eq!(status.version_info.version, "0.25.0");
    assert_eq!(status.cluster.status, "settling");
    assert_eq!(status.cluster.peers.len(), 1);
    assert_eq!(status.cluster.peers[0].address, "127.0.0.1:29094");
    assert!(status.config.original.contains("inhibit_rules:"));
    assert_eq!(status.uptime.to_string(), "2026-11-24 04:12:17.865 UTC");
}

#[test]
fn suppression_is_read_with_and_without_the_newest_fields() {
    let old = alerts(OLD, Annotations::Whole);
    let inhibited = old.iter().find(|a| a.labels.get("alertname") == "B").expect("B");
    assert_eq!(inhibited.inhibited_by, ["af55c2e965e82793".into()]);
    assert!(inhibited.muted_by.is_empty());
    let new = alerts(NEW, Annotations::Whole);
    assert_eq!(new[0].muted_by, ["weekends".into()]);
    assert_eq!(new[0].receivers, ["net".into(), "db".into()]);
}

#[test]
fn a_list_keeps_the_first_line_of_each_output() {
    let body = r#"[{"labels":{"alertname":"A"},"annotations":{"output":"\n first \u00e9\nsecond"},"startsAt":"2026-11-23T06:22:40Z","endsAt":"2026-11-23T06:22:40Z","updatedAt":"2026-11-23T06:22:40Z","status":{"state":"unprocessed","silencedBy":null,"inhibitedBy":[]}}]"#;
    let alert = &alerts(body.as_bytes(), Annotations::FirstLine)[0];
    assert_eq!(alert.annotations.get("output"), " first é");
    assert!(alert.unprocessed);
    assert_eq!(alert.fingerprint, alert.labels.fingerprint());
    assert_eq!(
        alerts(body.as_bytes(), Annotations::Whole)[0].annotations.get("output"),
        "\n first é\nsecond"
    );
}

#[test]
fn silences_of_both_versions_are_read() {
    let old = decode_silences(OLD_SILENCES).expect("0.25");
    assert_eq!(old[0].state, SilenceState::Active);
    assert_eq!(old[0].matchers, [Matcher::new("alertname", MatchOp::Equal, "X")]);
    let new = decode_silences(NEW_SILENCES).expect("0.34");
    assert_eq!(new[0].annotations["ticket"], "INC-1");
    assert_eq!(new[0].matchers[0].op, MatchOp::NotRegex);
}

#[test]
fn a_request_reads_back_as_the_same_silence() {
    let start: Timestamp = "2026-11-23T06:21:19.546Z".parse().expect("a time");
    let request = SilenceRequest {
        id: Some("x".into()),
        matchers: vec![
            Matcher::new("a", MatchOp::NotRegex, "b|c"),
            Matcher::new("d", MatchOp::Equal, "\"\n"),
        ],
        starts_at: start,
        ends_at: start + chrono::TimeDelta::milliseconds(7_200_123),
        created_by: "me".into(),
        comment: "日本".into(),
        annotations: BTreeMap::new(),
    };
    let mut body = encode_silence(&request);
    assert!(body.get("annotations").is_none(), "0.25 is never sent what it does not know");
    body["status"] = serde_json::json!({"state": "pending"});
    body["updatedAt"] = "2026-11-23T06:21:19.546Z".into();
    let back = decode_silence(body.to_string().as_bytes()).expect("a silence");
    assert_eq!(
        (back.matchers, back.starts_at, back.ends_at),
        (request.matchers, request.starts_at, request.ends_at)
    );
}

#[test]
fn every_shape_of_error_yields_its_words() {
    for (body, words) in [
        (&br#""silence invalid: x""#[..], "silence invalid: x"),
        (br#"{"code":602,"message":"comment in body is required"}"#, "comment in body is required"),
        (
            b"Limit of concurrent GET requests reached (8), try again later.\n",
            "Limit of concurrent GET requests reached (8), try again later.",
        ),
        (b"", ""),
    ] {
        assert_eq!(error_text(body), words);
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode_alerts(&body, Annotations::FirstLine);
        let _ = decode_silences(&body);
        let _ = decode_status(&body);
        let _ = error_text(&body);
    }
}
