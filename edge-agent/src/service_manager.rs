//! Tells systemd how far the agent is (sd_notify(3)), and that it still runs if it wants to know (sd_watchdog_enabled(3)).

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval};

/// Sends a state such as `READY=1`, if a service manager wants to know.
pub(crate) fn notify(state: &str) {
    if let Some(socket) = std::env::var_os("NOTIFY_SOCKET")
        && let Err(error) = send(&socket, state)
    {
        tracing::warn!(%error, state, "service manager cannot be told");
    }
}

/// Tells when it is time to say that the agent's thread is not stuck. Costs nothing where nobody wants to know.
pub(crate) struct Watchdog(Option<Interval>);

impl Watchdog {
    /// As the service manager has set it for this process. Needs a tokio runtime.
    pub(crate) fn from_environment() -> Self {
        let variable = |name: &str| std::env::var(name).ok();
        Self(period(variable, std::process::id()).map(|period| {
            let mut times = interval(period);
            times.set_missed_tick_behavior(MissedTickBehavior::Delay);
            times
        }))
    }

    /// Waits until `WATCHDOG=1` is due; for ever if it never is.
    pub(crate) async fn due(&mut self) {
        match &mut self.0 {
            Some(times) => drop(times.tick().await),
            None => std::future::pending().await,
        }
    }
}

/// Half of what the service manager waits, which it says in microseconds, and for which process.
fn period(variable: impl Fn(&str) -> Option<String>, process: u32) -> Option<Duration> {
    let is_other = variable("WATCHDOG_PID").is_some_and(|id| id.parse() != Ok(process));
    let limit_us: u64 = variable("WATCHDOG_USEC")?.parse().ok()?;
    (!is_other && limit_us > 1).then(|| Duration::from_micros(limit_us / 2))
}

/// A name that begins with `@` is in the abstract namespace.
fn send(socket: &OsStr, state: &str) -> io::Result<()> {
    let address = match socket.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(socket)?,
    };
    UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watchdog_is_told_twice_as_often_as_it_asks_for() {
        let set = |limit: &'static str, process: Option<&'static str>| {
            period(
                |name| if name == "WATCHDOG_USEC" { Some(limit.into()) } else { process.map(Into::into) },
                7,
            )
        };
        assert_eq!(set("1200000000", None), Some(Duration::from_secs(600)));
        assert_eq!(set("1200000000", Some("7")), Some(Duration::from_secs(600)));
        assert_eq!(set("1200000000", Some("8")), None, "it is another process's");
        assert_eq!(["", "0", "soon"].map(|limit| set(limit, None)), [None; 3]);
        assert_eq!(period(|_| None, 7), None);
    }

    #[test]
    fn a_state_arrives_by_path_and_by_abstract_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let name = path.to_str().unwrap().replace('/', "-");
        let by_path = UnixDatagram::bind(&path).unwrap();
        let by_name = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        for (receiver, socket) in
            [(by_path, path.to_str().unwrap().to_owned()), (by_name, format!("@{name}"))]
        {
            send(OsStr::new(&socket), "READY=1").unwrap();
            let mut heard = [0; 16];
            let length = receiver.recv(&mut heard).unwrap();
            assert_eq!(&heard[..length], b"READY=1");
        }
    }
}
