//! Writing one silence on one cluster without ever making two.

use super::members::{Holdings, Member, newest, read_all};
use super::task::{Go, Wrote, failed, failed_by, unknown};
use super::{Engine, Halt, What};
use crate::fleet::Cluster;
use crate::fleet::silence::identity::OP_ANNOTATION;
use crate::fleet::silence::operation::{Content, Seen, Task};
use crate::fleet::silence::own::{Found, Own};
use crate::fleet::silence::record::{Outcome, Progress, Record};
use crate::model::silence::{Silence, SilenceState};
use crate::net::{NetError, NetErrorKind};
use crate::sys::clock;
use crate::wire::am_v2::SilenceRequest;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// So many POSTs without an answer are enough: a cluster that swallows these swallows more.
const TRIES: usize = 3;

/// How a silence stands that is to be changed in place.
pub(super) enum Onto {
    /// It shows already what is wanted.
    Shows(Arc<str>),
    /// These members hold it as it was when the change was planned.
    AsSeen(BTreeSet<Arc<str>>),
}

/// How one POST ended.
enum Posted {
    /// It is there.
    Id(Arc<str>),
    /// It did not go out, or another member may be luckier.
    Next(NetErrorKind),
    /// It was refused for what it says or who we are.
    Final(Outcome),
    /// The member may have it.
    Doubt(String),
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
                    let watch = in_doubt && progress.tries > 1;
                    return self.settle(task, content, cluster, wrote, watch).await;
                }
                Ok(None) => {}
            }
        }
        if let Some(outcome) = self.changed_since(task, members).await {
            return Ok(Err(outcome));
        }
        let (mut doubts, mut reasons, mut kinds) = (0, Vec::new(), Vec::new());
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
                    kinds.push(why);
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
        Ok(Err(failed_by(reasons.join(", "), &kinds)))
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
        // An answer says nothing of a request that the same member has left unanswered before.
        let in_doubt = self.progress(cluster).sent.contains(&name);
        self.may_send(cluster)?;
        self.note(Record::Sending { cluster: cluster.clone(), member: name.clone(), at: clock::now() })?;
        self.step(Some(cluster), What::Sending(name.clone()))?;
        let (op, _) = self.operation();
        let annotations = match member.keeps_annotations() {
            true => [(OP_ANNOTATION.to_owned(), op.to_string())].into(),
            false => BTreeMap::new(),
        };
        let answer = member.am.post_silence(&request(content, id.cloned(), annotations)).await;
        self.step(Some(cluster), What::Answered(name.clone()))?;
        let resolve = || match in_doubt {
            true => Ok(()),
            false => self.note(Record::Resolved { cluster: cluster.clone(), member: name.clone() }),
        };
        match answer {
            Ok(reply) => {
                self.note(Record::Written { cluster: cluster.clone(), id: reply.value.clone() })?;
                resolve()?;
                self.step(Some(cluster), What::Written(reply.value.clone()))?;
                Ok(Posted::Id(reply.value))
            }
            Err(error) if error.kind.may_have_arrived() => Ok(Posted::Doubt(error.kind.to_string())),
            Err(error) => {
                resolve()?;
                Ok(if is_final(&error) {
                    Posted::Final(failed(words(&error)))
                } else {
                    Posted::Next(error.kind)
                })
            }
        }
    }

    /// Notes that these members have nothing of ours under way any more.
    pub(super) fn resolve<'m>(
        &self,
        task: &Task,
        mut members: impl Iterator<Item = &'m Arc<str>>,
    ) -> Result<(), Halt> {
        members.try_for_each(|member| {
            self.note(Record::Resolved { cluster: task.cluster.clone(), member: member.clone() })
        })
    }

    fn written(&self, task: &Task, id: &Arc<str>) -> Result<(), Halt> {
        self.note(Record::Written { cluster: task.cluster.clone(), id: id.clone() })?;
        self.step(Some(&task.cluster), What::Written(id.clone()))
    }

    /// Reads all members for the operation's silence: it is there, or certainly not (`None`), or nobody can tell.
    async fn look_again(&self, task: &Task, content: &Content, cluster: &Cluster) -> Go<Option<Wrote>> {
        self.step(Some(&task.cluster), What::Reading)?;
        let holdings = read_all(cluster).await;
        match self.own(task, content).find(holdings.silences.values()) {
            Found::InForce(ids) => {
                self.written(task, &ids[0])?;
                Ok(Ok(Some(Wrote { id: ids[0].clone(), notes: Vec::new(), gone: false })))
            }
            Found::Gone(id) => {
                self.written(task, &id)?;
                let over = content.ends_at <= clock::now();
                let note = if over { "it has ended since" } else { "somebody has ended it since" };
                Ok(Ok(Some(Wrote { id, notes: vec![note.to_owned()], gone: true })))
            }
            Found::Nothing => Ok(self.absent(task, &holdings).map(|()| None)),
        }
    }

    /// Tells whether a silence that no member shows is certainly not there.
    pub(super) fn absent(&self, task: &Task, holdings: &Holdings) -> Result<(), Outcome> {
        let Progress { sent, written, .. } = self.progress(&task.cluster);
        // What was written once may be on any member that cannot be read.
        let doubtful = holdings.in_doubt(|name| written.is_some() || sent.contains(name));
        if doubtful.is_empty() || (sent.is_empty() && written.is_none()) {
            return Ok(());
        }
        Err(unknown(format!("it may or may not be there, cannot read {}", doubtful.join(", "))))
    }

    pub(super) fn own<'t>(&self, task: &'t Task, content: &'t Content) -> Own<'t> {
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
        let mut ended = 0;
        let mut unread: BTreeSet<Arc<str>> = sent.clone();
        loop {
            let holdings = read_all(cluster).await;
            match self.end_twins(task, content, cluster, &wrote.id, &holdings).await? {
                Ok(twins) => ended += twins,
                Err(outcome) => return Ok(Err(outcome)),
            }
            unread.retain(|name| holdings.unread.contains_key(name));
            if !watch || started.elapsed() >= self.limits.watch {
                break;
            }
            tokio::time::sleep(self.limits.poll).await;
        }
        if ended > 0 {
            wrote.notes.push(format!("it came twice: {ended} late twin(s) ended"));
        }
        self.resolve(task, sent.difference(&unread))?;
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
    ) -> Go<usize> {
        let Found::InForce(mut ids) = self.own(task, content).find(holdings.silences.values()) else {
            return Ok(Ok(0));
        };
        ids.retain(|id| id != keep);
        for id in &ids {
            self.may_send(&task.cluster)?;
            self.step(Some(&task.cluster), What::Expiring(id.clone()))?;
            let mut refusals = Vec::new();
            for am in &cluster.alertmanager {
                match am.expire_silence(id).await {
                    Ok(_) => break,
                    Err(error) => refusals.push(format!("{}: {}", error.replica.name, error.kind)),
                }
            }
            if refusals.len() == cluster.alertmanager.len() {
                let why = refusals.join(", ");
                return Ok(Err(unknown(format!(
                    "{keep} is made, but its twin {id} could not be ended: {why}"
                ))));
            }
            self.note(Record::Expired { cluster: task.cluster.clone(), id: id.clone() })?;
            self.step(Some(&task.cluster), What::Expired(id.clone()))?;
        }
        Ok(Ok(ids.len()))
    }

    /// Reports a change of what is about to be replaced, made by somebody else since the plan. Where the new one had
    /// been written and the members have lost it, the end of the old one may be this operation's own.
    pub(super) async fn changed_since(&self, task: &Task, members: &[Member<'_>]) -> Option<Outcome> {
        let may_have_ended_it = self.progress(&task.cluster).written.is_some();
        for seen in &task.expire {
            if let Some(now) = newest(&seen.id, members).await.0
                && now.updated_at > seen.updated_at
                && !(may_have_ended_it && now.state == SilenceState::Expired)
            {
                return Some(failed(changed(&now)));
            }
        }
        None
    }

    /// Looks at a silence that is to be changed in place; an outcome where it must be left alone.
    pub(super) async fn look_onto(
        &self,
        task: &Task,
        seen: &Seen,
        content: &Content,
        members: &[Member<'_>],
    ) -> Result<Onto, Outcome> {
        let sent = self.progress(&task.cluster).sent;
        let (now, holders, errors) = newest(&seen.id, members).await;
        let Some(now) = now else {
            if errors.is_empty() {
                return Err(failed("no member has it any more"));
            }
            let why = errors.values().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let failed = failed_by(why.clone(), errors.values().map(|error| &error.kind));
            return Err(if sent.is_empty() { failed } else { unknown(why) });
        };
        if shows(&now, content) {
            return Ok(Onto::Shows(now.id));
        }
        if let Some(name) = sent.iter().find(|name| errors.contains_key(*name)) {
            return Err(unknown(format!("it may or may not be changed, cannot read {name}")));
        }
        if now.updated_at > seen.updated_at || now.state == SilenceState::Expired {
            return Err(failed(changed(&now)));
        }
        Ok(Onto::AsSeen(holders))
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
            let holders = match self.look_onto(task, seen, content, members).await {
                Ok(Onto::AsSeen(holders)) => holders,
                Ok(Onto::Shows(id)) => {
                    self.written(task, &id)?;
                    self.resolve(task, self.progress(&task.cluster).sent.iter())?;
                    return Ok(Ok(Wrote { id, notes: Vec::new(), gone: false }));
                }
                Err(outcome) => return Ok(Err(outcome)),
            };
            let Some(holder) =
                members.iter().find(|m| holders.contains(&m.name()) && !reasons.contains(&m.name()))
            else {
                break;
            };
            match self.post(task, content, Some(&seen.id), holder).await? {
                Posted::Id(id) => {
                    // Whatever was left unanswered before says the same of the same silence.
                    self.resolve(task, self.progress(&task.cluster).sent.iter())?;
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

/// Reports whether the silence is as `content` wants it.
pub(super) fn shows(silence: &Silence, content: &Content) -> bool {
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
