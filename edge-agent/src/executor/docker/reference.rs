//! Names of images.

/// The registry that a name without one belongs to, as Docker's configuration files know it.
pub(super) const HUB: &str = "https://index.docker.io/v1/";

/// The registry an image comes from, as credentials are kept for it.
pub(super) fn registry(image: &str) -> &str {
    match image.split_once('/') {
        Some((first, _)) if first.contains(['.', ':']) || first == "localhost" => match first {
            "docker.io" | "index.docker.io" => HUB,
            other => other,
        },
        _ => HUB,
    }
}

/// With the tag that is meant if none is given; without one the engine would pull all there are.
pub(super) fn tagged(image: &str) -> String {
    let last = image.rsplit('/').next().unwrap_or(image);
    if last.contains([':', '@']) { image.to_owned() } else { format!("{image}:latest") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registry_is_found_in_the_name() {
        for hub in ["busybox", "library/busybox:1", "team/tool", "docker.io/library/busybox"] {
            assert_eq!(registry(hub), HUB, "{hub}");
        }
        assert_eq!(registry("localhost:5000/a"), "localhost:5000");
        assert_eq!(registry("localhost/a"), "localhost");
        assert_eq!(registry("ghcr.io/org/tool@sha256:00"), "ghcr.io");
    }

    #[test]
    fn a_name_without_a_tag_means_the_latest() {
        assert_eq!(tagged("localhost:5000/a"), "localhost:5000/a:latest");
        assert_eq!(tagged("a:1"), "a:1");
        assert_eq!(tagged("a@sha256:00"), "a@sha256:00");
    }
}
