//! What the node says about itself.

use bacalhau_protocol::ids::NodeId;
use bacalhau_protocol::model::{BuildInfo, NodeInfo};
use tokio::sync::Mutex;

use crate::capacity::Machine;
use crate::config::Config;
use crate::executor::{Availability, Executors};
use crate::fleet_time::BUILT;
use crate::labels;
use crate::node::Node;
use crate::storage::Storages;

/// What a node can do, whatever its configuration says about amounts and labels.
#[derive(Clone)]
pub(crate) struct Abilities {
    pub(crate) executors: Executors,
    pub(crate) publishers: Vec<String>,
    pub(crate) storages: Storages,
    /// Id of the profile that WASM artifacts must fit; empty without WASM.
    pub(crate) engine_profile: String,
}

/// What the node's description is made from, kept for when something of it changes.
pub(crate) struct Description {
    node_id: NodeId,
    abilities: Abilities,
    // Held until the control plane's side was told, so that an older description never overtakes a newer one.
    basis: Mutex<(Config, Machine)>,
}

impl Description {
    pub(crate) fn new(node_id: NodeId, abilities: Abilities, config: Config, machine: Machine) -> Self {
        Self { node_id, abilities, basis: Mutex::new((config, machine)) }
    }

    /// The node as it is now.
    pub(crate) async fn now(&self) -> NodeInfo {
        let basis = self.basis.lock().await;
        node_info(&self.node_id, &basis.0, &basis.1, &self.abilities).await
    }

    async fn tell(&self, (config, machine): &(Config, Machine), node: &Node) {
        let info = node_info(&self.node_id, config, machine, &self.abilities).await;
        node.inform(info, config.admission.clone()).await;
    }

    /// Tells of another configuration and machine.
    pub(crate) async fn renew(&self, config: Config, machine: Machine, node: &Node) {
        let mut basis = self.basis.lock().await;
        *basis = (config, machine);
        self.tell(&basis, node).await;
    }

    /// Tells whenever an engine comes or goes, for ever.
    pub(crate) async fn follow(&self, node: &Node) {
        let mut changes = self.abilities.executors.changes();
        loop {
            let basis = self.basis.lock().await;
            self.tell(&basis, node).await;
            drop(basis);
            changes.next().await;
        }
    }
}

/// The node as it is now.
async fn node_info(node_id: &NodeId, config: &Config, machine: &Machine, abilities: &Abilities) -> NodeInfo {
    let build = build_info();
    let capacity = config.allocation.of(&machine.resources);
    let mut info = NodeInfo {
        node_id: node_id.clone(),
        labels: labels::of(&config.labels, node_id, &build, machine),
        engines: Vec::new(),
        engines_unavailable: Default::default(),
        publishers: abilities.publishers.clone(),
        sources: abilities.storages.kinds(),
        accepts_networked: config.admission.accept_networked,
        max_job: capacity.clone(),
        capacity,
        build,
        engine_profile: abilities.engine_profile.clone(),
    };
    for executor in abilities.executors.iter() {
        let kind = executor.kind().to_owned();
        match executor.availability().await {
            Availability::Ready => info.engines.push(kind),
            Availability::Unavailable(reason) => _ = info.engines_unavailable.insert(kind, reason),
        }
    }
    info
}

/// Which build this is.
pub fn build_info() -> BuildInfo {
    BuildInfo {
        version: concat!("v", env!("CARGO_PKG_VERSION")).to_owned(),
        commit: option_env!("BACALHAU_COMMIT").unwrap_or_default().to_owned(),
        date: option_env!("SOURCE_DATE_EPOCH").map(|_| BUILT.to_string()).unwrap_or_default(),
        os: std::env::consts::OS.to_owned(),
        arch: go_arch(std::env::consts::ARCH).to_owned(),
    }
}

/// Go's word for an architecture.
fn go_arch(arch: &str) -> &str {
    match arch {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_node_offers_what_its_configuration_allows_of_its_machine() {
        let mut config = Config::new("/nowhere");
        config.admission.accept_networked = true;
        let mut machine = Machine::default();
        machine.resources.cpu_millis = 4000;
        let abilities = Abilities {
            executors: Executors::default(),
            publishers: vec!["local".to_owned()],
            storages: Storages::default(),
            engine_profile: "p".to_owned(),
        };
        let node = NodeId::parse("n").unwrap();
        let info = node_info(&node, &config, &machine, &abilities).await;
        assert_eq!((info.capacity.cpu_millis, info.max_job.cpu_millis), (3200, 3200));
        assert!(info.accepts_networked && info.engines.is_empty());
        assert_eq!(info.labels["name"], "n");
        assert_eq!(info.labels["agent_version"], info.build.version);
    }

    #[test]
    fn architectures_have_gos_names() {
        assert_eq!(
            ["x86_64", "aarch64", "arm", "riscv64"].map(go_arch),
            ["amd64", "arm64", "arm", "riscv64"]
        );
    }
}
