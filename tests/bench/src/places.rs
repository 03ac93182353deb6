//! On which processor what runs: what is measured on one of its own, the rest on another. Left to the kernel, both share a
//! processor in one run and not in the next, and a message that wakes somebody on another one costs many times as much.

use core_affinity::CoreId;

/// The processors of this process's threads and of what is measured: the same one where it may run on one alone.
#[derive(Clone, Copy)]
pub struct Places {
    own: CoreId,
    measured: CoreId,
}

impl Places {
    /// Takes the first processor for this thread and all that it starts, and the last for what is measured.
    pub fn take() -> Self {
        let allowed = core_affinity::get_core_ids().expect("the processors that this process may run on");
        let (own, measured) = (*allowed.first().unwrap(), *allowed.last().unwrap());
        move_to(own);
        Self { own, measured }
    }

    /// Starts a process where what is measured runs.
    pub fn start<Started>(self, start: impl FnOnce() -> Started) -> Started {
        move_to(self.measured);
        let started = start();
        move_to(self.own);
        started
    }

    /// In words, for the line above the tables.
    pub fn shape(self) -> &'static str {
        if self.own == self.measured { "all on one" } else { "what is measured on one of its own" }
    }
}

fn move_to(core: CoreId) {
    assert!(core_affinity::set_for_current(core), "this thread can't be moved to processor {}", core.id);
}
