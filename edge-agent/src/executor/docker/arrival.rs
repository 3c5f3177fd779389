//! Tells when something comes to a path, without looking again and again.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Watches the nearest directory above a path that exists.
pub(super) struct Arrival(AsyncFd<OwnedFd>);

/// Begins to watch; what comes from now on ends [`Arrival::wait`]. The wait may end early: for another file in the same
/// directory, or for one of the directories on the way.
pub(super) fn watch(path: &Path) -> io::Result<Arrival> {
    let directory = path
        .ancestors()
        .skip(1)
        .find(|directory| directory.is_dir())
        .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
    let watcher = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
    let news = WatchFlags::CREATE
        | WatchFlags::MOVED_TO
        | WatchFlags::ATTRIB
        | WatchFlags::DELETE_SELF
        | WatchFlags::MOVE_SELF;
    inotify::add_watch(&watcher, directory, news)?;
    // SAFETY: the descriptor is owned, and stays open and the same until the `AsyncFd` is dropped.
    let watcher = unsafe { AsyncFd::register_with_interest(watcher, Interest::READABLE) };
    Ok(Arrival(watcher.map_err(io::Error::from)?))
}

impl Arrival {
    pub(super) async fn wait(self) {
        // A watcher that breaks counts as news: whoever waits looks for itself.
        if let Ok(mut ready) = self.0.readable().await {
            let mut buffer = [MaybeUninit::uninit(); 512];
            _ = inotify::Reader::new(self.0.get_ref(), &mut buffer).next();
            ready.clear_ready();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_that_comes_is_noticed_and_so_is_a_directory_on_the_way() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run/docker.sock");
        let directory = watch(&path).unwrap();
        std::fs::create_dir(folder.path().join("run")).unwrap();
        directory.wait().await;
        let file = watch(&path).unwrap();
        std::fs::write(&path, "").unwrap();
        file.wait().await;
    }
}
