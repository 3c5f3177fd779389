//! What containers reach, seen from inside of them.

use std::fs;
use std::io::Read;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;

use bacalhau_tests::engine::{Engine, IMAGE};
use serde_json::{Value, json};

use super::{Site, shell};
use crate::harness::{eventually, guests, job, seen};

const NETWORKED: &str = "JobAdmissionControl.AcceptNetworkedJobs=true";
/// Prints the names of the interfaces, then the name of the network they belong to.
const LOOK: &str = "tail -n +3 /proc/net/dev | while IFS=': ' read -r name rest; do echo $name; done; \
                    busybox readlink /proc/self/ns/net";
/// Sends a request to the proxy and prints the answer.
const ASK: &str = r#"ask() { busybox printf '%s\r\n\r\n' "$1" | busybox nc 127.0.0.1 8080; echo; }"#;

fn networked(job_type: &str, script: &str, network: &Value) -> Value {
    let mut job = shell(job_type, script);
    *job::task(&mut job, "Network") = network.clone();
    job
}

impl Site {
    async fn bridged(node: &'static str) -> Self {
        let engine = tokio::task::block_in_place(Engine::with_bridge);
        Self::with(Arc::new(engine), node, &[NETWORKED]).await
    }

    /// Waits until a job has written a line to a file, and reads it.
    async fn written(&self, name: &str) -> String {
        let path = self.cluster.host().join(name);
        let what = format!("the job has written {name}");
        let text = eventually(&what, async || {
            let text = fs::read_to_string(&path).map_err(|error| error.to_string())?;
            seen(text, |text| text.ends_with('\n'))
        });
        text.await.trim().to_owned()
    }

    /// How the first execution of a job that must fail ended.
    async fn failure(&self, job: &Value) -> String {
        let id = self.cluster.submit(job).await;
        assert_eq!(self.cluster.ended(&id).await.state.state_type.as_str(), "Failed");
        self.cluster.executions(&id).await.remove(0).compute_state.message
    }

    /// A job that no node takes, for this reason.
    async fn refused(&self, job: &Value, reason: &str) {
        let id = self.cluster.submit(job).await;
        assert_eq!(self.cluster.ended(&id).await.state.state_type.as_str(), "Failed");
        let history = self.cluster.history(&id).await.join("\n");
        assert!(history.contains(reason), "{history}");
    }

    /// Returns when the new one looks after the job's container.
    async fn restart_agent(&mut self, job: &str) {
        self.cluster.kill(self.node);
        self.cluster.start_again(self.node).await;
        eventually("the container is taken over", async || {
            seen(self.cluster.history(job).await, |all| all.iter().any(|one| one.starts_with("Taken over")))
        })
        .await;
    }

    /// A web server with an address of its own; where it is.
    fn server(&self) -> String {
        self.engine.docker(&["run", "-d", "--name", "server", IMAGE, "sh", "-c", SERVE]);
        let address = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
        self.engine.docker(&["inspect", "-f", address, "server"]).trim().to_owned()
    }
}

/// Notes a whole request before it is answered.
const SERVE: &str = r#"while :; do busybox nc -l -p 8000 -e sh -c '
    while read -r line; do
        echo "$line" >>/tmp/requests
        [ "$line" = "$(busybox printf "\r")" ] && break
    done
    busybox printf "HTTP/1.1 200 OK\r\n\r\nwelcome"'
done"#;

/// What somebody says who listens at this port of the node.
fn hear(port: u16) -> Result<String, String> {
    let mut said = String::new();
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).map_err(|error| error.to_string());
    stream?.read_to_string(&mut said).map_err(|error| error.to_string())?;
    seen(said, |said| !said.is_empty())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_has_no_network_unless_it_asks_for_one() {
    let site = Site::start("d-net", &[NETWORKED]).await;
    let host = fs::read_link("/proc/self/ns/net").unwrap().display().to_string();
    for network in [json!(null), json!({"Type": "None"}), json!({"Type": "Default"})] {
        let (_, execution) = site.run(&networked("batch", LOOK, &network)).await;
        let output = execution.run_output.stdout.clone();
        let seen: Vec<&str> = output.lines().collect();
        assert!(seen.len() == 2 && seen[0] == "lo" && seen[1] != host, "{network}: {execution:?}");
    }
    for network in ["Host", "Full"] {
        let (_, execution) = site.run(&networked("batch", LOOK, &json!({"Type": network}))).await;
        assert_eq!(execution.run_output.stdout.lines().last(), Some(host.as_str()), "{execution:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn networks_that_a_node_does_not_give_are_refused_with_a_reason() {
    let site = Site::start("d-net-refused", &[]).await;
    let host = networked("ops", LOOK, &json!({"Type": "Host"}));
    site.refused(&host, "does not run jobs that require network access").await;

    let site = Site::start("d-net-wasm", &[NETWORKED]).await;
    let mut module = job::of("ops", &guests::writes("x"));
    *job::task(&mut module, "Network") = json!({"Type": "HTTP", "Domains": ["example.com"]});
    site.refused(&module, "does not support network type HTTP with wasm").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ports_lead_into_a_container_until_it_ends() {
    let mut site = Site::bridged("d-ports").await;
    let fixed = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap().local_addr().unwrap().port();
    let script = format!(
        "[ $BACALHAU_HOST_PORT_fixed = {fixed} ] || exit 3; [ $BACALHAU_PORT_any = 90 ] || exit 4
         echo $BACALHAU_HOST_PORT_any >/data/any
         while :; do echo fixed | busybox nc -l -p $BACALHAU_PORT_fixed; done &
         while :; do echo any | busybox nc -l -p 90; done"
    );
    let ports = json!([{"Name": "fixed", "Static": fixed}, {"Name": "any", "Target": 90}]);
    let mut service = networked("service", &script, &json!({"Type": "Bridge", "Ports": ports}));
    job::mount(&mut service, &site.cluster.host(), true);
    let id = site.cluster.submit(&service).await;
    let any = site.written("any").await.parse().unwrap();
    assert_eq!(eventually("the static port answers", async || hear(fixed)).await, "fixed\n");
    assert_eq!(eventually("the other port answers", async || hear(any)).await, "any\n");

    let same = json!({"Type": "Host", "Ports": [{"Name": "web", "Static": fixed}]});
    let same = networked("batch", "echo $BACALHAU_HOST_PORT_web", &same);
    let taken = format!("port {fixed} is already in use by another execution on this node");
    assert_eq!(site.failure(&same).await, taken);
    site.restart_agent(&id).await;
    assert_eq!(site.failure(&same).await, taken);

    site.cluster.ask(&["job", "stop", "--quiet", &id]).await;
    site.is_clean().await;
    let (_, execution) = site.run(&same).await;
    assert_eq!(execution.run_output.stdout, format!("{fixed}\n"), "{execution:?}");
    let _other = TcpListener::bind((Ipv4Addr::UNSPECIFIED, fixed)).unwrap();
    assert_eq!(site.failure(&same).await, format!("port {fixed} is in use on this node"));
}

#[tokio::test(flavor = "multi_thread")]
async fn http_networking_leads_to_the_listed_hosts_and_nowhere_else() {
    let site = Site::bridged("d-http").await;
    let (server, node) = (site.server(), site.engine.gateway());
    let own = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    let port = own.local_addr().unwrap().port();
    let script = format!(
        "{ASK}; {LOOK}; echo $http_proxy $HTTPS_PROXY
         ask 'GET http://{server}:8000/ HTTP/1.1'
         ask 'CONNECT elsewhere.example:443 HTTP/1.1'
         ask 'GET http://{node}:{port}/ HTTP/1.1'
         busybox nc -w 5 {server} 8000 </dev/null && echo reached the server
         busybox nc -w 5 {node} {port} </dev/null && echo reached the node
         true"
    );
    let network = json!({"Type": "HTTP", "Domains": [server, node.to_string()]});
    let id = site.cluster.submit(&networked("batch", &script, &network)).await;
    let ended = site.cluster.ended(&id).await;
    assert_eq!(ended.state.state_type.as_str(), "Completed", "{:?}", site.cluster.executions(&id).await);
    let stdout = site.cluster.executions(&id).await.remove(0).run_output.stdout;
    let lines: Vec<&str> = stdout.lines().collect();
    assert_eq!((lines[0], lines[2]), ("lo", "http://127.0.0.1:8080 http://127.0.0.1:8080"), "{stdout}");
    for text in [
        "200 OK\r\n\r\nwelcome\n",
        "elsewhere.example is not among the domains of this job's network",
        &format!("{node} is this node or its link, which jobs cannot reach"),
    ] {
        assert!(stdout.contains(text), "{text}: {stdout}");
    }
    assert_eq!(stdout.matches("403 Forbidden").count(), 2, "{stdout}");
    assert!(!stdout.contains("reached"), "{stdout}");
    let requests = site.engine.docker(&["exec", "server", "busybox", "cat", "/tmp/requests"]);
    assert!(requests.contains(&format!("X-Bacalhau-Job-ID: {id}")), "{requests}");
    let history = site.cluster.history(&id).await.join("\n");
    assert!(history.contains("Refused to connect to elsewhere.example:443: elsewhere"), "{history}");
    site.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_way_out_is_there_again_after_a_restart_of_the_agent() {
    let mut site = Site::bridged("d-http-again").await;
    let server = site.server();
    let script = format!(
        "{ASK}; ask 'GET http://{server}:8000/ HTTP/1.1'; echo x >/data/asked
         while [ ! -e /data/go ]; do sleep 0.1; done; ask 'GET http://{server}:8000/ HTTP/1.1'"
    );
    let mut task = networked("ops", &script, &json!({"Type": "HTTP", "Domains": [server]}));
    job::mount(&mut task, &site.cluster.host(), true);
    let id = site.cluster.submit(&task).await;
    site.written("asked").await;
    assert_eq!(site.engine.left_by(site.node).len(), 2, "the task's container and its relay");
    site.restart_agent(&id).await;
    fs::write(site.cluster.host().join("go"), "").unwrap();
    site.cluster.ended(&id).await;
    let execution = site.cluster.executions(&id).await.remove(0);
    assert_eq!(execution.run_output.stdout.matches("welcome").count(), 2, "{execution:?}");
    site.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_somebody_else_listens_on_is_told_and_leaves_nothing() {
    let site = Site::bridged("d-port-held").await;
    let somebody = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    let port = somebody.local_addr().unwrap().port();
    let job = networked(
        "batch",
        "echo mine",
        &json!({"Type": "Bridge", "Ports": [{"Name": "web", "Static": port}]}),
    );
    let id = site.cluster.submit(&job).await;
    assert_eq!(site.cluster.ended(&id).await.state.state_type.as_str(), "Failed");
    let described = site.cluster.ask(&["job", "describe", &id]).await;
    assert!(described.contains(&format!("port {port} is in use on this node")), "{described}");
    site.is_clean().await;

    // Who takes the port after the agent has looked meets the engine, which says so in these words.
    let publish = format!("{port}:80");
    let said = site.engine.refusal(&["run", "--rm", "--publish", &publish, IMAGE, "true"]);
    assert!(said.contains("address already in use") || said.contains("port is already allocated"), "{said}");

    drop(somebody);
    let (state, execution) = site.run(&job).await;
    assert_eq!((state.as_str(), execution.run_output.stdout.as_str()), ("Completed", "mine\n"));
}
