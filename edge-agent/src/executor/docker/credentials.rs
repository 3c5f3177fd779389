//! Logins at registries, as Docker's own configuration has them.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bollard::auth::DockerCredentials;
use serde::Deserialize;
use std::collections::BTreeMap;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::Settings;
use super::reference::{HUB, registry};

/// The name that stands before a token instead of a user's.
const TOKEN_USER: &str = "<token>";

/// A login at Docker Hub.
#[derive(Clone)]
pub struct HubLogin {
    /// Name of the account.
    pub username: String,
    /// Its password or access token.
    pub password: String,
}

impl std::fmt::Debug for HubLogin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HubLogin({})", self.username)
    }
}

/// `~/.docker/config.json`, as far as logins go.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct File {
    auths: BTreeMap<String, Auth>,
    creds_store: String,
    cred_helpers: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Auth {
    auth: String,
    identitytoken: Option<String>,
}

/// What a helper program answers.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Helped {
    username: String,
    secret: String,
}

/// The login for an image; read anew for every pull, so a later `docker login` counts.
pub(super) async fn of(image: &str, settings: &Settings) -> Option<DockerCredentials> {
    let registry = registry(image);
    if let Some(login) = settings.hub_login.as_ref().filter(|_| registry == HUB) {
        return Some(credentials(registry, &login.username, &login.password));
    }
    let path = config_path()?;
    let text = tokio::fs::read_to_string(&path).await.ok()?;
    let file: File = serde_json::from_str(&text)
        .inspect_err(
            |error| tracing::warn!(path = %path.display(), %error, "docker's configuration is unusable"),
        )
        .ok()?;
    let helper = file.cred_helpers.get(registry).unwrap_or(&file.creds_store);
    if !helper.is_empty()
        && let Some(login) = ask(helper, registry).await
    {
        return Some(credentials(registry, &login.username, &login.secret));
    }
    file.login(registry)
}

fn config_path() -> Option<PathBuf> {
    let directory = std::env::var_os("DOCKER_CONFIG").map(PathBuf::from);
    let home = || Some(Path::new(&std::env::var_os("HOME")?).join(".docker"));
    Some(directory.or_else(home)?.join("config.json"))
}

impl File {
    fn login(&self, registry: &str) -> Option<DockerCredentials> {
        let host = |key: &str| {
            let key = key.trim_start_matches("https://").trim_start_matches("http://");
            key.split('/').next().unwrap_or(key).to_owned()
        };
        let (_, auth) = self.auths.iter().find(|(key, _)| host(key) == host(registry))?;
        let decoded = String::from_utf8(STANDARD.decode(&auth.auth).ok()?).ok()?;
        let (username, password) = decoded.split_once(':')?;
        let mut found = credentials(registry, username, password.trim_end_matches('\0'));
        found.identitytoken.clone_from(&auth.identitytoken);
        Some(found)
    }
}

fn credentials(registry: &str, username: &str, secret: &str) -> DockerCredentials {
    let mut credentials =
        DockerCredentials { serveraddress: Some(registry.to_owned()), ..DockerCredentials::default() };
    if username == TOKEN_USER {
        credentials.identitytoken = Some(secret.to_owned());
    } else {
        credentials.username = Some(username.to_owned());
        credentials.password = Some(secret.to_owned());
    }
    credentials
}

/// Asks a helper program, which takes the registry's name on stdin.
async fn ask(helper: &str, registry: &str) -> Option<Helped> {
    let program = format!("docker-credential-{helper}");
    let mut child = Command::new(&program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .inspect_err(|error| tracing::warn!(program, %error, "credential helper cannot be started"))
        .ok()?;
    let mut stdin = child.stdin.take()?;
    stdin.write_all(registry.as_bytes()).await.ok()?;
    drop(stdin);
    let output = child.wait_with_output().await.ok()?;
    serde_json::from_slice(&output.stdout).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_are_found_however_the_registry_is_written() {
        let file: File = serde_json::from_str(
            r#"{"auths": {"https://index.docker.io/v1/": {"auth": "aHViOnB3"},
                          "registry.example:5000": {"auth": "dTpwOnE="}, "empty.example": {}},
                "HttpHeaders": {"x": "y"}}"#,
        )
        .unwrap();
        let login = |registry| file.login(registry).map(|found| (found.username, found.password));
        assert_eq!(login(HUB), Some((Some("hub".into()), Some("pw".into()))));
        assert_eq!(login("registry.example:5000"), Some((Some("u".into()), Some("p:q".into()))));
        assert_eq!(login("empty.example"), None);
        assert_eq!(login("other.example"), None);
    }

    #[test]
    fn a_token_stands_for_a_user() {
        let found = credentials("r.example", TOKEN_USER, "secret");
        assert_eq!((found.identitytoken.as_deref(), found.username), (Some("secret"), None));
    }

    #[test]
    fn a_password_is_never_shown() {
        let login = HubLogin { username: "u".into(), password: "secret".into() };
        assert_eq!(format!("{login:?}"), "HubLogin(u)");
    }
}
