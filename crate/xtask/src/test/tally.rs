//! Counting tests.

use std::fmt;
use std::ops::AddAssign;

/// How many tests passed and how many did not.
///
/// A skipped test counts as failed: nobody knows whether it would have passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl Tally {
    /// One check that failed.
    pub(crate) const FAILURE: Self = Self {
        passed: 0,
        failed: 1,
    };

    /// One check that is a test of its own.
    pub(crate) fn check(passed: bool) -> Self {
        Self {
            passed: passed.into(),
            failed: (!passed).into(),
        }
    }

    /// The tally of a test runner that ended with success or not. A runner may fail
    /// without a failing test (it did not compile), and may find no test at all;
    /// neither is to look like success.
    pub(crate) fn confirmed(self, succeeded: bool) -> Self {
        if self.failed == 0 && (!succeeded || self.passed == 0) {
            return Self { failed: 1, ..self };
        }
        self
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} passed, {} failed", self.passed, self.failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THREE: Tally = Tally {
        passed: 3,
        failed: 0,
    };

    #[test]
    fn a_runner_that_fails_without_a_failing_test_is_one_failure() {
        assert_eq!(THREE.confirmed(true).failed, 0);
        assert_eq!(THREE.confirmed(false).failed, 1);
        assert_eq!(Tally::FAILURE.confirmed(false).failed, 1);
    }

    #[test]
    fn a_runner_that_finds_no_test_is_a_failure() {
        assert_eq!(Tally::default().confirmed(true), Tally::FAILURE);
    }

    #[test]
    fn the_closing_line_is_what_ci_reads() {
        let mut total = THREE;
        total += Tally::FAILURE;
        assert_eq!(total.to_string(), "3 passed, 1 failed");
    }
}
