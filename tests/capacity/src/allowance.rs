//! A rate that a service grants, and what is left of it.

use std::cell::Cell;

/// So much a second, and at once as much as `burst_ms` bring.
pub struct Allowance {
    per_second: u64,
    /// In thousandths, as a millisecond brings thousandths of what a second does. Negative: overdrawn.
    left: Cell<i64>,
    most: i64,
    since_ms: Cell<u64>,
}

impl Allowance {
    /// A full allowance of so much a second, that holds at most what comes in `burst_ms`.
    pub fn new(per_second: u64, burst_ms: u64) -> Self {
        let most = (per_second * burst_ms) as i64;
        Self { per_second, left: Cell::new(most), most, since_ms: Cell::new(0) }
    }

    /// Takes as much as there is, at most `wanted`; how much.
    pub fn take_up_to(&self, wanted: u64, now_ms: u64) -> u64 {
        let taken = wanted.min(self.left(now_ms));
        self.left.set(self.left.get() - taken as i64 * 1_000);
        taken
    }

    /// How much there is.
    pub fn left(&self, now_ms: u64) -> u64 {
        self.refill(now_ms);
        (self.left.get().max(0) / 1_000) as u64
    }

    /// Takes the whole, if anything is left: one call may overdraw, and is paid off before the next. Whether it did.
    pub fn takes(&self, whole: u64, now_ms: u64) -> bool {
        self.refill(now_ms);
        let is_left = self.left.get() > 0;
        if is_left {
            self.left.set(self.left.get() - whole as i64 * 1_000);
        }
        is_left
    }

    fn refill(&self, now_ms: u64) {
        let come = (now_ms - self.since_ms.get()) as i64 * self.per_second as i64;
        self.left.set(self.most.min(self.left.get() + come));
        self.since_ms.set(now_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_brings_its_rate_and_no_more_is_kept_than_the_burst() {
        let allowance = Allowance::new(1_000, 100);
        assert_eq!(allowance.take_up_to(500, 0), 100);
        assert_eq!(allowance.take_up_to(500, 50), 50);
        assert_eq!(allowance.take_up_to(500, 10_000), 100);
    }

    #[test]
    fn one_call_may_overdraw_and_is_paid_off_before_the_next() {
        let allowance = Allowance::new(1_000, 1_000);
        assert!(allowance.takes(1_500, 0));
        assert!(!allowance.takes(1, 500));
        assert!(allowance.takes(1, 501));
    }
}
