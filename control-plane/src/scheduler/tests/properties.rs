//! Properties that hold whatever nodes and users do, checked in a simulated world: "never" after every plan,
//! "eventually" once the world has calmed down.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bacalhau_protocol::ids::{ExecutionId, NodeId};
use bacalhau_protocol::model::{Execution, JobState, JobType, Membership, ObservedState};
use bacalhau_protocol::selector;
use bacalhau_protocol::time::Timestamp;
use proptest::prelude::*;
use proptest::sample::Index;

use super::world::{World, node, node_id, spec};
use crate::scheduler::message::StopReason;
use crate::scheduler::{NodeView, Plan, Reachable};

/// Something that happens between two plans.
#[derive(Clone, Debug)]
enum Step {
    Pass { seconds: u64 },
    Connect(Index),
    Silence(Index),
    Member(Index, Membership),
    Forget(Index),
    Relabel(Index, bool),
    Report(Index, ObservedState),
    Update { count: u32 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let node = any::<Index>;
    let membership = prop_oneof![3 => Just(Membership::Approved), 1 => Just(Membership::Pending), 1 => Just(Membership::Rejected)];
    let observed = prop_oneof![
        3 => Just(ObservedState::Running),
        3 => Just(ObservedState::Completed),
        1 => Just(ObservedState::Failed),
        1 => Just(ObservedState::Refused),
        1 => Just(ObservedState::Stopped),
    ];
    let step = prop_oneof![
        4 => (1..90_u64).prop_map(|seconds| Step::Pass { seconds }),
        2 => node().prop_map(Step::Connect),
        2 => node().prop_map(Step::Silence),
        1 => (node(), membership).prop_map(|(at, membership)| Step::Member(at, membership)),
        1 => node().prop_map(Step::Forget),
        1 => (node(), any::<bool>()).prop_map(|(at, edge)| Step::Relabel(at, edge)),
        6 => (node(), observed).prop_map(|(at, observed)| Step::Report(at, observed)),
        1 => (0..5_u32).prop_map(|count| Step::Update { count }),
    ];
    prop::collection::vec(step, 0..40)
}

fn worlds() -> impl Strategy<Value = World> {
    let job_type =
        prop_oneof![Just(JobType::Batch), Just(JobType::Service), Just(JobType::Ops), Just(JobType::Daemon)];
    (job_type, 0..5_u32, 1..6_usize, any::<u64>(), any::<bool>()).prop_map(
        |(job_type, count, nodes, seed, limited)| {
            let mut job = spec(job_type, count);
            job.constraints = selector::parse("role=edge").unwrap();
            job.task.timeouts.total_s = if limited { 900 } else { 0 };
            let mut world = World::new(job);
            world.seed = seed;
            (0..nodes).for_each(|number| world.add(edge_node(&format!("n{number}"))));
            world
        },
    )
}

fn edge_node(name: &str) -> NodeView {
    let mut view = node(name);
    Arc::make_mut(&mut view.info).labels.insert("role".to_owned(), "edge".to_owned());
    view
}

proptest! {
    #[test]
    fn whatever_happens_plans_are_sound_and_the_job_gets_there(mut world in worlds(), steps in steps()) {
        plan_and_check(&mut world);
        for step in steps {
            take(&mut world, step);
            plan_and_check(&mut world);
        }
        if !world.job.state.is_terminal() {
            calm_down(&mut world);
            check_arrival(&world);
        }
    }

    #[test]
    fn the_order_of_the_snapshot_does_not_matter(mut world in worlds(), steps in steps()) {
        for step in steps {
            take(&mut world, step);
            let plan = world.plan();
            prop_assert_eq!(&plan, &world.plan_in_order(|executions| executions.reverse()));
            world.apply(&plan);
        }
    }
}

fn pick<'a, K, V>(index: &Index, from: &'a BTreeMap<K, V>) -> Option<&'a K> {
    from.keys().nth(index.index(from.len().max(1)))
}

fn take(world: &mut World, step: Step) {
    match step {
        Step::Pass { seconds } => world.pass(seconds),
        Step::Update { count } => {
            world.spec.count = if world.spec.job_type.is_everywhere() { 0 } else { count };
            world.update();
        }
        Step::Report(at, observed) => {
            if let Some(id) = pick(&at, &world.executions).cloned() {
                report(world, &id, observed);
            }
        }
        Step::Forget(at) => {
            if let Some(id) = pick(&at, &world.nodes).cloned() {
                world.nodes.remove(&id);
            }
        }
        Step::Connect(at) => change(world, &at, |view, _| view.reachable = Reachable::Connected),
        Step::Silence(at) => {
            change(world, &at, |view, now| view.reachable = Reachable::Silent { since: now })
        }
        Step::Member(at, membership) => change(world, &at, |view, _| view.membership = membership),
        Step::Relabel(at, edge) => change(world, &at, |view, _| {
            let role = if edge { "edge" } else { "core" };
            Arc::make_mut(&mut view.info).labels.insert("role".to_owned(), role.to_owned());
        }),
    }
}

fn change(world: &mut World, at: &Index, change: impl FnOnce(&mut NodeView, Timestamp)) {
    let now = world.now;
    if let Some(id) = pick(at, &world.nodes).cloned()
        && let Some(view) = world.nodes.get_mut(&id)
    {
        change(view, now);
    }
}

/// Only a connected node reports, only forward, and Stopped only when it was asked to stop.
fn report(world: &mut World, id: &ExecutionId, observed: ObservedState) {
    let execution = &world.executions[id];
    let connected = world.nodes.get(&execution.node_id).is_some_and(|view| view.is_ready());
    let stops_unasked = observed == ObservedState::Stopped && execution.is_live();
    if connected && execution.may_be_running() && observed > execution.observed && !stops_unasked {
        world.report(id, observed, "reported");
    }
}

/// Plans, checks what must never be, applies, and checks that there is nothing left to decide.
fn plan_and_check(world: &mut World) -> Option<Timestamp> {
    let plan = world.plan();
    assert_eq!(plan, world.plan(), "the same input gives the same plan");
    check_placements(world, &plan);
    world.apply(&plan);
    check_single(world);
    check_daemon_tells(world);
    let again = world.plan();
    assert!(again.is_empty(&world.job), "a plan that was applied leaves nothing to do: {again:?}");
    let never = Timestamp(i64::MAX);
    assert!(
        plan.wake_at.unwrap_or(never) <= again.wake_at.unwrap_or(never),
        "no time to look again is forgotten: {plan:?} {again:?}"
    );
    again.wake_at
}

/// Work is given only to approved nodes that match, and never to a place where something may still run.
fn check_placements(world: &World, plan: &Plan) {
    let given_up: BTreeSet<_> = plan
        .stop
        .iter()
        .filter(|stop| StopReason::tells_lost(&stop.message))
        .map(|stop| &stop.execution_id)
        .collect();
    for placement in &plan.place {
        let view = &world.nodes[&placement.node_id];
        assert_eq!(view.membership, Membership::Approved);
        assert!(selector::matches(&world.spec.constraints, &view.info.labels));
        if !world.spec.job_type.is_everywhere() {
            assert_eq!(view.reachable, Reachable::Connected);
        }
        let same_place = |execution: &&Execution| {
            place_of(world, execution) == place(world, placement.partition, &placement.node_id)
        };
        let rivals =
            world.executions.values().filter(same_place).filter(|execution| execution.may_be_running());
        for rival in rivals.filter(|rival| !given_up.contains(&rival.id)) {
            let holder = world.nodes.get(&rival.node_id);
            assert!(
                !holder.is_some_and(|view| view.is_ready()),
                "{} may still run beside {placement:?}",
                rival.id
            );
        }
    }
}

/// What at most one execution may hold at a time.
fn place(world: &World, partition: u32, node: &NodeId) -> (u32, Option<NodeId>) {
    (partition, world.spec.job_type.is_everywhere().then(|| node.clone()))
}

fn place_of(world: &World, execution: &Execution) -> (u32, Option<NodeId>) {
    place(world, execution.partition, &execution.node_id)
}

fn check_single(world: &World) {
    let mut held = BTreeSet::new();
    for execution in world.executions.values().filter(|execution| execution.is_live()) {
        assert!(held.insert(place_of(world, execution)), "two live executions of one place");
        let is_current = execution.job_version == world.job.version;
        assert!(is_current || world.spec.job_type.is_long_running(), "an old version is still wanted");
        assert!(!world.job.state.is_terminal(), "a job that ended wants nothing");
    }
}

/// A daemon says that no node matches exactly when it runs nowhere for that reason.
fn check_daemon_tells(world: &World) {
    if world.spec.job_type != JobType::Daemon {
        return;
    }
    let runs = world.executions.values().any(Execution::is_live);
    let matches =
        |view: &NodeView| view.is_approved() && selector::matches(&world.spec.constraints, &view.info.labels);
    let lacks_nodes = !runs && !world.nodes.values().any(matches);
    let tells = world.job.message.starts_with("not matching nodes");
    assert_eq!(tells, lacks_nodes, "{:?}", world.job);
    assert!(!tells || world.job.state == JobState::Pending, "{:?}", world.job);
}

/// Nodes come back, a fresh one joins that fits, and nothing fails any more. From then on the job is looked at only when
/// a node reports and when a plan asked for it, until neither happens.
fn calm_down(world: &mut World) {
    let mut fresh = edge_node("fresh");
    Arc::make_mut(&mut fresh.info).capacity.cpu_millis = 10_000;
    world.add(fresh);
    world.nodes.values_mut().for_each(|view| view.reachable = Reachable::Connected);
    for _ in 0..1000 {
        let wake_at = plan_and_check(world);
        if report_progress(world) {
            continue;
        }
        match wake_at {
            Some(at) => world.now = world.now.max(at),
            None => return,
        }
    }
    panic!("the job does not come to rest: {:?}", world.job);
}

/// Every connected node takes each of its executions a step further. False if none had a step to take.
fn report_progress(world: &mut World) -> bool {
    let before = world.executions.clone();
    let long_running = world.spec.job_type.is_long_running();
    for execution in before.values().filter(|execution| execution.may_be_running()) {
        let next = match (execution.is_live(), execution.observed) {
            (false, _) => ObservedState::Stopped,
            (true, ObservedState::Running) if long_running => continue,
            (true, ObservedState::Running) => ObservedState::Completed,
            (true, _) => ObservedState::Running,
        };
        report(world, &execution.id, next);
    }
    before != world.executions
}

fn check_arrival(world: &World) {
    let live =
        |place: &dyn Fn(&Execution) -> bool| world.executions.values().any(|e| e.is_live() && place(e));
    assert!(!live(&|e| e.job_version != world.job.version), "an old version is left: {:?}", world.executions);
    let timed_out = world.job.message.starts_with("Job timed out");
    match world.spec.job_type {
        JobType::Batch => assert!(world.job.state == JobState::Completed || timed_out, "{:?}", world.job),
        JobType::Ops => assert!(world.job.state.is_terminal(), "{:?}", world.job),
        JobType::Service => {
            assert!((0..world.spec.count).all(|number| live(&|e| e.partition == number)), "{:?}", world.job);
        }
        JobType::Daemon => {
            let edge = |id: &NodeId| {
                let view = &world.nodes[id];
                view.is_approved() && selector::matches(&world.spec.constraints, &view.info.labels)
            };
            for id in world.nodes.keys() {
                assert_eq!(live(&|e| e.node_id == *id), edge(id), "{id}");
            }
            assert!(edge(&node_id("fresh")));
        }
    }
}
