//! Text files: commands, a line `----`, and what the last of them printed. `UPDATE_SCENARIOS=1` rewrites them.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use bacalhau_protocol::model::{
    DesiredState, InputSource, JobState, JobType, Membership, NetworkType, NodeInfo, ObservedState,
    SpecConfig, topic,
};
use bacalhau_protocol::selector;
use bacalhau_protocol::time::Timestamp;

use super::world::{World, node, node_id, spec};
use crate::scheduler::message::StopReason;
use crate::scheduler::{EventLevel, Plan, PlannedEvent, Reachable};

#[test]
fn scenarios_give_the_plans_they_show() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/scheduler/tests/scenarios");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    for file in files {
        let expected = fs::read_to_string(&file).unwrap();
        let actual = play(&expected);
        if std::env::var_os("UPDATE_SCENARIOS").is_some() {
            fs::write(&file, &actual).unwrap();
        } else {
            assert_eq!(actual, expected, "{}", file.display());
        }
    }
}

/// The file with every expected part replaced by what the commands before it print.
fn play(text: &str) -> String {
    let mut world = World::new(spec(JobType::Batch, 1));
    let mut shown = String::new();
    for block in text.split("\n\n").map(|block| block.trim_matches('\n')) {
        let commands = block.split_once("\n----").map_or(block, |(commands, _)| commands);
        let printed: Vec<_> = commands.lines().filter_map(|line| run(&mut world, line)).collect();
        let _ = match printed.concat() {
            none if none.is_empty() => write!(shown, "{commands}\n\n"),
            output => write!(shown, "{commands}\n----\n{output}\n"),
        };
    }
    shown.trim_end().to_owned() + "\n"
}

/// Runs one command; `plan` prints the plan and applies it.
fn run(world: &mut World, line: &str) -> Option<String> {
    let words: Vec<_> = line.split_whitespace().collect();
    let (&command, arguments) = words.split_first()?;
    match command {
        "job" => world.start(job(arguments)),
        "node" => world.add(named(arguments[0], &arguments[1..])),
        "change" => change(world, arguments[0], &arguments[1..]),
        "remove" => assert!(world.nodes.remove(&node_id(arguments[0])).is_some()),
        "after" => world.pass(seconds(arguments[0])),
        "update" => {
            world.spec = job(arguments);
            world.update();
        }
        "stop" => world.set_state(JobState::Stopped, "stopped by user"),
        "report" => report(world, arguments),
        "plan" => {
            let plan = world.plan();
            let text = show(world, &plan);
            world.apply(&plan);
            return Some(text);
        }
        comment if comment.starts_with('#') => {}
        unknown => panic!("unknown command {unknown:?}"),
    }
    None
}

fn job(arguments: &[&str]) -> bacalhau_protocol::model::JobSpec {
    let mut spec = spec(JobType::parse(arguments[0]).unwrap(), 1);
    if spec.job_type.is_everywhere() {
        spec.count = 0;
    }
    for argument in &arguments[1..] {
        let (key, value) = argument.split_once(':').unwrap_or((argument, ""));
        let task = &mut spec.task;
        match key {
            "count" => spec.count = value.parse().unwrap(),
            "cpu" => task.resources.cpu_millis = value.parse().unwrap(),
            "memory" => task.resources.memory_bytes = value.parse().unwrap(),
            "where" => spec.constraints.extend(selector::parse(value).unwrap()),
            "engine" => task.engine.kind = value.to_owned(),
            "publisher" => task.publisher.kind = value.to_owned(),
            "input" => task.inputs.push(input(value)),
            "networked" => task.network.network_type = NetworkType::Host,
            "total" => task.timeouts.total_s = seconds(value),
            "execution" => task.timeouts.execution_s = seconds(value),
            "queue" => task.timeouts.queue_s = seconds(value),
            "require-all" => {
                spec.meta.insert("require-all".to_owned(), "true".to_owned());
            }
            unknown => panic!("unknown job setting {unknown:?}"),
        }
    }
    spec
}

fn input(kind: &str) -> InputSource {
    let source = SpecConfig { kind: kind.to_owned(), params: String::new() };
    InputSource { source, alias: String::new(), target: "/data".to_owned() }
}

fn named(name: &str, settings: &[&str]) -> crate::scheduler::NodeView {
    let mut view = node(name);
    for setting in settings {
        match setting.split_once(':') {
            Some(("allocated", cpu)) => view.allocated.cpu_millis = cpu.parse().unwrap(),
            _ => describe(Arc::make_mut(&mut view.info), setting),
        }
    }
    view
}

fn describe(info: &mut NodeInfo, setting: &str) {
    let (key, value) = setting.split_once(':').unwrap_or((setting, ""));
    match key {
        "cpu" => {
            info.capacity.cpu_millis = value.parse().unwrap();
            info.max_job.cpu_millis = info.capacity.cpu_millis;
        }
        "engines" => info.engines = value.split(',').map(str::to_owned).collect(),
        "broken" => {
            info.engines.retain(|engine| engine != value);
            info.engines_unavailable.insert(value.to_owned(), format!("{value} does not answer"));
        }
        "label" => {
            let (label, value) = value.split_once('=').unwrap();
            info.labels.insert(label.to_owned(), value.to_owned());
        }
        unknown => panic!("unknown node setting {unknown:?}"),
    }
}

fn change(world: &mut World, name: &str, settings: &[&str]) {
    let now = world.now;
    let view = world.nodes.get_mut(&node_id(name)).expect("the scenario added the node");
    for setting in settings {
        match *setting {
            "connected" => view.reachable = Reachable::Connected,
            "silent" => view.reachable = Reachable::Silent { since: now },
            "approved" => view.membership = Membership::Approved,
            "pending" => view.membership = Membership::Pending,
            "rejected" => view.membership = Membership::Rejected,
            other => describe(Arc::make_mut(&mut view.info), other),
        }
    }
}

/// `report PLACE STATE MESSAGE…`, about the newest execution of a partition (a number) or on a node (its name).
fn report(world: &mut World, arguments: &[&str]) {
    let place = arguments[0];
    let there = world.executions.values().filter(|execution| match place.parse::<u32>() {
        Ok(partition) => execution.partition == partition,
        Err(_) => execution.node_id.as_str() == place,
    });
    let newest = there.max_by_key(|execution| (execution.created, execution.job_version, execution.attempt));
    let id = newest.unwrap_or_else(|| panic!("nothing runs at {place}")).id.clone();
    let state = match arguments[1] {
        "running" => ObservedState::Running,
        "completed" => ObservedState::Completed,
        "failed" => ObservedState::Failed,
        "refused" => ObservedState::Refused,
        "stopped" => ObservedState::Stopped,
        unknown => panic!("unknown state {unknown:?}"),
    };
    world.report(&id, state, &arguments[2..].join(" "));
}

fn seconds(text: &str) -> u64 {
    text.strip_suffix('s').expect("seconds end in s").parse().unwrap()
}

fn show(world: &World, plan: &Plan) -> String {
    let mut text = String::new();
    for stop in &plan.stop {
        let execution = &world.executions[&stop.execution_id];
        let lost = if StopReason::tells_lost(&stop.message) { " (lost)" } else { "" };
        let _ = writeln!(text, "stop {}/{}{lost}: {}", execution.node_id, execution.partition, stop.message);
    }
    for placement in &plan.place {
        let (node, partition, attempt) = (&placement.node_id, placement.partition, placement.attempt);
        let _ = match placement.desired {
            DesiredState::Stopped => writeln!(text, "record {node}/{partition}: {}", placement.message),
            _ => writeln!(text, "place {node}/{partition} attempt {attempt}"),
        };
    }
    if let Some(change) = &plan.job {
        let _ = writeln!(text, "job {}: {}", change.state.as_str(), change.message);
    }
    let telling = |event: &&PlannedEvent| event.level == EventLevel::Job || event.topic != topic::SCHEDULING;
    for event in plan.events.iter().filter(telling) {
        let first_line = event.message.lines().next().unwrap_or_default();
        let _ = writeln!(text, "event {}: {first_line} {:?}", event.topic, event.details);
    }
    if let Some(at) = plan.wake_at {
        let _ = writeln!(text, "wake in {}", in_seconds(world.now, at));
    }
    if text.is_empty() { "nothing\n".to_owned() } else { text }
}

fn in_seconds(now: Timestamp, at: Timestamp) -> String {
    format!("{:?}", at.since(now))
}
