//! `bacalhau profile save`

use std::process::ExitCode;

use anyhow::{anyhow, ensure};
use clap::Args;

use crate::app::Context;
use crate::config::client::endpoint;
use crate::config::duration;
use crate::output;
use crate::profiles::{Error, Profile};

/// Makes or changes a profile.
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  bacalhau profile save edge --endpoint https://control.example:1234 --select"
)]
pub struct Save {
    /// Letters, digits, '.', '_' and '-'
    name: String,
    /// Host or URL of the API
    #[arg(long)]
    endpoint: Option<String>,
    /// For people
    #[arg(long)]
    description: Option<String>,
    /// Longest wait for an answer [default: 30s]
    #[arg(long)]
    timeout: Option<String>,
    /// Talk to the server whoever it is
    #[arg(long)]
    insecure: bool,
    /// Use the profile from now on
    #[arg(long)]
    select: bool,
}

impl Save {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let profiles = context.profiles();
        let old = match profiles.read(&self.name) {
            Ok(profile) => Some(profile),
            Err(Error::Unknown { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        let profile = self.profile(old)?;
        profiles.save(&self.name, &profile)?;
        output::print(&format!("Profile {:?} saved\n", self.name))?;
        if self.select {
            return super::select(context, &self.name);
        }
        Ok(ExitCode::SUCCESS)
    }

    fn profile(&self, old: Option<Profile>) -> anyhow::Result<Profile> {
        ensure!(
            self.endpoint.is_some() || old.is_some(),
            "endpoint is required when creating a new profile: --endpoint HOST or URL"
        );
        let new = old.is_none();
        let mut profile = old.unwrap_or_default();
        if let Some(given) = &self.endpoint {
            endpoint(given, 1234, false).map_err(|_| {
                anyhow!(
                    "--endpoint {given:?} names no server: expected a host, an address or http(s)://HOST:PORT"
                )
            })?;
            profile.endpoint.clone_from(given);
        }
        if let Some(description) = &self.description {
            profile.description.clone_from(description);
        }
        if let Some(timeout) = self.timeout.clone().or_else(|| new.then(|| "30s".to_owned())) {
            let parsed = duration::parse(&timeout).filter(|timeout| !timeout.is_zero());
            let parsed =
                parsed.ok_or_else(|| anyhow!("--timeout {timeout:?} is no duration such as 30s or 2m"))?;
            profile.timeout = duration::format(parsed);
        }
        profile.tls.insecure |= self.insecure;
        Ok(profile)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn save(endpoint: Option<&str>, timeout: Option<&str>) -> Save {
        Save {
            name: "x".into(),
            endpoint: endpoint.map(str::to_owned),
            description: None,
            timeout: timeout.map(str::to_owned),
            insecure: true,
            select: false,
        }
    }

    #[test]
    fn what_is_given_changes_and_the_rest_stays() {
        let first = save(Some("h"), None).profile(None).unwrap();
        assert_eq!((first.endpoint.as_str(), first.timeout.as_str(), first.tls.insecure), ("h", "30s", true));
        let second = save(None, Some("2m")).profile(Some(first)).unwrap();
        assert_eq!((second.endpoint.as_str(), second.timeout.as_str()), ("h", "2m0s"));
        assert!(save(None, None).profile(None).is_err());
        assert!(save(Some("http://h/path"), None).profile(None).is_err());
        assert!(save(Some("h"), Some("soon")).profile(None).is_err());
    }
}
