//! Moves unpacked answers where they belong, or says what is in the way before anything is moved.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{Answer, Error, Order, directories};

/// Files every answer has, one line about each.
const STREAMS: [&str; 3] = ["stdout", "stderr", "exitCode"];

/// Something is where an answer belongs.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot put results in place as output already exists: {}. Choose another directory with --output-dir, or keep the archives \
     as they are with --raw",
    .0.display()
)]
pub struct Collision(pub PathBuf);

/// Where each answer goes.
pub(super) enum Places {
    /// The only answer lies directly in the directory.
    Alone(PathBuf),
    /// One directory per answer.
    Beside { base: PathBuf, places: Vec<Place> },
}

pub(super) struct Place {
    execution_id: String,
    directory: PathBuf,
    /// An earlier call, which could not get everything, has put it here.
    settled: bool,
}

impl Places {
    pub(super) fn new(order: &Order, answers: &[Answer], raw: &Path) -> Result<Self, Collision> {
        let base = order.directory.clone();
        if order.raw {
            return Ok(Self::Alone(base));
        }
        let taken = STREAMS.map(|name| base.join(name)).into_iter().find(|path| path.exists());
        match taken {
            Some(taken) if answers.len() > 1 || order.only.is_none() => return Err(Collision(taken)),
            _ if answers.len() == 1 => return Ok(Self::Alone(base)),
            _ => {}
        }
        let mut places = Vec::new();
        for (answer, name) in answers.iter().zip(directories(answers)) {
            let directory = base.join(name);
            // The archives stay until everything is here, so an archive beside its directory means: done.
            let settled = directory.exists() && raw.join(answer.file_name()).exists();
            if directory.exists() && !settled {
                return Err(Collision(directory));
            }
            places.push(Place { execution_id: answer.execution_id.clone(), directory, settled });
        }
        Ok(Self::Beside { base, places })
    }

    pub(super) fn is_settled(&self, answer: &Answer) -> bool {
        self.find(answer).is_some_and(|place| place.settled)
    }

    /// Moves what was unpacked to `staging` to the answer's place.
    pub(super) fn settle(&self, answer: &Answer, staging: &Path) -> Result<(), Error> {
        match self {
            Self::Alone(base) => spread(staging, base),
            Self::Beside { .. } => {
                let place = self.find(answer).expect("every answer has a place");
                rename(staging, &place.directory)
            }
        }
    }

    /// Appends the streams of all answers to one file each, in the order of the answers.
    pub(super) fn merge_streams(&self) -> Result<(), Error> {
        let Self::Beside { base, places } = self else { return Ok(()) };
        for name in STREAMS {
            let target = base.join(name);
            let sources: Vec<PathBuf> =
                places.iter().map(|place| place.directory.join(name)).filter(|path| path.is_file()).collect();
            if !sources.is_empty() {
                append(&sources, &target).map_err(|source| Error::Write { path: target, source })?;
            }
        }
        Ok(())
    }

    fn find(&self, answer: &Answer) -> Option<&Place> {
        match self {
            Self::Alone(_) => None,
            Self::Beside { places, .. } => {
                places.iter().find(|place| place.execution_id == answer.execution_id)
            }
        }
    }
}

/// Moves everything in `from` into `to`, or nothing if something is in the way.
fn spread(from: &Path, to: &Path) -> Result<(), Error> {
    let failed = |source| Error::Write { path: from.to_owned(), source };
    let names: Vec<_> = fs::read_dir(from)
        .and_then(|entries| {
            entries.map(|entry| entry.map(|entry| entry.file_name())).collect::<io::Result<_>>()
        })
        .map_err(failed)?;
    if let Some(taken) = names.iter().map(|name| to.join(name)).find(|path| path.exists()) {
        return Err(Collision(taken).into());
    }
    for name in names {
        rename(&from.join(&name), &to.join(&name))?;
    }
    fs::remove_dir(from).map_err(failed)
}

fn rename(from: &Path, to: &Path) -> Result<(), Error> {
    fs::rename(from, to).map_err(|source| Error::Write { path: to.to_owned(), source })
}

fn append(sources: &[PathBuf], target: &Path) -> io::Result<()> {
    let mut target = fs::File::create(target)?;
    for source in sources {
        io::copy(&mut fs::File::open(source)?, &mut target)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::RemoteArchive;

    struct Desk {
        directory: tempfile::TempDir,
        order: Order,
        answers: Vec<Answer>,
    }

    impl Desk {
        fn new(nodes: &[&str]) -> Self {
            let directory = tempfile::tempdir().unwrap();
            let order = Order { directory: directory.path().to_owned(), raw: false, only: None };
            let archive = RemoteArchive { url: "http://h/a".parse().unwrap(), sha256: None, size: None };
            let answer = |node: &&str| Answer {
                execution_id: format!("e-{node}"),
                node_id: (*node).to_owned(),
                archive: archive.clone(),
            };
            fs::create_dir(directory.path().join("raw")).unwrap();
            Self { answers: nodes.iter().map(answer).collect(), directory, order }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.directory.path().join(name)
        }

        fn places(&self) -> Result<Places, Collision> {
            Places::new(&self.order, &self.answers, &self.path("raw"))
        }

        fn staged(&self, stdout: &str) -> PathBuf {
            let staging = self.path("raw/staging");
            fs::create_dir(&staging).unwrap();
            fs::write(staging.join("stdout"), stdout).unwrap();
            staging
        }

        fn read(&self, name: &str) -> String {
            fs::read_to_string(self.path(name)).unwrap()
        }
    }

    #[test]
    fn one_answer_lies_in_the_directory_itself() {
        let desk = Desk::new(&["a"]);
        let places = desk.places().unwrap();
        places.settle(&desk.answers[0], &desk.staged("hi")).unwrap();
        places.merge_streams().unwrap();
        assert_eq!(desk.read("stdout"), "hi");
    }

    #[test]
    fn several_answers_lie_side_by_side_and_their_streams_are_appended() {
        let desk = Desk::new(&["a", "b"]);
        let places = desk.places().unwrap();
        places.settle(&desk.answers[1], &desk.staged("from b\n")).unwrap();
        places.settle(&desk.answers[0], &desk.staged("from a\n")).unwrap();
        places.merge_streams().unwrap();
        assert_eq!(desk.read("a/stdout"), "from a\n");
        assert_eq!(desk.read("stdout"), "from a\nfrom b\n");
        assert!(!desk.path("stderr").exists());
    }

    #[test]
    fn what_is_in_the_way_is_named_and_stays() {
        let desk = Desk::new(&["a"]);
        fs::write(desk.path("another"), "mine").unwrap();
        let staging = desk.staged("hi");
        fs::write(staging.join("another"), "x").unwrap();
        let error = desk.places().unwrap().settle(&desk.answers[0], &staging).unwrap_err();
        assert!(error.to_string().contains("another"), "{error}");
        assert_eq!(desk.read("another"), "mine");
        assert!(!desk.path("stdout").exists());
        fs::write(desk.path("stdout"), "mine").unwrap();
        assert!(desk.places().err().unwrap().0.ends_with("stdout"), "known before anything is fetched");

        let desk = Desk::new(&["a", "b"]);
        fs::create_dir(desk.path("b")).unwrap();
        assert!(desk.places().err().unwrap().0.ends_with("b"));
    }

    #[test]
    fn what_an_incomplete_call_has_delivered_is_not_in_the_way() {
        let desk = Desk::new(&["a", "b"]);
        fs::create_dir(desk.path("a")).unwrap();
        fs::write(desk.path("raw/e-a.tar.gz"), "").unwrap();
        let places = desk.places().unwrap();
        assert!(places.is_settled(&desk.answers[0]));
        assert!(!places.is_settled(&desk.answers[1]));
    }
}
