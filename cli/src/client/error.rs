//! Why a call failed, and what to do about it.

use bacalhau_protocol::api::ErrorBody;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody answers there.
    #[error("server is not running or not reachable at {endpoint}")]
    Unreachable {
        /// The server, without a trailing slash.
        endpoint: String,
        /// What the transport said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Somebody answers who cannot prove to be the server.
    #[error("the certificate of {endpoint} is not trusted")]
    Untrusted {
        /// The server, without a trailing slash.
        endpoint: String,
        /// What the transport said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Somebody answers too slowly.
    #[error("request to {endpoint} timed out")]
    TimedOut {
        /// The server, without a trailing slash.
        endpoint: String,
    },
    /// The connection broke, or what was answered is no HTTP.
    #[error("network error while talking to {endpoint}")]
    Network {
        /// The server, without a trailing slash.
        endpoint: String,
        /// What the transport said.
        source: reqwest::Error,
    },
    /// The server wants a credential, or another one.
    #[error("unauthorized")]
    Unauthorized,
    /// Nothing is called so.
    #[error("{0:?} is no id; expected the id or the name of a job or a node")]
    NoId(String),
    /// The server understood and said no.
    #[error("{}", .0.message)]
    Api(Box<ErrorBody>),
    /// The answer has a shape this client does not know.
    #[error("the answer of {path} is not understood")]
    Answer {
        /// Path that was asked.
        path: String,
        /// Where it differs.
        source: serde_json::Error,
    },
    /// The stream of a log broke.
    #[error("error reading log output")]
    Log(#[source] Box<tokio_tungstenite::tungstenite::Error>),
    /// The stream of a log ended without a goodbye.
    #[error("error reading log output: the connection broke before the end")]
    LogCut,
    /// The server said why there is no log.
    #[error("{0}")]
    LogRefused(String),
}

/// Reads the body of an answer with this status. A body of another kind becomes the message.
pub(super) fn read_body(status: u16, body: &[u8]) -> ErrorBody {
    match serde_json::from_slice::<ErrorBody>(body) {
        Ok(error) if !error.message.is_empty() => ErrorBody { status, ..error },
        _ => ErrorBody {
            status,
            message: foreign(status, &String::from_utf8_lossy(body)),
            ..ErrorBody::default()
        },
    }
}

/// Longest part of a foreign body that is shown, characters.
const QUOTED: usize = 300;

fn foreign(status: u16, body: &str) -> String {
    let body: String = body.trim().chars().filter(|c| !c.is_control()).take(QUOTED).collect();
    match body.as_str() {
        "" => format!("the server answered with status {status} and no explanation"),
        text => format!("the server answered with status {status}: {text}"),
    }
}

impl Error {
    /// What the person can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unreachable { .. } => Some(UNREACHABLE.into()),
            Self::Untrusted { .. } => Some(
                "name its authority with -c API.TLS.CAFile=FILE or BACALHAU_API_TLS_CAFILE; a server with\n\
                 API.TLS.SelfSigned tells the path of its own when it starts"
                    .into(),
            ),
            Self::Unauthorized => Some(
                "set BACALHAU_API_KEY, or BACALHAU_API_USERNAME and BACALHAU_API_PASSWORD, to a credential the server knows"
                    .into(),
            ),
            Self::LogCut => Some("the job goes on; the same command shows its output again".into()),
            Self::Api(error) if !error.hint.is_empty() => Some(error.hint.clone()),
            _ => None,
        }
    }

    /// Whether the same call may succeed in a while: the server, or what stands before it, is away or overworked.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Network { .. } | Self::TimedOut { .. } => true,
            Self::Api(error) => matches!(error.status, 502..=504),
            _ => false,
        }
    }

    /// Whether the server says that what was asked for does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Api(error) if error.status == 404)
    }
}

const UNREACHABLE: &str = "start a server with `bacalhau serve --orchestrator` or `bacalhau devstack`,\n\
    or name another one with --api-host and --api-port, BACALHAU_API_HOST and BACALHAU_API_PORT,\n\
    or -c API.Host=… -c API.Port=…";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_bodies_are_read_and_others_are_quoted() {
        let body = br#"{"Status":404,"Message":"job not found: x","RequestID":"","Code":"NotFound","Component":"JobStore","Hint":"h"}"#;
        let error = read_body(404, body);
        assert_eq!(
            (error.message.as_str(), error.hint.as_str(), error.status),
            ("job not found: x", "h", 404)
        );
        assert!(Error::Api(error.into()).is_not_found());
        assert_eq!(
            read_body(503, b"Server Timeout!").message,
            "the server answered with status 503: Server Timeout!"
        );
        assert_eq!(read_body(502, b"").message, "the server answered with status 502 and no explanation");
        assert_eq!(
            read_body(400, b"{\"Error\":\"old\"}").message,
            "the server answered with status 400: {\"Error\":\"old\"}"
        );
    }
}
