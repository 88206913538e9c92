//! Texts that end a generation.

/// Looks for stop texts in a text that comes in pieces, and holds back what may turn
/// out to be the beginning of one.
pub(super) struct StopScanner<'a> {
    stops: &'a [String],
    held: String,
}

/// What a piece of text has led to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Scanned {
    /// Text that can be shown.
    pub(super) text: String,
    /// Whether a stop text followed it.
    pub(super) stopped: bool,
}

impl<'a> StopScanner<'a> {
    pub(super) fn new(stops: &'a [String]) -> Self {
        Self {
            stops,
            held: String::new(),
        }
    }

    /// Takes the next piece of text.
    pub(super) fn push(&mut self, text: &str) -> Scanned {
        self.held.push_str(text);
        let first = self
            .stops
            .iter()
            .filter_map(|stop| self.held.find(stop))
            .min();
        let (end, stopped) = match first {
            Some(position) => (position, true),
            None => (self.held.len() - self.may_begin_a_stop(), false),
        };
        let rest = self.held.split_off(end);
        let text = std::mem::replace(&mut self.held, rest);
        Scanned { text, stopped }
    }

    /// The text that is held back, if no more comes: it begins no stop text then.
    pub(super) fn rest(&mut self) -> String {
        std::mem::take(&mut self.held)
    }

    /// Length in bytes of the longest end of the text that begins a stop text.
    fn may_begin_a_stop(&self) -> usize {
        self.held
            .char_indices()
            .map(|(position, _)| &self.held[position..])
            .find(|end| self.stops.iter().any(|stop| stop.starts_with(end)))
            .map_or(0, str::len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(stops: &[&str], pieces: &[&str]) -> (Vec<String>, bool, String) {
        let stops: Vec<String> = stops.iter().map(ToString::to_string).collect();
        let mut scanner = StopScanner::new(&stops);
        let mut shown = Vec::new();
        for piece in pieces {
            let Scanned { text, stopped } = scanner.push(piece);
            shown.push(text);
            if stopped {
                return (shown, true, String::new());
            }
        }
        let rest = scanner.rest();
        (shown, false, rest)
    }

    #[test]
    fn a_stop_text_over_several_pieces_is_found_and_never_shown() {
        let (shown, stopped, _) = scan(&["Question"], &["a dog", " Ques", "tion", ":"]);
        assert_eq!((shown.concat().as_str(), stopped), ("a dog ", true));
        assert_eq!(shown.len(), 3);
    }

    #[test]
    fn what_turns_out_to_be_none_comes_later() {
        let (shown, stopped, rest) = scan(&["Question"], &["the Ques", "t is", " Q"]);
        assert_eq!(shown, ["the ", "Quest is", " "]);
        assert_eq!((stopped, rest.as_str()), (false, "Q"));
    }

    #[test]
    fn the_first_of_several_ends_the_text() {
        let (shown, stopped, _) = scan(&[".", "dog"], &["a dog. no"]);
        assert_eq!((shown.concat().as_str(), stopped), ("a ", true));
    }

    #[test]
    fn characters_of_several_bytes_stay_whole() {
        let (shown, _, rest) = scan(&["\u{e9}t\u{e9}"], &["a\u{e9}"]);
        assert_eq!((shown.concat().as_str(), rest.as_str()), ("a", "\u{e9}"));
    }

    #[test]
    fn without_stop_texts_nothing_is_held_back() {
        let (shown, stopped, rest) = scan(&[], &["a", "b"]);
        assert_eq!(
            (shown.concat().as_str(), stopped, rest.as_str()),
            ("ab", false, "")
        );
    }
}
