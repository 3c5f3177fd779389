//! What every request passes: the server's name, the version gate, the caller, the time limit, and on the way out the headers and the
//! one shape of errors.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bacalhau_protocol::api::ErrorBody;
use serde::Serialize;
use serde_json::{Value, json};

use super::build;
use super::caller::{Caller, ClientVersion};
use super::error::ApiError;
use super::host::Names;
use crate::entropy;

/// A handler that takes longer is given up.
const HANDLER_TIME: Duration = Duration::from_secs(30);
/// The oldest client that understands this server.
const OLDEST_CLIENT: ClientVersion = (1, 4, 0);
/// Largest answer that is indented on request, bytes.
const MAX_PRETTY_BYTES: usize = 64 * 1024 * 1024;
/// Longest text of the framework that is passed on, bytes.
const MAX_REFUSAL_BYTES: usize = 4096;
/// Longest request id taken over from a client, bytes.
const MAX_REQUEST_ID_BYTES: usize = 128;

const CLIENT_VERSION: HeaderName = HeaderName::from_static("x-bacalhau-git-version");
const CLIENT_COMMIT: HeaderName = HeaderName::from_static("x-bacalhau-git-commit");
const BUILD_DATE: HeaderName = HeaderName::from_static("x-bacalhau-build-date");
const BUILD_OS: HeaderName = HeaderName::from_static("x-bacalhau-build-os");
const BUILD_ARCH: HeaderName = HeaderName::from_static("x-bacalhau-arch");
/// Put on by the proxy of a node into what a job sends in the clear.
const SENT_BY_JOB: HeaderName = HeaderName::from_static("x-bacalhau-job-id");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The one middleware.
pub(super) async fn pass(State(names): State<Names>, mut request: Request, next: Next) -> Response {
    let asked = Asked::of(&request);
    let answer = match may_enter(names, &request) {
        Ok(version) => {
            request.extensions_mut().insert(Caller::anonymous(version));
            match tokio::time::timeout(HANDLER_TIME, next.run(request)).await {
                Ok(response) => response,
                Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "Server Timeout!").into_response(),
            }
        }
        Err(refusal) => *refusal,
    };
    asked.finish(answer).await
}

/// What the way out needs to know of a request.
struct Asked {
    id: Option<HeaderValue>,
    is_head: bool,
    is_pretty: bool,
}

impl Asked {
    fn of(request: &Request) -> Self {
        let id = request.headers().get(REQUEST_ID).filter(|id| id.len() <= MAX_REQUEST_ID_BYTES);
        let query = request.uri().query().unwrap_or_default();
        Self {
            id: id.cloned(),
            is_head: request.method() == Method::HEAD,
            is_pretty: query.split('&').any(|pair| pair.split('=').next() == Some("pretty")),
        }
    }

    async fn finish(self, answer: Response) -> Response {
        let mut answer = self.with_error_body(explained(answer).await);
        if self.is_pretty {
            answer = indented(answer).await;
        }
        let headers = answer.headers_mut();
        headers.insert(CLIENT_VERSION, HeaderValue::from_static(build::VERSION));
        headers.insert(CLIENT_COMMIT, HeaderValue::from_static(""));
        headers.insert(BUILD_DATE, HeaderValue::from_static("0001-01-01 00:00:00 +0000 UTC"));
        headers.insert(BUILD_OS, HeaderValue::from_static(std::env::consts::OS));
        headers.insert(BUILD_ARCH, HeaderValue::from_static(build::architecture()));
        headers.insert(VARY, HeaderValue::from_static("Origin"));
        headers.insert(REQUEST_ID, self.id.unwrap_or_else(random_id));
        answer
    }

    /// Writes out what a handler left in the extensions, and what the router answers without a body.
    fn with_error_body(&self, mut answer: Response) -> Response {
        let error = match answer.extensions_mut().remove::<ApiError>() {
            Some(error) => error,
            None if answer.status() == StatusCode::METHOD_NOT_ALLOWED => ApiError::method_not_allowed(),
            None => return answer,
        };
        let request_id = self.id.as_ref().and_then(|id| id.to_str().ok()).unwrap_or_default();
        let body = ErrorBody { request_id: request_id.to_owned(), ..*error.0 };
        let mut written = json_response(answer.status(), &body);
        for name in [ALLOW, axum::http::header::RETRY_AFTER] {
            if let Some(value) = answer.headers().get(&name) {
                written.headers_mut().insert(name, value.clone());
            }
        }
        if self.is_head {
            *written.body_mut() = Body::empty();
        }
        written
    }
}

/// The version a client claims, if its request may come in.
fn may_enter(names: Names, request: &Request) -> Result<Option<ClientVersion>, Box<Response>> {
    if let Some(name) = names.foreign(request) {
        return Err(Box::new(ApiError::foreign_host(&name).into_response()));
    }
    if request.headers().contains_key(SENT_BY_JOB) && !request.method().is_safe() {
        let reason = "a job may read from the orchestrator, not change anything";
        return Err(Box::new(ApiError::forbidden(reason).into_response()));
    }
    client_version(request.headers())
}

/// The version a client claims, if it may come in (api.md 1.4).
fn client_version(headers: &HeaderMap) -> Result<Option<ClientVersion>, Box<Response>> {
    let text = headers.get(CLIENT_VERSION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if text.is_empty() || text == "v0.0.0" || text == "v0.0.0-xxxxxxx" {
        return Ok(None);
    }
    let refuse = |status, body: Value| Err(Box::new(json_response(status, &body)));
    let Some((version, is_release)) = parse_version(text) else {
        let shown: String = text.chars().take(64).collect();
        return refuse(StatusCode::BAD_REQUEST, json!({"Error": format!("Invalid client version {shown}")}));
    };
    if version < OLDEST_CLIENT || version == OLDEST_CLIENT && !is_release {
        let (major, minor, patch) = OLDEST_CLIENT;
        let body = json!({
            "Error": "Client version is outdated. Update your client",
            "MinVersion": format!("{major}.{minor}.{patch}"),
            "ClientVersion": text.trim_start_matches('v'),
            "ServerVersion": build::VERSION.trim_start_matches('v'),
        });
        return refuse(StatusCode::FORBIDDEN, body);
    }
    Ok(Some(version))
}

/// Reads `v1.9.3` or `1.4.0-rc1`; the flag tells that it is no pre-release.
fn parse_version(text: &str) -> Option<(ClientVersion, bool)> {
    let text = text.strip_prefix('v').unwrap_or(text);
    let text = text.split('+').next()?;
    let (numbers, pre_release) =
        text.split_once('-').map_or((text, None), |(numbers, rest)| (numbers, Some(rest)));
    let mut parts = numbers.split('.').map(|part| part.parse::<u64>().ok());
    let version = (parts.next()??, parts.next()??, parts.next()??);
    (parts.next().is_none() && pre_release != Some("")).then_some((version, pre_release.is_none()))
}

/// What the framework refuses on its own (a path that is no text, say) is told in its words, in the shape of errors.
async fn explained(answer: Response) -> Response {
    let is_text =
        answer.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/plain"));
    if !answer.status().is_client_error() || !is_text || answer.extensions().get::<ApiError>().is_some() {
        return answer;
    }
    let status = answer.status();
    let text = to_bytes(answer.into_body(), MAX_REFUSAL_BYTES).await.unwrap_or_default();
    ApiError::of_framework(status, String::from_utf8_lossy(&text)).into_response()
}

fn json_response(status: StatusCode, body: &impl Serialize) -> Response {
    let mut bytes = serde_json::to_vec(body).unwrap_or_default();
    bytes.push(b'\n');
    (status, [(CONTENT_TYPE, "application/json")], bytes).into_response()
}

/// Indents a JSON answer; anything else stays as it is.
async fn indented(answer: Response) -> Response {
    let is_json = answer.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    if !is_json {
        return answer;
    }
    let (mut head, body) = answer.into_parts();
    let Ok(bytes) = to_bytes(body, MAX_PRETTY_BYTES).await else {
        return ApiError::bad_request("the answer is too large to be indented; ask without pretty")
            .into_response();
    };
    let pretty =
        serde_json::from_slice::<Value>(&bytes).and_then(|value| serde_json::to_string_pretty(&value));
    head.headers.remove(CONTENT_LENGTH);
    let body = pretty.map_or_else(|_| Body::from(bytes), |text| Body::from(text + "\n"));
    Response::from_parts(head, body)
}

fn random_id() -> HeaderValue {
    let hex: String = entropy::bytes::<16>().iter().map(|byte| format!("{byte:02x}")).collect();
    HeaderValue::from_str(&hex).expect("hexadecimal digits are a header value")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_others_are_not() {
        assert_eq!(parse_version("v1.9.3"), Some(((1, 9, 3), true)));
        assert_eq!(parse_version("1.4.0-rc1+build"), Some(((1, 4, 0), false)));
        for bad in ["abc", "1.2", "1.2.3.4", "v1.2.x", "1.2.3-"] {
            assert_eq!(parse_version(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_gate_follows_the_table() {
        let gate = |version: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(CLIENT_VERSION, HeaderValue::from_str(version).unwrap());
            client_version(&headers).map_err(|refusal| refusal.status().as_u16())
        };
        assert_eq!(client_version(&HeaderMap::new()).ok(), Some(None));
        assert_eq!(gate("v0.0.0-xxxxxxx"), Ok(None));
        assert_eq!(gate("v99.0.0"), Ok(Some((99, 0, 0))));
        assert_eq!(gate("abc"), Err(400));
        assert_eq!(gate("v1.3.2"), Err(403));
        assert_eq!(gate("v1.4.0-alpha"), Err(403));
    }
}
