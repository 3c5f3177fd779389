//! Which hosts a task may reach.

use std::collections::BTreeSet;
use std::net::IpAddr;

/// The domains of a job's network, as validated at submit: `example.com` is that host alone, `.example.com` (or
/// `*.example.com`) the host and all below it, an address is itself.
#[derive(Clone, Debug, Default)]
pub struct Domains {
    exact: BTreeSet<String>,
    below: BTreeSet<String>,
    addresses: BTreeSet<IpAddr>,
}

impl Domains {
    /// From the job's words.
    pub fn new<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        let mut domains = Self::default();
        for word in words {
            let word = word.trim().to_ascii_lowercase();
            if let Some(base) = word.strip_prefix("*.").or_else(|| word.strip_prefix('.')) {
                domains.below.insert(base.to_owned());
            } else if let Ok(address) = word.parse::<IpAddr>() {
                domains.addresses.insert(address.to_canonical());
            } else {
                domains.exact.insert(word);
            }
        }
        domains
    }

    /// Whether a host, as a request names it without port and brackets, is among them.
    pub fn allow(&self, host: &str) -> bool {
        if let Ok(address) = host.parse::<IpAddr>() {
            return self.addresses.contains(&address.to_canonical());
        }
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        self.exact.contains(&host) || parents(&host).any(|name| self.below.contains(name))
    }
}

/// A name and everything it lies below: `a.b.c`, `b.c`, `c`.
fn parents(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(name), |name| name.split_once('.').map(|(_, parent)| parent))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_plain_name_is_that_host_alone() {
        let domains = Domains::new(["example.com"]);
        assert!(domains.allow("example.com") && domains.allow("EXAMPLE.com."));
        assert!(!domains.allow("www.example.com") && !domains.allow("example.com.evil.org"));
    }

    #[test]
    fn a_leading_dot_or_star_covers_what_lies_below() {
        for word in [".example.com", "*.example.com"] {
            let domains = Domains::new([word]);
            assert!(domains.allow("example.com") && domains.allow("a.b.example.com"), "{word}");
            assert!(!domains.allow("notexample.com") && !domains.allow("com"), "{word}");
        }
    }

    #[test]
    fn an_address_is_compared_as_an_address() {
        let domains = Domains::new(["10.0.0.7", "2001:db8::1"]);
        assert!(
            domains.allow("10.0.0.7") && domains.allow("::ffff:10.0.0.7") && domains.allow("2001:DB8:0::1")
        );
        assert!(!domains.allow("10.0.0.70") && !domains.allow("x.10.0.0.7"));
    }

    #[test]
    fn nothing_listed_is_nothing_allowed() {
        assert!(!Domains::default().allow("") && !Domains::default().allow("example.com"));
    }

    proptest! {
        #[test]
        fn only_whole_labels_count(prefix in "[a-z0-9]{1,8}", base in "[a-z]{1,8}\\.[a-z]{2,4}") {
            let domains = Domains::new([format!(".{base}").as_str()]);
            let (below, glued) = (format!("{prefix}.{base}"), format!("{prefix}{base}"));
            prop_assert!(domains.allow(&below));
            prop_assert!(!domains.allow(&glued));
        }
    }
}
