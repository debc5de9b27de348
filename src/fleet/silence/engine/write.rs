//! Writing one silence on one cluster without ever making two.

use super::members::{Holdings, Member, read_all};
use super::task::{Go, Wrote, failed, unknown};
use super::{Engine, Halt, What};
use crate::fleet::Cluster;
use crate::fleet::silence::identity::{Key, OP_ANNOTATION, OpId};
use crate::fleet::silence::operation::{Content, Seen, Task};
use crate::fleet::silence::record::{Outcome, Record};
use crate::model::silence::{Silence, SilenceState};
use crate::model::time::Timestamp;
use crate::net::{NetError, NetErrorKind};
use crate::sys::clock;
use crate::wire::am_v2::SilenceRequest;
use chrono::TimeDelta;
use futures_util::future::join_all;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// So many POSTs without an answer are enough: a cluster that swallows these swallows more.
const TRIES: usize = 3;

/// How far a server's clock may be behind ours when a silence's start tells whether it came after the plan.
const SKEW: TimeDelta = TimeDelta::minutes(5);

/// How one POST ended.
enum Posted {
    /// It is there.
    Id(Arc<str>),
    /// It did not go out, or another member may be luckier.
    Next(String),
    /// It was refused for what it says or who we are.
    Final(Outcome),
    /// The member may have it.
    Doubt(String),
}

/// Whether an operation's silence is on a cluster.
enum Found {
    InForce(Vec<Arc<str>>),
    /// It was there and somebody ended it.
    Gone(Arc<str>),
    Nothing,
}

/// The silences that an operation made with `content` on a cluster.
struct Own<'t> {
    op: OpId,
    began: Timestamp,
    content: &'t Content,
    before: &'t [Arc<str>],
}

impl Own<'_> {
    fn find(&self, silences: &BTreeMap<Arc<str>, Silence>) -> Found {
        let (key, op) = (self.content.key(), self.op.to_string());
        let alike = || {
            silences.values().filter(|s| Key::of(s) == key && !self.before.contains(&s.id)).filter(|s| {
                // Where annotations are kept, another operation's silence is not ours, whatever its end.
                s.annotations.get(OP_ANNOTATION).is_none_or(|theirs| *theirs == op)
            })
        };
        let tagged = |s: &Silence| s.annotations.contains_key(OP_ANNOTATION);
        let mut in_force: Vec<&Silence> = alike()
            .filter(|s| s.state != SilenceState::Expired && (tagged(s) || s.ends_at == self.content.ends_at))
            .collect();
        in_force.sort_by_key(|s| (s.updated_at, s.id.clone()));
        if !in_force.is_empty() {
            return Found::InForce(in_force.into_iter().map(|s| s.id.clone()).collect());
        }
        // Ending a silence overwrites its end, so the start has to tell.
        let ours = |s: &&Silence| {
            s.state == SilenceState::Expired && s.starts_at >= self.began.min(self.content.starts_at) - SKEW
        };
        alike().find(ours).map_or(Found::Nothing, |s| Found::Gone(s.id.clone()))
    }
}

impl Engine<'_> {
    /// Makes a silence, unless the operation has made it already.
    pub(super) async fn write_new(
        &self,
        task: &Task,
        content: &Content,
        cluster: &Cluster,
        members: &[Member<'_>],
    ) -> Go<Wrote> {
        let progress = self.progress(&task.cluster);
        let mut in_doubt = !progress.sent.is_empty();
        if progress.resumed {
            match self.look_again(task, content, cluster).await? {
                Err(outcome) => return Ok(Err(outcome)),
                Ok(Some(wrote)) => {
                    return self.settle(task, content, cluster, wrote, progress.sent.len() > 1).await;
                }
                Ok(None) => {}
            }
        }
        if let Some(outcome) = self.changed_since(task, members).await {
            return Ok(Err(outcome));
        }
        let (mut doubts, mut reasons) = (0, Vec::new());
        let mut candidates: Vec<&Member<'_>> = members.iter().collect();
        while let Some(member) = candidates.first().copied() {
            match self.post(task, content, None, member).await? {
                Posted::Id(id) => {
                    let wrote = Wrote { id, notes: Vec::new(), gone: false };
                    return self.settle(task, content, cluster, wrote, in_doubt).await;
                }
                Posted::Final(outcome) => return Ok(Err(outcome)),
                Posted::Next(why) => {
                    reasons.push(format!("{}: {why}", member.name()));
                    candidates.remove(0);
                }
                Posted::Doubt(why) => {
                    doubts += 1;
                    match self.look_again(task, content, cluster).await? {
                        Err(outcome) => return Ok(Err(outcome)),
                        Ok(Some(wrote)) => return self.settle(task, content, cluster, wrote, in_doubt).await,
                        Ok(None) if doubts == TRIES => {
                            return Ok(Err(unknown(format!("{}: {why}, {TRIES} times", member.name()))));
                        }
                        // All members were read and none has it: the other one is next.
                        Ok(None) => candidates.rotate_left(1),
                    }
                    in_doubt = true;
                }
            }
        }
        Ok(Err(failed(reasons.join(", "))))
    }

    /// Sends one POST, journalled before and after.
    async fn post(
        &self,
        task: &Task,
        content: &Content,
        id: Option<&Arc<str>>,
        member: &Member<'_>,
    ) -> Result<Posted, Halt> {
        let (cluster, name) = (&task.cluster, member.name());
        self.note(Record::Sending { cluster: cluster.clone(), member: name.clone(), at: clock::now() })?;
        self.step(Some(cluster), What::Sending(name.clone()))?;
        let (op, _) = self.operation();
        let annotations = match member.keeps_annotations() {
            true => [(OP_ANNOTATION.to_owned(), op.to_string())].into(),
            false => BTreeMap::new(),
        };
        let answer = member.am.post_silence(&request(content, id.cloned(), annotations)).await;
        self.step(Some(cluster), What::Answered(name.clone()))?;
        let resolved = Record::Resolved { cluster: cluster.clone(), member: name };
        match answer {
            Ok(reply) => {
                self.written(task, &reply.value)?;
                self.note(resolved)?;
                Ok(Posted::Id(reply.value))
            }
            Err(error) if error.kind.may_have_arrived() => Ok(Posted::Doubt(error.kind.to_string())),
            Err(error) => {
                self.note(resolved)?;
                Ok(if is_final(&error) {
                    Posted::Final(failed(words(&error)))
                } else {
                    Posted::Next(error.kind.to_string())
                })
            }
        }
    }

    fn written(&self, task: &Task, id: &Arc<str>) -> Result<(), Halt> {
        self.note(Record::Written { cluster: task.cluster.clone(), id: id.clone() })?;
        self.step(Some(&task.cluster), What::Written(id.clone()))
    }

    /// Reads all members for the operation's silence: it is there, or certainly not (`None`), or nobody can tell.
    async fn look_again(&self, task: &Task, content: &Content, cluster: &Cluster) -> Go<Option<Wrote>> {
        self.step(Some(&task.cluster), What::Reading)?;
        let holdings = read_all(cluster).await;
        match self.own(task, content).find(&holdings.silences) {
            Found::InForce(ids) => {
                self.written(task, &ids[0])?;
                Ok(Ok(Some(Wrote { id: ids[0].clone(), notes: Vec::new(), gone: false })))
            }
            Found::Gone(id) => {
                self.written(task, &id)?;
                Ok(Ok(Some(Wrote { id, notes: vec!["somebody has ended it since".to_owned()], gone: true })))
            }
            Found::Nothing => {
                let sent = self.progress(&task.cluster).sent;
                let doubtful = holdings.in_doubt(|name| sent.contains(name));
                Ok(if doubtful.is_empty() || sent.is_empty() {
                    Ok(None)
                } else {
                    Err(unknown(format!("it may or may not be there, cannot read {}", doubtful.join(", "))))
                })
            }
        }
    }

    fn own<'t>(&self, task: &'t Task, content: &'t Content) -> Own<'t> {
        let (op, began) = self.operation();
        Own { op, began, content, before: &task.before }
    }

    /// Ends what came twice. Where a request may still be on its way, the members are watched for it.
    async fn settle(
        &self,
        task: &Task,
        content: &Content,
        cluster: &Cluster,
        mut wrote: Wrote,
        watch: bool,
    ) -> Go<Wrote> {
        let sent = self.progress(&task.cluster).sent;
        if sent.is_empty() && !watch {
            return Ok(Ok(wrote));
        }
        let started = clock::instant();
        let mut unread: BTreeSet<Arc<str>> = sent.clone();
        loop {
            let holdings = read_all(cluster).await;
            let twins = self.end_twins(task, content, cluster, &wrote.id, &holdings).await?;
            if twins > 0 {
                wrote.notes.push(format!("{twins} late twin(s) ended"));
            }
            unread.retain(|name| holdings.unread.contains_key(name));
            if !watch || started.elapsed() >= self.limits.watch {
                break;
            }
            tokio::time::sleep(self.limits.poll).await;
        }
        for member in sent.difference(&unread) {
            self.note(Record::Resolved { cluster: task.cluster.clone(), member: member.clone() })?;
        }
        if !unread.is_empty() {
            let names: Vec<&str> = unread.iter().map(|name| &**name).collect();
            wrote.notes.push(format!("{} cannot be read, a late twin is possible: resume", names.join(", ")));
        }
        Ok(Ok(wrote))
    }

    /// Ends every silence of the operation but `keep`, and returns how many there were.
    async fn end_twins(
        &self,
        task: &Task,
        content: &Content,
        cluster: &Cluster,
        keep: &Arc<str>,
        holdings: &Holdings,
    ) -> Result<usize, Halt> {
        let Found::InForce(ids) = self.own(task, content).find(&holdings.silences) else { return Ok(0) };
        let mut ended = 0;
        for id in ids.iter().filter(|id| *id != keep) {
            self.step(Some(&task.cluster), What::Expiring(id.clone()))?;
            for am in &cluster.alertmanager {
                if am.expire_silence(id).await.is_ok() {
                    self.note(Record::Expired { cluster: task.cluster.clone(), id: id.clone() })?;
                    self.step(Some(&task.cluster), What::Expired(id.clone()))?;
                    ended += 1;
                    break;
                }
            }
        }
        Ok(ended)
    }

    /// Reports a change of what is about to be replaced, made by somebody else since the plan.
    async fn changed_since(&self, task: &Task, members: &[Member<'_>]) -> Option<Outcome> {
        for seen in &task.expire {
            if let Some(now) = newest(&seen.id, members).await.0
                && now.updated_at > seen.updated_at
            {
                return Some(failed(changed(&now)));
            }
        }
        None
    }

    /// Changes a silence in place, on a member that holds it as it was seen.
    pub(super) async fn write_onto(
        &self,
        task: &Task,
        seen: &Seen,
        content: &Content,
        members: &[Member<'_>],
    ) -> Go<Wrote> {
        let mut reasons = Vec::new();
        for _ in 0..TRIES {
            let sent = self.progress(&task.cluster).sent;
            let (now, holders, errors) = newest(&seen.id, members).await;
            let Some(now) = now else {
                let why = match errors.is_empty() {
                    true => "no member has it any more".to_owned(),
                    false => errors.values().map(ToString::to_string).collect::<Vec<_>>().join(", "),
                };
                return Ok(Err(if sent.is_empty() { failed(why) } else { unknown(why) }));
            };
            if shows(&now, content) {
                self.written(task, &now.id)?;
                for member in sent {
                    self.note(Record::Resolved { cluster: task.cluster.clone(), member })?;
                }
                return Ok(Ok(Wrote { id: now.id, notes: Vec::new(), gone: false }));
            }
            if let Some(name) = sent.iter().find(|name| errors.contains_key(*name)) {
                return Ok(Err(unknown(format!("it may or may not be changed, cannot read {name}"))));
            }
            if now.updated_at > seen.updated_at || now.state == SilenceState::Expired {
                return Ok(Err(failed(changed(&now))));
            }
            let Some(holder) =
                members.iter().find(|m| holders.contains(&m.name()) && !reasons.contains(&m.name()))
            else {
                break;
            };
            match self.post(task, content, Some(&seen.id), holder).await? {
                Posted::Id(id) => {
                    let new = id != seen.id;
                    let notes =
                        new.then(|| format!("Alertmanager made {id} instead of changing {}", seen.id));
                    return Ok(Ok(Wrote { id, notes: notes.into_iter().collect(), gone: false }));
                }
                Posted::Final(outcome) => return Ok(Err(outcome)),
                Posted::Next(_) => reasons.push(holder.name()),
                Posted::Doubt(_) => {}
            }
        }
        let sent = self.progress(&task.cluster).sent;
        Ok(Err(match sent.is_empty() {
            true => failed(format!("no member takes it ({})", reasons.join(", "))),
            false => unknown("no member says that it is changed"),
        }))
    }
}

/// Reads one silence from all members: the newest version, who has that version, who cannot be read.
async fn newest(
    id: &Arc<str>,
    members: &[Member<'_>],
) -> (Option<Silence>, BTreeSet<Arc<str>>, BTreeMap<Arc<str>, NetError>) {
    let answers = join_all(members.iter().map(|m| async move { (m.name(), m.am.silence(id).await) })).await;
    let (mut versions, mut errors) = (Vec::new(), BTreeMap::new());
    for (name, answer) in answers {
        match answer {
            Ok(reply) => versions.push((name, reply.value)),
            Err(error) if error.kind.is_not_found() => {}
            Err(error) => {
                errors.insert(name, error);
            }
        }
    }
    let now = versions.iter().map(|(_, s)| s).max_by_key(|s| s.updated_at).cloned();
    let holders =
        versions.iter().filter(|(_, s)| now.as_ref().is_some_and(|now| now.updated_at == s.updated_at));
    let holders = holders.map(|(name, _)| name.clone()).collect();
    (now, holders, errors)
}

/// Reports whether the silence is as `content` wants it.
fn shows(silence: &Silence, content: &Content) -> bool {
    silence.state != SilenceState::Expired
        && silence.ends_at == content.ends_at
        && silence.matchers == content.matchers
        && silence.created_by == content.created_by
        && silence.comment == content.comment
}

fn changed(now: &Silence) -> String {
    match now.state {
        SilenceState::Expired => "it has ended meanwhile".to_owned(),
        _ => format!("it was changed meanwhile by {}: look at it again", now.created_by),
    }
}

/// Builds what is sent.
pub(in crate::fleet::silence) fn request(
    content: &Content,
    id: Option<Arc<str>>,
    annotations: BTreeMap<String, String>,
) -> SilenceRequest {
    SilenceRequest {
        id,
        matchers: content.matchers.clone(),
        starts_at: content.starts_at,
        ends_at: content.ends_at,
        created_by: content.created_by.clone(),
        comment: content.comment.clone(),
        annotations,
    }
}

/// Reports whether another member would say the same: what we send is wrong, or we may not.
fn is_final(error: &NetError) -> bool {
    // 404 is a member that does not know the id; 408 and 429 are moods.
    matches!(error.kind, NetErrorKind::Status { status, .. } if !matches!(status, 404 | 408 | 429))
}

fn words(error: &NetError) -> String {
    match error.kind {
        NetErrorKind::Status { status: 401 | 403, .. } => {
            format!("{}: no right to write: {}", error.replica.name, error.kind)
        }
        _ => format!("{}: {}", error.replica.name, error.kind),
    }
}
