//! Splitting a stream into lines without ever holding more than one buffer of it.

use std::io::{self, Read};

/// Lines of a byte stream. A line longer than [`BUFFER_BYTES`] is cut there and the rest of it dropped.
pub(crate) struct Lines<R> {
    reader: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    in_cut_line: bool,
    bytes_read: u64,
}

impl<R: Read> Lines<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self { reader, buffer: vec![0; BUFFER_BYTES], start: 0, end: 0, in_cut_line: false, bytes_read: 0 }
    }

    /// The bytes at hand without taking any; reads once if there are none.
    pub(crate) fn peek(&mut self) -> io::Result<&[u8]> {
        if self.start == self.end {
            self.fill()?;
        }
        Ok(&self.buffer[self.start..self.end])
    }

    /// The next line without its end, or `None` after the last.
    pub(crate) fn next_line(&mut self) -> io::Result<Option<&[u8]>> {
        let mut searched = 0;
        loop {
            if let Some(length) = memchr::memchr(b'\n', &self.buffer[self.start + searched..self.end]) {
                let line = self.take(searched + length, 1);
                if !std::mem::take(&mut self.in_cut_line) {
                    return Ok(Some(as_shown(&self.buffer[line])));
                }
                searched = 0;
                continue;
            }
            searched = self.end - self.start;
            if searched == self.buffer.len() {
                let line = self.take(searched, 0);
                if !std::mem::replace(&mut self.in_cut_line, true) {
                    return Ok(Some(&self.buffer[line]));
                }
                searched = 0;
            } else if self.fill()? == 0 {
                let line = self.take(searched, 0);
                let is_rest = std::mem::take(&mut self.in_cut_line) || line.is_empty();
                return Ok((!is_rest).then(|| as_shown(&self.buffer[line])));
            }
        }
    }

    pub(crate) fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    /// Moves past `length` bytes and a separator; returns where the bytes lie.
    fn take(&mut self, length: usize, separator: usize) -> std::ops::Range<usize> {
        let line = self.start..self.start + length;
        self.start = line.end + separator;
        line
    }

    /// Reads more bytes behind those at hand, of which there must be fewer than the buffer holds.
    fn fill(&mut self) -> io::Result<usize> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        let count = loop {
            match self.reader.read(&mut self.buffer[self.end..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result?,
            }
        };
        self.end += count;
        self.bytes_read += count as u64;
        Ok(count)
    }
}

/// What a terminal would leave on the screen: a carriage return begins the line anew, as progress displays do.
fn as_shown(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    memchr::memrchr(b'\r', line).map_or(line, |last| &line[last + 1..])
}

pub(crate) const BUFFER_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// Hands out `chunk` bytes at a time.
    struct Trickle<'a> {
        rest: &'a [u8],
        chunk: usize,
    }

    impl Read for Trickle<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.chunk.min(buffer.len()).min(self.rest.len());
            let (now, later) = self.rest.split_at(count);
            buffer[..count].copy_from_slice(now);
            self.rest = later;
            Ok(count)
        }
    }

    fn collect(text: &[u8], chunk: usize) -> Vec<Vec<u8>> {
        let mut lines = Lines::new(Trickle { rest: text, chunk });
        let mut all = Vec::new();
        while let Some(line) = lines.next_line().unwrap() {
            all.push(line.to_vec());
        }
        assert_eq!(lines.bytes_read(), text.len() as u64);
        all
    }

    #[test]
    fn lines_are_the_same_however_the_bytes_arrive() {
        for chunk in [1, 2, 3, 7, 1_000] {
            assert_eq!(collect(b"one\r\n\n50%\rtwo\nthree", chunk), [&b"one"[..], b"", b"two", b"three"]);
        }
        assert_eq!(collect(b"", 1), Vec::<Vec<u8>>::new());
    }

    #[test]
    fn a_line_beyond_the_buffer_is_cut_and_the_next_one_whole() {
        let text = [&vec![b'x'; 3 * BUFFER_BYTES + 5], &b"\nnext\n"[..]].concat();
        for chunk in [1_000, BUFFER_BYTES] {
            let lines = collect(&text, chunk);
            assert_eq!(lines.iter().map(Vec::len).collect::<Vec<_>>(), [BUFFER_BYTES, 4]);
        }
    }

    #[test]
    fn a_line_as_long_as_the_buffer_has_no_empty_tail() {
        let lines = collect(&[&vec![b'x'; BUFFER_BYTES], &b"\nnext"[..]].concat(), BUFFER_BYTES);
        assert_eq!(lines.iter().map(Vec::len).collect::<Vec<_>>(), [BUFFER_BYTES, 4]);
    }
}
