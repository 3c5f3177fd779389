//! Power cuts: `kill -9` of any program at any moment, then a restart on the same data.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use bacalhau_cli::client::Client;
use bacalhau_protocol::api::{Connection, Execution, Job};
use bacalhau_tests::chance::Chance;
use serde_json::Value;
use tokio::sync::watch;

use crate::harness::relay::Relay;
use crate::harness::{CONTROL_PLANE, Cluster, eventually, guests, job, seen};

/// Power cuts in a run of this test. `ROUNDS=<number>` asks for another number.
const ROUNDS: u64 = 6;
/// Beats of a task's life at most: about a second.
const LONGEST_LIFE: u64 = 150;
const AGENTS: [&str; 2] = ["edge-1", "edge-2"];

#[tokio::test]
async fn nothing_acknowledged_is_lost_and_nothing_runs_twice_at_once() {
    let mut chance = Chance::printed("nothing_acknowledged_is_lost_and_nothing_runs_twice_at_once");
    let rounds = std::env::var("ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().expect("ROUNDS is a number"));
    let mut cluster = Cluster::with_agents(&AGENTS).await;
    for round in 0..rounds {
        let victims = choose_victims(&mut chance);
        let plans = plan_jobs(&cluster, round, &mut chance);
        let jobs = submit_and_kill(&mut cluster, plans, &victims, &mut chance).await;
        for victim in &victims {
            cluster.start_again(victim).await;
        }
        println!("round {round}: {victims:?} after {} jobs were acknowledged", jobs.len());
        for job in &jobs {
            judge(&cluster, job).await;
        }
    }
}

/// One program, or in every fourth round two at once, in the order of their return.
fn choose_victims(chance: &mut Chance) -> Vec<&'static str> {
    let mut others = vec![CONTROL_PLANE, AGENTS[0], AGENTS[1]];
    let first = chance.of(&others);
    others.retain(|other| *other != first);
    let second = (chance.below(4) == 0).then(|| chance.of(&others));
    [first].into_iter().chain(second).collect()
}

/// A job whose task shows in `file` when it runs.
struct Planned {
    job_type: &'static str,
    file: String,
    spec: Value,
}

/// A job that was acknowledged.
#[derive(Clone, Debug)]
struct Submitted {
    job_type: &'static str,
    file: String,
    id: String,
    /// How it had ended before the kill, if it had.
    end: Option<String>,
}

fn plan_jobs(cluster: &Cluster, round: u64, chance: &mut Chance) -> Vec<Planned> {
    let types = ["batch", "batch", "ops", "service", "batch", "ops"];
    let planned = types.into_iter().enumerate().map(|(index, job_type)| {
        let file = format!("round-{round}-{index}-{job_type}");
        let life = u32::try_from(1 + chance.below(LONGEST_LIFE)).expect("a short life");
        let mut spec = job::of(job_type, &guests::beats(&file, life));
        job::mount(&mut spec, &cluster.host(), true);
        if job_type == "ops" {
            // Two nodes would share the file.
            job::only_where(&mut spec, "site", chance.of(&AGENTS));
        }
        Planned { job_type, file, spec }
    });
    planned.collect()
}

/// Submits the jobs and kills the victims at some moment between the first request and the last task's end.
async fn submit_and_kill(
    cluster: &mut Cluster,
    plans: Vec<Planned>,
    victims: &[&str],
    chance: &mut Chance,
) -> Vec<Submitted> {
    let host = cluster.host();
    let files: Vec<String> = plans.iter().map(|plan| plan.file.clone()).collect();
    // Every third round is cut off while jobs are still being submitted.
    let is_early = chance.below(3) == 0;
    let enough_jobs = if is_early { chance.below(files.len() as u64) } else { files.len() as u64 };
    let enough_beats = if is_early { 0 } else { chance.below(LONGEST_LIFE * 2) };
    let (acknowledged, mut seen_jobs) = watch::channel(Vec::new());
    let submitting = tokio::spawn(submit(cluster.client.clone(), plans, acknowledged));
    seen_jobs.wait_for(|jobs| jobs.len() as u64 >= enough_jobs).await.unwrap();
    eventually("the moment has come", async || {
        let beats: usize = files.iter().map(|file| lines(&host.join(file)).len()).sum();
        seen(beats, |beats| *beats as u64 >= enough_beats || all_ended(&host, &files))
    })
    .await;
    let known = seen_jobs.borrow().clone();
    let ended = ends_of(cluster, known).await;
    for victim in victims {
        cluster.kill(victim);
    }
    let mut jobs = submitting.await.unwrap();
    for job in &mut jobs {
        job.end = ended.get(&job.id).cloned();
    }
    jobs
}

async fn submit(
    client: Client,
    plans: Vec<Planned>,
    acknowledged: watch::Sender<Vec<Submitted>>,
) -> Vec<Submitted> {
    for Planned { job_type, file, spec } in plans {
        // A request that is cut off was not acknowledged.
        if let Ok(answer) = client.submit(&spec, false).await {
            acknowledged
                .send_modify(|jobs| jobs.push(Submitted { job_type, file, id: answer.job_id, end: None }));
        }
    }
    acknowledged.borrow().clone()
}

/// The jobs that have ended, with how.
async fn ends_of(cluster: &Cluster, jobs: Vec<Submitted>) -> BTreeMap<String, String> {
    let mut ends = BTreeMap::new();
    for job in jobs {
        let state = cluster.client.job(&job.id, 0, "").await.unwrap().job.state;
        if state.state_type.is_terminal() {
            ends.insert(job.id, state.state_type.to_string());
        }
    }
    ends
}

fn all_ended(host: &Path, files: &[String]) -> bool {
    files.iter().all(|file| lines(&host.join(file)).last().is_some_and(|line| line.starts_with('!')))
}

async fn judge(cluster: &Cluster, submitted: &Submitted) {
    let Submitted { job_type, file, id, end } = submitted;
    let runs = || runs_of(&lines(&cluster.host().join(file)));
    if *job_type == "service" {
        stop_service(cluster, id).await;
        return assert_alone(file, &runs());
    }
    let job = cluster.ended(id).await;
    let state = job.state.state_type.to_string();
    assert_eq!(end.as_ref().unwrap_or(&state), &state, "{file}: the end was forgotten");
    judge_end(job_type, file, &job, &cluster.executions(id).await, &runs());
}

/// A service goes on whatever happens.
async fn stop_service(cluster: &Cluster, id: &str) {
    let is_live = |execution: &Execution| !execution.compute_state.state_type.is_terminal();
    cluster.executions_when("the service is live", id, |all| all.iter().any(is_live)).await;
    cluster.client.stop(id, "the round is over", "").await.unwrap();
    assert_eq!(cluster.ended(id).await.state.state_type.as_str(), "Stopped");
    cluster.executions_when("the service has ended", id, |all| !all.iter().any(is_live)).await;
}

/// A batch job survives one crash of its node; an ops task does not, and says so. An attempt that was interrupted may have come to
/// its end unheard, every other one ran once if at all.
fn judge_end(job_type: &str, file: &str, job: &Job, executions: &[Execution], runs: &[Run]) {
    let outcome = (job.state.state_type.as_str(), &job.state.message, executions);
    assert_alone(file, runs);
    let interrupted = executions.iter().filter(|execution| is_interrupted(execution)).count();
    match job.state.state_type.as_str() {
        "Completed" => {
            assert!(runs.last().is_some_and(|run| run.is_complete), "{file}: {runs:?} {outcome:?}");
            assert!(runs.len() <= interrupted + 1, "{file}: {runs:?} {outcome:?}");
        }
        "Failed" if job_type == "ops" => {
            assert!(interrupted == 1 && runs.len() <= 1, "{file}: {runs:?} {outcome:?}")
        }
        _ => panic!("{file}: {outcome:?}"),
    }
}

fn is_interrupted(execution: &Execution) -> bool {
    execution.compute_state.message == "interrupted by agent restart"
}

/// One process's life as its file shows it.
#[derive(Debug)]
struct Run {
    name: String,
    is_complete: bool,
}

/// Lines of the same run that follow each other. Two that run at once show up more than once each.
fn runs_of(lines: &[String]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for line in lines {
        let (mark, name) = line.split_at(1);
        match runs.last_mut() {
            Some(run) if run.name == name => run.is_complete = mark == "!",
            _ => runs.push(Run { name: name.to_owned(), is_complete: mark == "!" }),
        }
    }
    runs
}

fn assert_alone(file: &str, runs: &[Run]) {
    let names: BTreeSet<&str> = runs.iter().map(|run| run.name.as_str()).collect();
    assert_eq!(names.len(), runs.len(), "{file}: two ran at once: {runs:?}");
}

fn lines(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')).map(str::to_owned).collect()
}

#[tokio::test]
async fn the_fleet_comes_back_by_itself_when_the_control_plane_restarts() {
    let mut cluster = Cluster::with_agents(&AGENTS).await;
    let mut service = job::of("service", &guests::beats("service", 1_000_000));
    job::mount(&mut service, &cluster.host(), true);
    let id = cluster.submit(&service).await;
    let file = cluster.host().join("service");
    let beats = || lines(&file).len();
    eventually("the service runs", async || seen(beats(), |beats| *beats > 0)).await;

    cluster.kill(CONTROL_PLANE);
    let before = beats();
    eventually("it goes on alone", async || seen(beats(), |beats| *beats > before + 20)).await;
    cluster.start_again(CONTROL_PLANE).await;

    for name in AGENTS {
        cluster.node_is(name, "APPROVED", Connection::Connected).await;
    }
    let batch = cluster.submit(&job::of("batch", &guests::hello("back"))).await;
    assert_eq!(cluster.ended(&batch).await.state.state_type.as_str(), "Completed");
    let executions = cluster.executions(&id).await;
    assert_eq!(executions.len(), 1, "{executions:?}");
    assert_eq!(executions[0].compute_state.state_type.to_string(), "Running");
    assert_eq!(runs_of(&lines(&file)).len(), 1, "it was started again");
}

/// Its keep-alives do not arrive, so nothing but the call can tell it that its connection is dead: it would be lost.
#[tokio::test]
async fn a_control_plane_that_was_killed_calls_its_nodes_back() {
    let mut cluster = Cluster::start(&[]).await;
    let relay = Relay::start(&cluster.fleet_address()).await;
    cluster.add_agent("edge-1", &[&format!("Compute.Orchestrators={}", relay.address())]).await;
    cluster.node_is("edge-1", "APPROVED", Connection::Connected).await;
    let note = cluster.path(CONTROL_PLANE).join("orchestrator/connected");
    eventually("the node is noted", async || seen(lines(&note), |nodes| nodes.len() == 1)).await;

    relay.mute();
    cluster.kill(CONTROL_PLANE);
    cluster.start_again(CONTROL_PLANE).await;

    cluster.node_is("edge-1", "APPROVED", Connection::Connected).await;
    cluster.log_has("edge-1", "reason=the control plane closed the connection or has restarted").await;
}

#[tokio::test]
async fn an_agent_that_returns_without_the_control_plane_starts_its_services() {
    let mut cluster = Cluster::with_agents(&["edge-1"]).await;
    let mut service = job::of("service", &guests::beats("service", 1_000_000));
    job::mount(&mut service, &cluster.host(), true);
    cluster.submit(&service).await;
    let file = cluster.host().join("service");
    eventually("the service runs", async || seen(lines(&file).len(), |lines| *lines > 0)).await;

    cluster.kill(CONTROL_PLANE);
    cluster.kill("edge-1");
    cluster.start_again("edge-1").await;

    let runs = || runs_of(&lines(&file)).len();
    eventually("it runs again, offline", async || seen(runs(), |runs| *runs == 2)).await;
    cluster.start_again(CONTROL_PLANE).await;
    cluster.node_is("edge-1", "APPROVED", Connection::Connected).await;
    let batch = cluster.submit(&job::of("batch", &guests::hello("back"))).await;
    assert_eq!(cluster.ended(&batch).await.state.state_type.as_str(), "Completed");
    assert_eq!(runs(), 2, "it was started a third time");
}

#[tokio::test]
async fn an_interrupted_ops_task_fails_and_a_batch_task_is_tried_again() {
    let mut cluster = Cluster::with_agents(&["edge-1"]).await;
    let mut ids = Vec::new();
    for job_type in ["ops", "batch"] {
        let mut job = job::of(job_type, &guests::beats(job_type, 300));
        job::mount(&mut job, &cluster.host(), true);
        ids.push(cluster.submit(&job).await);
    }
    let host = cluster.host();
    for file in ["ops", "batch"] {
        eventually("it runs", async || seen(lines(&host.join(file)).len(), |lines| *lines > 0)).await;
    }
    cluster.kill("edge-1");
    cluster.start_again("edge-1").await;
    let (ops, batch) = (cluster.ended(&ids[0]).await, cluster.ended(&ids[1]).await);
    assert_eq!(ops.state.state_type.as_str(), "Failed");
    assert_eq!(batch.state.state_type.as_str(), "Completed");
    for id in &ids {
        let executions = cluster.executions(id).await;
        assert_eq!(executions.iter().filter(|one| is_interrupted(one)).count(), 1, "{executions:?}");
    }
    assert!(cluster.history(&ids[0]).await.iter().any(|message| message == "Failing due to node restart"));
    assert_eq!(runs_of(&lines(&host.join("ops"))).len(), 1);
    assert_eq!(runs_of(&lines(&host.join("batch"))).len(), 2);
}
