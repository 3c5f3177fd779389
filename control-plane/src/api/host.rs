//! Under which name a caller knows this server.
//!
//! While there is no access control, what listens on the loopback interface is kept to this machine by that alone. A page
//! in a browser on this machine is not: it may be loaded from a name that is then made to mean 127.0.0.1 (DNS rebinding),
//! and the browser takes both for one origin. But the request still carries that name. What a page of another origin may
//! send without asking first, such as a request to read logs or one without a body, carries that origin.

use std::net::{IpAddr, SocketAddr};

use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::header::{HOST, ORIGIN};
use axum::http::uri::Authority;

/// Which names are answered to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Names {
    /// Whatever leads here.
    Any,
    /// Names and addresses of this machine's loopback interface.
    Loopback,
}

impl Names {
    /// Of a server at this address. With TLS the certificate says who this is.
    pub(super) fn of(address: SocketAddr, has_tls: bool) -> Self {
        let is_private = address.ip().to_canonical().is_loopback() && !has_tls;
        if is_private { Self::Loopback } else { Self::Any }
    }

    /// The name or origin that a request is refused for. Programs that give none are no browsers.
    pub(super) fn foreign(self, request: &Request) -> Option<String> {
        if self == Self::Any {
            return None;
        }
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let named = request.headers().get_all(HOST).iter().map(text);
        let asked = request.uri().authority().map(ToString::to_string);
        let mut origins = request.headers().get_all(ORIGIN).iter().map(text);
        let foreign = named.chain(asked).find(|name| !is_loopback(name));
        foreign.or_else(|| origins.find(|origin| !is_own(origin)))
    }
}

/// A page that this machine serves. `null` is none.
fn is_own(origin: &str) -> bool {
    origin.split_once("://").is_some_and(|(_, host)| is_loopback(host))
}

/// `localhost`, a name below it or a loopback address, with a port or without.
fn is_loopback(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host().to_ascii_lowercase();
    let name = name.strip_suffix('.').unwrap_or(&name);
    let address = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    match address.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => name == "localhost" || name.ends_with(".localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_this_machine_are_told_from_others() {
        let own =
            ["localhost:1234", "LOCALHOST", "localhost.", "api.localhost", "127.0.0.1:1234", "127.9.9.9"];
        for host in own.into_iter().chain(["[::1]:1234", "[::1]", "[::ffff:127.0.0.1]:80"]) {
            assert!(is_loopback(host), "{host}");
        }
        for host in
            ["", "evil.example:1234", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1", "[::2]"]
        {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn only_what_listens_in_the_clear_on_loopback_is_choosy() {
        let of = |address: &str, has_tls| Names::of(address.parse().unwrap(), has_tls);
        assert_eq!(of("127.0.0.1:1234", false), Names::Loopback);
        assert_eq!(of("[::1]:1234", false), Names::Loopback);
        assert_eq!(of("127.0.0.1:1234", true), Names::Any);
        assert_eq!(of("0.0.0.0:1234", false), Names::Any);
        assert_eq!(of("192.168.1.7:1234", false), Names::Any);
    }
}
