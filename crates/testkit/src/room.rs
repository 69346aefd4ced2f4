//! Room for Envoys: Linux limits how many inotify instances a user has, on most machines to 128, and
//! an Envoy that gets none aborts.

use std::fs;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Instances that are left to programs that start at the same time.
const SPARE: usize = 4;

/// The limit if the kernel does not name one: `fs.inotify.max_user_instances` of most machines.
const USUAL_LIMIT: usize = 128;

/// Pause between two counts. Other processes do not announce that they end.
const POLL: Duration = Duration::from_millis(100);

/// Inotify instances reserved for an Envoy of this process.
pub struct Room(usize);

static RESERVED: Mutex<usize> = Mutex::new(0);

impl Room {
    /// Reserves instances, and waits while other programs have them all. After `longest` it stops
    /// waiting: Envoy then either finds room or says why not.
    pub fn take(watches: usize, longest: Duration) -> Self {
        let begun = Instant::now();
        loop {
            {
                let mut reserved = RESERVED.lock().unwrap_or_else(PoisonError::into_inner);
                let used = *reserved + used_by_others();
                let fits = used + watches + SPARE <= limit();
                // A first Envoy starts in any case.
                if fits || used == 0 || begun.elapsed() > longest {
                    *reserved += watches;
                    return Self(watches);
                }
            }
            thread::sleep(POLL);
        }
    }

    /// Replaces the reservation by the number of instances that the started process has.
    pub fn settle(&mut self, process: u32) {
        let has = open(&process.to_string());
        let mut reserved = RESERVED.lock().unwrap_or_else(PoisonError::into_inner);
        *reserved = *reserved + has - self.0;
        self.0 = has;
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        *RESERVED.lock().unwrap_or_else(PoisonError::into_inner) -= self.0;
    }
}

/// Returns the use of the inotify instances, in words.
pub fn describe() -> String {
    let (own, others) = (open("self"), used_by_others());
    let reserved = *RESERVED.lock().unwrap_or_else(PoisonError::into_inner);
    format!(
        "as an Envoy does that gets no inotify instance: the user has about {} of {}; \
         `sysctl -w fs.inotify.max_user_instances=1024` raises the limit",
        own + others + reserved,
        limit()
    )
}

fn limit() -> usize {
    let limit = fs::read_to_string("/proc/sys/fs/inotify/max_user_instances");
    limit.ok().and_then(|limit| limit.trim().parse().ok()).unwrap_or(USUAL_LIMIT)
}

/// Returns how many instances the user's processes have, besides the children of this one, whose
/// instances are reserved. A process of another user cannot be read and does not count.
fn used_by_others() -> usize {
    let own = std::process::id().to_string();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = processes.filter_map(|process| process.file_name().into_string().ok());
    let numbers = ids.filter(|id| id.bytes().all(|byte| byte.is_ascii_digit()));
    numbers.filter(|id| parent(id).is_some_and(|parent| parent != own)).map(|id| open(&id)).sum()
}

/// Returns the parent's id: the second field after the name in `/proc/PID/stat`, proc(5).
fn parent(id: &str) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    fields.split(' ').nth(1).map(str::to_owned)
}

fn open(id: &str) -> usize {
    let files = fs::read_dir(format!("/proc/{id}/fd")).into_iter().flatten().flatten();
    let links = files.filter_map(|file| fs::read_link(file.path()).ok());
    links.filter(|link| link.as_os_str() == "anon_inode:inotify").count()
}
