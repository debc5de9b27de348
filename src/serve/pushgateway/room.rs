//! Room for what is pushed, which all pushes share: who finds none waits for a while, and is told to come again. So many that push
//! at once, and bodies that become far more than they are, cost answers and no memory. Upstream has no such bounds.
//!
//! What is held goes with the push, not with who waits for it: a client that hangs up frees nothing that is still in use.

use super::body::Refusal;
use super::ready::MOST_LINES;
use crate::model::group::GroupKey;
use crate::serve::skeleton::http::StatusCode;
use crate::wire::exposition::extent::Extent;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

const KIB: usize = 1024;
/// So many bytes of bodies are held as they came: four of the largest.
const BODIES: usize = 256 * KIB * KIB;
/// So many packed bodies are unpacked and held at a time, of 64 MiB at most.
const UNPACKING: usize = 4;
/// So many bytes may what is read become, all pushes together: one of the largest that somebody means (64 MiB, a million lines), or
/// thousands of everyday ones. It is what the groups themselves may hold by default.
pub(super) const READING: usize = 1024 * KIB * KIB;
/// A push that becomes no more than this asks for no room, for nearly all are like this: a thousand of them, in the writer's queue
/// and on all connections, are 256 MiB.
const FREE: usize = 256 * KIB;
/// A label as a pair of texts, which each metric gets of its group.
const LABEL: usize = 48;
/// The lines are there while they are written, in the group, and twice in what is kept of it.
const COPIES: usize = 4;
/// How long one waits for room.
const WITHIN: Duration = Duration::from_secs(5);

/// The room that all pushes share.
#[derive(Debug)]
pub(super) struct Room {
    bodies: Arc<Semaphore>,
    unpacking: Arc<Semaphore>,
    reading: Arc<Semaphore>,
    within: Duration,
}

/// Room that is held, until this goes.
#[derive(Debug, Default)]
pub(super) struct Held {
    permits: Vec<OwnedSemaphorePermit>,
    /// How much of it is for reading.
    reading: usize,
}

impl Default for Room {
    fn default() -> Self {
        let semaphore = |places| Arc::new(Semaphore::new(places));
        Self {
            bodies: semaphore(BODIES / KIB),
            unpacking: semaphore(UNPACKING),
            reading: semaphore(READING / KIB),
            within: WITHIN,
        }
    }
}

impl Room {
    /// Takes room for so many more bytes of a body.
    pub(super) async fn take_for_body(&self, bytes: usize, held: &mut Held) -> Result<(), Refusal> {
        self.take(&self.bodies, bytes.div_ceil(KIB), held, "too many large pushes are under way").await
    }

    /// Takes room for a body that is unpacked.
    pub(super) async fn take_for_unpacking(&self, held: &mut Held) -> Result<(), Refusal> {
        self.take(&self.unpacking, 1, held, "too many packed pushes are under way").await
    }

    /// Takes room for what becomes so many bytes in all, beyond what is held.
    ///
    /// # Errors
    /// Where there is none in time, or never.
    pub(super) async fn take_for_reading(&self, bytes: usize, held: &mut Held) -> Result<(), Refusal> {
        if bytes <= FREE {
            return Ok(());
        }
        if bytes > READING {
            let why = format!(
                "what is pushed at once may take {} MiB while it is read, and this may take {}: push less at a time",
                READING / KIB / KIB,
                bytes / KIB / KIB
            );
            return Err((StatusCode::PAYLOAD_TOO_LARGE, why));
        }
        let lacking = bytes.saturating_sub(held.reading);
        self.take(&self.reading, lacking.div_ceil(KIB), held, "too much is pushed at once").await?;
        held.reading += lacking;
        Ok(())
    }

    async fn take(
        &self,
        of: &Arc<Semaphore>,
        places: usize,
        held: &mut Held,
        why: &str,
    ) -> Result<(), Refusal> {
        let places = u32::try_from(places).unwrap_or(u32::MAX);
        match tokio::time::timeout(self.within, of.clone().acquire_many_owned(places)).await {
            Ok(Ok(permit)) => {
                held.permits.push(permit);
                Ok(())
            }
            _ => Err((StatusCode::SERVICE_UNAVAILABLE, why.to_owned())),
        }
    }
}

/// Returns how many bytes a push becomes at most, from its body to what is written of it.
pub(super) fn weight(extent: Extent, group: &GroupKey) -> usize {
    // An `instance` comes with them.
    let labels = group.labels().count() + 1;
    // Each byte may need an escape, and each label has its quotes.
    let line = 2 * group.as_bytes().len() + 4 * labels + 16;
    let text = extent.text.saturating_add(extent.lines.saturating_mul(line)).min(MOST_LINES);
    let placed = extent.metrics.saturating_mul(LABEL * labels);
    extent.held.saturating_add(placed).saturating_add(COPIES * text)
}

/// Returns how many bytes JSON becomes at most, as a tree or as texts in a map.
pub(super) fn weight_of_json(json: &[u8]) -> usize {
    // Half of the room for nodes of such a map may be empty.
    const ELEMENT: usize = 112;
    let elements = json.iter().filter(|byte| matches!(byte, b',' | b':' | b'[' | b'{')).count();
    2 * json.len() + ELEMENT * elements
}

#[cfg(test)]
mod tests {
    use super::{FREE, Held, READING, Room, weight, weight_of_json};
    use crate::model::group::GroupKey;
    use crate::wire::exposition::extent::of_text;
    use std::time::Duration;

    #[test]
    fn an_everyday_push_asks_for_nothing_and_a_large_one_has_room() {
        let group = GroupKey::new("backup", [("instance", "db1.example.com"), ("database", "main")]);
        let family = |at: usize| {
            format!(
                "# HELP backup_{at} What it is.\n# TYPE backup_{at} gauge\nbackup_{at}{{disk=\"sda\",kind=\"full\"}} 1\n"
            )
        };
        let everyday: String = (0..50).map(family).collect();
        assert!(weight(of_text(everyday.as_bytes()), &group) < FREE);
        let line = "request_duration_seconds_bucket{handler=\"/api/v1/query\",method=\"get\",code=\"200\",le=\"0.25\"} 17\n";
        let large = line.repeat((40 << 20) / line.len());
        assert!(weight(of_text(large.as_bytes()), &group) < READING);
    }

    #[test]
    fn what_becomes_far_more_than_it_is_has_none() {
        let plain = GroupKey::new("j", []);
        let families: String = (0..2_000_000).map(|at| format!("a{at:x} 1\n")).collect();
        assert!(families.len() < 20 << 20);
        assert!(weight(of_text(families.as_bytes()), &plain) > READING);
        let labels: Vec<(String, &str)> = (0..4000).map(|at| (format!("l{at:x}"), "")).collect();
        let wide = GroupKey::new("j", labels.iter().map(|(name, value)| (name.as_str(), *value)));
        let few = "a 1\n".repeat(4000);
        assert!(weight(of_text(few.as_bytes()), &wide) > 10 * weight(of_text(few.as_bytes()), &plain));
        assert!(weight_of_json(&b"[0,".repeat(1000)) > 100 * 1000);
    }

    #[tokio::test]
    async fn who_finds_no_room_is_told_so_and_what_goes_makes_some() {
        let room = Room { within: Duration::from_millis(20), ..Room::default() };
        let mut first = Held::default();
        room.take_for_reading(READING - 10 * FREE, &mut first).await.expect("room");
        let refused =
            |status, refusal: Result<(), super::Refusal>| refusal.expect_err("no room").0.as_u16() == status;
        let mut second = Held::default();
        assert!(refused(413, room.take_for_reading(READING + 1, &mut second).await));
        assert!(refused(503, room.take_for_reading(20 * FREE, &mut second).await));
        room.take_for_reading(FREE, &mut second).await.expect("small ones need none");
        room.take_for_reading(2 * FREE, &mut second).await.expect("room");
        drop(first);
        room.take_for_reading(READING, &mut second).await.expect("what is held counts");
    }
}
