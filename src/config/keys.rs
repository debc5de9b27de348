//! The keys that a configuration file may hold: one table, read by the parser and by its hints.

use crate::model::nearest::nearest;

/// One table of the file and its keys.
#[derive(Debug)]
pub struct Section {
    /// How people write it: `[defaults]`, `auth`.
    pub name: &'static str,
    /// Its keys.
    pub keys: &'static [&'static str],
}

pub const ROOT: Section =
    Section { name: "the top level", keys: &["defaults", "cluster", "enrich", "generate", "policy", "ui"] };

pub const DEFAULTS: Section = Section {
    name: "[defaults]",
    keys: &["timeout", "max_body", "node_label", "check_label", "status_metric", "bad_metric"],
};

pub const CLUSTER: Section = Section {
    name: "[[cluster]]",
    keys: &[
        "name",
        "labels",
        "prometheus",
        "alertmanager",
        "proxy",
        "pushgateway",
        "pusher",
        "detail_url",
        "drop_labels",
        "access",
        "auth",
        "tls",
        "headers",
        "http_proxy",
        "timeout",
        "max_body",
        "node_label",
        "check_label",
        "status_metric",
        "bad_metric",
    ],
};

pub const AUTH: Section = Section { name: "auth", keys: &["bearer", "bearer_file", "basic"] };

pub const BASIC: Section = Section { name: "auth.basic", keys: &["user", "password", "password_file"] };

pub const TLS: Section = Section { name: "tls", keys: &["ca", "cert", "key", "server_name"] };

pub const ENRICH: Section =
    Section { name: "[[enrich]]", keys: &["match", "detail_url", "output_limit", "copy", "annotations"] };

pub const GENERATE: Section = Section {
    name: "[generate]",
    keys: &["group_by", "group_wait", "group_interval", "repeat_interval", "mail", "slack", "receiver"],
};

pub const MAIL: Section = Section {
    name: "[generate.mail]",
    keys: &[
        "smarthost",
        "from",
        "to",
        "reply_to",
        "user",
        "password_file",
        "tls",
        "subject",
        "body",
        "html",
        "gui",
    ],
};

pub const SLACK: Section = Section { name: "[generate.slack]", keys: &["webhook_file", "channel"] };

pub const RECEIVER: Section = Section {
    name: "[[generate.receiver]]",
    keys: &["name", "match", "mail_to", "slack_channel", "webhook"],
};

pub const POLICY: Section = Section { name: "[policy]", keys: &["silence"] };

pub const SILENCE: Section = Section {
    name: "[policy.silence]",
    keys: &["comment_required", "comment_pattern", "max_duration", "confirm_above", "author", "journals"],
};

pub const CONFIRM_ABOVE: Section =
    Section { name: "confirm_above", keys: &["alerts", "clusters", "duration"] };

pub const UI: Section = Section { name: "[ui]", keys: &["theme", "color", "refresh"] };

pub const ALL: [&Section; 15] = [
    &ROOT,
    &DEFAULTS,
    &CLUSTER,
    &AUTH,
    &BASIC,
    &TLS,
    &ENRICH,
    &GENERATE,
    &MAIL,
    &SLACK,
    &RECEIVER,
    &POLICY,
    &SILENCE,
    &CONFIRM_ABOVE,
    &UI,
];

impl Section {
    /// Says what the unknown key `key` was probably meant to be: a key of this table, a key of another one, or
    /// else what there is.
    pub fn suggest(&self, key: &str) -> String {
        if let Some(near) = nearest(key, self.keys) {
            return format!("did you mean `{near}`?");
        }
        let elsewhere = |found: &str| ALL.iter().find(|section| section.keys.contains(&found));
        let every: Vec<&str> = ALL.iter().flat_map(|section| section.keys).copied().collect();
        match nearest(key, &every).and_then(|near| Some((near, elsewhere(near)?))) {
            Some((near, section)) => format!("`{near}` belongs in {}", section.name),
            None => format!("{} has: {}", self.name, self.keys.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggestions_look_here_first_then_elsewhere() {
        assert_eq!(CLUSTER.suggest("alertmanagers"), "did you mean `alertmanager`?");
        assert_eq!(ROOT.suggest("clusters"), "did you mean `cluster`?");
        assert_eq!(ROOT.suggest("timeout"), "`timeout` belongs in [defaults]");
        assert_eq!(CLUSTER.suggest("password-file"), "`password_file` belongs in auth.basic");
        assert_eq!(UI.suggest("zebra"), "[ui] has: theme, color, refresh");
    }
}
