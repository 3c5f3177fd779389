//! `bacalhau node list`

use std::process::ExitCode;

use bacalhau_protocol::api::{NodeState, Resources};
use bacalhau_protocol::spec::closest;
use clap::{Args, ValueEnum};

use crate::app::Context;
use crate::client::NodeListQuery;
use crate::flags::environment;
use crate::output::{self, Column, ListOutput, Table, cell};

/// Lists nodes.
#[derive(Args, Debug)]
pub struct List {
    /// Column groups: labels, version, features, capacity, key
    #[arg(long, default_value = "labels,capacity", value_name = "GROUPS")]
    show: Vec<String>,
    /// Only nodes with these labels, as in zone=a,tier!=test
    #[arg(long, default_value = "", hide_default_value = true, value_name = "SELECTOR")]
    labels: String,
    /// Only nodes with this decision
    #[arg(long, value_enum, ignore_case = true)]
    filter_approval: Option<Approval>,
    /// Only nodes with this connection
    #[arg(long, value_enum, ignore_case = true)]
    filter_status: Option<Status>,
    /// At most so many nodes; 0 for all
    #[arg(long, default_value_t)]
    limit: u32,
    /// Where the page before ended
    #[arg(long, default_value = "", hide_default_value = true)]
    next_token: String,
    /// id, type, status, available_cpu, available_memory, available_disk or available_gpu
    #[arg(long, default_value = "", hide_default_value = true)]
    order_by: String,
    /// Sort the other way round
    #[arg(long, alias = "reverse")]
    order_reversed: bool,
    #[command(flatten)]
    output: ListOutput,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Approval {
    Approved,
    Pending,
    Rejected,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Status {
    #[value(alias = "healthy")]
    Connected,
    #[value(aliases = ["unhealthy", "unknown"])]
    Disconnected,
}

impl List {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let answer = context.client()?.nodes(&self.query()).await?;
        let groups = environment::list("--show", &self.show).map_err(anyhow::Error::msg)?;
        groups.iter().filter_map(|group| unknown_group(group)).for_each(|remark| output::warn(&remark));
        let text = self.output.render(&answer.nodes, |wide| table(&answer.nodes, &groups, wide))?;
        output::print(&text)?;
        Ok(ExitCode::SUCCESS)
    }

    fn query(&self) -> NodeListQuery {
        let approval = match self.filter_approval {
            Some(Approval::Approved) => "approved",
            Some(Approval::Pending) => "pending",
            Some(Approval::Rejected) => "rejected",
            None => "",
        };
        let status = match self.filter_status {
            Some(Status::Connected) => "connected",
            Some(Status::Disconnected) => "disconnected",
            None => "",
        };
        NodeListQuery {
            limit: self.limit,
            next_token: self.next_token.clone(),
            order_by: self.order_by.clone(),
            reverse: self.order_reversed,
            labels: self.labels.clone(),
            approval: approval.to_owned(),
            status: status.to_owned(),
        }
    }
}

fn table(nodes: &[NodeState], groups: &[String], wide: bool) -> Table {
    let mut columns =
        vec![Column::new("id"), Column::new("type"), Column::new("approval"), Column::new("status")];
    for group in groups {
        columns.extend(group_columns(group).iter().map(|column| column.unless(wide)));
    }
    let rows = nodes.iter().map(|node| row(node, groups, wide)).collect();
    Table::new(columns, rows)
}

const LABELS: [Column; 1] = [Column::limited("labels", 50)];
const KEY: [Column; 1] = [Column::limited("key", 32)];
const VERSION: [Column; 3] = [Column::new("version"), Column::new("architecture"), Column::new("os")];
const FEATURES: [Column; 3] =
    [Column::limited("engines", 7), Column::limited("inputs from", 11), Column::limited("outputs", 7)];
const CAPACITY: [Column; 4] =
    [Column::new("cpu"), Column::new("memory"), Column::new("disk"), Column::new("gpu")];
/// Longer amounts are broken behind the slash in narrow tables.
const CAPACITY_WIDTH: usize = 10;

const GROUPS: [&str; 5] = ["labels", "version", "features", "capacity", "key"];

fn unknown_group(group: &str) -> Option<String> {
    let near = || match closest(group, &GROUPS) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("expected some of {}", GROUPS.join(", ")),
    };
    (!GROUPS.contains(&group)).then(|| format!("--show {group} is no group of columns; {}", near()))
}

/// Unknown groups have no columns.
fn group_columns(group: &str) -> &'static [Column] {
    match group {
        "labels" => &LABELS,
        "key" => &KEY,
        "version" => &VERSION,
        "features" => &FEATURES,
        "capacity" => &CAPACITY,
        _ => &[],
    }
}

fn row(node: &NodeState, groups: &[String], wide: bool) -> Vec<String> {
    let mut cells = vec![
        cell::id(&node.info.node_id, wide),
        node.info.node_type.clone(),
        node.membership.clone(),
        node.connection.as_str().to_owned(),
    ];
    for group in groups {
        cells.extend(group_cells(node, group, wide));
    }
    cells
}

fn group_cells(node: &NodeState, group: &str, wide: bool) -> Vec<String> {
    let info = &node.info;
    let compute = &info.compute_node_info;
    match group {
        "labels" => {
            let labels: Vec<String> =
                info.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
            vec![labels.join(" ")]
        }
        "key" => vec![node.key_fingerprint.clone()],
        "version" => {
            let build = &info.bacalhau_version;
            vec![build.git_version.clone(), build.goarch.clone(), build.goos.clone()]
        }
        "features" => [&compute.execution_engines, &compute.storage_sources, &compute.publishers]
            .map(|names| names.join(" "))
            .to_vec(),
        "capacity" if info.node_type != "Compute" => vec![String::new(); 4],
        "capacity" => capacity(&compute.available_capacity, &compute.max_capacity, wide),
        _ => Vec::new(),
    }
}

fn capacity(available: &Resources, maximum: &Resources, wide: bool) -> Vec<String> {
    let of = |left: String, all: String| {
        let fits = left.len() + " / ".len() + all.len() <= CAPACITY_WIDTH;
        if fits || wide { format!("{left} / {all}") } else { format!("{left} /\n{all}") }
    };
    vec![
        of(format!("{:.1}", available.cpu), format!("{:.1}", maximum.cpu)),
        of(cell::bytes(available.memory), cell::bytes(maximum.memory)),
        of(cell::bytes(available.disk), cell::bytes(maximum.disk)),
        of(available.gpu.to_string(), maximum.gpu.to_string()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::table::Look;
    use serde_json::json;

    fn nodes() -> Vec<NodeState> {
        serde_json::from_value(json!([
            {"Info": {
                "NodeID": "n-4d5e6f70-1111-4222-8333-444455556666", "NodeType": "Compute",
                "Labels": {"zone": "a", "Operating-System": "linux", "Architecture": "amd64"},
                "ComputeNodeInfo": {
                    "ExecutionEngines": ["docker", "wasm"],
                    "AvailableCapacity": {"CPU": 6.4, "Memory": 12_000_000_000_u64, "Disk": 120_000_000_000_u64},
                    "MaxCapacity": {"CPU": 6.4, "Memory": 12_000_000_000_u64, "Disk": 120_000_000_000_u64, "GPU": 1}
                }},
             "Membership": "APPROVED", "Connection": "CONNECTED"},
            {"Info": {"NodeID": "control", "NodeType": "Requester"}, "Membership": "APPROVED", "Connection": "CONNECTED"}
        ]))
        .unwrap()
    }

    fn text(groups: &[&str]) -> String {
        let groups: Vec<String> = groups.iter().map(ToString::to_string).collect();
        table(&nodes(), &groups, false).render(&Look { header: true, style: false })
    }

    #[test]
    fn looks_like_this() {
        let expected = concat!(
            " ID          TYPE       APPROVAL  STATUS     LABELS                                            ",
            "CPU        MEMORY   DISK      GPU\n",
            " n-4d5e6f70  Compute    APPROVED  CONNECTED  Architecture=amd64 Operating-System=linux zone=a  ",
            "6.4 / 6.4  12 GB /  120 GB /  0 / 1\n",
            "                                                                                               ",
            "           12 GB    120 GB\n",
            " control     Requester  APPROVED  CONNECTED\n",
        );
        assert_eq!(text(&["labels", "capacity"]), expected);
    }

    #[test]
    fn groups_choose_columns_and_unknown_ones_none() {
        let heading = text(&["features", "fears"]).lines().next().unwrap().to_owned();
        assert_eq!(heading, " ID          TYPE       APPROVAL  STATUS     ENGINES  INPUTS FROM  OUTPUTS");
        let remark = "--show fetures is no group of columns; did you mean features?";
        assert_eq!((unknown_group("fetures").as_deref(), unknown_group("key")), (Some(remark), None));
    }
}
