//! How tasks tell each other something.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    rc::Rc,
    task::{Poll, Waker},
};

/// Something may have changed.
#[derive(Default)]
pub struct Signal {
    rings: Cell<u64>,
    waiting: RefCell<Vec<Waker>>,
}

impl Signal {
    /// Wakes all who wait.
    pub fn ring(&self) {
        self.rings.set(self.rings.get() + 1);
        self.waiting.take().into_iter().for_each(Waker::wake);
    }

    /// Waits for the next ring.
    pub async fn wait(&self) {
        let before = self.rings.get();
        poll_fn(|context| {
            if self.rings.get() != before {
                return Poll::Ready(());
            }
            self.waiting.borrow_mut().push(context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

/// The end that gives a value, once. Dropped without one: there will be none.
pub struct Giver<T>(Rc<Slot<T>>);

/// The end that takes it.
pub struct Taker<T>(Rc<Slot<T>>);

struct Slot<T> {
    value: RefCell<Option<T>>,
    is_settled: Cell<bool>,
    waiting: RefCell<Option<Waker>>,
}

/// A way for one value.
pub fn one_value<T>() -> (Giver<T>, Taker<T>) {
    let slot = Rc::new(Slot { value: RefCell::new(None), is_settled: Cell::new(false), waiting: RefCell::new(None) });
    (Giver(slot.clone()), Taker(slot))
}

impl<T> Giver<T> {
    /// Gives it.
    pub fn give(self, value: T) {
        *self.0.value.borrow_mut() = Some(value);
    }
}

impl<T> Drop for Giver<T> {
    fn drop(&mut self) {
        self.0.is_settled.set(true);
        if let Some(waker) = self.0.waiting.take() {
            waker.wake();
        }
    }
}

impl<T> Taker<T> {
    /// The value, `None` if its giver is gone.
    pub async fn take(self) -> Option<T> {
        poll_fn(|context| {
            if self.0.is_settled.get() {
                return Poll::Ready(self.0.value.borrow_mut().take());
            }
            *self.0.waiting.borrow_mut() = Some(context.waker().clone());
            Poll::Pending
        })
        .await
    }
}
