//! Finding the image of a task: here first, then at its registry.

use std::collections::BTreeMap;

use bacalhau_protocol::model::topic;
use bollard::models::{CreateImageInfo, ImageInspect};
use bollard::query_parameters::CreateImageOptionsBuilder;
use futures_util::StreamExt;

use super::engine::{Connection, Platform};
use super::error::{Error, said, status};
use super::reference::{registry, tagged};
use super::{Shared, credentials};
use crate::executor::Notes;

/// Refuses a task whose image is here for another kind of machine only. Asks the registry about nothing else: many nodes
/// are asked for bids at the same time, and registries count.
pub(super) async fn check(shared: &Shared, image: &str) -> Result<(), String> {
    // An engine that goes away now is noticed at the start.
    let Ok(connection) = shared.engine.current().await else { return Ok(()) };
    let Ok(found) = connection.docker.inspect_image(&tagged(image)).await else { return Ok(()) };
    if fits(&found, &connection.platform) {
        return Ok(());
    }
    let login = credentials::of(image, &shared.settings).await;
    let offered = match connection.docker.inspect_registry_image(&tagged(image), login).await {
        Ok(registry) => registry
            .platforms
            .into_iter()
            .map(|platform| Platform {
                os: platform.os.unwrap_or_default(),
                arch: platform.architecture.unwrap_or_default(),
            })
            .collect(),
        Err(_) => vec![platform(&found)],
    };
    if offered.contains(&connection.platform) {
        return Ok(());
    }
    let offered: Vec<String> = offered.iter().map(Platform::to_string).collect();
    Err(format!(
        "support the available image platforms [{}] (supports [{}])",
        offered.join(" "),
        connection.platform
    ))
}

/// Sees that the image is here and tells which one it is.
pub(super) async fn resolve(
    shared: &Shared,
    connection: &Connection,
    image: &str,
    notes: &Notes,
) -> Result<(), Error> {
    let name = tagged(image);
    let local = match connection.docker.inspect_image(&name).await {
        Ok(found) => Some(found),
        Err(error) if status(&error) == Some(404) => None,
        Err(error) => return Err(explain(image, &said(&error))),
    };
    let found = match local {
        Some(found) if fits(&found, &connection.platform) => found,
        other if shared.settings.never_pull => return Err(not_here(image, other.as_ref(), connection)),
        other => {
            let pulled = pull(shared, connection, image, notes).await;
            if let (Err(_), Some(other)) = (&pulled, &other) {
                return Err(not_here(image, Some(other), connection));
            }
            pulled?;
            connection.docker.inspect_image(&name).await.map_err(|error| explain(image, &said(&error)))?
        }
    };
    if !fits(&found, &connection.platform) {
        return Err(not_here(image, Some(&found), connection));
    }
    notes.record(topic::PREPARING, format!("Image {image} is {}", digest(&found)));
    Ok(())
}

async fn pull(shared: &Shared, connection: &Connection, image: &str, notes: &Notes) -> Result<(), Error> {
    notes.progress(topic::PREPARING, format!("Pulling image {image}"));
    let options = CreateImageOptionsBuilder::default().from_image(&tagged(image)).build();
    let login = credentials::of(image, &shared.settings).await;
    let mut progress = Progress::default();
    let mut news = connection.docker.create_image(Some(options), None, login);
    while let Some(news) = news.next().await {
        let news = news.map_err(|error| explain(image, &said(&error)))?;
        if let Some(quarters) = progress.take(&news) {
            notes.progress(topic::PREPARING, format!("Pulling image {image}: {quarters}"));
        }
    }
    Ok(())
}

/// What of an image is here. Layers become known while others are under way, so a share may come twice and is told once.
#[derive(Default)]
struct Progress {
    layers: BTreeMap<String, (i64, i64)>,
    told: i64,
}

impl Progress {
    /// A sentence when another quarter has come.
    fn take(&mut self, news: &CreateImageInfo) -> Option<String> {
        let (id, detail) = (news.id.as_ref()?, news.progress_detail.as_ref()?);
        if news.status.as_deref() != Some("Downloading") {
            return None;
        }
        self.layers.insert(id.clone(), (detail.current?, detail.total.filter(|total| *total > 0)?));
        let (here, total) =
            self.layers.values().fold((0, 0), |sum, layer| (sum.0 + layer.0, sum.1 + layer.1));
        let quarters = here.saturating_mul(4) / total;
        if quarters <= self.told {
            return None;
        }
        self.told = quarters;
        Some(format!("{} of {} MB", here / 1_000_000, total / 1_000_000))
    }
}

fn fits(image: &ImageInspect, engine: &Platform) -> bool {
    let same = |found: &Option<String>, wanted: &str| {
        found.as_deref().is_none_or(|found| found.is_empty() || found == wanted)
    };
    same(&image.os, &engine.os) && same(&image.architecture, &engine.arch)
}

fn platform(image: &ImageInspect) -> Platform {
    let text = |part: &Option<String>| part.clone().unwrap_or_default();
    Platform { os: text(&image.os), arch: text(&image.architecture) }
}

/// What the registry calls it, else the engine.
fn digest(image: &ImageInspect) -> &str {
    let repo = image.repo_digests.iter().flatten().find_map(|digest| Some(digest.split_once('@')?.1));
    repo.or(image.id.as_deref()).unwrap_or("unknown")
}

fn not_here(image: &str, other: Option<&ImageInspect>, connection: &Connection) -> Error {
    match other {
        Some(other) => Error::Image {
            message: format!(
                "image {image} is for {}, this node runs {}",
                platform(other),
                connection.platform
            ),
            code: "Docker:ImagePlatform",
            hint: format!(
                "build the image for {} too, or choose other nodes by their labels",
                connection.platform
            ),
        },
        None => Error::Image {
            message: format!("image {image} is not on this node, which never pulls (SKIP_IMAGE_PULL)"),
            code: "Docker:ImageNotFound",
            hint: "load the image onto the node".to_owned(),
        },
    }
}

/// What a registry's refusal means. Registries answer alike whether an image is private or not there.
fn explain(image: &str, said: &str) -> Error {
    let lower = said.to_lowercase();
    let has = |parts: &[&str]| parts.iter().any(|part| lower.contains(part));
    let registry = registry(image);
    let (code, what, hint) = if has(&["no matching manifest", "no match for platform"]) {
        (
            "Docker:ImagePlatform",
            "is not made for this node's platform",
            "build it for this platform too, or choose other nodes by their labels".to_owned(),
        )
    } else if has(&["toomanyrequests", "rate limit"]) {
        (
            "Docker:RateLimited",
            "cannot be pulled now: the registry counts pulls",
            format!("log in to {registry} on the node, try later, or load the image onto the node"),
        )
    } else if has(&["pull access denied", "manifest unknown", "not found", "name unknown", "does not exist"])
    {
        (
            "Docker:ImageNotFound",
            "was not found",
            format!(
                "check the name and the tag; if it is private, log in to {registry} on the node (docker login, or DOCKER_USERNAME and DOCKER_PASSWORD)"
            ),
        )
    } else if has(&["unauthorized", "denied", "authentication required", "no basic auth"]) {
        (
            "Docker:Unauthorized",
            "may not be pulled with this node's login",
            format!("log in to {registry} on the node (docker login)"),
        )
    } else if has(&["invalid reference"]) {
        ("Docker:ImageInvalid", "has a name that cannot be read", "a name looks like ubuntu:24.04".to_owned())
    } else if has(&["no space left"]) {
        (
            "Docker:DiskFull",
            "does not fit on the node's disk",
            "free some, as with docker system prune".to_owned(),
        )
    } else if has(&[
        "no such host",
        "connection refused",
        "i/o timeout",
        "timeout",
        "unreachable",
        "server misbehaving",
        "awaiting headers",
    ]) {
        (
            "Docker:RegistryUnreachable",
            "is not on this node and its registry cannot be reached",
            format!("check the node's way to {registry}, or load the image onto the node"),
        )
    } else {
        ("Docker:Image", "cannot be used", "see the engine's own words".to_owned())
    };
    Error::Image { message: format!("image {image} {what} (the engine said: {said})"), code, hint }
}

#[cfg(test)]
mod tests {
    use bollard::models::ProgressDetail;

    use super::*;

    #[test]
    fn refusals_are_told_apart() {
        let code = |said: &str| match explain("team/tool", said) {
            Error::Image { code, .. } => code,
            other => panic!("{other}"),
        };
        assert_eq!(
            code("manifest for x:1 not found: manifest unknown: manifest unknown"),
            "Docker:ImageNotFound"
        );
        assert_eq!(
            code("pull access denied for x, repository does not exist or may require 'docker login': denied"),
            "Docker:ImageNotFound"
        );
        assert_eq!(code("unauthorized: incorrect username or password"), "Docker:Unauthorized");
        assert_eq!(
            code("no matching manifest for linux/amd64 in the manifest list entries"),
            "Docker:ImagePlatform"
        );
        assert_eq!(code("toomanyrequests: You have reached your pull rate limit"), "Docker:RateLimited");
        assert_eq!(
            code("Get \"https://r/v2/\": dial tcp: lookup r: no such host"),
            "Docker:RegistryUnreachable"
        );
        assert_eq!(code("write /x: no space left on device"), "Docker:DiskFull");
    }

    #[test]
    fn each_quarter_is_told_once() {
        let news = |current| CreateImageInfo {
            id: Some("layer".into()),
            status: Some("Downloading".into()),
            progress_detail: Some(ProgressDetail { current: Some(current), total: Some(8_000_000) }),
            ..CreateImageInfo::default()
        };
        let mut progress = Progress::default();
        let told: Vec<_> = [0, 1_000_000, 2_500_000, 2_600_000, 8_000_000]
            .iter()
            .filter_map(|n| progress.take(&news(*n)))
            .collect();
        assert_eq!(told, ["2 of 8 MB", "8 of 8 MB"]);
    }

    #[test]
    fn an_image_without_a_platform_fits_everywhere() {
        let engine = Platform { os: "linux".into(), arch: "amd64".into() };
        assert!(fits(&ImageInspect::default(), &engine));
        let arm = ImageInspect { architecture: Some("arm64".into()), ..ImageInspect::default() };
        assert!(!fits(&arm, &engine));
    }
}
