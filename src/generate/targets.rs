//! Files of targets for Prometheus (`file_sd_configs`): the nodes with their labels, from whatever lists them.

mod csv;

pub use csv::from_csv;

use crate::wire::sensu_api::SensuClient;
use std::collections::BTreeMap;
use std::net::Ipv6Addr;

/// Where a node's exporter listens that says nothing else.
pub const PORT: u16 = 10105;
/// A label longer than this is no label, but a text.
const MOST_BYTES: usize = 128;
/// Each label is there once a series.
const MOST_LABELS: usize = 30;
/// What our alerts, their rules and the servers set themselves: on a node it would stand in their place, or be taken for theirs.
const OWN: [&str; 9] =
    ["alertname", "severity", "handlers", "waits", "peer", "replica", "part", "status", "source"];
/// So many problems are told, of the rest their number.
const MOST_PROBLEMS: usize = 20;

/// A node, and where it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its host and port.
    pub target: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Where it stands, for people.
    pub place: String,
}

/// Takes Sensu's clients, each with the place where it stands. `wanted` names the attributes that become labels, `checks` the
/// labels that name checks.
///
/// A client without keepalives is none that runs anywhere: the server made it for results about another host.
///
/// # Errors
/// Everything that is wrong with them.
pub fn from_clients(
    clients: &[(String, SensuClient)],
    wanted: &[String],
    checks: &[&str],
) -> Result<Vec<Node>, Vec<String>> {
    let unfit = wanted.iter().filter_map(|name| label_name(name, checks).err());
    let mut problems: Vec<String> = unfit.map(|why| format!("--label: {why}")).collect();
    if !problems.is_empty() {
        return Err(bounded(problems));
    }
    let mut nodes = Vec::new();
    for (place, client) in clients.iter().filter(|(_, client)| client.keepalives) {
        let address = match client.address.as_deref() {
            // What a client says that found no address.
            None | Some("" | "unknown") => &client.name,
            Some(address) => address,
        };
        let mut labels = BTreeMap::new();
        let own = [("client", client.name.clone())].into_iter();
        let attributes = wanted.iter().filter_map(|name| Some((name.as_str(), client.attribute(name)?)));
        for (name, value) in own.chain(attributes) {
            let put = label_name(name, checks).and_then(|name| put(&mut labels, name, &value));
            problems.extend(put.err().map(|why| format!("{place}: client `{}`: {why}", client.name)));
        }
        match target(address) {
            Ok(target) => nodes.push(Node { target, labels, place: place.clone() }),
            Err(why) => problems.push(format!("{place}: client `{}`: {why}", client.name)),
        }
    }
    if problems.is_empty() { Ok(nodes) } else { Err(bounded(problems)) }
}

/// Writes the file: nodes with the same labels in one group, everything in order.
///
/// # Errors
/// Nodes that are listed twice, with both places: Prometheus would take either, or both.
pub fn targets(nodes: &[Node]) -> Result<String, Vec<String>> {
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    let mut problems = Vec::new();
    let mut groups: BTreeMap<&BTreeMap<String, String>, Vec<&str>> = BTreeMap::new();
    for node in nodes {
        // Names of hosts are the same in any case.
        if let Some(first) = seen.insert(node.target.to_ascii_lowercase(), &node.place) {
            problems.push(format!("{} is listed twice: {first} and {}", node.target, node.place));
        }
        groups.entry(&node.labels).or_default().push(&node.target);
    }
    if !problems.is_empty() {
        return Err(bounded(problems));
    }
    let group = |(labels, mut targets): (&BTreeMap<String, String>, Vec<&str>)| {
        targets.sort_unstable();
        match labels.is_empty() {
            true => serde_json::json!({ "targets": targets }).to_string(),
            false => serde_json::json!({ "labels": labels, "targets": targets }).to_string(),
        }
    };
    let groups: Vec<String> = groups.into_iter().map(group).collect();
    Ok(format!("[\n{}\n]\n", groups.join(",\n")))
}

/// Returns host and port of an address; the port is the exporter's where there is none.
fn target(address: &str) -> Result<String, String> {
    let address = address.trim();
    if address.is_empty() {
        return Err("no address".to_owned());
    }
    if address.parse::<Ipv6Addr>().is_ok() {
        return Ok(format!("[{address}]:{PORT}"));
    }
    let (host, port) = match address.rsplit_once(':') {
        // The colons of `[::1]` are no port's.
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (address, None),
    };
    let port = match port.map(str::parse::<u16>) {
        None => PORT,
        Some(Ok(port)) if port > 0 => port,
        Some(_) => return Err(format!("`{address}` has no port: write HOST or HOST:PORT")),
    };
    match url::Host::parse(host) {
        Ok(_) => Ok(format!("{host}:{port}")),
        Err(why) => Err(format!("`{address}` is no address: {why}")),
    }
}

/// Makes a name that every Prometheus takes of any; `checks` are the labels that name checks.
fn label_name(written: &str, checks: &[&str]) -> Result<String, String> {
    let fits = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let mut name: String = written.trim().chars().map(fits).collect();
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        name.insert(0, '_');
    }
    match name.as_str() {
        name if name.trim_matches('_').is_empty() => Err(format!("`{written}` makes no name of a label")),
        name if name.starts_with("__") => Err(format!("the label `{name}` is Prometheus' own: rename it")),
        "job" => {
            Err("a label `job` takes nodes out of the job that the rules are about: rename it".to_owned())
        }
        name if checks.contains(&name) => {
            Err(format!("the label `{name}` names the check that an alert is about: rename it"))
        }
        name if OWN.contains(&name) => {
            Err(format!("the label `{name}` is one that alerts and their rules set: rename it"))
        }
        name if name.len() > MOST_BYTES => {
            Err(format!("the name of a label is longer than {MOST_BYTES} bytes"))
        }
        _ => Ok(name),
    }
}

/// Adds a label; an empty value is none.
fn put(labels: &mut BTreeMap<String, String>, name: String, value: &str) -> Result<(), String> {
    let value: String = value.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if value.is_empty() {
        return Ok(());
    }
    if value.len() > MOST_BYTES {
        return Err(format!("the label `{name}` is longer than {MOST_BYTES} bytes"));
    }
    if labels.len() >= MOST_LABELS {
        return Err(format!("there are more than {MOST_LABELS} labels"));
    }
    match labels.insert(name.clone(), value) {
        Some(_) => Err(format!("the label `{name}` is there twice")),
        None => Ok(()),
    }
}

/// Keeps the first of many problems.
fn bounded(mut problems: Vec<String>) -> Vec<String> {
    let more = problems.len().saturating_sub(MOST_PROBLEMS);
    if more > 0 {
        problems.truncate(MOST_PROBLEMS);
        problems.push(format!("and {more} more"));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::sensu_api::decode_clients;

    fn clients(text: &str) -> Vec<(String, SensuClient)> {
        let clients = decode_clients(text.as_bytes()).expect("clients");
        clients.into_iter().enumerate().map(|(at, client)| (format!("place {at}"), client)).collect()
    }

    #[test]
    fn addresses_get_the_exporters_port_where_they_have_none() {
        for (address, expected) in [
            ("web-1", "web-1:10105"),
            ("10.0.0.1:9", "10.0.0.1:9"),
            ("::1", "[::1]:10105"),
            ("[fe80::1]", "[fe80::1]:10105"),
            ("[fe80::1]:80", "[fe80::1]:80"),
        ] {
            assert_eq!(target(address).as_deref(), Ok(expected));
        }
        for address in ["", "a b", "http://a", "a:0", "a:b", "a:99999", "a/b", "u@h"] {
            assert!(target(address).is_err(), "{address}");
        }
    }

    #[test]
    fn clients_become_nodes_with_the_attributes_that_are_wanted() {
        let text = r#"[
            {"name":"web-2","address":"10.0.0.2","env":"prod","rack no":12,"pw":"x"},
            {"name":"web-1","address":"unknown","env":"prod"},
            {"name":"router","address":"10.0.0.9","keepalives":false}]"#;
        let nodes =
            from_clients(&clients(text), &["env".to_owned(), "rack no".to_owned()], &[]).expect("nodes");
        let written = targets(&nodes).expect("written");
        let expected = "[\n{\"labels\":{\"client\":\"web-1\",\"env\":\"prod\"},\"targets\":[\"web-1:10105\"]},\n\
            {\"labels\":{\"client\":\"web-2\",\"env\":\"prod\",\"rack_no\":\"12\"},\"targets\":[\"10.0.0.2:10105\"]}\n]\n";
        assert_eq!(written, expected);
    }

    #[test]
    fn a_node_that_is_listed_twice_is_told_with_both_places() {
        let text = r#"[{"name":"a","address":"HOST"},{"name":"b","address":"host:10105"}]"#;
        let nodes = from_clients(&clients(text), &[], &[]).expect("nodes");
        let problems = targets(&nodes).expect_err("refused");
        assert_eq!(problems, ["host:10105 is listed twice: place 0 and place 1"]);
    }

    #[test]
    fn labels_that_would_do_harm_are_refused() {
        assert_eq!(label_name("rack no.", &["check"]).as_deref(), Ok("rack_no_"));
        assert_eq!(label_name("1st", &["check"]).as_deref(), Ok("_1st"));
        for name in ["__address__", "job", "", "--", "check"].into_iter().chain(OWN) {
            assert!(label_name(name, &["check"]).is_err(), "{name}");
        }
        assert_eq!(label_name("check", &["name"]).as_deref(), Ok("check"), "checks may have another label");
        let wanted = ["env", "severity", "check"].map(str::to_owned);
        let problems = from_clients(&clients("[]"), &wanted, &["check"]).expect_err("refused");
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(problems[0].starts_with("--label: the label `severity`"), "{problems:?}");
        let long = format!(r#"[{{"name":"a","x":"{}"}}]"#, "y".repeat(200));
        let problems = from_clients(&clients(&long), &["x".to_owned()], &[]).expect_err("refused");
        assert!(problems[0].contains("longer than 128"), "{problems:?}");
    }
}
