//! Makes new inputs out of old ones.

use fastrand::Rng;

/// Numbers at which length checks tend to be wrong.
const NUMBERS: [u64; 16] = [
    0,
    1,
    2,
    31,
    32,
    33,
    63,
    64,
    65,
    0x7f,
    0xff,
    0xffff,
    0x7fff_ffff,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    u64::MAX,
];

/// Makes new inputs out of old ones.
pub(crate) struct Mutator<'a> {
    random: Rng,
    words: &'a [&'a [u8]],
    longest: usize,
}

impl<'a> Mutator<'a> {
    pub(crate) fn new(random: Rng, words: &'a [&'a [u8]], longest: usize) -> Self {
        Self {
            random,
            words,
            longest,
        }
    }

    /// One of `pool`, changed in one to four ways. `pool` is not empty.
    pub(crate) fn mutate(&mut self, pool: &[Vec<u8>]) -> Vec<u8> {
        let mut input = pool[self.random.usize(..pool.len())].clone();
        for _ in 0..self.random.usize(1..=4) {
            self.change(&mut input, pool);
        }
        input.truncate(self.longest);
        input
    }

    fn change(&mut self, input: &mut Vec<u8>, pool: &[Vec<u8>]) {
        let at = self.random.usize(0..=input.len());
        match self.random.u8(..9) {
            0 => self.flip(input, at),
            1 => input.truncate(at),
            2 | 3 => self.set_number(input, at),
            4 => self.nudge(input, at),
            5 => {
                let range = self.range(input.len());
                input.drain(range);
            }
            6 => {
                let other = &pool[self.random.usize(..pool.len())];
                let range = self.range(other.len());
                input.splice(at..at, other[range].iter().copied());
            }
            7 => {
                // The same bytes in a second place: a name, an offset.
                let range = self.range(input.len());
                let to = self.random.usize(0..=input.len() - range.len());
                input.copy_within(range, to);
            }
            _ => {
                let word = match self.words.len() {
                    0 => &[][..],
                    count => self.words[self.random.usize(..count)],
                };
                let end = input.len().min(at + self.random.usize(0..=word.len()));
                input.splice(at..end, word.iter().copied());
            }
        }
    }

    fn flip(&mut self, input: &mut [u8], at: usize) {
        if let Some(byte) = input.get_mut(at) {
            *byte ^= 1 << self.random.u8(..8);
        }
    }

    /// Writes a whole little-endian number over what is there.
    fn set_number(&mut self, input: &mut [u8], at: usize) {
        let number = NUMBERS[self.random.usize(..NUMBERS.len())].to_le_bytes();
        let width = [1, 2, 4, 8][self.random.usize(..4)];
        for (byte, new) in input.iter_mut().skip(at).zip(&number[..width]) {
            *byte = *new;
        }
    }

    /// Adds a small number to the byte that is there.
    fn nudge(&mut self, input: &mut [u8], at: usize) {
        if let Some(byte) = input.get_mut(at) {
            *byte = byte.wrapping_add(self.random.u8(..9)).wrapping_sub(4);
        }
    }

    /// A part of `length` bytes.
    fn range(&mut self, length: usize) -> std::ops::Range<usize> {
        let start = self.random.usize(0..=length);
        start..self.random.usize(start..=length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_inputs() {
        let pool = [b"GGUF\x03\0\0\0".to_vec(), vec![7; 100]];
        let run = |seed| {
            let mut mutator = Mutator::new(Rng::with_seed(seed), &[b"word"], 120);
            (0..1000).map(|_| mutator.mutate(&pool)).collect::<Vec<_>>()
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
        let inputs = run(1);
        assert!(inputs.iter().all(|input| input.len() <= 120));
        // Every kind of change happens.
        assert!(inputs.iter().any(|input| input.len() == 120));
        assert!(inputs.iter().any(Vec::is_empty));
        assert!(
            inputs
                .iter()
                .any(|input| input.windows(4).any(|part| part == b"word"))
        );
    }
}
