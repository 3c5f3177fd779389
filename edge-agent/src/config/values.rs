//! What single settings may hold.

use std::fmt;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bacalhau_protocol::duration;
use bacalhau_protocol::ids::NodeId;
use bacalhau_protocol::join::JoinToken;
use globset::GlobBuilder;

/// Port of an orchestrator that names none.
pub const DEFAULT_PORT: u16 = 4222;

/// Where a control plane listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Orchestrator {
    /// Name or address; resolved anew for every attempt.
    pub host: String,
    /// UDP port.
    pub port: u16,
}

impl Orchestrator {
    /// The one on this machine.
    pub fn local() -> Self {
        Self { host: "127.0.0.1".to_owned(), port: DEFAULT_PORT }
    }

    /// Reads `host`, `host:port` or `[v6]:port`.
    pub fn parse(text: &str) -> Result<Self, String> {
        host_and_port(text)
    }
}

impl fmt::Display for Orchestrator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Reads `host`, `host:port` or `[v6]:port`, with `quic://` or `nats://` in front or not, and a join string as the
/// user part or not.
pub(super) fn orchestrator(text: &str) -> Result<(Orchestrator, Option<JoinToken>), String> {
    let rest = match text.split_once("://") {
        Some(("quic" | "nats", rest)) => rest,
        Some((scheme, _)) => {
            return Err(format!("unknown scheme {scheme}://; write host:port or quic://host:port"));
        }
        None => text,
    };
    let (token, address) = match rest.rsplit_once('@') {
        Some((token, address)) => (Some(JoinToken::parse(token)?), address),
        None => (None, rest),
    };
    Ok((host_and_port(address.trim_end_matches('/'))?, token))
}

fn host_and_port(text: &str) -> Result<Orchestrator, String> {
    let (host, port) = match text.strip_prefix('[') {
        Some(bracketed) => bracketed.split_once(']').ok_or_else(|| format!("{text:?}: ']' is missing"))?,
        None if text.matches(':').count() > 1 => (text, ""),
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let port = match port.strip_prefix(':') {
        Some(digits) => {
            digits.parse().map_err(|_| format!("{digits:?} is not a port; expected 1 to 65535"))?
        }
        None if port.is_empty() => DEFAULT_PORT,
        None => return Err(format!("{text:?}: expected host:port")),
    };
    if host.is_empty() || port == 0 || host.contains(|c: char| c.is_whitespace() || c == '/') {
        return Err(format!("{text:?}: expected host:port"));
    }
    Ok(Orchestrator { host: host.to_owned(), port })
}

/// Host paths that jobs may mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedPath {
    /// Absolute glob; `*` does not cross `/`, `**` does.
    pub pattern: String,
    /// What is granted.
    pub access: Access,
}

/// What a job may do with a host path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// `:ro`, also without a suffix.
    ReadOnly,
    /// `:rw`.
    ReadWrite,
}

impl AllowedPath {
    /// Reads `PATTERN[:rw|:ro]`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (pattern, access) = match text.rsplit_once(':') {
            Some((pattern, "ro")) => (pattern, Access::ReadOnly),
            Some((pattern, "rw")) => (pattern, Access::ReadWrite),
            Some((_, other)) if !other.contains('/') => {
                return Err(format!("{text:?}: access is ro or rw, not {other:?}"));
            }
            _ => (text, Access::ReadOnly),
        };
        if !pattern.starts_with('/') {
            return Err(format!("{text:?}: the path must be absolute"));
        }
        glob(pattern).map(|pattern| Self { pattern, access })
    }
}

/// A port that programs without privileges may listen on.
pub(super) fn port(text: &str) -> Result<u16, String> {
    let port = text.parse().ok().filter(|port| *port >= 1024);
    port.ok_or_else(|| format!("expects a port from 1024 to 65535, received: {text:?}"))
}

/// Checks a glob and gives it back.
pub(super) fn glob(text: &str) -> Result<String, String> {
    match GlobBuilder::new(text).literal_separator(true).build() {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!("{text:?} is no glob: {}", error.kind())),
    }
}

pub(super) fn data_dir(text: &str, home: Option<&Path>) -> Result<PathBuf, String> {
    if text.contains('$') {
        return Err(format!("data dir path {text:?} contains a '$' character"));
    }
    let expanded = match text.strip_prefix("~") {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => {
            let home = home.ok_or_else(|| format!("data dir path {text:?} needs a home directory"))?;
            home.join(rest.trim_start_matches('/'))
        }
        _ => PathBuf::from(text),
    };
    std::path::absolute(expanded).map_err(|error| format!("data dir path {text:?}: {error}"))
}

/// What older versions kept in one file is a directory here.
pub(super) fn store(text: &str) -> Result<PathBuf, String> {
    let path = std::path::absolute(text).map_err(|error| format!("{text:?}: {error}"))?;
    if path.metadata().is_ok_and(|found| !found.is_dir()) {
        return Err(format!("{} is a file; the store is a directory, name another place", path.display()));
    }
    Ok(path)
}

pub(super) fn node_name(text: &str) -> Result<NodeId, String> {
    match text.chars().find(|c| matches!(c, '.' | '*' | '>')) {
        Some(bad) => {
            Err(format!("node ID cannot contain any of the following characters: .*> (found {bad:?})"))
        }
        None => NodeId::parse(text).map_err(|error| format!("{text:?} is no node name: {error}")),
    }
}

/// Whether only jobs with local data are taken.
pub(super) fn locality(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "local" => Ok(true),
        "anywhere" => Ok(false),
        _ => Err(format!("expects local or anywhere, received: {text:?}")),
    }
}

pub(super) fn http_url(text: &str) -> Result<String, String> {
    if text.starts_with("http://") || text.starts_with("https://") {
        Ok(text.to_owned())
    } else {
        Err(format!("expects a URL with http:// or https://, received: {text:?}"))
    }
}

/// `fatal` and `panic` show what `error` shows. Directives (`info,quinn=debug`) pass as they are.
pub(super) fn log_level(text: &str) -> Result<String, String> {
    match text.to_ascii_lowercase().as_str() {
        level @ ("trace" | "debug" | "info" | "warn" | "error") => Ok(level.to_owned()),
        "fatal" | "panic" => Ok("error".to_owned()),
        directives if directives.contains('=') => Ok(text.to_owned()),
        _ => Err(format!("expects trace, debug, info, warn or error, received: {text:?}")),
    }
}

/// A duration that is not zero.
pub(super) fn time_limit(text: &str) -> Result<Duration, String> {
    let time = duration::parse(text).filter(|time| !time.is_zero());
    time.ok_or_else(|| format!("expects a duration above 0 such as 300ms, 10s or 1h30m, received: {text:?}"))
}

/// How often something is tried: at least once.
pub(super) fn attempts(text: &str) -> Result<NonZeroU32, String> {
    let number: u32 =
        text.parse().map_err(|_| format!("expects a positive integer value, received: {text:?}"))?;
    Ok(NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN))
}

/// Whether the log is JSON.
pub(super) fn log_mode(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "json" | "event" => Ok(true),
        "default" | "station" | "combined" => Ok(false),
        _ => Err(format!("expects default or json, received: {text:?}")),
    }
}
