//! Starting a container.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use bacalhau_protocol::model::SpecConfig;
use bacalhau_protocol::spec::docker::DockerSpec;
use bollard::models::ContainerCreateBody;
use bollard::query_parameters::{AttachContainerOptionsBuilder, CreateContainerOptionsBuilder};

use super::container;
use super::engine::Connection;
use super::error::{Error, said, status};
use super::output::{Frames, Output, Source};
use super::relay::{self, Relay};
use super::{KIND, Shared, boot, image, sweep, watch};
use crate::executor::{Mount, RunningTask, StartError, TaskRun};

/// Everybody: the program in the container may run as any user. The directory above keeps the node's own users out.
const OUTPUT_MODE: u32 = 0o777;

/// Starts the container of `run` and returns once its program runs.
pub(super) async fn start(shared: Arc<Shared>, run: TaskRun) -> Result<RunningTask, StartError> {
    let config = SpecConfig { kind: KIND.to_owned(), params: run.params.clone() };
    let spec = DockerSpec::parse(&config).map_err(Error::from)?;
    let connection = shared.engine.current().await?;
    shared.want(&run.execution_id);
    image::resolve(&shared, &connection, &spec.image, &run.notes).await?;
    let hardware = shared.gpus.take(&run.execution_id, run.limits.gpu)?;
    make_ready(run.inputs.clone(), run.outputs.clone()).await?;
    let (output, progress) = Output::open(&run)?;
    let relay = relay::open(&shared, &connection, &run, &spec.image).await?;
    let mut body = container::body(&shared.owner, &run, &spec, output.offsets(), &hardware);
    relay.iter().for_each(|relay| relay.join(&mut body));
    body.labels.get_or_insert_default().extend(boot::label(boot::name(&shared.settings.host)));
    let name = container::name(&run.execution_id);
    let mut undo = Undo::new(&shared, &name);
    let id = create(&shared, &connection, &name, body).await?;
    undo.is(&id);
    let source = if output.is_counted_from_start() {
        Some(Source::attached(attach(&connection, &id).await?, connection.epoch))
    } else {
        None
    };
    run.inputs.iter().try_for_each(check_input)?;
    let started = connection.docker.start_container(&id, None).await;
    started.map_err(|error| Error::container("start the container", &error))?;
    undo.keep();
    relay.into_iter().for_each(Relay::keep);
    let (task, side) = RunningTask::new(progress);
    shared.spawn(watch::over(Arc::clone(&shared), id, output, source, side));
    Ok(task)
}

/// Creates the container, in the place of one that an earlier run left, and without limits that the engine cannot keep.
pub(super) async fn create(
    shared: &Shared,
    connection: &Connection,
    name: &str,
    mut body: ContainerCreateBody,
) -> Result<String, Error> {
    let mut was_replaced = false;
    loop {
        shared.limits.apply(&mut body);
        let options = CreateContainerOptionsBuilder::default().name(name).build();
        match connection.docker.create_container(Some(options), body.clone()).await {
            Ok(created) => return Ok(created.id),
            Err(error) if status(&error) == Some(409) && !was_replaced => {
                was_replaced = true;
                sweep::remove(connection, name).await;
            }
            Err(error) if shared.limits.learn(&said(&error)) => {}
            Err(error) => return Err(Error::container("create the container", &error)),
        }
    }
}

/// Takes the output from its first byte; the container has not been started.
pub(super) async fn attach(connection: &Connection, container: &str) -> Result<Frames, Error> {
    let options = AttachContainerOptionsBuilder::default().stream(true).stdout(true).stderr(true).build();
    match connection.docker.attach_container(container, Some(options)).await {
        Ok(attached) => Ok(attached.output),
        Err(error) => Err(Error::container("take the container's output", &error)),
    }
}

/// Makes inputs that are no files yet, and opens outputs to the program's user.
async fn make_ready(inputs: Vec<Mount>, outputs: Vec<Mount>) -> Result<(), Error> {
    let made = tokio::task::spawn_blocking(move || {
        inputs.iter().try_for_each(make_input)?;
        outputs.iter().try_for_each(open_output)
    });
    made.await.expect("making files does not panic, and the runtime runs")
}

fn make_input(mount: &Mount) -> Result<(), Error> {
    let made = mount.host.make().map(drop);
    made.map_err(|source| Error::Input { path: mount.host.name().to_owned(), source })
}

/// The engine knows inputs by their names only, and pulling an image took its time.
fn check_input(mount: &Mount) -> Result<(), Error> {
    mount.host.check().map_err(|source| Error::Input { path: mount.host.name().to_owned(), source })
}

fn open_output(mount: &Mount) -> Result<(), Error> {
    let path = mount.host.name();
    match std::fs::set_permissions(path, Permissions::from_mode(OUTPUT_MODE)) {
        Ok(()) => Ok(()),
        // What an earlier run of a service left there may belong to its container's user.
        Err(source) if source.kind() == std::io::ErrorKind::PermissionDenied => Ok(()),
        Err(source) => Err(Error::OutputDirectory { path: path.to_owned(), source }),
    }
}

/// Removes the container of a start that failed or was given up.
pub(super) struct Undo<'s> {
    shared: &'s Arc<Shared>,
    container: Option<String>,
}

impl<'s> Undo<'s> {
    /// Of a container that will be created under this name.
    pub(super) fn new(shared: &'s Arc<Shared>, name: &str) -> Self {
        Self { shared, container: Some(name.to_owned()) }
    }

    /// It was, and got this id.
    pub(super) fn is(&mut self, id: &str) {
        self.container = Some(id.to_owned());
    }

    /// The start succeeded.
    pub(super) fn keep(mut self) {
        self.container = None;
    }
}

impl Drop for Undo<'_> {
    fn drop(&mut self) {
        let Some(container) = self.container.take() else { return };
        let shared = Arc::clone(self.shared);
        self.shared.spawn(async move {
            if let Ok(connection) = shared.engine.current().await {
                sweep::remove(&connection, &container).await;
            }
        });
    }
}
