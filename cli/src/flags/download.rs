//! Flags about fetching results (cli.md 4.7).

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::config::duration;
use crate::output;

/// Where results go and how long that may take.
#[derive(Args, Clone, Debug)]
pub struct DownloadFlags {
    /// Directory to write results to; it must exist [default: ./job-JOB]
    #[arg(long, value_name = "PATH")]
    pub output_dir: Option<PathBuf>,
    /// Keep the archive of each execution as it is
    #[arg(long)]
    pub raw: bool,
    /// Longest time for all downloads
    #[arg(long, default_value = "5m0s", value_name = "DURATION", value_parser = parse_timeout)]
    download_timeout_secs: Duration,
    #[command(flatten)]
    obsolete: ObsoleteFlags,
}

/// Flags of a client that was a node of IPFS itself. They still stand in scripts.
#[derive(Args, Clone, Debug)]
struct ObsoleteFlags {
    #[arg(long, hide = true)]
    ipfs_connect: Option<String>,
    #[arg(long, hide = true)]
    ipfs_serve_path: Option<String>,
    #[arg(long, hide = true)]
    ipfs_swarm_addrs: Vec<String>,
    #[arg(long, hide = true)]
    ipfs_swarm_key: Option<String>,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    private_internal_ipfs: Option<bool>,
}

impl DownloadFlags {
    /// Longest time for all downloads.
    pub fn timeout(&self) -> Duration {
        self.download_timeout_secs
    }

    /// Says which flags do nothing any more.
    pub fn warn_of_obsolete(&self) {
        for flag in self.obsolete.given() {
            output::warn(&format!("{flag} has no effect: results are fetched through the server"));
        }
    }
}

impl ObsoleteFlags {
    fn given(&self) -> Vec<&'static str> {
        let all = [
            ("--ipfs-connect", self.ipfs_connect.is_some()),
            ("--ipfs-serve-path", self.ipfs_serve_path.is_some()),
            ("--ipfs-swarm-addrs", !self.ipfs_swarm_addrs.is_empty()),
            ("--ipfs-swarm-key", self.ipfs_swarm_key.is_some()),
            ("--private-internal-ipfs", self.private_internal_ipfs.is_some()),
        ];
        all.into_iter().filter(|(_, given)| *given).map(|(flag, _)| flag).collect()
    }
}

/// A duration with a unit; the flag's name invites to a bare number, which is seconds.
fn parse_timeout(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().map(Duration::from_secs);
    seconds
        .or_else(|| duration::parse(text))
        .filter(|timeout| !timeout.is_zero())
        .ok_or_else(|| "expected a duration such as 30s or 5m0s".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::parsed::parsed;

    fn read(arguments: &[&str]) -> Result<DownloadFlags, String> {
        parsed(arguments).map_err(|error| error.to_string())
    }

    #[test]
    fn the_time_limit_is_a_duration_or_seconds() {
        assert_eq!(read(&[]).unwrap().timeout(), Duration::from_secs(300));
        assert_eq!(read(&["--download-timeout-secs", "1m30s"]).unwrap().timeout(), Duration::from_secs(90));
        assert_eq!(read(&["--download-timeout-secs", "45"]).unwrap().timeout(), Duration::from_secs(45));
        for bad in ["0", "soon", "-1s"] {
            assert!(read(&[&format!("--download-timeout-secs={bad}")]).unwrap_err().contains("such as 30s"));
        }
    }

    #[test]
    fn flags_of_old_scripts_are_known_and_named() {
        let flags = read(&["--ipfs-connect", "/ip4/1.2.3.4", "--private-internal-ipfs=false"]).unwrap();
        assert_eq!(flags.obsolete.given(), ["--ipfs-connect", "--private-internal-ipfs"]);
        assert_eq!(read(&["--private-internal-ipfs"]).unwrap().obsolete.given().len(), 1);
    }
}
