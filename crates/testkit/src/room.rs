//! Room for Envoys: a machine lets a user watch so many files at a time.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// How many instances of inotify the Envoys of this process may have together. A user has 128 on most
/// machines (`fs.inotify.max_user_instances`), and without one Envoy aborts.
const WATCHES: usize = 116;

/// A part of them. Whoever finds none waits for others to be done.
pub struct Room(usize);

static TAKEN: (Mutex<usize>, Condvar) = (Mutex::new(0), Condvar::new());

impl Room {
    /// Takes so many of them, after waiting for so long at most.
    pub fn take(watches: usize, patience: Duration) -> Self {
        let is_full = |taken: &mut usize| *taken > 0 && *taken + watches > WATCHES;
        let taken = TAKEN.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Who waits for something that never ends tries his luck at last.
        let (mut taken, _) = TAKEN
            .1
            .wait_timeout_while(taken, patience, is_full)
            .unwrap_or_else(PoisonError::into_inner);
        *taken += watches;
        Self(watches)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        *TAKEN.0.lock().unwrap_or_else(PoisonError::into_inner) -= self.0;
        TAKEN.1.notify_all();
    }
}
