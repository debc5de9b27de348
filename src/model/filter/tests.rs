use super::*;
use crate::model::alert::AlertState;
use crate::model::labels::Labels;
use crate::model::matcher::{Verdict, parse_matchers};
use proptest::prelude::*;
use std::borrow::Cow;
use std::sync::Arc;

/// A row of the tests: an alert on hv-045.
struct Row {
    labels: Labels,
    text: String,
    receivers: Vec<Arc<str>>,
}

fn row() -> Row {
    let pairs =
        [("alertname", "CheckDisk"), ("severity", "critical"), ("rack", "r113"), ("instance", "hv-045:9100")];
    Row {
        labels: Labels::new(pairs.map(|(n, v)| (n.into(), v.into()))),
        text: "CheckDisk hv-045:9100 critical r113 DISK full on /srv/data".to_owned(),
        receivers: vec!["mail".into(), "slack-net".into()],
    }
}

impl Subject for Row {
    fn labels(&self) -> &Labels {
        &self.labels
    }
    fn field(&self, field: &Field) -> Value<'_> {
        match field {
            Field::ClusterLabel(name) if &**name == "env" => Value::Text("prod".into()),
            Field::ClusterLabel(_) => Value::Absent,
            Field::Pseudo(pseudo) => match pseudo {
                Pseudo::State => Value::Texts(vec![Cow::from("active"), Cow::from("stale")]),
                Pseudo::Age => Value::Duration(Duration::from_secs(600)),
                Pseudo::Cluster => Value::Text("prod-east".into()),
                Pseudo::Out => Value::Text("raid: 1 Spare disk\nmd0: [UU]".into()),
                Pseudo::Receiver => Value::List(&self.receivers),
                Pseudo::Fails => Value::Number(3.0),
                Pseudo::New => Value::Flag(true),
                _ => Value::Absent,
            },
        }
    }
    fn any_text(&self, test: &mut dyn FnMut(&str) -> bool) -> bool {
        test(&self.text)
    }
}

fn judge(filter: &Filter) -> Verdict {
    filter.judge(&row())
}

const LABELS: Scope<'_> = Scope { kind: None, cluster_labels: &["env", "region"] };
const ALERTS: Scope<'_> = Scope { kind: Some(RowKind::Alert), cluster_labels: &["env"] };

fn says(scope: &Scope<'_>, text: &str) -> Verdict {
    judge(&Filter::parse_for(scope, text).unwrap_or_else(|e| panic!("{text}: {e}\n{}", e.pointer())))
}

#[test]
fn terms_that_hold_and_terms_that_do_not() {
    for (holds, fails) in [
        ("", "severity=warning"),
        ("severity=critical @state=active", "severity=critical @state=silenced"),
        ("alertname=~\"Check.*\" !rack=r114 @age<15m", "alertname=~\"Check.*\" !rack=r113 @age<15m"),
        ("@out=~\"(?i).*spare.*\"", "@out=~\"(?i)spare\""),
        ("@out=~\"raid: .*U.\"", "@out=~\"raid: [^\\n]*\""),
        ("hv-045 disk", "hv-046 disk"),
        ("{severity=\"critical\", rack!=r1}", "{severity=\"critical\", rack!=r113}"),
        ("severity=critical,disk", "severity=critical,!disk"),
        ("severity = critical", "severity != critical"),
        ("rack=~r1{2}3", "rack=~r1{3}3"),
        ("{rack=~r1{1,2}3}", "{rack=~r1{3,4}}"),
        ("absent=", "rack= disk"),
        ("absent= disk", "absent!= disk"),
        ("DISK", "DiSK"),
        ("'DISK full'", "'disk full'"),
        ("\"disk full\"", "\"disk empty\""),
        ("/fu.l/", "/^full/"),
        ("!/^full/", "!/fu.l/"),
        ("/srv/data", "/srv/other"),
        ("!'disk full'", "!'DISK full'"),
        ("@age>5m", "@age>10m"),
        ("!@age>10m", "!@age>5m"),
        ("@fails=3 @fails>2 @fails<3.5", "@fails<3"),
        ("!@fails=2", "!@fails=3"),
        ("!rack=r1", "@for<1y"),
        ("!fails=3", "!@dur>1ms"),
        ("@receiver=mail", "@receiver=pager"),
        ("@receiver!=pager", "@receiver!=mail"),
        ("!@receiver=pager", "!@receiver=mail"),
        ("@receiver=~slack-.*", "@receiver!~slack-.*"),
        ("@env=prod @region=", "@env=dev"),
        ("@state=stale", "@state!=stale"),
        ("9100", "9101"),
        ("@new", "!@new"),
        ("@new=true disk", "@new=false"),
        ("!@new=false", "!@new=true"),
        ("@new,severity=critical", "@new,severity=info"),
        ("\"severity\"=critical", "\"severity\"!=critical"),
    ] {
        assert_eq!(says(&LABELS, holds), Verdict::Yes, "{holds}");
        assert_eq!(says(&LABELS, fails), Verdict::No, "{fails}");
    }
}

#[test]
fn what_cannot_be_judged_is_shown() {
    // Go's and our tables of Unicode differ, so a class of them is certain for ASCII alone.
    let filter = Filter::parse("text=~\"(?i)disk\" @flap").unwrap();
    assert_eq!(judge(&filter), Verdict::No, "the label is absent");
    assert_eq!(says(&LABELS, "@flap"), Verdict::Unknown);
    assert_eq!(says(&LABELS, "!@flap"), Verdict::Unknown);
    assert_eq!(says(&LABELS, "@flap severity=info"), Verdict::No);
    assert!(Filter::parse("@flap").unwrap().shows(&row()));
}

#[test]
fn whether_a_node_is_up_has_four_answers() {
    let nodes = Scope { kind: Some(RowKind::Node), ..Scope::default() };
    let read = |text: &str| Filter::parse_for(&nodes, text).map(drop).map_err(|error| error.message);
    for good in ["@up=up", "@up!=down", "@up=split", "@up=unknown", "@up=~'u.*'"] {
        assert_eq!(read(good), Ok(()), "{good}");
    }
    assert_eq!(read("@up=no"), Err("no node is `no`".to_owned()));
}

#[test]
fn errors_point_and_help() {
    for (text, message, marked, hint) in [
        ("a=b @sate=active", "unknown field @sate", "@sate", "did you mean @state?"),
        ("@zzz=1", "unknown field @zzz", "@zzz", "there are @cluster @state"),
        ("@up=down", "alerts have no @up", "@up", "there are @cluster"),
        ("severity==critical", "there is no operator ==", "==", "write name=value"),
        ("severity == critical", "there is no operator ==", "==", "write name=value"),
        ("@state=firing", "alerts have no state `firing`", "firing", "write @state=active"),
        ("@state=actve", "alerts have no state `actve`", "actve", "did you mean active?"),
        ("@state=", "alerts have no state ``", "", "there are active"),
        ("@new=yes", "@new is yes or no", "yes", "write @new, !@new"),
        ("@flap>2", "@flap is yes or no", ">", "write @flap"),
        ("rack=~\"(\"", "this regex cannot be evaluated here: ", "\"(\"", ""),
        ("@receiver!~(?!x)", "this regex cannot be evaluated here: ", "(?!x)", ""),
        ("@state", "an operator is missing after @state", "@state", "write it like @state=active"),
        ("@age=5m", "@age is compared with > or <", "=", "write @age<15m"),
        ("@age<5x", "not a duration: `5x` (write it like 30s, 5m, 2h, 1d12h)", "5x", ""),
        ("@cluster>5", "> and < compare @age", ">", "quote it"),
        ("load>5", "> and < compare @age", ">", "quote it"),
        ("a=b =c", "a label name is missing", "=", "write name=value"),
        ("a=\"b", "this quote is never closed", "\"b", ""),
        ("'b c", "this quote is never closed", "'b c", ""),
        ("a=\"b\"c", "something follows the closing quote", "c", "separate terms"),
        ("/a(/", "not a regex: unclosed group", "/a(/", ""),
        ("! a", "there is nothing to negate", "!", "write !word"),
        ("!!a", "there is nothing to negate", "!", "write !word"),
        ("{a=b", "this brace is never closed", "{", ""),
        ("'a' }", "no brace is open here", "}", ""),
        ("''", "there is nothing to look for", "''", ""),
    ] {
        let error = Filter::parse_for(&ALERTS, text).expect_err(text);
        assert!(error.message.starts_with(message), "{text}: {error}");
        assert_eq!(&error.input[error.at.clone()], marked, "{text}");
        assert!(error.hint.as_deref().unwrap_or("").starts_with(hint), "{text}: {:?}", error.hint);
    }
    let error = Filter::parse("severity=critical @sate=active").unwrap_err();
    assert_eq!(error.pointer(), "severity=critical @sate=active\n                  ^^^^^");
}

#[test]
fn rows_have_fields_of_their_own() {
    let scope = |kind| Scope { kind: Some(kind), cluster_labels: &["state"] };
    for (kind, good, bad) in [
        (RowKind::Alert, "@fp=x @author=x", "@up=x"),
        (RowKind::Node, "@up=down @fails>2", "@silence=x"),
        (RowKind::Check, "@fails>2 @node=x", "@fp=x"),
        (RowKind::NodeCheck, "@exit=2 @dur>5s @out=~x.*", "@fails>2"),
        (RowKind::Silence, "@expires<2h @ticket=INC-1", "@up=down"),
        (RowKind::Replica, "kind=prometheus @age>3m", "@node=x"),
        (RowKind::Series, "@cluster=x", "@fp=x"),
        (RowKind::Finding, "rule=gossip @cluster=x", "@new"),
    ] {
        assert!(Filter::parse_for(&scope(kind), good).is_ok(), "{good}");
        assert!(Filter::parse_for(&scope(kind), bad).is_err(), "{bad}");
        assert!(Pseudo::of(kind).any(|pseudo| pseudo == Pseudo::Cluster));
        // A cluster label of the configuration hides a field of the same name.
        assert!(Filter::parse_for(&scope(kind), "@state=anything").is_ok(), "{kind:?}");
    }
}

#[test]
fn every_state_can_be_asked_for_and_no_other() {
    use AlertState::*;
    for state in [Active, Unknown, Unsent, Unprocessed, Silenced, Inhibited, Muted, Pending] {
        assert!(RowKind::Alert.states().contains(&state.word()), "{state:?}");
    }
    let scope = |kind| Scope { kind: Some(kind), cluster_labels: &[] };
    for (kind, good, bad, hint) in [
        (RowKind::Alert, "acked", "ackd", "did you mean acked?"),
        (RowKind::Node, "crit", "down", "write @up=down"),
        (RowKind::Check, "unknown", "crti", "did you mean crit?"),
        (RowKind::NodeCheck, "warning", "bad", "there are ok, warn"),
        (RowKind::Silence, "expired", "expird", "did you mean expired?"),
        (RowKind::Replica, "down", "dwon", "did you mean down?"),
        (RowKind::Finding, "problem", "problems", "did you mean problem?"),
    ] {
        assert!(Filter::parse_for(&scope(kind), &format!("@state={good}")).is_ok(), "{kind:?} {good}");
        for op in ["=", "!="] {
            let error = Filter::parse_for(&scope(kind), &format!("@state{op}{bad}")).expect_err(bad);
            assert_eq!(error.message, format!("{} have no state `{bad}`", kind.word()));
            assert!(error.hint.as_deref().unwrap_or("").starts_with(hint), "{kind:?}: {:?}", error.hint);
        }
    }
    assert!(Filter::parse_for(&scope(RowKind::Series), "@state=up").is_err());
}

#[test]
fn a_silence_takes_the_label_matchers_and_names_the_rest() {
    let filter = Filter::parse("severity=critical !rack=r114 @age<15m disk !'x y' \"a b\"=c").unwrap();
    let conversion = filter.to_matchers();
    assert_eq!(
        conversion.matchers,
        parse_matchers(r#"severity=critical,rack!=r114,"a b"=c"#).unwrap().matchers
    );
    assert_eq!(conversion.dropped, ["@age<15m", "disk", "!'x y'"]);
}

#[test]
fn a_filter_says_what_it_needs() {
    let filter = Filter::parse("severity=critical @age<15m").unwrap();
    assert!(filter.uses(Pseudo::Age) && !filter.uses(Pseudo::Out) && !filter.is_empty());
    assert!(Filter::parse(" , {} ").unwrap().is_empty());
    assert!(Filter::parse("!@flap").unwrap().uses(Pseudo::Flap));
    let acked = |text: &str| Filter::parse(text).unwrap().names(Pseudo::State, "acked");
    assert!(acked("@state=acked") && acked("!@state=acked") && acked("@state=~\"acked|silenced\""));
    assert!(!acked("@state=silenced acked") && !acked("@cluster=acked"));
    assert_eq!(Filter::parse("disk rack=~r11").unwrap().anchored(), Some("rack=~r11"));
    assert_eq!(Filter::parse("rack=~r11.* rack!~r12").unwrap().anchored(), None);
}

proptest! {
    #[test]
    fn parsing_never_panics_and_a_filter_prints_as_it_is_read(
        text in "[a-c@{}=!~<>,\"'/ \\\\日1m]{0,14}|a=\"\"¥[a-c=]{0,3}|.{0,12}",
    ) {
        match Filter::parse(&text) {
            Err(error) => {
                prop_assert!(error.pointer().ends_with('^'));
                prop_assert!(error.input.get(error.at.clone()).is_some(), "{:?} of {:?}", error.at, error.input);
            }
            Ok(filter) => {
                let printed = filter.to_string();
                let again = Filter::parse(&printed).map(|f| f.to_string());
                let braces = text.contains(['{', '}']);
                prop_assert!(braces || again == Ok(printed));
                let _ = judge(&filter);
            }
        }
    }

    #[test]
    fn whatever_alertmanager_prints_is_read_alike(name in "[a-z_]{1,4}", value in "(\\PC|[\\\\\"\\n]){0,6}", op in 0usize..4) {
        use crate::model::matcher::MatchOp;
        let op = [MatchOp::Equal, MatchOp::NotEqual, MatchOp::Regex, MatchOp::NotRegex][op];
        let matcher = Matcher::new(&name, op, &value);
        match Filter::parse(&format!("{{{matcher},{matcher}}}")) {
            Ok(filter) => prop_assert_eq!(filter.to_matchers().matchers, [matcher.clone(), matcher]),
            Err(error) => prop_assert!(matcher.unsupported().is_some(), "{}", error),
        }
    }

    #[test]
    fn a_term_and_its_negation_never_both_hold(term in "[a-c]{1,2}|severity=[a-c]|rack!=r113|'DISK'|@env=prod|@fails>2") {
        let (yes, no) = (says(&LABELS, &term), says(&LABELS, &format!("!{term}")));
        prop_assert!(yes != no);
    }
}
