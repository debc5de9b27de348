//! What logrotate does with the logs of runner, pusher and sensu-client.
//!
//! The log is moved and its writer told to open it again (`USR2`). Not `copytruncate`: what is written between the copy and the
//! truncation is lost to every reader.

/// A log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Log {
    /// What `serve node`, `serve runner` or `serve pusher` writes.
    Runner,
    /// What a sensu-client of Sensu's packages writes.
    SensuClient,
}

impl Log {
    /// The name of its file in `/etc/logrotate.d`; that of sensu-client takes the place of the package's own.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Runner => "iaasmon",
            Self::SensuClient => "sensu",
        }
    }

    /// Writes its stanza.
    pub fn text(self) -> &'static str {
        match self {
            Self::Runner => RUNNER,
            Self::SensuClient => SENSU_CLIENT,
        }
    }
}

const RUNNER: &str = r#"/var/log/iaasmon/runner.log /var/log/iaasmon/pusher.log {
    daily
    rotate 7
    missingok
    notifempty
    compress
    # The moved file is written to until the new one is open, and the exporter reads it to its end.
    delaycompress
    # Runner and pusher make the new one. Not copytruncate: lines that are written meanwhile would be lost.
    nocreate
    # Who may write the folder: root would follow the links that this user makes there.
    su sensu sensu
    # Once for both: who opens again what was not moved goes on with it.
    sharedscripts
    postrotate
        # To the program alone: checks end by this signal.
        for unit in iaasmon-node.service iaasmon-runner.service iaasmon-pusher.service; do
            if systemctl --quiet is-active "$unit"; then
                systemctl kill --kill-who=main --signal=USR2 "$unit"
            fi
        done
    endscript
}
"#;

const SENSU_CLIENT: &str = r"/var/log/sensu/sensu-client.log {
    daily
    rotate 7
    missingok
    notifempty
    compress
    # The client writes to the moved file until it has opened the new one. As the package has it, without this line, it is packed
    # at once, and lines that are written meanwhile are lost.
    delaycompress
    nocreate
    su sensu sensu
    postrotate
        if [ -s /var/run/sensu/sensu-client.pid ]; then
            kill -USR2 $(cat /var/run/sensu/sensu-client.pid) || true
        fi
    endscript
}
";
