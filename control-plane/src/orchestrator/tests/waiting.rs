//! Who gets free capacity, and who is looked at for it.

use std::collections::BTreeSet;

use super::*;

/// Jobs that are due for an evaluation.
fn due(orchestrator: &Orchestrator) -> Vec<JobId> {
    std::iter::from_fn(|| orchestrator.inner.broker.next(clock::now()).ok()).collect()
}

#[tokio::test]
async fn a_node_that_comes_concerns_only_jobs_it_may_help() {
    let orchestrator = with_nodes(&["n1"]).await;
    let on = |site: &str, job_type, count| {
        let constraints = bacalhau_protocol::selector::parse(&format!("site={site}")).unwrap();
        submission(Some(&format!("{site}-{count}")), JobSpec { constraints, ..spec(job_type, count) })
    };
    let submit = async |submission| orchestrator.submit(submission).await.unwrap().job_id;
    let placed = submit(submission(None, spec(JobType::Service, 1))).await;
    let short = submit(on("here", JobType::Service, 1)).await;
    let daemon = submit(on("here", JobType::Daemon, 0)).await;
    submit(on("elsewhere", JobType::Service, 1)).await;
    submit(on("elsewhere", JobType::Daemon, 0)).await;
    settle(&orchestrator);
    let labels = BTreeMap::from([("site".to_owned(), "here".to_owned())]);

    join(&orchestrator, "n2", false).await;
    assert_eq!(due(&orchestrator), [], "it suits nobody");
    let commit = orchestrator.node_informed(NodeInfo { labels, ..info("n2") }).unwrap().unwrap();
    commit.durable().await.unwrap();

    let concerned: BTreeSet<JobId> = due(&orchestrator).into_iter().collect();
    assert_eq!(concerned, BTreeSet::from([short.clone(), daemon]));
    orchestrator.evaluate_now(&short);
    assert_eq!(orchestrator.world().get().unwrap().waiting().len(), 1, "what is placed waits no more");
    orchestrator.node_connected(&info("n1").node_id, NodeUsage::default());
    assert_eq!(due(&orchestrator), [placed], "it runs there");
}

/// A batch job of which a node of these tests can hold one partition at a time.
fn large(name: &str, priority: i32, count: u32) -> Submission {
    let mut spec = spec(JobType::Batch, count);
    spec.priority = priority;
    spec.task.resources = resources(4000);
    submission(Some(name), spec)
}

/// Names of the jobs that have an execution now, in the order in which they got it.
async fn running(orchestrator: &Orchestrator, jobs: &[(&'static str, JobId)]) -> Vec<&'static str> {
    orchestrator.store().txn(Txn::new()).await.unwrap();
    let mut running = Vec::new();
    for (name, job) in jobs {
        running.extend(executions(orchestrator, job).await.iter().filter(|e| e.is_live()).map(|_| *name));
    }
    running
}

#[tokio::test]
async fn free_capacity_goes_to_the_highest_priority_and_then_to_the_oldest() {
    let orchestrator = with_nodes(&["n1"]).await;
    let mut jobs = Vec::new();
    for (name, priority, count) in
        [("many", 1, 3), ("old", 1, 1), ("low", 0, 1), ("urgent", 9, 1), ("new", 1, 1)]
    {
        jobs.push((name, orchestrator.submit(large(name, priority, count)).await.unwrap().job_id));
    }
    let mut order = Vec::new();
    for sequence in 1..=7 {
        settle(&orchestrator);
        let now = running(&orchestrator, &jobs).await;
        assert_eq!(now.len(), 1, "the node holds one at a time: {now:?}");
        order.push(now[0]);
        let job = &jobs.iter().find(|(name, _)| *name == now[0]).unwrap().1;
        let execution = executions(&orchestrator, job).await.into_iter().find(Execution::is_live).unwrap();
        report(&orchestrator, &execution, sequence, ObservedState::Completed).await;
    }
    assert_eq!(order, ["many", "urgent", "many", "many", "old", "new", "low"]);
}

#[tokio::test]
async fn priorities_hold_after_a_restart_and_when_a_node_joins() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let orchestrator = start(store.clone()).await;
    let mut jobs = Vec::new();
    for (name, priority) in [("low", -3), ("plain", 0), ("urgent", 2)] {
        jobs.push((name, orchestrator.submit(large(name, priority, 1)).await.unwrap().job_id));
    }
    let again = start(store).await;
    join(&again, "n1", false).await;
    settle(&again);
    assert_eq!(running(&again, &jobs).await, ["urgent"]);
}
