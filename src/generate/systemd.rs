//! Units for systemd, one a service.
//!
//! Two kinds. What runs plugins (node, runner, pusher) must leave them the machine as sensu-client left it: nothing is hidden from
//! them and nothing taken away. What only reads, asks and answers (exporter, proxy, pushgateway) is shut in as far as systemd can.

use crate::model::network::Network;
use std::fmt::Write as _;

/// A service that has a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Runner and exporter in one process.
    Node,
    /// Sensu's checks alone.
    Runner,
    /// What a log says, for Prometheus.
    Exporter,
    /// Between Prometheus and Alertmanager.
    Proxy,
    /// What jobs without a node push to.
    Pushgateway,
    /// Checks that have no node.
    Pusher,
}

/// What the units are told.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The cluster that proxy and pusher are for; none where its configuration has one alone.
    pub cluster: Option<String>,
    /// Networks that may read the output of checks.
    pub detail_allow: Vec<Network>,
}

impl Unit {
    /// Every service that has one.
    pub const ALL: [Self; 6] =
        [Self::Node, Self::Runner, Self::Exporter, Self::Proxy, Self::Pushgateway, Self::Pusher];

    /// Its name, as in `iaasmon serve NAME`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Runner => "runner",
            Self::Exporter => "exporter",
            Self::Proxy => "proxy",
            Self::Pushgateway => "pushgateway",
            Self::Pusher => "pusher",
        }
    }

    /// The name of its file.
    pub fn file_name(self) -> String {
        format!("iaasmon-{}.service", self.name())
    }

    /// Reports whether it is for one cluster, which its configuration names.
    pub fn is_for_a_cluster(self) -> bool {
        matches!(self, Self::Proxy | Self::Pusher)
    }

    /// Writes it.
    pub fn text(self, options: &Options) -> String {
        let text = match self {
            Self::Node => with_plugins(self, NODE, NODE_START),
            Self::Runner => with_plugins(self, RUNNER, RUNNER_START),
            Self::Exporter => shut_in(self, EXPORTER, EXPORTER_START),
            Self::Proxy => shut_in(self, PROXY, PROXY_START),
            Self::Pushgateway => shut_in(self, PUSHGATEWAY, PUSHGATEWAY_START),
            Self::Pusher => with_plugins(self, PUSHER, PUSHER_START),
        };
        let flags = options.flags(self);
        let flags = flags.chunks(2).fold(String::new(), |text, flag| {
            let words: Vec<String> = flag.iter().map(|part| word(part)).collect();
            text + " \\\n    " + &words.join(" ")
        });
        text.replace("@FLAGS@", &flags)
    }
}

impl Options {
    /// Returns what of this a unit is told: flags, each with its value after it.
    pub fn flags(&self, unit: Unit) -> Vec<String> {
        let pair = |flag: &str, value: String| [flag.to_owned(), value];
        match unit {
            Unit::Node | Unit::Exporter | Unit::Pushgateway => {
                self.detail_allow.iter().flat_map(|one| pair("--detail-allow", one.to_string())).collect()
            }
            Unit::Proxy | Unit::Pusher => {
                self.cluster.iter().flat_map(|name| pair("--cluster", name.clone())).collect()
            }
            Unit::Runner => Vec::new(),
        }
    }
}

/// The unit of a service that runs plugins.
fn with_plugins(unit: Unit, head: &str, start: &str) -> String {
    format!("{}{}{start}{PLUGINS}{INSTALL}", head.trim_start(), service(unit))
}

/// The unit of a service that needs next to nothing.
fn shut_in(unit: Unit, head: &str, start: &str) -> String {
    format!("{}{}{start}{SHUT_IN}{INSTALL}", head.trim_start(), service(unit))
}

/// What all services have: they tell systemd when they are ready and that they live, and load anew at HUP.
fn service(unit: Unit) -> String {
    let name = unit.name();
    format!(
        "Documentation=man:iaasmon-serve-{name}(1)\nWants=network-online.target\nAfter=network-online.target\n
[Service]
Type=notify
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
RestartSec=10s\n"
    )
}

/// A word of a command line, as systemd reads it (systemd.service(5)).
fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:/@,+".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    let mut word = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => word.extend(['\\', c]),
            '%' | '$' => word.extend([c, c]),
            c if c.is_control() => {
                let mut bytes = [0; 4];
                c.encode_utf8(&mut bytes).bytes().for_each(|byte| {
                    let _ = write!(word, "\\x{byte:02x}");
                });
            }
            c => word.push(c),
        }
    }
    word.push('"');
    word
}

const NODE: &str = r"
[Unit]
Description=iaasmon: runs the checks of this node and exports them
# Plugins repair things, and none may run twice: who else runs or exports the checks of this node ends first.
Conflicts=sensu-client.service iaasmon-runner.service iaasmon-exporter.service
After=sensu-client.service iaasmon-runner.service iaasmon-exporter.service
";

const NODE_START: &str = r"
# As sensu-client: the checks that need more than this user have sudo, or are run by root with --check-user.
User=sensu
LogsDirectory=iaasmon
StateDirectory=iaasmon
ExecStart=/usr/local/bin/iaasmon serve node -c /etc/sensu/config.json -d /etc/sensu/conf.d \
    -l /var/log/iaasmon/runner.log --state-dir /var/lib/iaasmon --environment sensu@FLAGS@
# It is ready once it has read what the log holds already.
TimeoutStartSec=5min
";

const RUNNER: &str = r"
[Unit]
Description=iaasmon: runs the checks of this node
# Plugins repair things, and none may run twice: who else runs the checks of this node ends first.
Conflicts=sensu-client.service iaasmon-node.service
After=sensu-client.service iaasmon-node.service
";

const RUNNER_START: &str = r"
# As sensu-client: the checks that need more than this user have sudo, or are run by root with --check-user.
User=sensu
LogsDirectory=iaasmon
ExecStart=/usr/local/bin/iaasmon serve runner -c /etc/sensu/config.json -d /etc/sensu/conf.d \
    -l /var/log/iaasmon/runner.log --environment sensu@FLAGS@
";

const EXPORTER: &str = r"
[Unit]
Description=iaasmon: exports the checks that a runner or sensu-client logs
# The node exports them itself, on the same port.
Conflicts=iaasmon-node.service
After=iaasmon-node.service
";

const EXPORTER_START: &str = r"
# A user of its own, made at the start, who reads the logs as everybody may. Where not everybody may read them:
# SupplementaryGroups=sensu
DynamicUser=yes
StateDirectory=iaasmon-exporter
# Whichever of the two logs there is; of a check that is in both the newer result counts.
ExecStart=/usr/local/bin/iaasmon serve exporter --follow /var/log/sensu/sensu-client.log \
    --follow /var/log/iaasmon/runner.log --state-dir /var/lib/iaasmon-exporter@FLAGS@
# It is ready once it has read what the logs hold already.
TimeoutStartSec=5min
TimeoutStopSec=30s
# A disk that hangs holds it up, and a new start does not mend that.
WatchdogSec=5min
# A node's checks are a few megabytes.
MemoryMax=256M
";

const PROXY: &str = r"
[Unit]
Description=iaasmon: puts the output of checks into alerts, between Prometheus and Alertmanager
";

const PROXY_START: &str = r"
# A user of its own, made at the start. Tokens, passwords and keys that only root reads are handed to it by
# LoadCredential=token:/etc/iaasmon/token, and the configuration names /run/credentials/iaasmon-proxy.service/token.
DynamicUser=yes
StateDirectory=iaasmon-proxy
ExecStart=/usr/local/bin/iaasmon serve proxy --config /etc/iaasmon/config.toml --state-dir /var/lib/iaasmon-proxy@FLAGS@
# At its end it hands on what it has accepted, for fifteen seconds at most.
TimeoutStopSec=30s
WatchdogSec=60s
# Bounds of its own: 256 MiB of details, 256 MiB of alerts on their way, 64 MiB that wait for their details.
MemoryMax=1G
# Connections of Prometheus, of the Alertmanagers, and to hundreds of nodes at a time.
LimitNOFILE=16384
";

const PUSHGATEWAY: &str = r"
[Unit]
Description=iaasmon: holds what jobs without a node push, for Prometheus
";

const PUSHGATEWAY_START: &str = r"
# A user of its own, made at the start.
DynamicUser=yes
StateDirectory=iaasmon-pushgateway
ExecStart=/usr/local/bin/iaasmon serve pushgateway \
    --persistence.file /var/lib/iaasmon-pushgateway/pushgateway.redb@FLAGS@
# It is ready once it has read what its file holds.
TimeoutStartSec=5min
# At its end it writes what is not yet on the disk.
TimeoutStopSec=2min
# A disk that hangs holds it up, and a new start does not mend that.
WatchdogSec=5min
# Bounds of its own: 1 GiB of groups (--limit), 1 GiB of pushes that are read, 512 MiB of pages that are sent.
MemoryMax=4G
# A connection for each that pushes, where --max-connections lets more of them in.
LimitNOFILE=16384
";

const PUSHER: &str = r"
[Unit]
Description=iaasmon: runs the checks that have no node, and pushes their results
# It has definitions of its own, so it may stand beside a node's runner or sensu-client.
";

const PUSHER_START: &str = r"
# As a node's checks: the same user with its sudo, and the same plugins.
User=sensu
LogsDirectory=iaasmon
StateDirectory=iaasmon
# The configuration names the pushgateways of the cluster.
ExecStart=/usr/local/bin/iaasmon serve pusher --config /etc/iaasmon/config.toml -d /etc/iaasmon/jobs.d \
    -l /var/log/iaasmon/pusher.log --state-dir /var/lib/iaasmon --environment sensu@FLAGS@
";

const PLUGINS: &str = r"
# TERM goes to the runner alone, which begins nothing new and waits for the checks that run: told to end themselves they would
# give results that are not true. What is left after it, or after this time, ends with KILL. A plugin that starts a daemon has
# to start it by systemctl or systemd-run: what it starts itself belongs to this unit and ends with it.
KillMode=mixed
TimeoutStopSec=2min
# A check that takes all memory is the one that ends, and not the runner with all others.
OOMPolicy=continue
# A plugin that starts itself again and again stops here.
TasksMax=4096
# A disk that hangs holds it up, and a new start does not mend that.
WatchdogSec=5min

# Nothing is shut off below, on purpose. Plugins look at the whole machine, become root by sudo and repair things:
# * NoNewPrivileges= ends sudo, and so does each setting that brings it along for a user: SystemCallFilter=, PrivateDevices=,
#   RestrictAddressFamilies=, RestrictNamespaces=, RestrictSUIDSGID=, MemoryDenyWriteExecute=, LockPersonality=, DynamicUser=,
#   ProtectKernelTunables=, ProtectKernelModules=, ProtectKernelLogs=, ProtectClock=, ProtectHostname= and others;
# * CapabilityBoundingSet= holds for what sudo starts, too;
# * ProtectSystem=, ProtectHome=, PrivateTmp= and ProtectProc= would let a check of a disk or of processes see other ones than
#   there are.
";

const SHUT_IN: &str = r"
# It needs its state, its ports, and what everybody may read. DynamicUser= brings NoNewPrivileges=, ProtectSystem=strict,
# PrivateTmp=, RemoveIPC= and RestrictSUIDSGID= along. ProcSubset=pid is left out: it would hide when the machine was started.
ProtectSystem=strict
ProtectHome=yes
CapabilityBoundingSet=
LockPersonality=yes
MemoryDenyWriteExecute=yes
NoNewPrivileges=yes
PrivateDevices=yes
PrivateUsers=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM
UMask=0077
# A core would hold its tokens.
LimitCORE=0
";

const INSTALL: &str = "\n[Install]\nWantedBy=multi-user.target\n";

#[cfg(test)]
mod tests {
    use super::{Options, Unit, word};

    #[test]
    fn a_name_stays_one_word_whatever_is_in_it() {
        for (name, written) in [
            ("prod-east", "prod-east"),
            ("", "\"\""),
            ("prod east", "\"prod east\""),
            ("a\"b\\c", "\"a\\\"b\\\\c\""),
            ("100%$HOME", "\"100%%$$HOME\""),
            ("a\nExecStartPre=/bin/x", "\"a\\x0aExecStartPre=/bin/x\""),
        ] {
            assert_eq!(word(name), written);
        }
    }

    #[test]
    fn flags_go_to_the_services_that_take_them() {
        let networks = ["10.1.2.0/24", "fd00::/8"].map(|network| network.parse().expect("a network"));
        let options = Options { cluster: Some("prod-east".to_owned()), detail_allow: networks.to_vec() };
        let has = |unit: Unit, flag: &str| unit.text(&options).contains(flag);
        for unit in Unit::ALL {
            assert_eq!(has(unit, "\\\n    --cluster prod-east\n"), unit.is_for_a_cluster(), "{unit:?}");
            let asked = matches!(unit, Unit::Node | Unit::Exporter | Unit::Pushgateway);
            assert_eq!(has(unit, "--detail-allow 10.1.2.0/24 \\\n    --detail-allow fd00::/8\n"), asked);
            assert!(!unit.text(&Options::default()).contains('@') || unit.text(&options).contains("@system"));
            assert!(!unit.text(&Options::default()).contains("@FLAGS@"), "{unit:?}");
        }
    }
}
