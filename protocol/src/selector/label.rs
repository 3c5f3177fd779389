//! Kubernetes' rules for labels, which the selectors of lists rely on.

const NAME_RULE: &str =
    "up to 63 letters, digits, '-', '_' or '.', beginning and ending with a letter or digit";

/// What is wrong with the key of a label: an optional DNS prefix and `/`, then a name.
pub fn key_problem(key: &str) -> Option<String> {
    let (prefix, name) = key.split_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    let is_right = prefix.is_none_or(is_dns_prefix) && is_name(name);
    (!is_right).then(|| {
        format!(
            "invalid label key {key:?}: expected {NAME_RULE}, with an optional DNS prefix and '/' in front"
        )
    })
}

/// What is wrong with the value of a label: it is empty or a name.
pub fn value_problem(key: &str, value: &str) -> Option<String> {
    let is_right = value.is_empty() || is_name(value);
    (!is_right).then(|| format!("invalid value {value:?} of label {key:?}: expected {NAME_RULE}, or nothing"))
}

fn is_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    let ends = |b: Option<&u8>| b.is_none_or(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    (1..=63).contains(&bytes.len())
        && bytes.iter().all(|&b| allowed(b))
        && ends(bytes.first())
        && ends(bytes.last())
}

fn is_dns_prefix(prefix: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-');
    (1..=253).contains(&prefix.len()) && prefix.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_names_with_an_optional_prefix() {
        for good in ["a", "zone", "example.org/team", "A.b_c-1", &"x".repeat(63)] {
            assert_eq!(key_problem(good), None);
        }
        for bad in ["", " ", "a b", "-a", "a-", "/a", "a/", "a/b/c", "Upper/a", "\u{e9}", &"x".repeat(64)] {
            assert!(key_problem(bad).unwrap().starts_with("invalid label key"), "{bad}");
        }
    }

    #[test]
    fn values_are_names_or_empty() {
        for good in ["", "prod", "1.2.3"] {
            assert_eq!(value_problem("a", good), None);
        }
        for bad in [" ", "a b", "a:b", "-1", "a/b", &"x".repeat(64)] {
            assert!(value_problem("env", bad).unwrap().contains("of label \"env\""), "{bad}");
        }
    }
}
