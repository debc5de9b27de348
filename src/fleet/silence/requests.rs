//! The requests of an operation, as a dry run shows them.

use super::engine::request;
use super::operation::Operation;
use crate::fleet::Fleet;
use crate::model::cluster::ClusterName;
use crate::wire::am_v2::encode_silence;
use serde::Serialize;
use std::collections::BTreeMap;

/// One request. It goes to the quickest healthy member; the first one stands for it here.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Request {
    /// The cluster.
    pub cluster: ClusterName,
    /// `POST` or `DELETE`.
    pub method: &'static str,
    /// Where to.
    pub url: String,
    /// What is sent; annotations are added where the member keeps them.
    pub body: Option<serde_json::Value>,
}

/// Returns what would be sent, in order, per cluster.
pub fn requests(operation: &Operation, fleet: &Fleet) -> Vec<Request> {
    let mut list = Vec::new();
    for task in &operation.tasks {
        let Some(member) = fleet.cluster(&task.cluster).and_then(|c| c.alertmanager.first()) else {
            continue;
        };
        let base = member.http().base().as_str().trim_end_matches('/');
        if let Some(content) = &task.write {
            let id = task.onto.as_ref().map(|seen| seen.id.clone());
            list.push(Request {
                cluster: task.cluster.clone(),
                method: "POST",
                url: format!("{base}/api/v2/silences"),
                body: Some(encode_silence(&request(content, id, BTreeMap::new()))),
            });
        }
        list.extend(task.expire.iter().map(|seen| Request {
            cluster: task.cluster.clone(),
            method: "DELETE",
            url: format!("{base}/api/v2/silence/{}", seen.id),
            body: None,
        }));
    }
    list
}
