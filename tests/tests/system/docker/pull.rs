//! Images from a registry on this machine.

use std::fs;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use serde_json::json;
use tempfile::TempDir;

use super::{Site, container};
use crate::harness::eventually;
use bacalhau_tests::engine::IMAGE;

/// A registry; dropping it ends it.
struct Registry {
    process: Child,
    address: String,
    _folder: TempDir,
}

impl Registry {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("127.0.0.1:{port}");
        let storage = folder.path().join("storage");
        let config = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: \"{address}\"}}\n",
            storage.display()
        );
        let file = folder.path().join("config.yml");
        fs::write(&file, config).unwrap();
        let process = Command::new("docker-registry")
            .arg("serve")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("docker-registry: {error}: `cargo xtask setup test` installs it"));
        let registry = Self { process, address, _folder: folder };
        eventually("the registry answers", async || {
            std::net::TcpStream::connect(&registry.address).map(drop).map_err(|error| error.to_string())
        })
        .await;
        registry
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_is_not_here_is_pulled_and_one_that_is_nowhere_is_told() {
    let site = Site::start("d-pull", &[]).await;
    let registry = Registry::start().await;
    let image = format!("{}/tools/box:1", registry.address);
    site.engine.docker(&["tag", IMAGE, &image]);
    site.engine.docker(&["push", &image]);
    site.engine.docker(&["rmi", &image]);
    let params = json!({"Image": image, "Entrypoint": ["echo"], "Parameters": ["pulled"]});
    let id = site.cluster.submit(&container("ops", params)).await;
    let ended = site.cluster.ended(&id).await;
    assert_eq!(ended.state.state_type.as_str(), "Completed", "{ended:?}");
    let history = site.cluster.history(&id).await;
    assert!(history.contains(&format!("Pulling image {image}")), "{history:?}");
    assert!(history.iter().any(|line| line.starts_with(&format!("Image {image} is sha256:"))), "{history:?}");

    let missing = format!("{}/tools/nothing:1", registry.address);
    let (state, execution) = site.run(&container("ops", json!({"Image": missing}))).await;
    assert_eq!(state, "Failed");
    let message = &execution.compute_state.message;
    assert!(message.starts_with(&format!("image {missing} was not found")), "{message}");

    // What is here needs no registry.
    drop(registry);
    let params = json!({"Image": image, "Entrypoint": ["echo"], "Parameters": ["kept"]});
    let (state, execution) = site.run(&container("ops", params)).await;
    assert_eq!((state.as_str(), execution.run_output.stdout.as_str()), ("Completed", "kept\n"));
    site.engine.docker(&["rmi", &image]);
}
