//! Which server a client command talks to, and as whom.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Url;

use crate::config::{Problems, Settings};

/// Server and credential of a client command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientConfig {
    /// Scheme, host and port; the path is `/`.
    pub endpoint: Url,
    /// Value of the `Authorization` header.
    pub authorization: Option<String>,
}

impl ClientConfig {
    /// Resolves the settings and the three `BACALHAU_API_*` credentials of the environment.
    pub fn resolve(settings: &Settings, environment: &BTreeMap<String, String>) -> Result<Self, Problems> {
        let endpoint = endpoint(&settings.text("API.Host"), settings.integer("API.Port"));
        let authorization = authorization(environment);
        match (endpoint, authorization) {
            (Ok(endpoint), Ok(authorization)) => Ok(Self { endpoint, authorization }),
            (endpoint, authorization) => {
                Err(Problems(endpoint.err().into_iter().chain(authorization.err()).collect()))
            }
        }
    }
}

/// `host` is a name, an address or a URL; a port in a URL wins over `port`.
fn endpoint(host: &str, port: i64) -> Result<Url, String> {
    let wrong = |why: &str| format!("API.Host {host:?} and API.Port {port} name no server: {why}");
    let port = u16::try_from(port).map_err(|_| wrong("a port lies between 0 and 65535"))?;
    let text = match host {
        url if url.contains("://") => url.to_owned(),
        address if address.parse::<std::net::Ipv6Addr>().is_ok() => format!("http://[{address}]"),
        name => format!("http://{name}"),
    };
    let mut url = Url::parse(&text).map_err(|error| wrong(&error.to_string()))?;
    match url.scheme() {
        "http" => {}
        "https" => return Err(wrong("https is not supported yet; use http through a tunnel or a proxy")),
        _ => return Err(wrong("the scheme must be http")),
    }
    if url.path() != "/" || url.query().is_some() {
        return Err(wrong("a URL may hold scheme, host and port only"));
    }
    if matches!(url.host_str(), Some("0.0.0.0" | "[::]")) {
        let set = url.set_host(Some("127.0.0.1"));
        debug_assert!(set.is_ok(), "an http URL has a host");
    }
    if !has_port(&text) {
        let set = url.set_port(Some(port));
        debug_assert!(set.is_ok(), "an http URL may have a port");
    }
    Ok(url)
}

/// [`Url::port`] hides the scheme's own port, so `http://host:80` has to be told from `http://host` by its text.
fn has_port(url: &str) -> bool {
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest).trim_end_matches('/');
    match authority.rsplit_once(':') {
        Some((_, port)) => !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()),
        None => false,
    }
}

fn authorization(environment: &BTreeMap<String, String>) -> Result<Option<String>, String> {
    let variable = |name: &str| environment.get(name).filter(|text| !text.is_empty());
    let key = variable("BACALHAU_API_KEY");
    let (user, password) = (variable("BACALHAU_API_USERNAME"), variable("BACALHAU_API_PASSWORD"));
    match (key, user, password) {
        (Some(_), Some(_), _) | (Some(_), _, Some(_)) => {
            Err("authentication error: can't use both BACALHAU_API_KEY and \
             BACALHAU_API_USERNAME/BACALHAU_API_PASSWORD simultaneously"
                .into())
        }
        (Some(key), None, None) => Ok(Some(format!("Bearer {key}"))),
        (None, Some(user), Some(password)) => {
            Ok(Some(format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))))
        }
        (None, Some(_), None) => Err("BACALHAU_API_USERNAME is set without BACALHAU_API_PASSWORD".into()),
        (None, None, Some(_)) => Err("BACALHAU_API_PASSWORD is set without BACALHAU_API_USERNAME".into()),
        (None, None, None) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_become_endpoints() {
        for (host, expected) in [
            ("127.0.0.1", "http://127.0.0.1:1234/"),
            ("0.0.0.0", "http://127.0.0.1:1234/"),
            ("::1", "http://[::1]:1234/"),
            ("gateway", "http://gateway:1234/"),
            ("http://gateway:80", "http://gateway/"),
            ("http://gateway:99/", "http://gateway:99/"),
            ("http://[::1]", "http://[::1]:1234/"),
        ] {
            assert_eq!(endpoint(host, 1234).unwrap().as_str(), expected, "{host}");
        }
    }

    #[test]
    fn what_is_no_server_is_refused_with_a_reason() {
        for (host, port, part) in [
            ("http://h/path", 1, "scheme, host and port only"),
            ("ftp://h", 1, "must be http"),
            ("https://h", 1, "not supported yet"),
            ("h", 70_000, "between 0 and 65535"),
            ("", 1, "empty host"),
        ] {
            let error = endpoint(host, port).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn credentials_exclude_each_other() {
        let environment =
            |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        assert_eq!(authorization(&environment(&[("BACALHAU_API_KEY", "k")])), Ok(Some("Bearer k".into())));
        let pair = [("BACALHAU_API_USERNAME", "u"), ("BACALHAU_API_PASSWORD", "p")];
        assert_eq!(authorization(&environment(&pair)), Ok(Some("Basic dTpw".into())));
        assert!(authorization(&environment(&[pair[0]])).is_err());
        assert!(authorization(&environment(&[pair[0], ("BACALHAU_API_KEY", "k")])).is_err());
        assert_eq!(authorization(&environment(&[])), Ok(None));
    }
}
