//! Giving the agent, or removing for it, what containers made as root or as any other user (`crate::reclaim`).
//!
//! Only the engine can: an agent that is installed as it should be is nobody special. It runs this agent's own program
//! in a container that sees those files alone.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bollard::query_parameters::ListImagesOptionsBuilder;
use futures_util::StreamExt;
use tokio::time::timeout;

use super::engine::Connection;
use super::error::{Error, said};
use super::output::Frames;
use super::own_container::{self, Errand, ROOT};
use super::run::{Undo, attach, create};
use super::{Shared, container, watch};
use crate::RECLAIM_ARGUMENT;
use crate::executor::Access;
use crate::reclaim::{self, Fate};

/// How long it may take: a slow card, and as many files as a task may leave.
const PATIENCE: Duration = Duration::from_secs(5 * 60);
/// Most of its last words that are told.
const MAX_SAID_BYTES: usize = 1024;
/// Where it sees the files, below [`ROOT`].
const FILES: &str = "files";
/// To look into other users' directories, to give their files away, and to change the mode of what was given.
const CAPABILITIES: [&str; 3] = ["DAC_OVERRIDE", "CHOWN", "FOWNER"];

/// Costs nothing but a look at the files if all are the agent's, or if it may do everything anyway.
pub(super) async fn reclaim(shared: &Arc<Shared>, execution_id: &str, directory: &Path) -> Result<(), Error> {
    if rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let refuse = |error: &(dyn std::error::Error + 'static)| Error::Reclaim(crate::chain::chain(error));
    let path = directory.to_owned();
    let looked = tokio::task::spawn_blocking(move || reclaim::is_needed(&path)).await;
    if !looked.map_err(|stopped| refuse(&stopped))?.map_err(|error| refuse(&error))? {
        return Ok(());
    }
    run(shared, execution_id, directory, Fate::Given).await
}

/// For what the agent has tried to remove.
pub(super) async fn empty(shared: &Arc<Shared>, execution_id: &str, directory: &Path) -> Result<(), Error> {
    run(shared, execution_id, directory, Fate::Removed).await
}

async fn run(shared: &Arc<Shared>, execution_id: &str, directory: &Path, fate: Fate) -> Result<(), Error> {
    let program = own_container::check(&shared.settings).map_err(Error::Reclaim)?;
    let connection = shared.engine.current().await?;
    let image = any_image(&connection, execution_id).await?;
    let errand = Errand {
        command: vec![RECLAIM_ARGUMENT.to_owned(), fate.as_str().to_owned(), format!("{ROOT}/{FILES}")],
        sees: own_container::mount(directory, FILES, Access::ReadWrite),
        capabilities: CAPABILITIES.map(str::to_owned).into(),
    };
    let mut body = errand.body(&program, &image, shared.owner.labels(execution_id));
    // Elsewhere the agent's user may not exist.
    body.host_config.get_or_insert_default().userns_mode = Some("host".to_owned());
    let name = container::reclaim_name(execution_id);
    let mut undo = Undo::new(shared, &name);
    let id = create(shared, &connection, &name, body).await?;
    undo.is(&id);
    let frames = attach(&connection, &id).await?;
    let started = connection.docker.start_container(&id, None).await;
    started.map_err(|error| Error::container("start the container that reclaims files", &error))?;
    let ended = async { (last_words(frames).await, watch::wait(&connection, &id).await) };
    match timeout(PATIENCE, ended).await {
        Ok((_, Ok(0))) => Ok(()),
        Ok((words, Ok(_))) => Err(Error::Reclaim(words)),
        Ok((_, Err(error))) => Err(Error::Reclaim(said(&error))),
        Err(_) => Err(Error::Reclaim("it took too long".to_owned())),
    }
}

/// That of the execution's own container as long as there is one, which is the usual case; else any.
async fn any_image(connection: &Connection, execution_id: &str) -> Result<String, Error> {
    let found = connection.docker.inspect_container(&container::name(execution_id), None).await;
    if let Some(image) = found.ok().and_then(|found| found.image) {
        return Ok(image);
    }
    let options = ListImagesOptionsBuilder::default().build();
    let images = connection.docker.list_images(Some(options)).await;
    let images = images.map_err(|error| Error::Reclaim(said(&error)))?;
    let image = images.into_iter().next().map(|image| image.id);
    image.ok_or_else(|| Error::Reclaim("the engine has no image to do it with".to_owned()))
}

async fn last_words(mut frames: Frames) -> String {
    let mut words = Vec::new();
    while let Some(Ok(frame)) = frames.next().await {
        words.extend_from_slice(&frame.into_bytes());
        words.truncate(MAX_SAID_BYTES);
    }
    String::from_utf8_lossy(&words).trim().to_owned()
}
