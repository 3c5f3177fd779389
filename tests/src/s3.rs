//! A server that speaks S3, of the tests' own.

#![expect(clippy::unwrap_used, reason = "a test that cannot prepare its server has to fail")]

use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Config, Credentials, Region};
use aws_sdk_s3::types::{BucketVersioningStatus, ChecksumAlgorithm, VersioningConfiguration};
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use tempfile::TempDir;

/// The access key and secret that may do everything.
pub const ACCESS_KEY: &str = "tests";
/// See [`ACCESS_KEY`].
pub const SECRET_KEY: &str = "secret-of-the-tests";
/// The region it says it is in.
pub const REGION: &str = "eu-north-1";
/// Compiled by `cargo xtask setup`, which names the same version.
const PROGRAM: &str = "../.tools/versitygw-1.8.0";

/// A running server. Dropping it ends it and removes all objects.
pub struct Server {
    /// Does everything that it can do.
    pub client: Client,
    endpoint: String,
    process: Child,
    folder: TempDir,
}

/// What was put.
pub struct Stored {
    /// Its version, in a bucket that keeps them.
    pub version: String,
    /// SHA-256, in Base64.
    pub checksum: String,
}

impl Server {
    /// Returns when it answers.
    pub async fn start() -> Self {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join(PROGRAM);
        assert!(program.is_file(), "{} is not there; run `cargo xtask setup`", program.display());
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        for name in ["objects", "versions"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let log = File::create(folder.path().join("log")).unwrap();
        let process = Command::new(program)
            .args(["--access", ACCESS_KEY, "--secret", SECRET_KEY, "--region", REGION])
            .args(["--port", &format!("127.0.0.1:{port}"), "posix", "--versioning-dir"])
            .args([folder.path().join("versions"), folder.path().join("objects")])
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .process_group(0)
            .spawn()
            .unwrap();
        let endpoint = format!("http://127.0.0.1:{port}");
        let mut server = Self { client: client(&endpoint), endpoint, process, folder };
        while server.client.list_buckets().send().await.is_err() {
            if let Some(status) = server.process.try_wait().unwrap() {
                panic!("{PROGRAM} ended with {status}: {}", server.log());
            }
        }
        server
    }

    /// Its address.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// What it logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// A bucket that keeps versions, with these objects.
    pub async fn bucket(&self, name: &str, objects: &[(&str, &str)]) {
        self.client.create_bucket().bucket(name).send().await.unwrap();
        let kept = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
        self.client.put_bucket_versioning().bucket(name).versioning_configuration(kept).send().await.unwrap();
        for (key, content) in objects {
            self.put(name, key, content.as_bytes().to_vec()).await;
        }
    }

    /// Puts an object with its SHA-256.
    pub async fn put(&self, bucket: &str, key: &str, content: Vec<u8>) -> Stored {
        let request = self.client.put_object().bucket(bucket).key(key).body(content.into());
        let stored = request.checksum_algorithm(ChecksumAlgorithm::Sha256).send().await.unwrap();
        Stored {
            version: stored.version_id.unwrap_or_default(),
            checksum: stored.checksum_sha256.unwrap_or_default(),
        }
    }

    /// Lets anybody read a bucket.
    pub async fn publish(&self, bucket: &str) {
        let policy = format!(
            r#"{{"Version": "2012-10-17", "Statement": [{{"Effect": "Allow", "Principal": "*",
                "Action": ["s3:GetObject", "s3:ListBucket"],
                "Resource": ["arn:aws:s3:::{bucket}", "arn:aws:s3:::{bucket}/*"]}}]}}"#
        );
        self.client.put_bucket_policy().bucket(bucket).policy(policy).send().await.unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

fn client(endpoint: &str) -> Client {
    let ring = tls::Provider::Rustls(CryptoMode::Ring);
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().tls_provider(ring).build_https())
        .credentials_provider(Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "tests"))
        .region(Region::new(REGION))
        .endpoint_url(endpoint)
        .force_path_style(true);
    Client::from_conf(config.build())
}
