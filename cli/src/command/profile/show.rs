//! `bacalhau profile show`

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;

use crate::app::Context;
use crate::output;
use crate::profiles::Profile;

/// Shows a profile.
#[derive(Args, Debug)]
pub struct Show {
    /// Name of the profile [default: the one in use]
    name: Option<String>,
    /// Show the token, which is a secret
    #[arg(long)]
    show_token: bool,
}

impl Show {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let profiles = context.profiles();
        let current = profiles.current();
        let name = self.name.or_else(|| current.clone()).context("no current profile set")?;
        let profile = profiles.read(&name)?;
        let is_current = current.as_ref() == Some(&name);
        output::print(&text(&name, is_current, &profile, self.show_token))?;
        Ok(ExitCode::SUCCESS)
    }
}

fn text(name: &str, is_current: bool, profile: &Profile, show_token: bool) -> String {
    let mark = if is_current { " (current)" } else { "" };
    let auth = match profile.auth.token.as_str() {
        "" => "none".to_owned(),
        token if show_token => format!("token ({token})"),
        token => format!("token ({})", masked(token)),
    };
    let tls = if profile.tls.insecure { "insecure" } else { "secure" };
    let mut text = format!("Name:        {name}{mark}\nEndpoint:    {}\n", profile.endpoint);
    text.push_str(&format!("Auth:        {auth}\nTLS:         {tls}\n"));
    for (title, value) in [("Timeout:    ", &profile.timeout), ("Description:", &profile.description)] {
        if !value.is_empty() {
            text.push_str(&format!("{title} {value}\n"));
        }
    }
    text
}

/// The ends of a long token.
fn masked(token: &str) -> String {
    let characters: Vec<char> = token.chars().collect();
    match characters.len() {
        0..=11 => "****".to_owned(),
        length => {
            let (start, end): (String, String) =
                (characters[..4].iter().collect(), characters[length - 4..].iter().collect());
            format!("{start}****{end}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profiles::Auth;

    #[test]
    fn tokens_are_masked_unless_asked_for() {
        let auth = Auth { token: "abcd1234efghwxyz".into() };
        let profile = Profile { endpoint: "h".into(), auth, timeout: "30s".into(), ..Profile::default() };
        let shown = text("x", true, &profile, false);
        assert_eq!(
            shown,
            "Name:        x (current)\nEndpoint:    h\nAuth:        token (abcd****wxyz)\nTLS:         secure\n\
             Timeout:     30s\n"
        );
        assert!(text("x", false, &profile, true).contains("abcd1234efghwxyz"));
        assert_eq!(masked("short"), "****");
    }
}
