//! Regular expressions for the numbers between two others.

/// A regular expression that matches the decimal numbers from `least` to `most` and nothing
/// else, each written with `decimals` digits behind the point: both count units of the last
/// of them, so with two decimals 150 is 1.50. No number has a plus, zeros it does not need,
/// or is minus zero.
pub(super) fn between(least: i64, most: i64, decimals: u32) -> String {
    let decimals = decimals as usize;
    let mut choices = Vec::new();
    if least < 0 {
        let nearest = most.min(-1).unsigned_abs();
        for part in unsigned(nearest, least.unsigned_abs(), decimals) {
            choices.push(format!("-{part}"));
        }
    }
    if most >= 0 {
        choices.extend(unsigned(
            least.max(0).unsigned_abs(),
            most.unsigned_abs(),
            decimals,
        ));
    }
    format!("(?:{})", choices.join("|"))
}

/// One expression for each number of digits.
fn unsigned(least: u64, most: u64, decimals: usize) -> Vec<String> {
    // Before the point stands a digit at least.
    let mut digits = decimals + 1;
    let mut choices = Vec::new();
    let mut first = 0;
    loop {
        let last = 10_u64
            .checked_pow(digits as u32)
            .map_or(u64::MAX, |power| power - 1);
        let (from, to) = (least.max(first), most.min(last));
        if from <= to {
            let written = |number: u64| format!("{number:0digits$}").into_bytes();
            choices.push(of_one_length(&written(from), &written(to), decimals));
        }
        if last >= most {
            return choices;
        }
        first = last + 1;
        digits += 1;
    }
}

/// The numbers from `least` to `most`, written with as many digits, of which the last
/// `decimals` stand behind the point.
fn of_one_length(least: &[u8], most: &[u8], decimals: usize) -> String {
    let length = least.len();
    let (Some((&low, least_rest)), Some((&high, most_rest))) =
        (least.split_first(), most.split_first())
    else {
        return String::new();
    };
    let point = match length == decimals {
        true => r"\.",
        false => "",
    };
    if least.iter().all(|&digit| digit == b'0') && most.iter().all(|&digit| digit == b'9') {
        return any(length, decimals);
    }
    let digit = |digit: u8| char::from(digit);
    if low == high {
        let rest = of_one_length(least_rest, most_rest, decimals);
        return format!("{point}{}{rest}", digit(low));
    }
    let (zeros, nines) = (vec![b'0'; length - 1], vec![b'9'; length - 1]);
    let mut choices = vec![format!(
        "{}{}",
        digit(low),
        of_one_length(least_rest, &nines, decimals)
    )];
    if high - low > 1 {
        let rest = any(length - 1, decimals);
        choices.push(format!("[{}-{}]{rest}", digit(low + 1), digit(high - 1)));
    }
    choices.push(format!(
        "{}{}",
        digit(high),
        of_one_length(&zeros, most_rest, decimals)
    ));
    format!("{point}(?:{})", choices.join("|"))
}

/// `length` digits of any kind, the point before the last `decimals` if it is among them.
fn any(length: usize, decimals: usize) -> String {
    let digits = |count: usize| match count {
        0 => String::new(),
        count => format!("[0-9]{{{count}}}"),
    };
    match decimals > 0 && decimals <= length {
        true => format!(r"{}\.{}", digits(length - decimals), digits(decimals)),
        false => digits(length),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::generate::Pattern;

    fn accepts(pattern: &Pattern, text: &str) -> bool {
        pattern.is_met(text)
    }

    #[test]
    fn exactly_the_integers_between_the_bounds_match() {
        for (least, most) in [
            (0, 0),
            (-3, 12),
            (7, 1234),
            (-1005, -98),
            (99, 100),
            (-40, -40),
        ] {
            let pattern = Pattern::regex(&between(least, most, 0)).unwrap();
            for number in -1300..1300 {
                let text = number.to_string();
                assert_eq!(
                    accepts(&pattern, &text),
                    (least..=most).contains(&number),
                    "{least}..={most}: {number}"
                );
            }
            for text in ["-0", "007", "+1", "", "-", "1.0", "00"] {
                assert!(!accepts(&pattern, text), "{least}..={most}: {text:?}");
            }
        }
    }

    #[test]
    fn numbers_have_their_decimals() {
        let pattern = Pattern::regex(&between(-15, 1203, 2)).unwrap();
        for hundredths in -200_i64..1400 {
            let sign = if hundredths < 0 { "-" } else { "" };
            let (whole, part) = (hundredths.abs() / 100, hundredths.abs() % 100);
            let text = format!("{sign}{whole}.{part:02}");
            assert_eq!(
                accepts(&pattern, &text),
                (-15..=1203).contains(&hundredths),
                "{text}"
            );
        }
        for text in ["1", "1.", ".50", "1.5", "-0.00", "01.00", "1.234"] {
            assert!(!accepts(&pattern, text), "{text}");
        }
    }

    #[test]
    fn the_widest_bounds_are_matched() {
        let pattern = Pattern::regex(&between(i64::MIN, i64::MAX, 0)).unwrap();
        assert!(accepts(&pattern, &i64::MAX.to_string()));
        assert!(accepts(&pattern, &i64::MIN.to_string()));
        assert!(!accepts(&pattern, "9223372036854775808"));
    }
}
