//! Taking over the container that an earlier agent process started.

use std::sync::Arc;
use std::time::Duration;

use bollard::models::{ContainerState, ContainerStateStatusEnum};

use super::container::{self, Offsets};
use super::engine::Connection;
use super::error::{Error, status};
use super::output::Output;
use super::{Shared, boot, network, relay, watch};
use crate::executor::{Adopted, RunningTask, StartError, TaskRun};

/// How long an engine that is not there, as after a reboot, is waited for.
const ENGINE_PATIENCE: Duration = Duration::from_secs(60);

pub(super) async fn adopt(shared: Arc<Shared>, run: TaskRun) -> Result<Option<Adopted>, StartError> {
    shared.want(&run.execution_id);
    let connection = shared.engine.within(ENGINE_PATIENCE).await?;
    // Also when nothing is left of the container: then its relay is cleaned up with the execution.
    relay::reopen(&shared, &run);
    let name = container::name(&run.execution_id);
    let found = match connection.docker.inspect_container(&name, None).await {
        Ok(found) => found,
        Err(error) if status(&error) == Some(404) => return Ok(None),
        Err(error) => return Err(Error::container("look for the container", &error).into()),
    };
    let labels = found.config.and_then(|config| config.labels).unwrap_or_default();
    let is_ours = shared.owner.execution(&labels) == Some(run.execution_id.as_str());
    let (Some(id), Some(state), true) = (found.id, found.state, is_ours) else { return Ok(None) };
    if state.status == Some(ContainerStateStatusEnum::CREATED) {
        // The earlier agent died before it started it.
        return Ok(None);
    }
    if boot::ended(&labels, &state, boot::name(&shared.settings.host).as_deref()) {
        // Its exit code is not the task's doing.
        return Ok(None);
    }
    let ran_for = ran_for(&connection, &state).await;
    shared.gpus.has(&run.execution_id, container::gpus_from_labels(&labels));
    let (output, progress) = Output::open_again(&run, Offsets::from_labels(&labels))?;
    let (task, side) = RunningTask::new(progress);
    shared.spawn(watch::over(Arc::clone(&shared), id, output, None, side));
    Ok(Some(Adopted { task, ran_for, ports: network::ports_from_labels(&labels) }))
}

/// By the engine's clock, which also told the start. Zero if it cannot be known.
async fn ran_for(connection: &Connection, state: &ContainerState) -> Duration {
    let now = connection.docker.info().await.ok().and_then(|info| info.system_time);
    let (now, started) = (now.as_deref().and_then(seconds), state.started_at.as_deref().and_then(seconds));
    match (now, started) {
        (Some(now), Some(started)) => Duration::from_secs(u64::try_from(now - started).unwrap_or(0)),
        _ => Duration::ZERO,
    }
}

/// Seconds since 1970 of a time as the engine writes it (RFC 3339), such as `2026-11-21T14:15:57.7+01:00`.
fn seconds(text: &str) -> Option<i64> {
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<i64>().ok();
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    let zone = text.get(19..)?.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    let offset = match zone.split_at_checked(1)? {
        ("Z", "") => 0,
        (sign @ ("+" | "-"), rest) => {
            let (hours, minutes) = rest.split_once(':')?;
            let minutes = hours.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?;
            if sign == "+" { minutes * 60 } else { -minutes * 60 }
        }
        _ => return None,
    };
    // Days since 1970 in years that begin in March, so that the leap day is the last one.
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let days = 365 * year + year.div_euclid(4) - year.div_euclid(100)
        + year.div_euclid(400)
        + (153 * month + 2) / 5
        + day
        - 1
        - 719_468;
    Some(days * 86_400 + hour * 3600 + minute * 60 + second - offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engines_times_are_read() {
        assert_eq!(seconds("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(seconds("2024-02-29T12:00:00.123456789Z"), Some(1_709_208_000));
        assert_eq!(seconds("2024-02-29T13:30:00.5+01:30"), Some(1_709_208_000));
        assert_eq!(seconds("0001-01-01T00:00:00Z"), Some(-62_135_596_800));
        for odd in ["", "yesterday", "2024-02-29T12:00:00", "2024-02-29T12:00:00é"] {
            assert_eq!(seconds(odd), None, "{odd}");
        }
    }
}
