//! What is left of an interrupted operation, in words: the same on the command line and on the screens.

use super::Left;
use crate::fleet::silence::operation::Task;

impl Left {
    /// Reports whether nothing can be sent now.
    pub fn is_stuck(&self) -> bool {
        self.stuck.is_some() && self.task().is_none()
    }

    /// Says what of `task` stands on its cluster and what is still to be sent there.
    pub fn in_words(&self, task: &Task) -> String {
        match &self.stuck {
            Some(outcome) if self.is_stuck() => format!("{outcome}; nothing is sent"),
            Some(outcome) => format!("{outcome}; {}", still(&self.part)),
            None => format!("{}; {}", stands(task, &self.part), still(&self.part)),
        }
    }
}

/// Says what of a task is done.
fn stands(task: &Task, left: &Task) -> String {
    let written = task.write.is_some() && left.write.is_none();
    let made = written.then_some(if task.onto.is_some() { "changed" } else { "made" });
    let ended = task.expire.iter().filter(|seen| !left.expire.iter().any(|l| l.id == seen.id)).count();
    let ended = (ended > 0).then(|| format!("{ended} ended"));
    let done: Vec<String> = made.map(str::to_owned).into_iter().chain(ended).collect();
    if done.is_empty() { "nothing is done".to_owned() } else { done.join(", ") }
}

/// Says what is still to be sent.
fn still(left: &Task) -> String {
    let write = left.write.as_ref().map(|_| match &left.onto {
        Some(seen) => format!("change {}", seen.id),
        None => "make it".to_owned(),
    });
    let ends = left.expire.iter().map(|seen| format!("end {}", seen.id));
    let to_do: Vec<String> = write.into_iter().chain(ends).collect();
    if to_do.is_empty() { "nothing is left".to_owned() } else { format!("still to {}", to_do.join(", ")) }
}
