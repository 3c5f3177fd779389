//! The typed client of the REST API, for commands and tests: one method per call of api.md section 3.

mod agent;
mod download;
mod error;
mod jobs;
mod logs;
mod nodes;
pub mod tls;

use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use download::{DownloadError, RemoteArchive};
pub use error::Error;
pub use jobs::{ExecutionQuery, HistoryQuery, JobDiff, JobListQuery};
pub use logs::{LogQuery, LogStream};
pub use nodes::{NodeAction, NodeListQuery};

use crate::config::client::ClientConfig;

/// A server and how to talk to it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    config: ClientConfig,
}

/// Result of a call.
pub type Result<T> = std::result::Result<T, Error>;

/// Longest wait for the whole of an answer; results and logs have none.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Where jobs are.
const JOBS: &str = "/api/v1/orchestrator/jobs";
/// Where nodes are.
const NODES: &str = "/api/v1/orchestrator/nodes";
/// Where the server tells about itself.
const AGENT: &str = "/api/v1/agent";

impl Client {
    /// A client of this server. Nothing is sent yet.
    pub fn new(config: ClientConfig) -> Self {
        // A proxy for the web knows nothing of devices and control planes on a network of their own.
        let tls = config.tls.as_deref().cloned().unwrap_or_else(tls::unused);
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .no_proxy()
            .tls_backend_preconfigured(tls)
            .build()
            .expect("a client with these options can always be built");
        Self { http, config }
    }

    /// The server, without a trailing slash.
    pub fn endpoint(&self) -> String {
        self.config.endpoint.as_str().trim_end_matches('/').to_owned()
    }

    async fn get<T: DeserializeOwned>(&self, url: Url) -> Result<T> {
        self.call(Method::GET, url, None::<&()>).await
    }

    async fn put<B: Serialize + Sync, T: DeserializeOwned>(&self, url: Url, body: &B) -> Result<T> {
        self.call(Method::PUT, url, Some(body)).await
    }

    async fn call<B: Serialize + Sync, T: DeserializeOwned>(
        &self,
        method: Method,
        url: Url,
        body: Option<&B>,
    ) -> Result<T> {
        let path = url.path().to_owned();
        let mut request = self.request(method, url).timeout(self.answer_timeout());
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = self.send(request).await?;
        let body = response.bytes().await.map_err(|error| self.transport(error))?;
        serde_json::from_slice(&body).map_err(|source| Error::Answer { path, source })
    }

    /// Longest wait for the whole of an answer.
    fn answer_timeout(&self) -> Duration {
        self.config.timeout.unwrap_or(ANSWER_TIMEOUT)
    }

    fn request(&self, method: Method, url: Url) -> RequestBuilder {
        let request =
            self.http.request(method, url).header("X-Bacalhau-Git-Version", crate::version::GIT_VERSION);
        match &self.config.authorization {
            Some(credential) => request.header("Authorization", credential),
            None => request,
        }
    }

    /// Sends, and turns every status but success into an error.
    async fn send(&self, request: RequestBuilder) -> Result<Response> {
        let response = request.send().await.map_err(|error| self.transport(error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        if status == reqwest::StatusCode::UNAUTHORIZED {
            return Err(Error::Unauthorized);
        }
        let body = response.bytes().await.map_err(|error| self.transport(error))?;
        Err(Error::Api(Box::new(error::read_body(status.as_u16(), &body))))
    }

    fn transport(&self, source: reqwest::Error) -> Error {
        let endpoint = self.endpoint();
        match () {
            () if is_distrust(&source) => Error::Untrusted { endpoint, source: source.without_url().into() },
            () if source.is_connect() => Error::Unreachable { endpoint, source: source.without_url().into() },
            () if source.is_timeout() => Error::TimedOut { endpoint },
            () => Error::Network { endpoint, source: source.without_url() },
        }
    }

    /// A path of the API; each further segment is encoded, so an id cannot reach another path. Those that a path cannot
    /// hold are nobody's id.
    fn url(&self, path: &str, segments: &[&str]) -> Result<Url> {
        if let Some(id) = segments.iter().find(|id| matches!(**id, "" | "." | "..")) {
            return Err(Error::NoId((*id).to_owned()));
        }
        let mut url = self.config.endpoint.clone();
        url.set_path(path);
        url.path_segments_mut().expect("an http URL has segments").extend(segments);
        Ok(url)
    }
}

/// Whether the server showed a certificate that is not trusted.
fn is_distrust(error: &(dyn std::error::Error + 'static)) -> bool {
    if matches!(error.downcast_ref::<rustls::Error>(), Some(rustls::Error::InvalidCertificate(_))) {
        return true;
    }
    // What an I/O error wraps is not its source, but the source of what it wraps is.
    let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    match wrapped {
        Some(wrapped) => is_distrust(wrapped),
        None => error.source().is_some_and(is_distrust),
    }
}

/// Adds the pairs whose value says something.
fn with_query(mut url: Url, pairs: &[(&str, String)]) -> Url {
    let said: Vec<_> = pairs.iter().filter(|(_, value)| !value.is_empty()).collect();
    if !said.is_empty() {
        url.query_pairs_mut().extend_pairs(said.iter().map(|(key, value)| (*key, value.as_str())));
    }
    url
}

/// `true`, or nothing.
fn said_if(flag: bool) -> String {
    if flag { "true".into() } else { String::new() }
}

/// The number, or nothing for zero.
fn said_unless_zero(number: u64) -> String {
    if number == 0 { String::new() } else { number.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client() -> Client {
        let endpoint = Url::parse("http://127.0.0.1:1234/").unwrap();
        Client::new(ClientConfig::plain(endpoint))
    }

    #[test]
    fn ids_cannot_reach_other_paths() {
        let url = client().url(JOBS, &["../../agent/alive?x", "results"]).unwrap();
        assert_eq!(
            url.as_str(),
            "http://127.0.0.1:1234/api/v1/orchestrator/jobs/..%2F..%2Fagent%2Falive%3Fx/results"
        );
    }

    #[test]
    fn silent_query_values_are_left_out() {
        let url = with_query(
            client().url(JOBS, &[]).unwrap(),
            &[("limit", said_unless_zero(10)), ("reverse", said_if(false))],
        );
        assert_eq!(url.query(), Some("limit=10"));
        assert_eq!(with_query(client().url(JOBS, &[]).unwrap(), &[("a", String::new())]).query(), None);
    }
}
