use serde_json::{Value, json};

use super::world::{NODES, World};

fn ids(list: &Value) -> Vec<&str> {
    list["Nodes"].as_array().unwrap().iter().map(|node| node["Info"]["NodeID"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn nodes_are_listed_filtered_and_described() {
    let world = World::start().await;
    world.join("alpha", &[("region", "eu")], false).await;
    world.join("alpine", &[("region", "us")], true).await;
    let list = world.get(NODES).await.ok();
    assert_eq!((ids(&list), &list["NextToken"]), (vec!["alpha", "alpine"], &json!("")));
    assert_eq!(list["Nodes"][0]["KeyFingerprint"], "key-of-alpha");
    let filtered = |query: &str| {
        let (world, path) = (&world, format!("{NODES}?{query}"));
        async move { ids(&world.get(&path).await.ok()).join(",") }
    };
    assert_eq!(filtered("filter-approval=pending").await, "alpine");
    assert_eq!(filtered("filter-status=DISCONNECTED").await, "");
    assert_eq!(filtered("labels=region%3Deu").await, "alpha");
    assert_eq!(filtered("reverse=true&limit=1").await, "alpine");
    assert_eq!(filtered("order_by=available_cpu").await, "alpha,alpine");
    assert_eq!(world.get(&format!("{NODES}?order_by=age")).await.status, 400);

    let node = world.get(&format!("{NODES}/alpha")).await.ok();
    assert_eq!(
        (&node["Node"]["Membership"], &node["Node"]["Connection"]),
        (&json!("APPROVED"), &json!("CONNECTED"))
    );
    let capacity = &node["Node"]["Info"]["ComputeNodeInfo"]["AvailableCapacity"];
    assert_eq!(capacity, &json!({"CPU": 4, "Memory": 8_000_000_000_u64}));
    assert_eq!(world.get(&format!("{NODES}/alpi")).await.ok()["Node"]["Info"]["NodeID"], "alpine");
    let several = world.get(&format!("{NODES}/alp")).await.refusal();
    assert_eq!((several.0, several.1.as_str()), (409, "MultipleNodesFound"));
    assert_eq!(world.get(&format!("{NODES}/beta")).await.refusal().2, "node not found: beta");
}

#[tokio::test]
async fn a_server_that_runs_jobs_is_the_node_that_runs_them() {
    let world = World::start().await;
    world.join("hub", &[("region", "eu")], false).await;
    let described = world.get(&format!("{NODES}/hub")).await.ok()["Node"].take();
    assert_eq!(described["Info"]["NodeType"], "Compute");
    let own = world.get("/api/v1/agent/node").await.ok();
    for key in ["Info", "Membership", "Connection", "KeyFingerprint"] {
        assert_eq!(own[key], described[key], "{key}");
    }
    assert_eq!(own["ComputeNodeInfo"]["ExecutionEngines"], json!(["noop"]));
}

#[tokio::test]
async fn nodes_are_approved_rejected_and_deleted_once() {
    let world = World::start().await;
    world.join("n-1", &[], true).await;
    let path = format!("{NODES}/n-1");
    let act = |action: &str| {
        let (world, path, body) =
            (&world, &path, json!({"Action": action, "NodeID": "n-1", "Credential": null}));
        async move { world.put(path, body).await }
    };
    assert_eq!(act("approve").await.ok(), json!({"Success": true}));
    assert_eq!(
        act("approve").await.refusal(),
        (409, "ConflictNodeState".into(), "node n-1 already approved".into())
    );
    assert_eq!(act("reject").await.ok(), json!({"Success": true}));
    assert_eq!(act("reject").await.refusal().2, "node n-1 already rejected");
    assert_eq!(world.get(&path).await.ok()["Node"]["Membership"], "REJECTED");
    assert_eq!(act("promote").await.status, 400);
    assert_eq!(act("delete").await.ok(), json!({"Success": true}));
    assert_eq!(act("approve").await.status, 404);
}
