//! `bacalhau auth hash-password`

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use clap::Args;

use crate::{entropy, output};

/// Prints a hash of a password that is asked for, or stands on the first line of standard input.
#[derive(Args, Debug)]
pub struct HashPassword {}

/// Work factor of the original: about a tenth of a second.
const COST: u32 = 10;

impl HashPassword {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let password = ask()?;
        let length = password.chars().count();
        ensure!((1..=100).contains(&length), "a password has 1 to 100 characters, not {length}");
        // What is longer would be cut off without a word.
        ensure!(password.len() <= 72, "bcrypt reads 72 bytes of a password; this one has {}", password.len());
        let hash =
            bcrypt::hash_with_salt(&password, COST, entropy::id_bytes()?).context("hashing the password")?;
        output::print(&format!("{}\n", hash.format_for_version(bcrypt::Version::TwoA)))?;
        Ok(ExitCode::SUCCESS)
    }
}

fn ask() -> anyhow::Result<String> {
    if std::io::stdin().is_terminal() {
        let mut stderr = std::io::stderr();
        write!(stderr, "Enter password: ")?;
        stderr.flush()?;
        let password = rpassword::read_password().context("reading the password")?;
        return Ok(password);
    }
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).context("reading the password from standard input")?;
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}
