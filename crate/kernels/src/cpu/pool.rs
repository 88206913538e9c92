//! Threads of a browser: Workers that run this module on the same memory, started by
//! JavaScript, and wait here for work.
//!
//! Decoding a token is some two hundred small pieces of work with next to nothing between
//! them. A thread that slept after each would wake too late, so it looks for the next one
//! for a while first; and whoever gives the work does what is left of it, and waits for
//! nobody who has not begun.
//!
//! A thread that panics never says that it is done. Whoever waits for it would wait for
//! ever, and with it the Worker, which could not even tell. So whatever ends a thread says
//! so first ([`give_up`]), and whoever waits panics too, where it is heard.

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, OnceLock, PoisonError};

/// Looks for work before a thread sleeps: some ten microseconds.
const LOOKS: u32 = 10_000;

/// Set in [`Pool::state`] while there is work; the lower bits count the threads in it.
const OPEN: u32 = 1 << 31;

static POOL: Pool = Pool {
    threads: AtomicUsize::new(0),
    busy: AtomicBool::new(false),
    state: AtomicU32::new(0),
    round: AtomicU32::new(0),
    asleep: AtomicUsize::new(0),
    bed: Mutex::new(()),
    bell: Condvar::new(),
    next: AtomicUsize::new(0),
    work: UnsafeCell::new(None),
    given_up: OnceLock::new(),
};

struct Pool {
    /// Threads that wait here, without the one that gives work.
    threads: AtomicUsize,
    /// Whether somebody gives work.
    busy: AtomicBool,
    state: AtomicU32,
    /// Counts the pieces of work.
    round: AtomicU32,
    /// Threads that wait for the bell, or are about to.
    asleep: AtomicUsize,
    bed: Mutex<()>,
    bell: Condvar,
    /// First part that nobody has taken.
    next: AtomicUsize,
    /// Written while `state` is 0, by whoever is `busy`.
    work: UnsafeCell<Option<Work>>,
    /// What ended a thread.
    given_up: OnceLock<String>,
}

// SAFETY: all but `work` is atomic. `work` is written by the one thread that set `busy`,
// while `state` is 0, and read only by threads that have counted themselves into an open
// `state`, for whom the writer waits before it writes again.
unsafe impl Sync for Pool {}

#[derive(Clone, Copy)]
struct Work {
    parts: usize,
    /// Borrowed from the caller of [`Pool::share`], who waits for all that use it.
    run: *const (dyn Fn(usize) + Sync),
}

impl Pool {
    /// Calls `run` with every number below `parts`, on all threads.
    ///
    /// # Panics
    /// Where a thread has given up: what it was to write is not there.
    fn share(&self, parts: usize, run: &(dyn Fn(usize) + Sync)) {
        let alone = self.threads.load(Ordering::Relaxed) == 0 || parts < 2;
        if alone || self.busy.swap(true, Ordering::Acquire) {
            (0..parts).for_each(run);
            return;
        }
        self.insist_on_threads();
        // SAFETY: only the lifetime changes. The pointer is not used after this function
        // has returned: `state` is closed, and nobody is in it.
        let run: *const (dyn Fn(usize) + Sync) = unsafe { core::mem::transmute(run) };
        let work = Work { parts, run };
        // SAFETY: see `Sync`; `busy` was won, and the last round ended with `state` 0.
        unsafe { *self.work.get() = Some(work) };
        self.next.store(0, Ordering::Relaxed);
        self.state.fetch_or(OPEN, Ordering::SeqCst);
        self.round.fetch_add(1, Ordering::SeqCst);
        if self.asleep.load(Ordering::SeqCst) > 0 {
            // Who has seen the old round under this lock is waiting now.
            drop(self.bed.lock());
            self.bell.notify_all();
        }
        self.take_parts(work);
        self.state.fetch_and(!OPEN, Ordering::SeqCst);
        while self.state.load(Ordering::Acquire) != 0 {
            self.insist_on_threads();
            core::hint::spin_loop();
        }
        self.busy.store(false, Ordering::Release);
    }

    #[expect(
        clippy::panic,
        reason = "the thread that panicked took the results along"
    )]
    fn insist_on_threads(&self) {
        if let Some(reason) = self.given_up.get() {
            panic!("a thread gave up: {reason}");
        }
    }

    fn take_parts(&self, work: Work) {
        // SAFETY: whoever gave the work waits for this thread.
        let run = unsafe { &*work.run };
        loop {
            let part = self.next.fetch_add(1, Ordering::Relaxed);
            if part >= work.parts {
                return;
            }
            run(part);
        }
    }

    /// Does its share of every piece of work, for ever.
    fn serve(&self) -> ! {
        let mut served = self.round.load(Ordering::SeqCst);
        let mut looks = 0;
        loop {
            let round = self.round.load(Ordering::SeqCst);
            if round != served && self.state.load(Ordering::SeqCst) & OPEN != 0 {
                if self.state.fetch_add(1, Ordering::SeqCst) & OPEN != 0 {
                    // SAFETY: see `Sync`; this thread is counted in.
                    if let Some(work) = unsafe { *self.work.get() } {
                        self.take_parts(work);
                    }
                }
                self.state.fetch_sub(1, Ordering::SeqCst);
                served = round;
                looks = 0;
            } else if looks < LOOKS {
                looks += 1;
                core::hint::spin_loop();
            } else {
                self.sleep_through(round);
                looks = 0;
            }
        }
    }

    fn give_up(&self, reason: String) {
        // A panic is told before the trap that it causes, and explains more.
        let _ = self.given_up.set(reason);
    }

    fn sleep_through(&self, round: u32) {
        self.asleep.fetch_add(1, Ordering::SeqCst);
        let awake = self.bed.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |_: &mut ()| self.round.load(Ordering::SeqCst) == round;
        drop(self.bell.wait_while(awake, same));
        self.asleep.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Counts a thread that is about to [`serve`].
pub fn enlist() {
    POOL.threads.fetch_add(1, Ordering::Relaxed);
}

/// Makes the calling thread one of the pool. It never returns.
pub fn serve() -> ! {
    POOL.serve()
}

/// Tells whoever waits for the threads that one of them ends, and why. The first reason
/// counts.
pub fn give_up(reason: String) {
    POOL.give_up(reason);
}

pub(super) fn thread_count() -> usize {
    1 + POOL.threads.load(Ordering::Relaxed)
}

/// The numbers that threads write, each chunk by one of them.
struct Out(*mut f32);

// SAFETY: chunks do not overlap, and each is written by the one thread that took its
// number.
unsafe impl Sync for Out {}

impl Out {
    /// # Safety
    /// The numbers from `start` on must be there, and nobody else's.
    #[expect(clippy::mut_from_ref, reason = "every chunk is lent once")]
    unsafe fn part(&self, start: usize, len: usize) -> &mut [f32] {
        // SAFETY: the caller's promise.
        unsafe { core::slice::from_raw_parts_mut(self.0.add(start), len) }
    }
}

/// See [`super::threads::for_each_chunk`].
pub(super) fn for_each_chunk(
    out: &mut [f32],
    chunk: usize,
    fill: impl Fn(usize, &mut [f32]) + Sync,
) {
    let len = out.len();
    let out = Out(out.as_mut_ptr());
    POOL.share(len.div_ceil(chunk), &|index| {
        let start = index * chunk;
        // SAFETY: the chunks cover `out`, and `share` gives each number to one thread.
        fill(index, unsafe { out.part(start, chunk.min(len - start)) });
    });
}
