//! Text out of bytes that may be cut inside a character.

/// Longest part of a character that is held back, bytes.
const MAX_HELD: usize = 3;

/// Turns the chunks of one stream into text; what is no UTF-8 is replaced.
#[derive(Debug, Default)]
pub(super) struct Utf8Chunks {
    held: Vec<u8>,
}

impl Utf8Chunks {
    /// The text of a chunk. A character that is cut off at its end comes with the next one.
    pub(super) fn text(&mut self, chunk: &[u8]) -> String {
        self.held.extend_from_slice(chunk);
        let complete = self.held.len() - cut_off(&self.held);
        let text = String::from_utf8_lossy(&self.held[..complete]).into_owned();
        self.held.drain(..complete);
        text
    }

    /// What is left when nothing more comes.
    pub(super) fn rest(self) -> String {
        String::from_utf8_lossy(&self.held).into_owned()
    }
}

/// Bytes at the end that begin a character and do not finish it.
fn cut_off(bytes: &[u8]) -> usize {
    let tail = bytes.len().saturating_sub(MAX_HELD);
    let Some(start) = bytes[tail..].iter().rposition(|byte| *byte >= 0xc0) else { return 0 };
    let length = bytes.len() - tail - start;
    let needed = match bytes[tail + start] {
        0xf0.. => 4,
        0xe0.. => 3,
        _ => 2,
    };
    if length < needed { length } else { 0 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn text_survives_any_cut(text in "\\PC{0,40}", size in 1usize..7) {
            let mut chunks = Utf8Chunks::default();
            let mut seen: String = text.as_bytes().chunks(size).map(|chunk| chunks.text(chunk)).collect();
            seen.push_str(&chunks.rest());
            prop_assert_eq!(seen, text);
        }

        #[test]
        fn little_is_held_back(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let mut chunks = Utf8Chunks::default();
            chunks.text(&bytes);
            prop_assert!(chunks.held.len() <= MAX_HELD);
        }
    }
}
