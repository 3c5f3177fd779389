//! A URL that decides by its answer.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::ServerName;
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::clock::Clock;
use crate::tls;

/// Bytes of an answer; a larger one is refused.
const MAX_ANSWER_BYTES: u64 = 64 * 1024;
const MAX_HEADERS: usize = 64;

/// Posts the job. A status from 400 on refuses; JSON decides itself; every other answer takes the job.
pub(super) async fn ask(clock: &Clock, url: &str, question: &str) -> Result<(), String> {
    let target = Target::parse(url)?;
    let unreachable =
        |error: std::io::Error| format!("{}:{} cannot be asked: {error}", target.host, target.port);
    let stream = TcpStream::connect((target.host.as_str(), target.port)).await.map_err(unreachable)?;
    let request = target.request(question);
    let answer = if target.tls {
        let name = ServerName::try_from(target.host.clone()).map_err(|error| error.to_string())?;
        let stream =
            TlsConnector::from(trust(clock).await?).connect(name, stream).await.map_err(unreachable)?;
        exchange(stream, &request).await
    } else {
        exchange(stream, &request).await
    };
    verdict(&answer.map_err(unreachable)?)
}

async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    request: &str,
) -> std::io::Result<Vec<u8>> {
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    let mut answer = Vec::new();
    match stream.take(MAX_ANSWER_BYTES + 1).read_to_end(&mut answer).await {
        // Not every server says goodbye to a TLS connection.
        Err(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => Err(error),
        _ => Ok(answer),
    }
}

/// The machine's own authorities, read anew each time so that changes count.
async fn trust(clock: &Clock) -> Result<Arc<rustls::ClientConfig>, String> {
    let read = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs).await;
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(read.map_err(|stopped| stopped.to_string())?.certs);
    tls::client(clock, roots).map(Arc::new).map_err(|error| error.to_string())
}

/// Where and how to ask.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    tls: bool,
    host: String,
    port: u16,
    path: String,
    credential: Option<String>,
}

impl Target {
    fn parse(url: &str) -> Result<Self, String> {
        // The URL may hold a password, so no error repeats it.
        let wrong = || "the URL is none: expected http://HOST:PORT/PATH".to_owned();
        let (tls, rest) = match url.split_once("://") {
            Some(("http", rest)) => (false, rest),
            Some(("https", rest)) => (true, rest),
            _ => return Err(wrong()),
        };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let (user, authority) = match authority.rsplit_once('@') {
            Some((user, authority)) => (Some(user), authority),
            None => (None, authority),
        };
        let (host, port) = match authority.strip_prefix('[') {
            Some(bracketed) => bracketed.split_once(']').ok_or_else(wrong)?,
            None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
        };
        let port = match port.strip_prefix(':') {
            Some(digits) => digits.parse().map_err(|_| wrong())?,
            None => {
                if tls {
                    443
                } else {
                    80
                }
            }
        };
        let is_odd = |c: char| c.is_whitespace() || c.is_control();
        if host.is_empty() || url.contains(is_odd) {
            return Err(wrong());
        }
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let path = path.split('#').next().unwrap_or("/").to_owned();
        Ok(Self {
            tls,
            host: host.to_owned(),
            port,
            path,
            credential: user.map(|user| STANDARD.encode(user)),
        })
    }

    /// In HTTP/1.0, whose answers end with the connection and have no parts.
    fn request(&self, body: &str) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let credential = self.credential.as_ref();
        let credential =
            credential.map(|text| format!("Authorization: Basic {text}\r\n")).unwrap_or_default();
        format!(
            "POST {} HTTP/1.0\r\nHost: {host}:{}\r\nUser-Agent: bacalhau-agent\r\n{credential}\
             Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.path,
            self.port,
            body.len()
        )
    }
}

/// What an answer in JSON says; names in any case, as versions differ.
#[derive(Debug, Default, Deserialize)]
struct Verdict {
    #[serde(default)]
    shouldbid: Option<bool>,
    #[serde(default)]
    shouldwait: bool,
    #[serde(default)]
    reason: String,
}

fn verdict(answer: &[u8]) -> Result<(), String> {
    const UNCLEAR: &str = "the answer is no HTTP";
    if answer.len() as u64 > MAX_ANSWER_BYTES {
        return Err(format!("the answer is larger than {MAX_ANSWER_BYTES} bytes"));
    }
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let Ok(httparse::Status::Complete(head)) = response.parse(answer) else { return Err(UNCLEAR.to_owned()) };
    let header = |name: &str| {
        let found = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        found.and_then(|header| std::str::from_utf8(header.value).ok()).unwrap_or_default()
    };
    let body = &answer[head..];
    let body =
        header("content-length").parse::<usize>().ok().and_then(|length| body.get(..length)).unwrap_or(body);
    match response.code.unwrap_or(0) {
        status @ 400.. => Err(match String::from_utf8_lossy(body).trim() {
            "" => format!("the URL answered with status {status}"),
            text => format!("the URL answered with status {status}: {text}"),
        }),
        _ if header("content-type") == "application/json" => decided(body),
        _ => Ok(()),
    }
}

fn decided(body: &[u8]) -> Result<(), String> {
    let fields: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(body).map_err(|error| format!("the answer is no JSON object: {error}"))?;
    let lower = fields.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
    let verdict: Verdict = serde_json::from_value(serde_json::Value::Object(lower))
        .map_err(|error| format!("the answer is not understood: {error}"))?;
    match verdict {
        Verdict { shouldwait: true, .. } => {
            Err("the answer comes later (shouldWait), which this node does not wait for".to_owned())
        }
        Verdict { shouldbid: Some(true), .. } => Ok(()),
        Verdict { shouldbid: Some(false), reason, .. } if reason.is_empty() => {
            Err("no reason given".to_owned())
        }
        Verdict { shouldbid: Some(false), reason, .. } => Err(reason),
        Verdict { shouldbid: None, .. } => Err("the answer has no ShouldBid".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let found = Target::parse("http://user:pass@[::1]:8080/check?x=1").unwrap();
        let expected = Target {
            tls: false,
            host: "::1".into(),
            port: 8080,
            path: "/check?x=1".into(),
            credential: Some(STANDARD.encode("user:pass")),
        };
        assert_eq!(found, expected);
        let found = Target::parse("https://probe").unwrap();
        assert_eq!((found.port, found.path.as_str(), found.tls), (443, "/", true));
        for bad in
            ["", "ftp://h", "http://", "http://h:x", "http://[::1", "http://h/a b", "http://h/\r\nX: y"]
        {
            assert!(Target::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn answers_decide() {
        let json = |body: &str| format!("HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{body}");
        for (answer, expected) in [
            ("HTTP/1.1 200 OK\r\n\r\n{\"shouldBid\": false}".to_owned(), None),
            ("HTTP/1.1 204 No Content\r\n\r\n".to_owned(), None),
            (json("{\"ShouldBid\": true, \"Reason\": \"\"}"), None),
            (json("{\"shouldBid\": false, \"reason\": \"not signed\"}"), Some("not signed")),
            (json("{\"shouldWait\": true}"), Some("later")),
            (json("{}"), Some("no ShouldBid")),
            (json("[]"), Some("no JSON object")),
            (json("{\"shouldBid\": \"yes\"}"), Some("not understood")),
            ("HTTP/1.1 403 Forbidden\r\n\r\nno\n".to_owned(), Some("status 403: no")),
            ("SSH-2.0".to_owned(), Some("no HTTP")),
            (json(&" ".repeat(70_000)), Some("larger than")),
        ] {
            let found = verdict(answer.as_bytes());
            match expected {
                None => assert_eq!(found, Ok(()), "{answer}"),
                Some(part) => assert!(found.clone().unwrap_err().contains(part), "{found:?}"),
            }
        }
    }
}
