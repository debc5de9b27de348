//! Finding the one node that a person means.

use super::error::{AppError, Exit};
use super::session::Session;
use crate::fleet::node::{FoundNode, find};
use crate::fleet::{Answer, Cluster, Coverage};
use crate::model::cluster::ClusterName;
use std::collections::BTreeSet;
use std::sync::Arc;

/// How many names an error lists.
const LISTED: usize = 8;

/// The node that was meant.
pub struct Target {
    /// Its cluster.
    pub cluster: Arc<Cluster>,
    /// Its whole name.
    pub name: Arc<str>,
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
    Target { cluster: cluster.clone(), name: found.name.clone(), coverage }
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
    fn near_names_hold_the_word_or_differ_by_a_slip() {
        let all = ["hv-0001.r101", "hv-0002.r102", "st-0001.r101"];
        let names = |name| near(name, all.into_iter()).into_iter().collect::<Vec<_>>();
        assert_eq!(names("r101"), ["hv-0001.r101", "st-0001.r101"]);
        assert_eq!(names("hv-0002.r120"), ["hv-0002.r102"]);
        assert_eq!(names("zebra"), [""; 0]);
    }
}
