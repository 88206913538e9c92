//! A progress bar for steps one has to wait for.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A step that is done sooner shows no bar.
const PATIENCE: Duration = Duration::from_secs(1);

/// How far a step has come, on standard error where that is a terminal.
pub struct Progress {
    bar: ProgressBar,
    started: Instant,
    shown: bool,
}

impl Progress {
    /// A step measured in bytes.
    pub fn bytes(label: &'static str, total: u64) -> Self {
        Self::new(label, total, "{msg} [{bar:30}] {bytes}/{total_bytes}")
    }

    /// A step measured in things, such as photos.
    pub fn items(label: &'static str, total: u64) -> Self {
        Self::new(label, total, "{msg} [{bar:30}] {pos}/{len}")
    }

    fn new(label: &'static str, total: u64, template: &str) -> Self {
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::hidden());
        // The templates above are well formed; the plain style is good enough otherwise.
        let style = ProgressStyle::with_template(template).unwrap_or(ProgressStyle::default_bar());
        bar.set_style(style.progress_chars("=> "));
        bar.set_message(label);
        Self {
            bar,
            started: Instant::now(),
            shown: false,
        }
    }

    /// Goes on by `steps` bytes or things.
    pub fn advance(&mut self, steps: u64) {
        if !self.shown && self.started.elapsed() >= PATIENCE {
            // Draws nothing where standard error is no terminal.
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
            self.shown = true;
        }
        self.bar.inc(steps);
    }

    /// Runs `print` with the bar out of its way.
    pub fn aside<T>(&self, print: impl FnOnce() -> T) -> T {
        self.bar.suspend(print)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
