//! How much of the engine's log of a container the agent has already. Pure but for the file of marks.

use std::fs;
use std::io;
use std::path::Path;

use crate::durable;

/// An entry of the log from which bytes are counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    /// Bytes of the stream that came before it.
    pub(super) at: u64,
    /// When the engine got it, as the engine writes times: each with the same number of digits, so that texts compare as
    /// times do. Empty for the log's beginning.
    pub(super) time: String,
}

/// What comes first in a log and is known.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Everything before the entry of this time.
    until: Option<String>,
    /// And as many bytes from there on.
    bytes: u64,
}

impl Known {
    /// For a stream of which `taken` bytes are known, the mark among them.
    pub(super) fn new(mark: &Mark, taken: u64) -> Self {
        let until = Some(mark.time.clone()).filter(|time| !time.is_empty());
        Self { until, bytes: taken.saturating_sub(mark.at) }
    }

    /// What of the log's next entry is new.
    pub(super) fn news<'t>(&mut self, time: &str, text: &'t [u8]) -> &'t [u8] {
        if let Some(until) = &self.until {
            match time.cmp(until.as_str()) {
                std::cmp::Ordering::Less => return &[],
                std::cmp::Ordering::Equal => self.until = None,
                // The engine has let go of the marked entry, and maybe of some that nobody has read.
                std::cmp::Ordering::Greater => *self = Self::default(),
            }
        }
        let known = usize::try_from(self.bytes).unwrap_or(usize::MAX).min(text.len());
        self.bytes -= known as u64;
        &text[known..]
    }
}

/// Writes the marks of stdout and stderr for a later agent.
pub(super) fn save(path: &Path, marks: [&Mark; 2]) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        durable::create_directory(directory)?;
    }
    durable::write(path, marks.map(|mark| format!("{} {}\n", mark.at, mark.time)).concat().as_bytes())
}

/// The marks that an agent has saved, else the beginning.
pub(super) fn load(path: &Path) -> [Mark; 2] {
    let text = fs::read_to_string(path).unwrap_or_default();
    let mut marks = text.lines().map(|line| {
        let (at, time) = line.split_once(' ')?;
        Some(Mark { at: at.parse().ok()?, time: time.to_owned() })
    });
    [marks.next(), marks.next()].map(|mark| mark.flatten().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: [(&str, &str); 4] = [("t1", "one\n"), ("t2", "two\n"), ("t4", "four\n"), ("t5", "five\n")];

    fn news(known: &mut Known, log: &[(&str, &str)]) -> String {
        let new = |(time, text): &(&str, &str)| String::from_utf8(known.news(time, text.as_bytes()).to_vec());
        log.iter().map(new).collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn bytes_are_counted_from_the_mark_even_if_what_was_before_it_is_gone() {
        let mark = Mark { at: 4, time: "t2".to_owned() };
        for log in [&LOG[..], &LOG[1..]] {
            assert_eq!(news(&mut Known::new(&mark, 10), log), "ur\nfive\n");
        }
        assert_eq!(news(&mut Known::new(&Mark::default(), 10), &LOG), "ur\nfive\n");
    }

    #[test]
    fn without_the_mark_all_that_is_left_is_new() {
        let mark = Mark { at: 4, time: "t2".to_owned() };
        assert_eq!(news(&mut Known::new(&mark, 10), &LOG[2..]), "four\nfive\n");
        assert_eq!(news(&mut Known::default(), &LOG[2..]), "four\nfive\n");
    }

    #[test]
    fn a_later_agent_finds_the_marks() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("scratch/marks");
        assert_eq!(load(&path), [Mark::default(), Mark::default()]);
        let mark = Mark { at: 7, time: "2026-11-21T14:15:57.700000000Z".to_owned() };
        save(&path, [&Mark::default(), &mark]).unwrap();
        assert_eq!(load(&path), [Mark::default(), mark]);
    }
}
