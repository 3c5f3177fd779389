//! A control plane as it is served: durable, with its API, in this process.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bacalhau_agent::Agent;
use bacalhau_agent::config::{JoinToken, Orchestrator};
use bacalhau_agent::executor::wasm::{ChildCompiler, CompileLimits, LocalCompiler};
use bacalhau_control_plane::config::{Config, DEFAULT_BLOB_QUOTA_BYTES, DEFAULT_RETENTION};
use bacalhau_control_plane::scheduler::Settings;
use bacalhau_control_plane::{ControlPlane, store::Store};
use bacalhau_protocol::api::PutJobResponse;
use bacalhau_protocol::ids::JobId;
use bacalhau_protocol::model::Membership;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::clock::now;
use crate::endings::Endings;

/// A running control plane, and what callers need.
pub(crate) struct Cluster {
    pub(crate) control_plane: ControlPlane,
    pub(crate) endings: Endings,
    pub(crate) directory: TempDir,
    http: reqwest::Client,
    api: String,
}

/// One job from its submission to its end.
pub(crate) struct Timed {
    /// Until the API answered.
    pub(crate) answered: Duration,
    /// Until its end was durable.
    pub(crate) done: Duration,
}

impl Cluster {
    /// On a new directory below the system's temporary one, which must be on a disk.
    pub(crate) async fn start() -> Result<Arc<Self>> {
        let directory = TempDir::new().context("making a directory")?;
        let control_plane = ControlPlane::start(config(&directory.path().join("control-plane"))).await?;
        let endings = Endings::follow(control_plane.orchestrator().store()).await?;
        let address = control_plane.api_address().context("the API is not served")?;
        let http = bacalhau_tests::http::client();
        let api = format!("http://{address}/api/v1");
        Ok(Arc::new(Self { control_plane, endings, directory, http, api }))
    }

    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        self.control_plane.orchestrator().store()
    }

    /// An agent in this process, as it runs on a device: on disk, with WASM. Returns once it is let in.
    pub(crate) async fn agent(&self, number: usize) -> Result<Agent> {
        let directory = self.directory.path().join(format!("agent-{number}"));
        let mut config = agent_config(&directory, self.control_plane.fleet_address(), self.join_string())?;
        config.compiler = LocalCompiler::Child(ChildCompiler {
            program: std::env::current_exe()?,
            arguments: vec![bacalhau_agent::COMPILE_ARGUMENT.to_owned()],
            limits: CompileLimits::default(),
        });
        let agent = Agent::start(config).await?;
        let_in(&agent).await?;
        Ok(agent)
    }

    pub(crate) fn join_string(&self) -> &str {
        self.control_plane.join_string()
    }

    /// The body of what the API answers, which must be a success.
    pub(crate) async fn get(&self, path: &str) -> Result<Vec<u8>> {
        let answer = self.http.get(format!("{}{path}", self.api)).send().await?;
        checked(answer).await
    }

    /// Submits a job through the API and waits until it is done.
    pub(crate) async fn run(&self, job: &Value) -> Result<Timed> {
        let began = now();
        let id = self.submit(job).await?;
        let answered = began.elapsed();
        let ended = self.endings.of(&id).await?;
        Ok(Timed { answered, done: ended.duration_since(began) })
    }

    /// Submits a job through the API.
    pub(crate) async fn submit(&self, job: &Value) -> Result<JobId> {
        let request = self.http.put(format!("{}/orchestrator/jobs", self.api)).json(&json!({ "Job": job }));
        let answer: PutJobResponse = serde_json::from_slice(&checked(request.send().await?).await?)?;
        Ok(JobId::parse(&answer.job_id)?)
    }
}

/// Runs `count` jobs with `submitters` that each wait for the end of their job before the next. Gives each job's time
/// and that of all.
pub(crate) async fn run_many(
    cluster: &Arc<Cluster>,
    submitters: usize,
    count: usize,
    job: impl Fn(usize) -> Value + Clone + Send + 'static,
) -> Result<(Vec<Timed>, Duration)> {
    let (next, began): (_, Instant) = (Arc::new(AtomicUsize::new(0)), now());
    let submitters: Vec<_> = (0..submitters)
        .map(|_| {
            let (cluster, next, job) = (Arc::clone(cluster), Arc::clone(&next), job.clone());
            tokio::spawn(async move {
                let mut done = Vec::new();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return anyhow::Ok(done);
                    }
                    done.push(cluster.run(&job(number)).await?);
                }
            })
        })
        .collect();
    let mut done = Vec::with_capacity(count);
    for submitter in submitters {
        done.extend(submitter.await??);
    }
    Ok((done, began.elapsed()))
}

/// A control plane as `serve` runs it, on free ports of this machine.
pub(crate) fn config(directory: &Path) -> Config {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    Config {
        directory: directory.to_owned(),
        node_id: "bench".to_owned(),
        installation_id: None,
        instance_id: String::new(),
        store: None,
        api: Some(any),
        api_tls: None,
        defaults: bacalhau_protocol::api::decode::Defaults::default(),
        fleet: any,
        manual_approval: false,
        join_secret: None,
        scheduler: Settings::default(),
        retention: DEFAULT_RETENTION,
        blob_quota_bytes: DEFAULT_BLOB_QUOTA_BYTES,
        shown: serde_json::Value::Null,
        compile: None,
    }
}

/// An agent that dials `fleet`.
pub(crate) fn agent_config(
    directory: &Path,
    fleet: SocketAddr,
    join: &str,
) -> Result<bacalhau_agent::config::Config> {
    let mut config = bacalhau_agent::config::Config::new(directory);
    config.orchestrators = vec![Orchestrator::parse(&fleet.to_string()).map_err(anyhow::Error::msg)?];
    config.join = Some(JoinToken::parse(join).map_err(anyhow::Error::msg)?);
    Ok(config)
}

/// Waits until the control plane has taken the agent in.
pub(crate) async fn let_in(agent: &Agent) -> Result<()> {
    let mut status = agent.status();
    let is_in = |membership| membership == Some(Membership::Approved);
    status.wait_for(|status| status.is_connected && is_in(status.membership)).await?;
    Ok(())
}

async fn checked(answer: reqwest::Response) -> Result<Vec<u8>> {
    let status = answer.status();
    let body = answer.bytes().await?;
    if !status.is_success() {
        bail!("the API answered {status}: {}", String::from_utf8_lossy(&body));
    }
    Ok(body.into())
}
