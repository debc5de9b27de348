//! Says when a look at the logs cannot wait: one was moved, made or deleted. A hint only: every wait ends after the poll
//! interval, so that a network file system, an exhausted limit of watches or a lost event costs a second and never a line.
//!
//! That a log grows is not told. Whoever answers a question looks for himself before, and waking up for each of five lines a second
//! was a third of the system calls of a node.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::rotation::folder_of;

/// The longest wait without an event.
pub const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// A storm of changes wakes us at most once in so long.
const COALESCE: Duration = Duration::from_millis(10);
/// After so many reads of 4 KiB the queue is left to the next wait: a storm must not hold us.
const MOST_READS: usize = 64;

/// Waits for changes of a few logs.
pub struct Watch {
    inotify: Option<AsyncFd<Source>>,
    folders: Vec<Folder>,
    poll: Duration,
    /// A change was seen and not yet told: a wait may be dropped half way.
    pending: bool,
}

/// A folder with logs in it.
struct Folder {
    path: PathBuf,
    names: Vec<OsString>,
    watch: Option<WatchDescriptor>,
}

struct Source(Inotify);

impl AsRawFd for Source {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl Watch {
    /// Watches the folders of `logs`, which need not exist yet; must be called in a tokio runtime.
    pub fn new<P: AsRef<Path>>(logs: &[P], poll: Duration) -> Watch {
        let inotify = open_inotify().ok();
        let mut watch = Watch { inotify, folders: Vec::new(), poll, pending: false };
        for log in logs {
            let log = log.as_ref();
            watch.add_log(log);
            // A log that is a link changes in the folder that it points to.
            if let Ok(target) = log.canonicalize() {
                watch.add_log(&target);
            }
        }
        watch.renew();
        watch
    }

    /// Reports whether events are heard for every log; if not, changes are found by polling alone.
    pub fn is_live(&self) -> bool {
        self.inotify.is_some() && self.folders.iter().all(|folder| folder.watch.is_some())
    }

    /// Returns soon after a log was moved, made or deleted, or after the poll interval.
    ///
    /// May be dropped while it waits: a change that it saw is then told by the next call.
    pub async fn changed(&mut self) {
        self.renew();
        if !self.pending {
            let poll = self.poll;
            // Both ends of the wait mean the same: look now.
            let heard = tokio::time::timeout(poll, self.event()).await;
            self.pending = heard.is_ok();
        }
        if self.pending {
            tokio::time::sleep(COALESCE).await;
            self.drain();
            self.pending = false;
        }
    }

    fn add_log(&mut self, log: &Path) {
        let (folder, Some(name)) = (folder_of(log), log.file_name()) else { return };
        let name = name.to_owned();
        match self.folders.iter_mut().find(|known| known.path == folder) {
            Some(known) if known.names.contains(&name) => {}
            Some(known) => known.names.push(name),
            None => self.folders.push(Folder { path: folder.to_owned(), names: vec![name], watch: None }),
        }
    }

    /// Watches the folders that are not watched: new ones, and those that were deleted and made again.
    fn renew(&mut self) {
        let Some(inotify) = &self.inotify else { return };
        for folder in self.folders.iter_mut().filter(|folder| folder.watch.is_none()) {
            folder.watch = inotify.get_ref().0.add_watch(&folder.path, heard_events()).ok();
            // What happened before the watch was there is not heard.
            self.pending |= folder.watch.is_some();
        }
    }

    /// Waits for an event that concerns a log.
    async fn event(&mut self) {
        loop {
            let Some(inotify) = &self.inotify else { return std::future::pending().await };
            let read = inotify.async_io(Interest::READABLE, |source| Ok(source.0.read_events()?)).await;
            match read {
                Ok(events) => {
                    if self.concerns_us(&events) {
                        return;
                    }
                }
                // No events any more is no reason to stop: polling goes on.
                Err(_) => self.inotify = None,
            }
        }
    }

    /// Takes the events that came while we waited for the storm to calm: the look that follows covers them.
    fn drain(&mut self) {
        for _ in 0..MOST_READS {
            let Some(inotify) = &self.inotify else { return };
            match inotify.get_ref().0.read_events() {
                Ok(events) => drop(self.concerns_us(&events)),
                Err(_) => return,
            }
        }
    }

    /// Reports whether one of `events` is about a log, and forgets the watches that ended.
    fn concerns_us(&mut self, events: &[InotifyEvent]) -> bool {
        let mut ours = false;
        for event in events {
            if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
                ours = true;
                continue;
            }
            let Some(folder) = self.folders.iter_mut().find(|folder| folder.watch == Some(event.wd)) else {
                continue;
            };
            let ended =
                AddWatchFlags::IN_IGNORED | AddWatchFlags::IN_MOVE_SELF | AddWatchFlags::IN_DELETE_SELF;
            if event.mask.intersects(ended) {
                folder.watch = None;
                if let (true, Some(inotify)) =
                    (event.mask.contains(AddWatchFlags::IN_MOVE_SELF), &self.inotify)
                {
                    // The watch would follow the folder to its new name; an error means that it is gone already.
                    inotify.get_ref().0.rm_watch(event.wd).ok();
                }
                ours = true;
            } else {
                ours |= event.name.as_ref().is_some_and(|name| folder.names.contains(name));
            }
        }
        ours
    }
}

#[expect(
    deprecated,
    reason = "its successor is unsafe; what it asks for holds: the source owns its one descriptor"
)]
fn open_inotify() -> io::Result<AsyncFd<Source>> {
    let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
    AsyncFd::with_interest(Source(inotify), Interest::READABLE)
}

fn heard_events() -> AddWatchFlags {
    AddWatchFlags::IN_CREATE
        | AddWatchFlags::IN_MOVE
        | AddWatchFlags::IN_DELETE
        | AddWatchFlags::IN_DELETE_SELF
        | AddWatchFlags::IN_MOVE_SELF
        | AddWatchFlags::IN_ONLYDIR
}
