//! Virtual time: tasks that are polled by hand, and timers. What happens at the same millisecond happens in an order
//! that the seed draws. A task can be dropped at any of its awaits, or held up there.

use std::{
    cell::{Cell, RefCell},
    cmp::Ordering,
    collections::BinaryHeap,
    future::Future,
    pin::Pin,
    rc::Rc,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Wake, Waker},
};

/// Where a task lies. Numbers are not used twice in a run.
pub type TaskId = usize;

/// What befalls a task, counted by its polls (each but the first is the end of one await).
#[derive(Clone, Copy, Default)]
pub struct Doom {
    /// The task is dropped instead of this poll.
    pub dropped_at_poll: Option<u32>,
    /// The number of a poll that comes late, and its delay in milliseconds.
    pub held_up: Option<(u32, u64)>,
}

/// Tasks and timers, and the time.
pub struct Executor {
    now_ms: Cell<u64>,
    sequence: Cell<u64>,
    random: RefCell<fastrand::Rng>,
    timers: RefCell<BinaryHeap<Timer>>,
    tasks: RefCell<Vec<Option<Task>>>,
    woken: Arc<Mutex<Vec<TaskId>>>,
    polls: Cell<u64>,
    drops: Cell<u64>,
    hold_ups: Cell<u64>,
}

struct Task {
    future: Pin<Box<dyn Future<Output = ()>>>,
    waker: Waker,
    doom: Doom,
    polls: u32,
    held_until_ms: u64,
}

struct Timer {
    at_ms: u64,
    /// Drawn, so that timers of one millisecond come in any order.
    tie: u32,
    sequence: u64,
    action: Action,
}

enum Action {
    Wake(Rc<RefCell<Option<Waker>>>),
    WakeTask(TaskId),
    Run(Box<dyn FnOnce()>),
}

impl Timer {
    fn place(&self) -> (u64, u32, u64) {
        (self.at_ms, self.tie, self.sequence)
    }
}

impl PartialEq for Timer {
    fn eq(&self, other: &Self) -> bool {
        self.place() == other.place()
    }
}

impl Eq for Timer {}

impl PartialOrd for Timer {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Timer {
    /// The earliest is the greatest, as the heap gives the greatest first.
    fn cmp(&self, other: &Self) -> Ordering {
        other.place().cmp(&self.place())
    }
}

struct TaskWaker {
    task: TaskId,
    woken: Arc<Mutex<Vec<TaskId>>>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.woken.lock().unwrap_or_else(PoisonError::into_inner).push(self.task);
    }
}

impl Executor {
    /// No task yet, at a time in milliseconds since the epoch.
    pub fn new(seed: u64, now_ms: u64) -> Self {
        Self {
            now_ms: Cell::new(now_ms),
            sequence: Cell::new(0),
            random: RefCell::new(fastrand::Rng::with_seed(seed)),
            timers: RefCell::default(),
            tasks: RefCell::default(),
            woken: Arc::default(),
            polls: Cell::new(0),
            drops: Cell::new(0),
            hold_ups: Cell::new(0),
        }
    }

    /// The true time in milliseconds since the epoch.
    pub fn now_ms(&self) -> u64 {
        self.now_ms.get()
    }

    /// How many polls there have been.
    pub fn polls(&self) -> u64 {
        self.polls.get()
    }

    /// How many tasks were dropped by their doom.
    pub fn drops(&self) -> u64 {
        self.drops.get()
    }

    /// How many tasks were held up by it.
    pub fn hold_ups(&self) -> u64 {
        self.hold_ups.get()
    }

    /// Starts a task.
    pub fn spawn(&self, future: impl Future<Output = ()> + 'static) -> TaskId {
        self.spawn_doomed(future, Doom::default())
    }

    /// Starts a task that meets its doom.
    pub fn spawn_doomed(&self, future: impl Future<Output = ()> + 'static, doom: Doom) -> TaskId {
        let mut tasks = self.tasks.borrow_mut();
        let id = tasks.len();
        let waker = Waker::from(Arc::new(TaskWaker { task: id, woken: self.woken.clone() }));
        tasks.push(Some(Task { future: Box::pin(future), waker, doom, polls: 0, held_until_ms: 0 }));
        self.wake(id);
        id
    }

    /// Drops a task where it waits; whether it had not ended.
    pub fn kill(&self, task: TaskId) -> bool {
        self.take(task).is_some()
    }

    /// Runs an action in `ms` milliseconds.
    pub fn after(&self, ms: u64, action: impl FnOnce() + 'static) {
        self.set_timer(ms, Action::Run(Box::new(action)));
    }

    /// Waits `ms` milliseconds. If `ms` is 0, the other tasks still get a turn.
    pub fn sleep(&self, ms: u64) -> Sleep<'_> {
        Sleep { executor: self, ms, timer: None }
    }

    /// Goes on until nothing is left to do, or `polls_max` polls are done; whether all is done.
    pub fn run(&self, polls_max: u64) -> bool {
        loop {
            while let Some(task) = self.next_woken() {
                if self.polls.get() >= polls_max {
                    return false;
                }
                self.poll(task);
            }
            let Some(timer) = self.timers.borrow_mut().pop() else { return true };
            self.now_ms.set(timer.at_ms);
            match timer.action {
                Action::Wake(waker) => {
                    if let Some(waker) = waker.borrow_mut().take() {
                        waker.wake();
                    }
                }
                Action::WakeTask(task) => self.wake(task),
                Action::Run(action) => action(),
            }
        }
    }

    /// Moves the time on while nothing is under way.
    pub fn skip(&self, ms: u64) {
        self.now_ms.set(self.now_ms.get() + ms);
    }

    /// Drops all that is left, which may hold on to the executor's owner.
    pub fn clear(&self) {
        loop {
            let tasks = std::mem::take(&mut *self.tasks.borrow_mut());
            let timers = std::mem::take(&mut *self.timers.borrow_mut());
            if tasks.is_empty() && timers.is_empty() {
                return;
            }
        }
    }

    fn set_timer(&self, ms: u64, action: Action) {
        let sequence = self.sequence.get();
        self.sequence.set(sequence + 1);
        let tie = self.random.borrow_mut().u32(..);
        self.timers.borrow_mut().push(Timer { at_ms: self.now_ms.get() + ms, tie, sequence, action });
    }

    fn wake(&self, task: TaskId) {
        self.woken.lock().unwrap_or_else(PoisonError::into_inner).push(task);
    }

    fn next_woken(&self) -> Option<TaskId> {
        let mut woken = self.woken.lock().unwrap_or_else(PoisonError::into_inner);
        if woken.len() > 1 {
            let next = self.random.borrow_mut().usize(..woken.len());
            return Some(woken.swap_remove(next));
        }
        woken.pop()
    }

    fn take(&self, task: TaskId) -> Option<Task> {
        self.tasks.borrow_mut().get_mut(task)?.take()
    }

    fn poll(&self, id: TaskId) {
        let Some(mut task) = self.take(id) else { return };
        if task.held_until_ms > self.now_ms.get() {
            return self.put_back(id, task);
        }
        self.polls.set(self.polls.get() + 1);
        task.polls += 1;
        if task.doom.dropped_at_poll == Some(task.polls) {
            self.drops.set(self.drops.get() + 1);
            return;
        }
        if let Some((poll, ms)) = task.doom.held_up
            && poll == task.polls
        {
            self.hold_ups.set(self.hold_ups.get() + 1);
            task.held_until_ms = self.now_ms.get() + ms;
            self.set_timer(ms, Action::WakeTask(id));
            return self.put_back(id, task);
        }
        let waker = task.waker.clone();
        if task.future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
            self.put_back(id, task);
        }
    }

    fn put_back(&self, id: TaskId, task: Task) {
        if let Some(slot) = self.tasks.borrow_mut().get_mut(id) {
            *slot = Some(task);
        }
    }
}

/// A wait for a time.
pub struct Sleep<'a> {
    executor: &'a Executor,
    ms: u64,
    timer: Option<Rc<RefCell<Option<Waker>>>>,
}

impl Future for Sleep<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let executor = self.executor;
        match &self.timer {
            Some(waker) if waker.borrow().is_none() => Poll::Ready(()),
            Some(waker) => {
                *waker.borrow_mut() = Some(context.waker().clone());
                Poll::Pending
            }
            None => {
                let waker = Rc::new(RefCell::new(Some(context.waker().clone())));
                executor.set_timer(self.ms, Action::Wake(waker.clone()));
                self.timer = Some(waker);
                Poll::Pending
            }
        }
    }
}
