//! Finding the one node that a person means, or the group of what was pushed.

use super::error::{AppError, Exit};
use super::session::Session;
use crate::fleet::detail::{FoundGroup, find_groups};
use crate::fleet::node::{FoundNode, find};
use crate::fleet::{Answer, Cluster, Coverage};
use crate::model::cluster::{ClusterName, ReplicaKind};
use crate::model::labels::Labels;
use crate::model::names::{Names, is_reserved};
use std::collections::BTreeSet;
use std::sync::Arc;

/// How many names an error lists.
const LISTED: usize = 8;

/// The node or the group that was meant.
pub struct Target {
    /// Its cluster.
    pub cluster: Arc<Cluster>,
    /// Its whole name; of a group its labels.
    pub name: Arc<str>,
    /// The labels of the group.
    pub group: Option<Labels>,
    /// Who was asked, where the rest of the fleet might hold another node of that name.
    pub coverage: Coverage,
}

/// Finds the node called `name`: its whole name, its name without the port, or the only one that begins so.
pub async fn find_node(session: &mut Session<'_>, name: &str) -> Result<Target, AppError> {
    let whole = session.ask_all(async |cluster| find(cluster, name, false).await).await;
    // A whole name stands even beside others of which it is the name without the port.
    let exact: Vec<FoundNode> = whole.value.iter().filter(|found| &*found.name == name).cloned().collect();
    if let [only] = exact.as_slice() {
        return Ok(target(session, only, Coverage::default()));
    }
    let mut answer = whole;
    if answer.value.is_empty() {
        answer = session.ask_all(async |cluster| find(cluster, name, true).await).await;
    }
    match answer.value.as_slice() {
        [only] => Ok(target(session, only, answer.coverage)),
        [] => Err(unknown(session, name, &answer).await?),
        several => Err(ambiguous(name, several)),
    }
}

fn target(session: &Session<'_>, found: &FoundNode, coverage: Coverage) -> Target {
    let cluster = session.fleet.cluster(&found.cluster).expect("only clusters of the fleet were asked");
    Target { cluster: cluster.clone(), name: found.name.clone(), group: None, coverage }
}

impl Target {
    /// Returns the name of the node; empty where there is none.
    pub fn node(&self) -> &str {
        match &self.group {
            Some(group) => group.get(&self.cluster.config.node_label),
            None => &self.name,
        }
    }
}

/// Reads the labels of a group as they stand in the place of a node: `job=backup,db=main`; none where it is a name.
pub fn parse_group(text: &str) -> Result<Option<Labels>, AppError> {
    if !text.contains('=') {
        return Ok(None);
    }
    let pairs = text.split(',').map(|pair| pair.split_once('=').filter(|(name, _)| takes_label(name)));
    let labels: Option<Labels> = pairs.collect();
    let wrong = || AppError::usage(format!("not the labels of a group: `{text}`"));
    labels.map(Some).ok_or_else(|| wrong().hint("write them like job=backup,db=main"))
}

fn takes_label(name: &str) -> bool {
    Names::Legacy.take_label(name) && !is_reserved(name)
}

/// Writes them as they are read, the job before the others.
fn words_of(group: &Labels) -> String {
    let (job, others): (Vec<_>, Vec<_>) = group.iter().partition(|(name, _)| *name == "job");
    job.iter().chain(&others).map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(",")
}

/// Finds the group that has these labels and a check of this name.
pub async fn find_group(
    session: &mut Session<'_>,
    labels: &Labels,
    check: &str,
) -> Result<Option<Target>, AppError> {
    let found = session.ask_all(async |cluster| find_groups(cluster, check, labels).await).await;
    match found.value.as_slice() {
        [only] => {
            let cluster =
                session.fleet.cluster(&only.cluster).expect("only clusters of the fleet were asked");
            Ok(Some(Target {
                cluster: cluster.clone(),
                name: words_of(&only.labels).into(),
                group: Some(only.labels.clone()),
                coverage: found.coverage,
            }))
        }
        [] => match session.tell(&found.coverage, &found.notes)? {
            Exit::Done => Ok(None),
            exit => Err(AppError::new(exit, unseen(check, labels, &found.coverage))),
        },
        several => Err(several_groups(check, several)),
    }
}

/// Says that a check is not seen, and whose silence may be the reason: a check that is well is seen only while its pushgateway is
/// scraped.
fn unseen(check: &str, labels: &Labels, coverage: &Coverage) -> String {
    let uncovered = coverage.uncovered().into_iter();
    let silent = uncovered.filter(|(_, kind)| *kind == ReplicaKind::Pushgateway);
    let silent: Vec<String> = silent.map(|(cluster, _)| cluster.to_string()).collect();
    let of = words_of(labels);
    match &silent[..] {
        [] => format!("no check `{check}` of {of} was found where somebody answered"),
        [one] => {
            format!("no check `{check}` of {of} is seen: the pushgateway of cluster {one} does not answer")
        }
        several => {
            let clusters = several.join(", ");
            format!(
                "no check `{check}` of {of} is seen: the pushgateways of clusters {clusters} do not answer"
            )
        }
    }
}

fn several_groups(check: &str, several: &[FoundGroup]) -> AppError {
    let groups: BTreeSet<String> = several.iter().map(|found| words_of(&found.labels)).collect();
    let clusters: BTreeSet<&ClusterName> = several.iter().map(|found| &found.cluster).collect();
    let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
    let error = match &groups[..] {
        [one] => AppError::usage(format!("`{check}` of {one} is in more than one cluster")),
        _ => AppError::usage(format!("`{check}` is in {} groups", several.len()))
            .hint(format!("it may be {}", listed(groups))),
    };
    match clusters.len() {
        1 => error,
        _ => {
            let names: Vec<String> = clusters.iter().map(ToString::to_string).collect();
            error.hint(format!("choose with --cluster: {}", names.join(", ")))
        }
    }
}

fn ambiguous(name: &str, several: &[FoundNode]) -> AppError {
    let names: BTreeSet<&str> = several.iter().map(|found| &*found.name).collect();
    let clusters: BTreeSet<&ClusterName> = several.iter().map(|found| &found.cluster).collect();
    if names.len() == 1 {
        let clusters: Vec<String> = clusters.iter().map(ToString::to_string).collect();
        return AppError::usage(format!("a node `{name}` is in more than one cluster"))
            .hint(format!("choose with --cluster: {}", clusters.join(", ")));
    }
    AppError::usage(format!("`{name}` fits {} nodes", names.len()))
        .hint(format!("it may be {}", listed(names)))
}

/// Lists the first few names.
pub fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut names: Vec<&str> = names.into_iter().collect();
    let more = names.len().saturating_sub(LISTED);
    names.truncate(LISTED);
    let names = names.join(", ");
    if more > 0 { format!("{names} and {more} more") } else { names }
}

/// Explains that there is no such node; where a part of the fleet was silent, it may yet be there.
async fn unknown(
    session: &mut Session<'_>,
    name: &str,
    answer: &Answer<Vec<FoundNode>>,
) -> Result<AppError, AppError> {
    let exit = session.tell(&answer.coverage, &answer.notes)?;
    if exit != Exit::Done {
        return Ok(AppError::new(exit, format!("no node `{name}` was found where somebody answered")));
    }
    let all = session.ask_all(async |cluster| find(cluster, "", true).await).await;
    let near = near(name, all.value.iter().map(|found| &*found.name));
    let error = AppError::usage(format!("there is no node `{name}`"));
    Ok(match near.is_empty() {
        true => error.hint("`iaasmon nodes` lists them"),
        false => error.hint(format!("did you mean {}?", listed(near))),
    })
}

/// Returns the names that hold `name`, else the nearest one.
pub fn near<'a>(name: &str, all: impl Iterator<Item = &'a str>) -> BTreeSet<&'a str> {
    let all: Vec<&str> = all.collect();
    let holding: BTreeSet<&str> = all.iter().copied().filter(|other| other.contains(name)).collect();
    if holding.is_empty() {
        crate::model::nearest::nearest(name, &all).into_iter().collect()
    } else {
        holding
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(cluster: &str, name: &str) -> FoundNode {
        FoundNode { cluster: cluster.into(), name: name.into() }
    }

    #[test]
    fn what_is_ambiguous_says_how_to_choose() {
        let one = ambiguous("n1", &[found("east", "n1:9100"), found("west", "n1:9100")]);
        assert_eq!(one.complaints[0].message, "a node `n1` is in more than one cluster");
        assert_eq!(one.complaints[0].hints, ["choose with --cluster: east, west"]);
        let many: Vec<FoundNode> = (10..30).map(|i| found("east", &format!("n{i}"))).collect();
        let many = ambiguous("n", &many);
        assert_eq!(many.complaints[0].message, "`n` fits 20 nodes");
        assert_eq!(
            many.complaints[0].hints,
            ["it may be n10, n11, n12, n13, n14, n15, n16, n17 and 12 more"]
        );
    }

    #[test]
    fn a_group_is_named_by_its_labels() {
        let words = |text: &str| parse_group(text).ok().flatten().map(|labels| words_of(&labels));
        assert_eq!(words("db=main,job=backup").as_deref(), Some("job=backup,db=main"));
        assert_eq!(words("job=a=b").as_deref(), Some("job=a=b"));
        assert!(parse_group("hv-1:10105").is_ok_and(|group| group.is_none()));
        assert!(
            parse_group("job=a,b").is_err() && parse_group("=a").is_err() && parse_group("a-b=c").is_err()
        );
        let group = |cluster: &str, db| FoundGroup {
            cluster: cluster.into(),
            labels: [("job", "backup"), ("db", db)].into_iter().collect(),
        };
        let error = several_groups("age", &[group("east", "a"), group("east", "b"), group("west", "a")]);
        assert_eq!(error.complaints[0].message, "`age` is in 3 groups");
        assert_eq!(
            error.complaints[0].hints,
            ["it may be job=backup,db=a, job=backup,db=b", "choose with --cluster: east, west"]
        );
        let one = several_groups("age", &[group("east", "a"), group("west", "a")]);
        assert_eq!(one.complaints[0].message, "`age` of job=backup,db=a is in more than one cluster");
    }

    #[test]
    fn near_names_hold_the_word_or_differ_by_a_slip() {
        let all = ["hv-0001.r101", "hv-0002.r102", "st-0001.r101"];
        let names = |name| near(name, all.into_iter()).into_iter().collect::<Vec<_>>();
        assert_eq!(names("r101"), ["hv-0001.r101", "st-0001.r101"]);
        assert_eq!(names("hv-0002.r120"), ["hv-0002.r102"]);
        assert_eq!(names("zebra"), [""; 0]);
    }
}
