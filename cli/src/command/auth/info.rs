//! `bacalhau auth info`

use std::process::ExitCode;

use clap::Args;

use crate::app::Context;
use crate::output::{self, ObjectOutput};

/// Shows which server is asked, and with which credential.
#[derive(Args, Debug)]
pub struct Info {
    // Accepted as by the original, where they change nothing either.
    #[command(flatten)]
    _output: ObjectOutput,
}

const VARIABLES: [&str; 3] = ["BACALHAU_API_KEY", "BACALHAU_API_USERNAME", "BACALHAU_API_PASSWORD"];

impl Info {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let client = context.client_config()?;
        let mut text =
            format!("Target: {}\n\nEnvironment:\n", client.endpoint.as_str().trim_end_matches('/'));
        for name in VARIABLES {
            let is_set = context.environment.get(name).is_some_and(|value| !value.is_empty());
            text.push_str(&format!("  {name}: {}\n", if is_set { "Set" } else { "Not Set" }));
        }
        let sent = match &client.authorization {
            Some(credential) if credential.starts_with("Basic ") => "a user name and a password",
            Some(_) => "a token",
            None => "nothing",
        };
        let tls = if client.tls.is_some() { "https" } else { "http, which anybody on the way can read" };
        text.push_str(&format!(
            "\nSent with every request: {sent}, over {tls}\n\
             The environment comes first, then the profile's token, then tokens.json of the data directory.\n\
             There is no single sign-on.\n"
        ));
        output::print(&text)?;
        Ok(ExitCode::SUCCESS)
    }
}
