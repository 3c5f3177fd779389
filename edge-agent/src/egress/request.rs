//! What a client of the proxy wants (RFC 9110 section 9.3.6, RFC 9112 section 3.2).

use std::fmt::Write as _;
use std::net::Ipv6Addr;

/// Largest request line and headers, bytes.
pub(super) const MAX_HEAD_BYTES: usize = 16 << 10;
/// Most header lines of a request.
const MAX_HEADERS: usize = 100;
/// Longest name of a host (RFC 1035 section 2.3.4).
const MAX_HOST_BYTES: usize = 253;
/// Says whose job sent a request.
const JOB_HEADER: &str = "X-Bacalhau-Job-ID";

/// A request that can be passed on if its destination is allowed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// Name or address, without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) kind: Kind,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Bytes both ways until either side ends.
    Tunnel,
    /// One request in the clear.
    Forward {
        /// Request line and headers for the server.
        head: String,
        /// Bytes of the body that follow.
        body_bytes: u64,
    },
}

/// Why a request is not passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Malformed {
    #[error("this is no HTTP/1 request")]
    Syntax,
    #[error("a proxy is asked for http://HOST/PATH or CONNECT HOST:PORT")]
    Target,
    #[error("the body needs one Content-Length; a chunked body cannot pass this proxy")]
    Length,
}

impl Request {
    /// Reads a head; `None` while it is incomplete. Also says how many bytes it has.
    pub(super) fn parse(bytes: &[u8], job_id: &str) -> Result<Option<(Self, usize)>, Malformed> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut parsed = httparse::Request::new(&mut headers);
        let head_bytes = match parsed.parse(bytes) {
            Ok(httparse::Status::Complete(head_bytes)) => head_bytes,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err(Malformed::Syntax),
        };
        let (method, target) = (parsed.method.unwrap_or_default(), parsed.path.unwrap_or_default());
        let request = if method == "CONNECT" {
            let (host, port) = split_authority(target, None).ok_or(Malformed::Target)?;
            Self { host, port, kind: Kind::Tunnel }
        } else {
            forward(method, target, parsed.headers, job_id)?
        };
        Ok(Some((request, head_bytes)))
    }
}

fn forward(
    method: &str,
    target: &str,
    headers: &[httparse::Header<'_>],
    job_id: &str,
) -> Result<Request, Malformed> {
    let scheme = target.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("http://"));
    let rest = scheme.map(|scheme| &target[scheme.len()..]).ok_or(Malformed::Target)?;
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let (host, port) = split_authority(authority, Some(80)).ok_or(Malformed::Target)?;
    let body_bytes = body_bytes(headers)?;
    let slash = if path.starts_with('/') { "" } else { "/" };
    // The server sees the host that was checked, whatever the client's own Host line says.
    let mut head = format!("{method} {slash}{path} HTTP/1.1\r\nHost: {authority}\r\n");
    for header in headers.iter().filter(|header| !is_for_proxy(header.name)) {
        let value = std::str::from_utf8(header.value).map_err(|_| Malformed::Syntax)?;
        let _ = write!(head, "{}: {value}\r\n", header.name);
    }
    let _ = write!(head, "{JOB_HEADER}: {job_id}\r\nConnection: close\r\n\r\n");
    Ok(Request { host, port, kind: Kind::Forward { head, body_bytes } })
}

/// Lines that speak to the proxy, or that the proxy writes itself.
fn is_for_proxy(name: &str) -> bool {
    const OURS: [&str; 8] =
        ["host", "connection", "keep-alive", "te", "trailer", "upgrade", "expect", "x-bacalhau-job-id"];
    let name = name.to_ascii_lowercase();
    name.starts_with("proxy-") || OURS.contains(&name.as_str())
}

fn body_bytes(headers: &[httparse::Header<'_>]) -> Result<u64, Malformed> {
    let named = |name: &'static str| {
        headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value)
    };
    if named("Transfer-Encoding").next().is_some() {
        return Err(Malformed::Length);
    }
    let mut lengths = named("Content-Length");
    match (lengths.next(), lengths.next()) {
        (None, _) => Ok(0),
        (Some(digits), None) if !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) => {
            std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()).ok_or(Malformed::Length)
        }
        _ => Err(Malformed::Length),
    }
}

/// Host and port of `host:port` and `[v6]:port`. No user names.
fn split_authority(authority: &str, default_port: Option<u16>) -> Option<(String, u16)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            host.parse::<Ipv6Addr>().ok()?;
            (host, if port.is_empty() { None } else { Some(port.strip_prefix(':')?) })
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':');
    if host.is_empty() || host.len() > MAX_HOST_BYTES || !host.bytes().all(is_plain) {
        return None;
    }
    let port = match port {
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok()?,
        Some(_) => return None,
        None => default_port?,
    };
    Some((host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<Option<Request>, Malformed> {
        Request::parse(text.as_bytes(), "j-1").map(|parsed| parsed.map(|(request, _)| request))
    }

    #[test]
    fn a_tunnel_names_host_and_port() {
        let request = parse("CONNECT [2001:db8::1]:8443 HTTP/1.1\r\n\r\n").unwrap().unwrap();
        assert_eq!(request, Request { host: "2001:db8::1".to_owned(), port: 8443, kind: Kind::Tunnel });
        assert_eq!(parse("CONNECT example.com HTTP/1.1\r\n\r\n"), Err(Malformed::Target));
    }

    #[test]
    fn a_request_in_the_clear_is_rewritten_for_the_server() {
        let text = "POST http://Example.com:8080?x=1 HTTP/1.1\r\nHost: other.org\r\nProxy-Authorization: s\r\n\
                    X-Bacalhau-Job-Id: forged\r\nConnection: keep-alive\r\nContent-Length: 5\r\nAccept: a/b\r\n\r\nhello";
        let (request, used) = Request::parse(text.as_bytes(), "j-1").unwrap().unwrap();
        assert_eq!(&text[used..], "hello");
        assert_eq!((request.host.as_str(), request.port), ("Example.com", 8080));
        let head = "POST /?x=1 HTTP/1.1\r\nHost: Example.com:8080\r\nContent-Length: 5\r\nAccept: a/b\r\n\
                    X-Bacalhau-Job-ID: j-1\r\nConnection: close\r\n\r\n";
        assert_eq!(request.kind, Kind::Forward { head: head.to_owned(), body_bytes: 5 });
    }

    #[test]
    fn what_could_mean_two_things_is_refused() {
        for (lines, reason) in [
            ("GET / HTTP/1.1\r\nHost: example.com", Malformed::Target),
            ("GET https://example.com/ HTTP/1.1", Malformed::Target),
            ("GET http://user@example.com/ HTTP/1.1", Malformed::Target),
            ("GET http://example.com:+80/ HTTP/1.1", Malformed::Target),
            ("GET http://a/ HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2", Malformed::Length),
            ("GET http://a/ HTTP/1.1\r\nContent-Length: +1", Malformed::Length),
            ("POST http://a/ HTTP/1.1\r\nTransfer-Encoding: chunked", Malformed::Length),
            ("\u{1}nonsense", Malformed::Syntax),
        ] {
            assert_eq!(parse(&format!("{lines}\r\n\r\n")), Err(reason), "{lines}");
        }
    }

    #[test]
    fn an_unfinished_head_asks_for_more() {
        assert_eq!(parse("GET http://example.com/ HTTP/1.1\r\nAccept"), Ok(None));
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = Request::parse(&bytes, "j-1");
        }

        /// Nothing a client sends adds a line of its own to what the server gets.
        #[test]
        fn no_line_is_smuggled(target in "http://[ -~]{1,40}", value in "[ -~\\r\\n]{0,40}") {
            let text = format!("GET {target} HTTP/1.1\r\nA: {value}\r\n\r\n");
            if let Ok(Some((Request { kind: Kind::Forward { head, .. }, .. }, _))) =
                Request::parse(text.as_bytes(), "j-1")
            {
                prop_assert_eq!(head.matches("\r\n\r\n").count(), 1);
                prop_assert_eq!(head.matches("\r\nHost: ").count(), 1);
            }
        }
    }
}
