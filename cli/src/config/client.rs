//! Which server a client command talks to, and as whom.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Url;

use crate::client::tls::{self, Trust};
use crate::config::host::AddressKind;
use crate::config::{Problems, Settings, duration};
use crate::profiles::Profile;

/// Server and credential of a client command.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// Scheme, host and port; the path is `/`.
    pub endpoint: Url,
    /// Value of the `Authorization` header.
    pub authorization: Option<String>,
    /// Whom to trust; `None` for plain HTTP.
    pub tls: Option<Arc<rustls::ClientConfig>>,
    /// Longest wait for an answer, where a profile says so.
    pub timeout: Option<Duration>,
}

/// What a client may find in its data directory.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// The profile that was asked for, or else the one in use, and how it was chosen.
    pub profile: Option<(Choice, Profile)>,
    /// Tokens by server, as `tokens.json` holds them.
    pub tokens: BTreeMap<String, String>,
}

/// How a profile was chosen; a stronger choice beats more of the other settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Choice {
    /// It is the one in use.
    Current,
    /// By `BACALHAU_PROFILE`.
    Environment,
    /// By `--profile`.
    Flag,
    /// Stronger than any: the command line names the server itself.
    Typed,
}

impl ClientConfig {
    /// A server that asks for nothing, over plain HTTP.
    pub fn plain(endpoint: Url) -> Self {
        Self { endpoint, authorization: None, tls: None, timeout: None }
    }

    /// Resolves the settings, the three `BACALHAU_API_*` credentials of the environment, and what is kept.
    pub fn resolve(
        settings: &Settings,
        environment: &BTreeMap<String, String>,
        kept: &Kept,
    ) -> Result<Self, Problems> {
        let profile = kept.profile.as_ref().filter(|(choice, _)| *choice >= said(settings));
        let profile = profile.map(|(_, profile)| profile);
        let endpoint = match profile {
            Some(profile) => endpoint(&profile.endpoint, settings.integer("API.Port"), false),
            None => {
                let use_tls = settings.flag("API.TLS.UseTLS");
                endpoint(&settings.text("API.Host"), settings.integer("API.Port"), use_tls)
            }
        };
        let insecure =
            settings.flag("API.TLS.Insecure") || profile.is_some_and(|profile| profile.tls.insecure);
        let tls = match &endpoint {
            Ok(url) if url.scheme() == "https" => trust(settings, insecure).map(Some),
            _ => Ok(None),
        };
        let server =
            endpoint.as_ref().map(|url| url.as_str().trim_end_matches('/').to_owned()).unwrap_or_default();
        let token = profile.map(|profile| profile.auth.token.clone()).filter(|token| !token.is_empty());
        let token = token.or_else(|| kept.tokens.get(&server).cloned());
        let authorization = authorization(environment)
            .map(|given| given.or_else(|| token.map(|token| format!("Bearer {token}"))));
        let timeout = profile.map(timeout).transpose();
        match (endpoint, authorization, tls, timeout) {
            (Ok(endpoint), Ok(authorization), Ok(tls), Ok(timeout)) => {
                Ok(Self { endpoint, authorization, tls, timeout: timeout.flatten() })
            }
            (endpoint, authorization, tls, timeout) => {
                let problems = [endpoint.err(), authorization.err(), tls.err(), timeout.err()];
                Err(Problems(problems.into_iter().flatten().collect()))
            }
        }
    }
}

/// The weakest choice of a profile that beats where the settings name a server: what is typed beats what stands in the
/// environment, and that beats what stands in a file. An address to listen on names no server.
fn said(settings: &Settings) -> Choice {
    let says = |key: &str| settings.origin(key).filter(|_| !is_everywhere(&settings.text("API.Host")));
    let origins: Vec<&str> = ["API.Host", "API.Port"].into_iter().filter_map(says).collect();
    let is_variable = |origin: &&str| origin.starts_with("BACALHAU_");
    match () {
        () if origins.iter().any(|origin| origin.starts_with('-')) => Choice::Typed,
        () if origins.iter().any(is_variable) => Choice::Flag,
        () if !origins.is_empty() => Choice::Environment,
        () => Choice::Current,
    }
}

fn is_everywhere(host: &str) -> bool {
    matches!(host, "0.0.0.0" | "::" | "[::]") || AddressKind::parse(host) == Some(AddressKind::Any)
}

fn trust(settings: &Settings, insecure: bool) -> Result<Arc<rustls::ClientConfig>, String> {
    let file = settings.text("API.TLS.CAFile");
    let file = Some(Path::new(&file)).filter(|_| !file.is_empty());
    tls::config(if insecure { Trust::Anybody } else { Trust::Authorities(file) })
}

fn timeout(profile: &Profile) -> Result<Option<Duration>, String> {
    if profile.timeout.is_empty() {
        return Ok(None);
    }
    let parsed = duration::parse(&profile.timeout).filter(|timeout| !timeout.is_zero());
    parsed
        .map(Some)
        .ok_or_else(|| format!("the profile's timeout {:?} is no duration such as 30s", profile.timeout))
}

/// Reads an endpoint as people give it: a name, an address or a URL. A port in it wins over `port`.
pub fn endpoint(host: &str, port: i64, use_tls: bool) -> Result<Url, String> {
    let wrong = |why: &str| format!("API.Host {host:?} and API.Port {port} name no server: {why}");
    let port = u16::try_from(port).map_err(|_| wrong("a port lies between 0 and 65535"))?;
    let scheme = if use_tls { "https" } else { "http" };
    let text = match AddressKind::parse(host) {
        Some(AddressKind::Any) => format!("{scheme}://127.0.0.1"),
        Some(kind) => {
            let address = kind.find().ok_or_else(|| wrong("this machine has no address of that kind"))?;
            format!("{scheme}://{}", std::net::SocketAddr::new(address, port))
        }
        None => match host {
            url if url.contains("://") => url.to_owned(),
            address if address.parse::<std::net::Ipv6Addr>().is_ok() => format!("{scheme}://[{address}]"),
            name => format!("{scheme}://{name}"),
        },
    };
    let text = if use_tls { text.replacen("http://", "https://", 1) } else { text };
    let mut url = Url::parse(&text).map_err(|error| wrong(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("the scheme must be http or https"));
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
            ("https://gateway", "https://gateway:1234/"),
            ("any", "http://127.0.0.1:1234/"),
            ("localhost", "http://127.0.0.1:1234/"),
        ] {
            assert_eq!(endpoint(host, 1234, false).unwrap().as_str(), expected, "{host}");
        }
    }

    #[test]
    fn what_is_no_server_is_refused_with_a_reason() {
        for (host, port, part) in [
            ("http://h/path", 1, "scheme, host and port only"),
            ("ftp://h", 1, "must be http"),
            ("h", 70_000, "between 0 and 65535"),
            ("", 1, "empty host"),
        ] {
            let error = endpoint(host, port, false).unwrap_err();
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

    fn settings(config: &[&str], environment: &[(&str, &str)]) -> Settings {
        let text = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let invocation = crate::config::Invocation {
            config: config.iter().map(ToString::to_string).collect(),
            environment: environment.iter().map(text).collect(),
            ..crate::config::Invocation::default()
        };
        let file = |path: &Path| match path.to_str() {
            Some("file.yaml") => Ok("API: {Host: file}".to_owned()),
            _ => Err(std::io::ErrorKind::NotFound.into()),
        };
        crate::config::load(&invocation, &file).unwrap()
    }

    #[test]
    fn what_is_said_more_plainly_names_the_server() {
        let profile = Profile { endpoint: "profile".into(), ..Profile::default() };
        let host = |settings: &Settings, choice| {
            let kept = Kept { profile: Some((choice, profile.clone())), ..Kept::default() };
            ClientConfig::resolve(settings, &BTreeMap::new(), &kept)
                .unwrap()
                .endpoint
                .host_str()
                .unwrap()
                .to_owned()
        };
        let typed = settings(&["API.Host=typed"], &[]);
        let variable = settings(&[], &[("BACALHAU_API_HOST", "variable")]);
        let file = settings(&["file.yaml"], &[]);
        let everywhere = settings(&["API.Host=0.0.0.0"], &[]);
        assert_eq!(host(&typed, Choice::Flag), "typed");
        assert_eq!(host(&variable, Choice::Flag), "profile");
        assert_eq!(host(&variable, Choice::Environment), "variable");
        assert_eq!(host(&file, Choice::Environment), "profile");
        assert_eq!(host(&file, Choice::Current), "file");
        assert_eq!(host(&everywhere, Choice::Current), "profile");
    }

    #[test]
    fn tokens_are_those_of_the_profile_or_of_the_server() {
        let auth = crate::profiles::Auth { token: "p".into() };
        let profile = Profile { endpoint: "h".into(), auth, timeout: "5s".into(), ..Profile::default() };
        let tokens = [("http://h:1234".to_owned(), "t".to_owned())].into();
        let kept = Kept { profile: Some((Choice::Flag, profile)), tokens };
        let found = ClientConfig::resolve(&settings(&[], &[]), &BTreeMap::new(), &kept).unwrap();
        assert_eq!(
            (found.authorization.as_deref(), found.timeout),
            (Some("Bearer p"), Some(Duration::from_secs(5)))
        );
        let kept = Kept { profile: None, tokens: kept.tokens };
        let found = ClientConfig::resolve(&settings(&["API.Host=h"], &[]), &BTreeMap::new(), &kept).unwrap();
        assert_eq!(found.authorization.as_deref(), Some("Bearer t"));
    }
}
