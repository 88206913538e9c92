//! What WebGPU reports on its own time, kept until somebody asks.

use std::sync::{Mutex, MutexGuard, PoisonError};

#[cfg(target_family = "wasm")]
use super::browser;
use crate::error::DeviceError;

/// Errors of one device, in the order they came.
///
/// WebGPU reports a refused command through a callback, long after the call
/// that caused it returned. Natively that is some other thread, in a browser a
/// later turn of the event loop.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    seen: Mutex<Vec<DeviceError>>,
}

/// Errors kept at most. One broken kernel reports at every launch.
const KEPT: usize = 64;

/// How often, and after how long each time, a cause is looked for.
#[cfg(target_family = "wasm")]
const TURNS: usize = 20;
#[cfg(target_family = "wasm")]
const TURN_MS: i32 = 10;

impl Faults {
    fn seen(&self) -> MutexGuard<'_, Vec<DeviceError>> {
        // A list of errors is whole whatever panicked beside it.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn push(&self, fault: DeviceError) {
        let mut seen = self.seen();
        if seen.len() < KEPT || matches!(fault, DeviceError::Lost { .. }) {
            seen.push(fault);
        }
    }

    /// The gravest error since the last call, and forgets the others: a lost
    /// device, which no later call forgets; then memory, whose lack causes most
    /// refusals; then the first of the rest.
    pub(crate) fn take(&self) -> Option<DeviceError> {
        let mut seen = self.seen();
        let lost = |fault: &&DeviceError| matches!(fault, DeviceError::Lost { .. });
        let memory = |fault: &&DeviceError| matches!(fault, DeviceError::OutOfMemory { .. });
        if let Some(fault) = seen.iter().find(lost) {
            return Some(fault.clone());
        }
        let gravest = seen.iter().find(memory).or(seen.first()).cloned();
        seen.clear();
        gravest
    }

    /// As [`Self::take`], for who saw something fail: the cause may come after its
    /// effect. A browser lets the buffers of a device that is destroyed fail at once and
    /// tells in a later turn of the event loop that the device is lost.
    pub(crate) async fn take_cause(&self) -> Option<DeviceError> {
        #[cfg(target_family = "wasm")]
        for _ in 0..TURNS {
            let fault = self.take();
            if fault.is_some() {
                return fault;
            }
            browser::wait(TURN_MS).await;
        }
        self.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn validation(message: &str) -> DeviceError {
        DeviceError::Validation {
            message: message.into(),
        }
    }

    #[test]
    fn the_gravest_is_reported_and_the_rest_forgotten() {
        let faults = Faults::default();
        let memory = DeviceError::OutOfMemory {
            message: "buffer".into(),
        };
        faults.push(validation("first"));
        faults.push(memory.clone());
        assert_eq!(faults.take(), Some(memory));
        assert_eq!(faults.take(), None);
        faults.push(validation("first"));
        faults.push(validation("second"));
        assert_eq!(faults.take(), Some(validation("first")));
    }

    #[test]
    fn a_lost_device_stays_lost() {
        let faults = Faults::default();
        let lost = DeviceError::Lost {
            message: "reset".into(),
        };
        for _ in 0..2 * KEPT {
            faults.push(validation("flood"));
        }
        faults.push(lost.clone());
        assert_eq!(faults.take(), Some(lost.clone()));
        assert_eq!(faults.take(), Some(lost));
    }
}
