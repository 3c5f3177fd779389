//! A recorded conversation that covers every operation: requests, statuses and answers, byte for byte but for what differs
//! from run to run. A change of what clients see shows in `golden/rest.json`, and must be meant.
//!
//! `BACALHAU_WRITE_GOLDEN=1 cargo test -p bacalhau-control-plane recorded` writes the file anew.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use super::world::{JOBS, NODES, World, completed, job, only_execution};
use crate::api::{build, operations};

#[tokio::test]
async fn what_clients_see_is_as_recorded() {
    let world = World::start().await;
    let node = world.join("n-1", &[("region", "eu")], false).await;
    let mut tape = Tape { world: &world, said: Vec::new(), covered: BTreeSet::new() };

    tape.about_the_server().await;
    tape.say("PUT", JOBS, Some(json!({"Job": job("hello", "batch")}))).await;
    tape.say("POST", JOBS, Some(json!({"Job": job("hello", "batch")}))).await;
    tape.say("PUT", JOBS, Some(json!({"Job": {"Type": "cron", "Taks": []}}))).await;
    let execution = only_execution(&world, "hello").await["ID"].as_str().unwrap().to_owned();
    world.observe(&node, 1, completed(&execution, None, "hi\n")).await;
    let mut changed = job("hello", "batch");
    changed["Priority"] = json!(3);
    tape.say("PUT", &format!("{JOBS}/diff"), Some(json!({"Job": changed}))).await;
    tape.say("GET", &format!("{JOBS}?limit=1&order_by=created_at"), None).await;
    for part in
        ["?include=executions,history", "/executions", "/history?limit=1", "/results", "/versions", "/logs"]
    {
        tape.say("GET", &format!("{JOBS}/hello{part}"), None).await;
    }
    tape.say("GET", &format!("{JOBS}/hello/executions/{execution}/results.tar.gz"), None).await;
    tape.say("DELETE", &format!("{JOBS}/hello"), Some(json!({"reason": "late"}))).await;
    tape.say("PUT", &format!("{JOBS}/hello/rerun"), Some(json!({}))).await;
    tape.say("PUT", &format!("{JOBS}/hello/rerun"), Some(json!({"JobVersion": 9}))).await;
    tape.say("DELETE", &format!("{JOBS}/hello?reason=enough"), None).await;
    tape.say("GET", &format!("{JOBS}/nothing"), None).await;
    tape.about_nodes().await;
    tape.finish();
}

struct Tape<'w> {
    world: &'w World,
    said: Vec<Value>,
    covered: BTreeSet<(String, &'static str)>,
}

impl Tape<'_> {
    async fn about_the_server(&mut self) {
        for path in ["alive", "version", "node", "config", "debug", "authconfig"] {
            self.say("GET", &format!("/api/v1/agent/{path}"), None).await;
        }
        self.say("GET", "/api/v1/healthz", None).await;
        self.say("GET", "/api/v1/auth", None).await;
        self.say("GET", "/api/v1/auth/ClientKey", None).await;
        let reply = json!({"MethodData": super::auth::method_data(super::auth::SIGNATURE)});
        self.say("POST", "/api/v1/auth/clientkey", Some(reply)).await;
        self.say("GET", "/api/v1/agent/license", None).await;
        self.say("GET", "/api/v1/requester/list", None).await;
    }

    async fn about_nodes(&mut self) {
        self.say("GET", &format!("{NODES}?order_by=id"), None).await;
        self.say("GET", &format!("{NODES}/n-1"), None).await;
        self.say("PUT", &format!("{NODES}/n-1"), Some(json!({"Action": "approve"}))).await;
        self.say("PUT", &format!("{NODES}/n-1"), Some(json!({"Action": "reject", "Message": "spare"}))).await;
    }

    async fn say(&mut self, method: &str, path: &str, body: Option<Value>) {
        let reply = self.world.send(method, path, &[], body.clone()).await;
        self.said.push(json!({
            "Request": format!("{method} {path}"), "Body": body, "Status": reply.status, "Answer": reply.json(),
        }));
        let path = path.split('?').next().unwrap_or_default();
        let fits = |template: &str| {
            template.split('/').count() == path.split('/').count()
                && template.split('/').zip(path.split('/')).all(|(t, p)| t == p || t.starts_with('{'))
        };
        // Static parts win, as in the router.
        let mut found: Vec<_> = operations::all().into_iter().filter(|one| fits(one.path)).collect();
        found.sort_by_key(|one| one.path.contains('{'));
        if let Some(one) = found.first() {
            self.covered.insert((method.to_lowercase(), one.path));
        }
    }

    fn finish(self) {
        for operation in operations::all() {
            let this = (operation.method.to_owned(), operation.path);
            assert!(self.covered.contains(&this), "{this:?} is not recorded");
        }
        let address = self.world.address().to_string();
        let text = serde_json::to_string_pretty(&self.said).unwrap().replace(&address, "ADDRESS") + "\n";
        let text = text.replace(build::VERSION, "VERSION").replace(build::architecture(), "ARCHITECTURE");
        let text = without_chance(&text);
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/rest.json");
        if std::env::var_os("BACALHAU_WRITE_GOLDEN").is_some() {
            fs::write(path, &text).unwrap();
        }
        let recorded = fs::read_to_string(path).unwrap();
        for (line, (was, is)) in recorded.lines().zip(text.lines()).enumerate() {
            assert_eq!(was, is, "line {} of golden/rest.json", line + 1);
        }
        assert_eq!(recorded.lines().count(), text.lines().count(), "something was added or left out");
    }
}

/// Replaces random ids, one name for each, and times.
fn without_chance(text: &str) -> String {
    let (mut plain, mut rest, mut ids) = (String::new(), text, Vec::<&str>::new());
    while let Some(next) = rest.chars().next() {
        let length = if let Some(id) = rest.get(..36).filter(|id| is_shaped(id, UUID)) {
            let number = ids.iter().position(|known| *known == id).unwrap_or_else(|| {
                ids.push(id);
                ids.len() - 1
            });
            plain.push_str(&format!("UUID-{number}"));
            36
        } else if rest.get(..19).is_some_and(|time| is_shaped(time, TIME)) && !rest.starts_with("0001") {
            plain.push_str("TIME");
            rest.find('"').unwrap_or(rest.len())
        } else if rest.get(..19).is_some_and(|time| is_shaped(time, NANOSECONDS)) {
            plain.push_str("NANOSECONDS");
            19
        } else {
            plain.push(next);
            next.len_utf8()
        };
        rest = &rest[length..];
    }
    plain
}

const UUID: &str = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
const TIME: &str = "dddd-dd-ddTdd:dd:dd";
const NANOSECONDS: &str = "ddddddddddddddddddd";

/// `x` is a hexadecimal digit, `d` a decimal one.
fn is_shaped(text: &str, shape: &str) -> bool {
    text.len() == shape.len()
        && text.bytes().zip(shape.bytes()).all(|(byte, wanted)| match wanted {
            b'x' => byte.is_ascii_hexdigit(),
            b'd' => byte.is_ascii_digit(),
            other => byte == other,
        })
}
