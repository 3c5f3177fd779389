//! A task's output as it is written, over a WebSocket (api.md 3.11).

use bacalhau_protocol::api::{LogFrame, LogLine};
use futures_util::StreamExt as _;
use reqwest::Url;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::http::{HeaderValue, Request, header};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config};

use super::{Client, Error, JOBS, Result, said_if, said_unless_zero, with_query};

/// Which output to read.
#[derive(Clone, Debug, Default)]
pub struct LogQuery {
    /// One execution; empty for the latest.
    pub execution_id: String,
    /// Go on until the execution ends.
    pub follow: bool,
    /// Begin at the present end.
    pub tail: bool,
    /// Version of the job; 0 for the latest.
    pub job_version: u64,
    /// Where the job's name is looked up; empty for the default.
    pub namespace: String,
}

/// Output that arrives piece by piece.
#[derive(Debug)]
pub struct LogStream {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Client {
    /// Opens the output of a job. Whether the job exists is told by the first [`LogStream::next`].
    pub async fn logs(&self, job: &str, query: &LogQuery) -> Result<LogStream> {
        let url = with_query(
            self.url(JOBS, &[job, "logs"])?,
            &[
                ("execution_id", query.execution_id.clone()),
                ("follow", said_if(query.follow)),
                ("tail", said_if(query.tail)),
                ("job_version", said_unless_zero(query.job_version)),
                ("namespace", query.namespace.clone()),
            ],
        );
        let request = self.upgrade(&url)?;
        let connector = self.config.tls.clone().map_or(Connector::Plain, Connector::Rustls);
        match Box::pin(connect_async_tls_with_config(request, None, false, Some(connector))).await {
            Ok((socket, _)) => Ok(LogStream { socket }),
            Err(error) => Err(self.refused(error)),
        }
    }

    fn upgrade(&self, url: &Url) -> Result<Request<()>> {
        let address = url.as_str().replacen("http", "ws", 1);
        let mut request = address.into_client_request().map_err(log_error)?;
        if let Some(credential) = &self.config.authorization {
            let value = HeaderValue::from_str(credential).map_err(|error| log_error(error.into()))?;
            request.headers_mut().insert(header::AUTHORIZATION, value);
        }
        Ok(request)
    }

    fn refused(&self, error: tungstenite::Error) -> Error {
        match error {
            tungstenite::Error::Http(response) if response.status() == 401 => Error::Unauthorized,
            tungstenite::Error::Http(response) => {
                let body = response.body().as_deref().unwrap_or_default();
                Error::Api(Box::new(super::error::read_body(response.status().as_u16(), body)))
            }
            tungstenite::Error::Io(source) if super::is_distrust(&source) => {
                Error::Untrusted { endpoint: self.endpoint(), source: source.into() }
            }
            tungstenite::Error::Io(source) => {
                Error::Unreachable { endpoint: self.endpoint(), source: source.into() }
            }
            other => log_error(other),
        }
    }
}

impl LogStream {
    /// The next piece; `None` when there will be no more.
    pub async fn next(&mut self) -> Option<Result<LogLine>> {
        loop {
            return match self.socket.next().await {
                Some(Ok(Message::Text(text))) => Some(frame(&text)),
                Some(Ok(Message::Close(Some(close)))) if close.code == CloseCode::Normal => None,
                Some(Ok(Message::Close(_))) | None => Some(Err(Error::LogCut)),
                Some(Ok(_)) => continue,
                Some(Err(error)) => Some(Err(log_error(error))),
            };
        }
    }
}

fn frame(text: &str) -> Result<LogLine> {
    let frame: LogFrame = serde_json::from_str(text)
        .map_err(|source| Error::Answer { path: "the log stream".into(), source })?;
    match frame.error.as_str() {
        "" => Ok(frame.value),
        error => Err(Error::LogRefused(error.to_owned())),
    }
}

fn log_error(error: tungstenite::Error) -> Error {
    match error {
        tungstenite::Error::Io(_)
        | tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Error::LogCut,
        other => Error::Log(Box::new(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_hold_output_or_an_error() {
        let output = frame(r#"{"value":{"Type":1,"Line":"hello\n"}}"#).unwrap();
        assert_eq!(output, LogLine { stream: 1, line: "hello\n".into() });
        let refused = frame(r#"{"error":"job not found: x","value":{"Type":0,"Line":""}}"#).unwrap_err();
        assert_eq!(refused.to_string(), "job not found: x");
        assert!(matches!(frame("{"), Err(Error::Answer { .. })));
    }
}
