//! promtool's unit tests of the rules: scenes of series over minutes, and the alerts that must fire then.

use super::{Options, checks, peers};
use crate::generate::prometheus::peer_job;
use crate::generate::quoted;
use crate::generate::sensu::SensuCheck;
use crate::model::cluster::{ALERTMANAGER_JOB, PROMETHEUS_JOB, PROXY_JOB, PUSHER_JOB, PUSHGATEWAY_JOB};
use std::fmt::Write as _;

/// Labels with their values.
type Labels<'a> = Vec<(&'a str, String)>;

const WATCHDOG: &str = "always fires: who does not hear of it hears of nothing else";

/// Writes promtool's unit tests of the rules, for a file that stands beside them under `name`.
pub fn suite(options: &Options, name: &str) -> String {
    let mut suite = Suite {
        options,
        text: format!("rule_files:\n  - {}\nevaluation_interval: 1m\ntests:\n", quoted(name)),
    };
    suite.checks_and_a_dying_node();
    suite.pushed();
    suite.pushers();
    suite.many_at_once();
    suite.targets_vanish();
    let waiting = options.sensu.iter().filter(|check| check.alerts && !check.wait().is_zero());
    if let Some(check) = waiting.min_by_key(|check| check.wait()) {
        suite.waits(check);
    }
    if let Some(check) = options.sensu.iter().find(|check| check.alerts && check.wait().is_zero()) {
        suite.alerts_at_once(check);
    }
    if let Some(check) = options.sensu.iter().find(|check| !check.alerts) {
        suite.never_alerts(check);
    }
    if let Some(peer) = options.cluster.as_ref().and_then(|region| region.peers.first()) {
        suite.peers(peer);
    }
    suite.text
}

struct Suite<'a> {
    options: &'a Options,
    text: String,
}

impl<'a> Suite<'a> {
    fn scene(&mut self, about: &str) {
        let _ = writeln!(self.text, "  # {about}\n  - interval: 1m\n    input_series:");
    }

    fn series(&mut self, metric: &str, labels: &Labels<'_>, values: &str) {
        let labels: Vec<String> =
            labels.iter().map(|(name, value)| format!("{name}={}", quoted(value))).collect();
        let series = quoted(&format!("{metric}{{{}}}", labels.join(",")));
        let _ = writeln!(self.text, "      - series: {series}\n        values: {}", quoted(values));
    }

    fn expectations(&mut self) {
        self.text += "    alert_rule_test:\n";
    }

    /// Says who fires at a minute: labels, and what is said of them.
    fn expect(&mut self, minute: u64, alert: &str, who: &[(Labels<'_>, String)]) {
        let _ = write!(self.text, "      - {{ eval_time: {minute}m, alertname: {alert}, exp_alerts: [");
        let one = |(labels, summary): &(Labels<'_>, String)| {
            let labels: Vec<String> =
                labels.iter().map(|(name, value)| format!("{name}: {}", quoted(value))).collect();
            let (labels, summary) = (labels.join(", "), quoted(summary));
            format!("{{ exp_labels: {{ {labels} }}, exp_annotations: {{ summary: {summary} }} }}")
        };
        let _ = writeln!(self.text, "{}] }}", who.iter().map(one).collect::<Vec<_>>().join(", "));
    }

    fn node(&self, instance: &str) -> Labels<'a> {
        let mut labels = vec![("job", self.options.job.clone()), ("instance", instance.to_owned())];
        if self.options.node_label != "instance" {
            labels.push((&self.options.node_label, instance.to_owned()));
        }
        labels
    }

    fn check(&self, instance: &str, check: &str) -> Labels<'a> {
        let mut labels = self.node(instance);
        labels.push((&self.options.check_label, check.to_owned()));
        labels
    }

    /// A name of a check that Sensu's definitions do not know.
    fn unknown(&self, name: &str) -> String {
        let mut name = name.to_owned();
        while self.options.sensu.iter().any(|check| check.name == name) {
            name.push('_');
        }
        name
    }

    /// What an alert of a check carries, and what it says.
    fn told(
        &self,
        instance: &str,
        check: &str,
        more: &Labels<'static>,
        how: (&str, &str),
    ) -> (Labels<'a>, String) {
        let mut labels = self.check(instance, check);
        labels.extend(more.iter().cloned());
        labels.push(("severity", how.0.to_owned()));
        (labels, format!("{check} on {instance} {}", how.1))
    }

    fn checks_and_a_dying_node(&mut self) {
        self.scene("A check that goes bad and well again, one that gives nothing usable, and a node that dies meanwhile.");
        let (disk, load) = (self.unknown("disk"), self.unknown("load"));
        for instance in ["a", "b", "c", "d", "e", "f"] {
            let values = if instance == "b" { "1 1 1 0 0 0 0 0" } else { "1x7" };
            self.series("up", &self.node(instance), values);
        }
        let status = &self.options.status_metric;
        self.series(status, &self.check("a", &disk), "0 1 2 2 2 0 0 0");
        self.series(status, &self.check("a", &load), "3x7");
        self.series(status, &self.check("b", &disk), "0 2 2 _ _ _ _ _");
        self.expectations();
        let none = Vec::new();
        let critical = ("critical", "is CRITICAL");
        self.expect(0, "CheckWarning", &[]);
        self.expect(1, "CheckWarning", &[self.told("a", &disk, &none, ("warning", "is WARNING"))]);
        self.expect(1, "CheckCritical", &[self.told("b", &disk, &none, critical)]);
        self.expect(2, "CheckWarning", &[]);
        let both = ["a", "b"].map(|instance| self.told(instance, &disk, &none, critical));
        self.expect(2, "CheckCritical", &both);
        self.expect(
            2,
            "CheckUnknown",
            &[self.told("a", &load, &none, ("unknown", "gives no usable result"))],
        );
        self.text += "      # The node is gone, and its alert is not resolved by that.\n";
        self.expect(7, "CheckCritical", &[self.told("b", &disk, &none, critical)]);
        self.expect(7, "NodeDown", &[self.about_node("b", "b does not answer")]);
        self.expect(7, "ScrapeFailing", &[]);
        let bad = &self.options.bad_metric;
        let _ = writeln!(
            self.text,
            "    promql_expr_test:\n      - expr: count({bad})\n        eval_time: 7m\n        exp_samples: [{{ value: 2 }}]"
        );
    }

    /// What belongs to no node: told by its job, each group for itself, and not resolved by a pushgateway that is away.
    fn pushed(&mut self) {
        self.scene("Checks that were pushed: one goes on while its pushgateway is away, one is told by another pushgateway.");
        let backup = self.unknown("backup");
        let label = &self.options.check_label;
        let group = |db: &str| -> Labels<'a> {
            vec![("job", "nightly".to_owned()), (label, backup.clone()), ("db", db.to_owned())]
        };
        let gateway = |name: &str| -> Labels<'a> {
            vec![("job", PUSHGATEWAY_JOB.to_owned()), ("instance", name.to_owned())]
        };
        self.series("up", &gateway("a"), "1 1 1 0 0 0 1 1 1 1");
        self.series("up", &gateway("b"), "1x9");
        let status = &self.options.status_metric;
        self.series(status, &group("main"), "0 2 2 stale _ _ 2 0 0 0");
        self.series(status, &group("other"), "0 2 2 2 0 0 0 0 0 0");
        self.expectations();
        let told = |db| {
            let mut labels = group(db);
            labels.push(("severity", "critical".to_owned()));
            (labels, format!("{backup} of job nightly is CRITICAL"))
        };
        self.expect(2, "CheckCritical", &[told("main"), told("other")]);
        self.expect(3, "CheckCritical", &[told("main"), told("other")]);
        self.expect(5, "CheckCritical", &[told("main")]);
        self.expect(6, "CheckCritical", &[told("main")]);
        self.expect(7, "CheckCritical", &[]);
    }

    /// A gateway that is away for long, one that is back in time, and one that does not take everything.
    fn pushers(&mut self) {
        self.scene("A pusher: one gateway is away, another for a moment, a third answers and leaves results waiting.");
        let way = |gateway: &str| -> Labels<'static> {
            [("job", PUSHER_JOB), ("instance", "p"), ("gateway", gateway)]
                .map(|(name, value)| (name, value.to_owned()))
                .into()
        };
        let with = |mut labels: Labels<'static>, name, value: &str| {
            labels.push((name, value.to_owned()));
            labels
        };
        for (gateway, up, age) in [
            ("away", "1 0x20", "0 0+60x20"),
            ("moment", "1 0x5 1x15", "0 0+60x5 0x15"),
            ("halting", "1x21", "0 0+60x20"),
        ] {
            self.series("iaasmon_pusher_gateway_up", &way(gateway), up);
            self.series("iaasmon_pusher_spool_age_seconds", &way(gateway), age);
        }
        for (outcome, values) in [("failed", "0+1x30"), ("refused", "0x10 1x20")] {
            let labels = with(way("away"), "outcome", outcome);
            self.series("iaasmon_pusher_pushes_total", &labels, values);
        }
        self.expectations();
        let told = |gateway| {
            let summary = format!("p cannot push the results of its checks to {gateway}");
            (with(way(gateway), "severity", "critical"), summary)
        };
        self.expect(10, "PusherCannotDeliver", &[]);
        self.expect(11, "PusherCannotDeliver", &[told("away")]);
        self.expect(21, "PusherCannotDeliver", &[told("away")]);
        self.expect(22, "PusherCannotDeliver", &[told("away"), told("halting")]);
        self.expect(10, "PusherLosesResults", &[]);
        let labels = with(with(way("away"), "outcome", "refused"), "severity", "warning");
        let summary = "results of p for away are refused: its log says which".to_owned();
        self.expect(12, "PusherLosesResults", &[(labels, summary)]);
        self.expect(30, "PusherLosesResults", &[]);
    }

    fn about_node(&self, instance: &str, summary: &str) -> (Labels<'a>, String) {
        let mut labels = self.node(instance);
        labels.push(("severity", "critical".to_owned()));
        (labels, summary.to_owned())
    }

    fn many_at_once(&mut self) {
        self.scene("A dead runner, and a network that parts us from half of the nodes: one alert each.");
        for (instance, values) in [("a", "1x9"), ("b", "0x9"), ("c", "0x9"), ("d", "1x9")] {
            self.series("up", &self.node(instance), values);
        }
        let disk = self.unknown("disk");
        self.series(&self.options.status_metric, &self.check("a", &disk), "3x9");
        self.series("iaasmon_runner_stale", &self.node("a"), "1x9");
        self.expectations();
        self.expect(5, "CheckUnknown", &[]);
        let stale = "no check of a has a result that holds: its runner is gone";
        self.expect(5, "RunnerStale", &[self.about_node("a", stale)]);
        self.expect(5, "NodeDown", &[]);
        let job = &self.options.job;
        let failing = format!("50% of the nodes of {job} cannot be scraped from here");
        let labels = vec![("job", job.clone()), ("severity", "critical".to_owned())];
        self.expect(5, "ScrapeFailing", &[(labels, failing)]);
        self.expect(5, "Watchdog", &[(vec![("severity", "none".to_owned())], WATCHDOG.to_owned())]);
    }

    fn targets_vanish(&mut self) {
        let job = &self.options.job;
        let told = |left: u64| {
            let labels = vec![("job", job.clone()), ("severity", "warning".to_owned())];
            (labels, format!("{job} has lost targets since an hour ago: {left} are left"))
        };
        let scenes = [
            ("One of three targets vanishes from the service discovery.", ["1x70", "1x70", "1x60 stale"], 2),
            ("All targets vanish: an inventory that came out empty.", ["1x60 stale"; 3], 0),
        ];
        for (about, targets, left) in scenes {
            self.scene(about);
            for (instance, values) in ["a", "b", "c"].into_iter().zip(targets) {
                self.series("up", &self.node(instance), values);
            }
            self.expectations();
            self.expect(65, "TargetsVanished", &[]);
            self.expect(66, "TargetsVanished", &[told(left)]);
            self.expect(66, "NodeDown", &[]);
        }
    }

    /// A status is told of once it has lasted; it is resolved neither by a worse one that has not, nor told of before.
    fn waits(&mut self, check: &SensuCheck) {
        let Some(set) = checks::set_of(self.options, check) else { return };
        let more = set.labels();
        // Rules are evaluated each minute here.
        let wait = check.wait().as_secs().div_ceil(60);
        self.scene("A check that waits as its occurrences say: warning, then critical, then well; and one that is well in time.");
        ["a", "b"]
            .iter()
            .for_each(|instance| self.series("up", &self.node(instance), &format!("1x{}", 3 * wait + 6)));
        let status = &self.options.status_metric;
        let values = format!("0 1x{wait} 2x{} 0 0", wait + 1);
        self.series(status, &self.check("a", &check.name), &values);
        self.series(status, &self.check("b", &check.name), &format!("0 1x{} 0x{}", wait - 1, 2 * wait + 4));
        self.expectations();
        let warning = self.told("a", &check.name, &more, ("warning", "is WARNING"));
        let critical = self.told("a", &check.name, &more, ("critical", "is CRITICAL"));
        // Bad from minute 1 on, worse from `worse` on.
        let worse = 2 + wait;
        self.expect(wait, "CheckWarning", &[]);
        self.expect(1 + wait, "CheckWarning", std::slice::from_ref(&warning));
        self.expect(worse, "CheckWarning", std::slice::from_ref(&warning));
        self.expect(worse, "CheckCritical", &[]);
        self.text += "      # The alert of the new status takes over from that of the old one.\n";
        self.expect(worse + wait, "CheckCritical", std::slice::from_ref(&critical));
        self.expect(worse + wait + 1, "CheckCritical", &[critical]);
        self.expect(worse + wait + 1, "CheckWarning", &[]);
        self.expect(worse + wait + 2, "CheckCritical", &[]);
        self.expect(worse + wait + 2, "CheckWarning", &[]);
    }

    fn alerts_at_once(&mut self, check: &SensuCheck) {
        let Some(set) = checks::set_of(self.options, check) else { return };
        self.scene("A check that Sensu told of at its first bad result.");
        self.series("up", &self.node("a"), "1x3");
        self.series(&self.options.status_metric, &self.check("a", &check.name), "0 2 0 0");
        self.expectations();
        let told = self.told("a", &check.name, &set.labels(), ("critical", "is CRITICAL"));
        self.expect(0, "CheckCritical", &[]);
        self.expect(1, "CheckCritical", &[told]);
        self.expect(2, "CheckCritical", &[]);
    }

    fn never_alerts(&mut self, check: &SensuCheck) {
        self.scene("A check that Sensu told nobody of.");
        self.series("up", &self.node("a"), "1x9");
        self.series(&self.options.status_metric, &self.check("a", &check.name), "2x9");
        self.expectations();
        self.expect(9, "CheckCritical", &[]);
    }

    fn peers(&mut self, peer: &str) {
        let server = |job: &str, instance: &str| -> Labels<'static> {
            vec![("job", peer_job(job)), ("instance", instance.to_owned()), ("peer", peer.to_owned())]
        };
        let with = |mut labels: Labels<'static>, name: &'static str, value: &str| {
            labels.push((name, value.to_owned()));
            labels
        };
        let broken = |labels: Labels<'static>, part: &str| {
            let summary = peers::path_summary(part);
            let filled = labels.iter().fold(summary.to_owned(), |text, (name, value)| {
                text.replace(&format!("{{{{ $labels.{name} }}}}"), value)
            });
            (with(with(labels, "severity", "critical"), "part", part), filled)
        };
        // What stands behind each place along the way: its job, its counter, and the counter's further label.
        let places = [
            (
                "prometheus",
                PROMETHEUS_JOB,
                "prometheus_notifications_sent_total",
                ("alertmanager", "http://p"),
            ),
            ("proxy", PROXY_JOB, "iaasmon_proxy_alerts_received_total", ("state", "firing")),
            ("forward", PROXY_JOB, "iaasmon_proxy_copies_forwarded_total", ("alertmanager", "http://am")),
            ("alertmanager", ALERTMANAGER_JOB, "alertmanager_alerts_received_total", ("status", "firing")),
        ];
        self.scene("The Watchdog of a peer passes one server of each kind, and not the other.");
        for (_, job, metric, (name, value)) in places {
            for (instance, values) in [("good", "0+1x20"), ("bad", "7x20")] {
                self.series(metric, &with(server(job, instance), name, value), values);
                if metric != "iaasmon_proxy_copies_forwarded_total" {
                    self.series("up", &server(job, instance), "1x20");
                }
            }
        }
        let mail = with(server(ALERTMANAGER_JOB, "good"), "integration", "email");
        self.series("alertmanager_notifications_failed_total", &mail, "0+1x20");
        self.expectations();
        let mut all: Vec<_> = places
            .iter()
            .map(|(part, job, _, (name, value))| {
                let labels = server(job, "bad");
                match *part {
                    "forward" => {
                        let labels = labels.into_iter().filter(|(name, _)| *name != "job").collect();
                        broken(with(labels, name, value), part)
                    }
                    _ => broken(labels, part),
                }
            })
            .collect();
        all.push(broken(mail.into_iter().filter(|(name, _)| *name != "job").collect(), "delivery"));
        self.expect(3, "PeerAlertPathBroken", &[]);
        self.expect(15, "PeerAlertPathBroken", &all);
        self.expect(15, "PeerUnreachable", &[]);
        self.expect(15, "PeerServerDown", &[]);
        self.text += "      # A peer's troubles are not ours.\n";
        self.expect(15, "NotificationsFail", &[]);

        self.scene("A peer of which one server is down, and one that is away as a whole: one alert each.");
        self.series("up", &server(PROMETHEUS_JOB, "good"), "1x20");
        self.series("up", &server(PROXY_JOB, "down"), "0x20");
        let away = |job: &str| -> Labels<'static> {
            let mut labels = server(job, "gone");
            labels[2].1 = "another".to_owned();
            labels
        };
        [PROMETHEUS_JOB, ALERTMANAGER_JOB].iter().for_each(|job| self.series("up", &away(job), "1 1 0x18"));
        self.series("up", &vec![("job", PROXY_JOB.to_owned()), ("instance", "ours".to_owned())], "0x20");
        self.expectations();
        let down = with(server(PROXY_JOB, "down"), "severity", "critical");
        let summary = format!("down ({}) of {peer} does not answer", peer_job(PROXY_JOB));
        self.expect(15, "PeerServerDown", &[(down, summary)]);
        let gone = vec![("peer", "another".to_owned()), ("severity", "critical".to_owned())];
        let summary =
            "no server of another answers from here: the way there is broken, or it is gone".to_owned();
        self.expect(15, "PeerUnreachable", &[(gone, summary)]);
        let own = vec![
            ("job", PROXY_JOB.to_owned()),
            ("instance", "ours".to_owned()),
            ("severity", "critical".to_owned()),
        ];
        let summary = format!("ours of {PROXY_JOB} does not answer: what is left of its kind is alone");
        self.expect(15, "ServerDown", &[(own, summary)]);
    }
}
