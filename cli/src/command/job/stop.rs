//! `bacalhau job stop`

use std::process::ExitCode;

use clap::Args;

use crate::app::Context;
use crate::client::Client;
use crate::error::Advised;
use crate::output::{self, Steps};

/// Stops a job.
#[derive(Args, Debug)]
pub struct Stop {
    /// Name of the job, its id, or the unique beginning of its id
    job: String,
    /// Print nothing
    #[arg(long)]
    quiet: bool,
    /// Where the name is looked up
    #[arg(long, default_value = "", hide_default_value = true)]
    namespace: String,
}

/// A job that was asked to stop.
#[derive(Debug)]
pub struct Stopped {
    /// Its id.
    pub job: String,
    evaluation: String,
}

const REASON: &str = "Stopped at user request";
/// Digits behind `j-` that a beginning must have before it stops anything; short ids have eight.
const LEAST_DIGITS: usize = 6;

impl Stop {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        self.and_say(context, |stopped| {
            format!("Job stop successfully submitted with evaluation ID: {}\n", stopped.evaluation)
        })
        .await
    }

    /// Asks for the end of the job that is meant, and prints what `words` makes of it.
    pub async fn and_say(
        &self,
        context: &Context,
        words: impl FnOnce(&Stopped) -> String,
    ) -> anyhow::Result<ExitCode> {
        let steps = Steps::begin("Checking job status", self.quiet);
        let stopped = self.stop(context, steps).await;
        steps.end();
        match stopped {
            Err(_) if self.quiet => return Ok(ExitCode::FAILURE),
            Err(error) => return Err(error),
            Ok(stopped) if !self.quiet => output::print(&words(&stopped))?,
            Ok(_) => {}
        }
        Ok(ExitCode::SUCCESS)
    }

    async fn stop(&self, context: &Context, steps: Steps) -> anyhow::Result<Stopped> {
        let client = context.client()?;
        steps.step("Connecting to network", async { Ok(client.alive().await?) }).await?;
        let job = steps.step("Verifying job state", self.verified(&client)).await?;
        let stop = async { Ok(client.stop(&job, REASON, &self.namespace).await?.evaluation_id) };
        let evaluation = steps.step("Stopping job", stop).await?;
        Ok(Stopped { job, evaluation })
    }

    /// Id of the job that is meant, if it can be stopped.
    async fn verified(&self, client: &Client) -> anyhow::Result<String> {
        let job = client.job(&self.job, 0, &self.namespace).await?.job;
        refuse_short(&self.job, &job.id, &job.name)?;
        let state = job.state.state_type;
        if state.is_terminal() {
            let message = format!("Job is already in a terminal state.\nThe current state is: {state}");
            return Err(Advised::new(message, "there is nothing left to stop").into());
        }
        Ok(job.id)
    }
}

/// A slip of the finger must not stop somebody's job, even if only one begins like this today.
fn refuse_short(typed: &str, id: &str, name: &str) -> Result<(), Advised> {
    if typed == id || typed == name {
        return Ok(());
    }
    let digits = typed.strip_prefix("j-").unwrap_or(typed).len();
    if digits >= LEAST_DIGITS {
        return Ok(());
    }
    Err(Advised::new(
        format!("{typed:?} is too short to stop a job by"),
        format!("write at least {LEAST_DIGITS} digits of the id; did you mean {id} ({name})?"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_stopped_by_its_name_or_enough_of_its_id() {
        let id = "j-1a2b3c4d-0000-4000-8000-000000000001";
        for typed in [id, "j-1a2b3c4d", "j-1a2b3c", "1a2b3c", "ab"] {
            assert!(refuse_short(typed, id, "ab").is_ok(), "{typed}");
        }
        for typed in ["j", "j-", "j-1a2b3", "1a2b3"] {
            assert!(
                refuse_short(typed, id, "nightly").unwrap_err().to_string().contains("too short"),
                "{typed}"
            );
        }
    }
}
