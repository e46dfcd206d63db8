//! Keeps secrets out of logs: exact values are replaced as output passes, also where a value is split over two pieces.

/// What stands in the output where a secret stood.
const MASK: &[u8] = b"***";

/// Values shorter than this are not masked: replacing every `a` would destroy the log without protecting anything.
const SHORTEST: usize = 4;

/// Replaces secret values in one stream of output.
pub struct Mask {
    secrets: Vec<Vec<u8>>,
    held: Vec<u8>,
}

impl Mask {
    /// A mask for these values; a trailing line end does not belong to a value.
    #[must_use]
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let trimmed = secrets.into_iter().map(|secret| secret.trim_ascii_end().to_vec());
        let mut secrets: Vec<Vec<u8>> = trimmed.filter(|secret| secret.len() >= SHORTEST).collect();
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Self { secrets, held: Vec::new() }
    }

    /// Takes a piece of output and gives what may be shown of it by now.
    pub fn pass(&mut self, bytes: &[u8]) -> Vec<u8> {
        if self.secrets.is_empty() {
            return bytes.to_vec();
        }
        self.held.extend_from_slice(bytes);
        let (mut shown, rest) = self.replace();
        // A tail that may be the beginning of a secret waits for the next piece.
        let keep = (1..=rest.len()).rev().find(|length| {
            let tail = &rest[rest.len() - length..];
            self.secrets.iter().any(|secret| secret.starts_with(tail))
        });
        let cut = rest.len() - keep.unwrap_or(0);
        shown.extend_from_slice(&rest[..cut]);
        self.held = rest[cut..].to_vec();
        shown
    }

    /// What was held back at the end of the stream.
    pub fn finish(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.held)
    }

    /// Replaces the whole secrets in what is held: everything up to the last of them, and what follows it.
    fn replace(&self) -> (Vec<u8>, Vec<u8>) {
        let (mut shown, mut from, mut at) = (Vec::new(), 0, 0);
        while at < self.held.len() {
            match self.secrets.iter().find(|secret| self.held[at..].starts_with(secret)) {
                Some(secret) => {
                    shown.extend_from_slice(&self.held[from..at]);
                    shown.extend_from_slice(MASK);
                    at += secret.len();
                    from = at;
                }
                None => at += 1,
            }
        }
        (shown, self.held[from..].to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::Mask;

    fn through(secrets: &[&str], pieces: &[&str]) -> String {
        let mut mask = Mask::new(secrets.iter().map(|secret| secret.as_bytes()));
        let mut shown: Vec<u8> = pieces.iter().flat_map(|piece| mask.pass(piece.as_bytes())).collect();
        shown.extend(mask.finish());
        String::from_utf8(shown).unwrap()
    }

    #[test]
    fn whole_and_split_values_are_replaced() {
        assert_eq!(through(&["hunter22\n"], &["the word is hunter22.\n"]), "the word is ***.\n");
        assert_eq!(through(&["hunter22"], &["a hun", "ter", "22 b hunter"]), "a *** b hunter");
        assert_eq!(through(&["aaab"], &["aaa", "aab"]), "aa***");
    }

    #[test]
    fn the_longest_value_wins_and_tiny_ones_are_ignored() {
        assert_eq!(through(&["pass", "password"], &["password pass"]), "*** ***");
        assert_eq!(through(&["a", ""], &["banana"]), "banana");
    }
}
