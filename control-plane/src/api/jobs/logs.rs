//! A task's output over a WebSocket (api.md 3.11). The upgrade comes first, so whatever is wrong is told in a frame;
//! every stream ends with Close 1000.

use std::future::{Ready, ready};
use std::sync::Arc;

use axum::Extension;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{Path, State};
use axum::response::Response;
use bacalhau_protocol::api::{LogFrame, LogLine};
use bacalhau_protocol::model::{ComputeState, Execution, Job, ObservedState, RunOutput};
use bacalhau_protocol::wire::stream::LogItem;

use super::lookup;
use super::utf8::Utf8Chunks;
use crate::api::caller::{Action, Caller, Resource, authorize};
use crate::api::error::ApiError;
use crate::api::query::Params;
use crate::api::routes::Api;
use crate::fleet::{LogStream, RelayError};
use crate::state::{ExecutionOrder, ExecutionQuery};

/// Executions among which the one is chosen whose output is meant when none is named.
const LOOKED_AT: usize = 100;

/// Which output a caller asks for.
struct Asked {
    job: String,
    tail: bool,
    follow: bool,
    params: Params,
}

/// What a node sent.
enum Relayed {
    Output,
    Nothing,
}

/// The client is gone; nobody is left to tell.
struct Gone;

/// Opens the socket.
pub(in crate::api) fn follow(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path(job): Path<String>,
    params: Params,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Ready<Result<Response, ApiError>> {
    let upgrade = upgrade.map_err(|_| ApiError::upgrade_required());
    ready(upgrade.and_then(|upgrade| accept(api, &caller, job, params, upgrade)))
}

fn accept(
    api: Arc<Api>,
    caller: &Caller,
    job: String,
    params: Params,
    upgrade: WebSocketUpgrade,
) -> Result<Response, ApiError> {
    authorize(caller, Action::Read, Resource::Jobs)?;
    let slot = api.log_streams.clone().try_acquire_owned();
    let slot = slot.map_err(|_| ApiError::busy("too many log streams are open; try again later"))?;
    let asked = Asked { job, tail: params.flag("tail")?, follow: params.flag("follow")?, params };
    Ok(upgrade.on_upgrade(async move |socket| {
        serve(&api, &asked, socket).await;
        drop(slot);
    }))
}

async fn serve(api: &Api, asked: &Asked, mut socket: WebSocket) {
    let served = match open(api, asked).await {
        Ok((execution, Ok(logs))) => match relay(&mut socket, logs, &execution).await {
            Ok(Relayed::Nothing) => explain_silence(api, &mut socket, &execution, asked.follow).await,
            Ok(Relayed::Output) => Ok(()),
            Err(Gone) => Err(Gone),
        },
        Ok((execution, Err(error))) => replay(&mut socket, &execution, &error).await,
        Err(error) => complain(&mut socket, &error.0.message).await,
    };
    if served.is_ok() {
        let close = CloseFrame { code: close_code::NORMAL, reason: "".into() };
        let _ = socket.send(Message::Close(Some(close))).await;
    }
}

async fn open(api: &Api, asked: &Asked) -> Result<(Execution, Result<LogStream, RelayError>), ApiError> {
    let job = lookup::job(api, &asked.job, asked.params.namespace()).await?;
    let execution = choose(api, &job, &asked.params).await?;
    let relay = &api.parts.relay;
    let logs = relay.logs(&execution.node_id, execution.id.clone(), asked.tail, asked.follow).await;
    Ok((execution, logs))
}

/// The execution that was named, else the one changed last that ran, else the one changed last.
async fn choose(api: &Api, job: &Job, params: &Params) -> Result<Execution, ApiError> {
    let named = params.text("execution_id");
    if !named.is_empty() {
        return lookup::execution(api, &job.id, named).await;
    }
    let version = lookup::version(params, job)?;
    let order = ExecutionOrder::Modified;
    let query = ExecutionQuery { version, order, reverse: true, after: None, limit: LOOKED_AT };
    let executions = api.parts.orchestrator.reader().executions_page(job, &query).await?.executions;
    let ran = |execution: &&Execution| execution.output.is_some() || !execution.is_terminal();
    let chosen = executions.iter().find(ran).or_else(|| executions.first()).cloned();
    chosen.ok_or_else(|| ApiError::bad_request(no_executions(job)))
}

fn no_executions(job: &Job) -> String {
    let why = if job.message.is_empty() { String::new() } else { format!(": {}", job.message) };
    format!("no executions found for job {}, which is {}{why}", job.id, job.state.as_str())
}

/// Why an execution whose node sent nothing has no output, unless it just printed nothing.
async fn explain_silence(
    api: &Api,
    socket: &mut WebSocket,
    execution: &Execution,
    followed: bool,
) -> Result<(), Gone> {
    // It may have ended while it was followed.
    let now = api.parts.orchestrator.reader().execution(&execution.job_id, &execution.id).await;
    let now = now.ok().flatten();
    match never_ran(now.as_ref().unwrap_or(execution)) {
        Some(why) => complain(socket, &why).await,
        None if !followed && execution.observed < ObservedState::Running => {
            let message = format!(
                "the task of execution {} has not started on node {} yet; follow the log to wait for it",
                execution.id, execution.node_id
            );
            complain(socket, &message).await
        }
        None => Ok(()),
    }
}

/// Why there is no output of an execution that ended, unless its task came to an end of its own.
fn never_ran(execution: &Execution) -> Option<String> {
    // What was told to stop may have run, and its node has not said yet how it ended.
    if execution.may_be_running() || execution.output.is_some() {
        return None;
    }
    let message = [&execution.observed_message, &execution.desired_message];
    let message = message.into_iter().find(|message| !message.is_empty());
    Some(format!(
        "no output of execution {} on node {} is held: it ended as {}{}",
        execution.id,
        execution.node_id,
        ComputeState::word(execution.compute_state().number().into()).unwrap_or_default(),
        message.map(|message| format!(" ({message})")).unwrap_or_default()
    ))
}

/// Passes on what the node sends. A link that breaks is told; what the client sends only matters for its end.
async fn relay(socket: &mut WebSocket, mut logs: LogStream, execution: &Execution) -> Result<Relayed, Gone> {
    let mut relayed = Relayed::Nothing;
    let (mut stdout, mut stderr) = (Utf8Chunks::default(), Utf8Chunks::default());
    loop {
        let item = tokio::select! {
            item = logs.next() => item,
            Gone = closed(socket) => return Err(Gone),
        };
        if matches!(item, Ok(Some(LogItem::Stdout(_) | LogItem::Stderr(_)))) {
            relayed = Relayed::Output;
        }
        match item {
            Ok(Some(LogItem::Stdout(bytes))) => line(socket, LogLine::STDOUT, stdout.text(&bytes)).await?,
            Ok(Some(LogItem::Stderr(bytes))) => line(socket, LogLine::STDERR, stderr.text(&bytes)).await?,
            Ok(Some(LogItem::End) | None) => break,
            Err(error) => {
                let message = format!("the output of execution {} broke off: {error}", execution.id);
                complain(socket, &message).await?;
                return Ok(Relayed::Output);
            }
        }
    }
    line(socket, LogLine::STDOUT, stdout.rest()).await?;
    line(socket, LogLine::STDERR, stderr.rest()).await?;
    Ok(relayed)
}

/// Gives what is held here of an execution whose node cannot be asked, and says what is missing.
async fn replay(socket: &mut WebSocket, execution: &Execution, error: &RelayError) -> Result<(), Gone> {
    let Some(output) = &execution.output else {
        let unknown = || format!("no output of execution {} is held here: {error}", execution.id);
        return complain(socket, &never_ran(execution).unwrap_or_else(unknown)).await;
    };
    line(socket, LogLine::STDOUT, output.stdout.clone()).await?;
    line(socket, LogLine::STDERR, output.stderr.clone()).await?;
    if !output.stdout_truncated && !output.stderr_truncated {
        return Ok(());
    }
    let message = format!(
        "only the first {} bytes of each stream of execution {} are held here: {error}",
        RunOutput::MAX_BYTES,
        execution.id
    );
    complain(socket, &message).await
}

async fn line(socket: &mut WebSocket, stream: u8, line: String) -> Result<(), Gone> {
    if line.is_empty() {
        return Ok(());
    }
    send(socket, &LogFrame { error: String::new(), value: LogLine { stream, line } }).await
}

async fn complain(socket: &mut WebSocket, message: &str) -> Result<(), Gone> {
    send(socket, &LogFrame { error: message.to_owned(), ..LogFrame::default() }).await
}

async fn send(socket: &mut WebSocket, frame: &LogFrame) -> Result<(), Gone> {
    let text = serde_json::to_string(frame).expect("a frame holds nothing but text and numbers");
    socket.send(Message::Text(text.into())).await.map_err(|_| Gone)
}

/// Waits for the client's end.
async fn closed(socket: &mut WebSocket) -> Gone {
    loop {
        match socket.recv().await {
            None | Some(Err(_) | Ok(Message::Close(_))) => return Gone,
            Some(Ok(_)) => {}
        }
    }
}
