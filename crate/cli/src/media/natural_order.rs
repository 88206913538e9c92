//! The order in which people number files: `frame2` before `frame10`.

use std::cmp::Ordering;

/// Compares two names, in which digits that follow one another are a number.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a, b);
    loop {
        let (Some(l), Some(r)) = (left.chars().next(), right.chars().next()) else {
            // One of them is over; of those that are alike so far, zeros in front decide.
            return left.len().cmp(&right.len()).then_with(|| a.cmp(b));
        };
        let order = match l.is_ascii_digit() && r.is_ascii_digit() {
            true => {
                let (l, behind) = number(left);
                let (r, behind_right) = number(right);
                (left, right) = (behind, behind_right);
                // A longer number without zeros in front is larger, however long it is.
                l.len().cmp(&r.len()).then_with(|| l.cmp(r))
            }
            false => {
                left = &left[l.len_utf8()..];
                right = &right[r.len_utf8()..];
                l.cmp(&r)
            }
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// The digits that a text begins with, without zeros in front, and the rest.
fn number(text: &str) -> (&str, &str) {
    let end = text
        .find(|character: char| !character.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    (digits.trim_start_matches('0'), rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_count_as_numbers() {
        let sorted = [
            "2 (1).png",
            "2 (2).png",
            "2 (10).png",
            "10.png",
            "a-1.5-2.png",
            "a-1.10-2.png",
            "a01.png",
            "a1.png",
            "a2b9.png",
            "a2b10.png",
            "a99999999999999999999998.png",
            "a99999999999999999999999.png",
            "b",
            "b0",
            "é1",
            "é02",
        ];
        for (place, left) in sorted.iter().enumerate() {
            for (other, right) in sorted.iter().enumerate() {
                assert_eq!(compare(left, right), place.cmp(&other), "{left} {right}");
            }
        }
    }
}
