//! Input source `s3`: objects of a bucket.

use std::net::IpAddr;

use super::date_layout::DateLayout;
use super::pattern::Pattern;
use super::{Fields, InvalidParams, Report, read};
use crate::model::SpecConfig;

/// Longest key of an object, bytes (S3's own limit).
pub const MAX_KEY_BYTES: usize = 1024;
/// Longest name of a bucket, or its ARN, bytes.
const MAX_BUCKET_BYTES: usize = 255;

/// Parameters of an S3 source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Source {
    /// The bucket's name, or the ARN of an access point.
    pub bucket: String,
    /// Which objects.
    pub key: Key,
    /// Of several objects only those where this is found behind the prefix.
    pub filter: Option<Pattern>,
    /// Where the bucket is; `None` leaves it to the node's own AWS settings.
    pub region: Option<String>,
    /// Address of the service, for anything but AWS.
    pub endpoint: Option<String>,
    /// This version of a single object.
    pub version_id: Option<String>,
    /// SHA-256 of a single object, as S3 reports it.
    pub checksum_sha256: Option<String>,
    /// How objects are spread over the job's partitions.
    pub split: Split,
}

/// Which objects of a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// The one with this key.
    Object(String),
    /// All whose keys begin so; everything, if it is empty.
    Prefix(String),
}

/// How objects are spread over a job's partitions: what is hashed of each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Split {
    /// Nothing: every partition gets all objects.
    #[default]
    None,
    /// The whole key.
    Object,
    /// What this finds behind the prefix.
    Regex(Pattern),
    /// Characters from the first index up to the second, behind the prefix.
    Substring(usize, usize),
    /// The date that the rest behind the prefix begins with.
    Date(DateLayout),
}

impl Key {
    fn new(key: String) -> Self {
        match key.strip_suffix('*') {
            Some(prefix) => Self::Prefix(prefix.to_owned()),
            None if key.is_empty() || key.ends_with('/') => Self::Prefix(key),
            None => Self::Object(key),
        }
    }

    /// What all keys begin with.
    pub fn prefix(&self) -> &str {
        match self {
            Self::Object(key) | Self::Prefix(key) => key,
        }
    }
}

impl S3Source {
    /// How a job names this kind.
    pub const KIND: &'static str = "s3";

    /// Reads the parameters.
    pub fn parse(config: &SpecConfig) -> Result<Self, InvalidParams> {
        read(config, Self::from_fields)
    }

    pub(super) fn from_fields(fields: &mut Fields<'_>, report: &mut Report) -> Self {
        let bucket = bucket(fields, report);
        let key = fields.text("Key", report);
        if key.len() > MAX_KEY_BYTES || key.contains('\0') {
            report.error(fields.at("Key"), format!("expected at most {MAX_KEY_BYTES} bytes and no NUL"));
        }
        let key = Key::new(key);
        let filter = pattern(fields, "Filter", report);
        let (region, endpoint) = (region(fields, report), endpoint(fields, report));
        let version_id = optional(fields.text("VersionID", report));
        let checksum_sha256 = checksum(fields, report);
        if let Key::Prefix(_) = key {
            for (name, given) in [("VersionID", &version_id), ("ChecksumSHA256", &checksum_sha256)] {
                if given.is_some() {
                    let message = "belongs to one object; Key names several. Leave it out or name one object";
                    report.error(fields.at(name), message);
                }
            }
        }
        let split = fields.object("Partition", report);
        let split = split.map(|mut fields| split_of(&mut fields, report)).unwrap_or_default();
        Self { bucket, key, filter, region, endpoint, version_id, checksum_sha256, split }
    }
}

fn bucket(fields: &mut Fields<'_>, report: &mut Report) -> String {
    let bucket = fields.text("Bucket", report);
    let is_arn = bucket.starts_with("arn:");
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c) || is_arn && ":/".contains(c);
    if bucket.is_empty() {
        report.error(fields.at("Bucket"), "expected the name of a bucket, found nothing");
    } else if bucket.len() > MAX_BUCKET_BYTES || !bucket.chars().all(fits) || bucket.starts_with('.') {
        let message = format!("expected the name of a bucket such as \"my-logs\", found {bucket:?}");
        report.error(fields.at("Bucket"), message);
    }
    bucket
}

/// Becomes part of the service's host name, so it may hold nothing that leads elsewhere.
fn region(fields: &mut Fields<'_>, report: &mut Report) -> Option<String> {
    let region = optional(fields.text("Region", report))?;
    let fits = region.len() <= 63 && region.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    if !fits {
        let message = format!("expected the name of a region such as \"eu-west-1\", found {region:?}");
        report.error(fields.at("Region"), message);
    }
    Some(region)
}

fn endpoint(fields: &mut Fields<'_>, report: &mut Report) -> Option<String> {
    let endpoint = optional(fields.text("Endpoint", report))?;
    if let Err(why) = check_endpoint(&endpoint) {
        report.error(fields.at("Endpoint"), format!("{why}, found {endpoint:?}"));
    }
    Some(endpoint)
}

fn check_endpoint(endpoint: &str) -> Result<(), &'static str> {
    const EXPECTED: &str = "expected an address such as \"https://s3.example.net:9000\"";
    let is_odd = |c: char| c.is_whitespace() || c.is_control() || "@?#\\".contains(c);
    let (host, port) = host_and_port(endpoint).ok_or(EXPECTED)?;
    if host.is_empty() || endpoint.contains(is_odd) || port.is_some_and(|port| port.parse::<u16>().is_err()) {
        return Err(EXPECTED);
    }
    match host.parse() {
        Ok(address) if is_link_local(address) => {
            Err("expected a service that is not on the node's own link, where clouds keep their secrets")
        }
        _ => Ok(()),
    }
}

/// The host of an endpoint, without brackets, and its port.
pub fn host_and_port(endpoint: &str) -> Option<(&str, Option<&str>)> {
    let (scheme, rest) = endpoint.split_once("://")?;
    if !["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
        return None;
    }
    let authority = rest.split('/').next().unwrap_or_default();
    Some(match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, port)) => (host, Some(port.strip_prefix(':').unwrap_or_default())),
        None => authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))),
    })
}

/// Whether an address means the machine's own link, where clouds give out a machine's credentials to whoever asks. Jobs
/// choose endpoints, so these must not be among them.
pub fn is_link_local(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_link_local(),
        // The addresses of EC2's and EKS's metadata in IPv6 are unique local ones.
        IpAddr::V6(v6) => v6.is_unicast_link_local() || v6.segments()[..2] == [0xfd00, 0x0ec2],
    }
}

/// Base64 of 32 bytes; of an object that came in parts, with their number behind it.
fn checksum(fields: &mut Fields<'_>, report: &mut Report) -> Option<String> {
    let checksum = optional(fields.text("ChecksumSHA256", report))?;
    let hash = checksum.split_once('-').map_or(checksum.as_str(), |(hash, _)| hash);
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || "+/".contains(c);
    let digits = hash.strip_suffix('=').filter(|digits| digits.len() == 43 && digits.chars().all(is_base64));
    if digits.is_none() {
        let message = format!(
            "expected a SHA-256 in Base64, as `aws s3api head-object --checksum-mode ENABLED` shows it, found {checksum:?}"
        );
        report.error(fields.at("ChecksumSHA256"), message);
    }
    Some(checksum)
}

fn split_of(fields: &mut Fields<'_>, report: &mut Report) -> Split {
    let kind = fields.text("Type", report).to_lowercase();
    let pattern = pattern(fields, "Pattern", report);
    let (start, end) = (index(fields, "StartIndex", report), index(fields, "EndIndex", report));
    let layout = fields.text("DateFormat", report);
    fields.report_unknown(report);
    match (kind.as_str(), pattern) {
        ("" | "none", _) => Split::None,
        ("object", _) => Split::Object,
        ("regex", Some(pattern)) => Split::Regex(pattern),
        ("regex", None) => {
            report.error(fields.at("Pattern"), "expected a regular expression, found nothing");
            Split::None
        }
        ("substring", _) if start < end => Split::Substring(start, end),
        ("substring", _) => {
            let message = format!("expected more than StartIndex, which is {start}, found {end}");
            report.error(fields.at("EndIndex"), message);
            Split::None
        }
        ("date", _) => DateLayout::parse(&layout).map(Split::Date).unwrap_or_else(|| {
            let message = format!("expected a layout such as \"2006-01-02\", found {layout:?}");
            report.error(fields.at("DateFormat"), message);
            Split::None
        }),
        _ => {
            let message = format!("expected none, object, regex, substring or date, found {kind:?}");
            report.error(fields.at("Type"), message);
            Split::None
        }
    }
}

fn pattern(fields: &mut Fields<'_>, name: &'static str, report: &mut Report) -> Option<Pattern> {
    let text = optional(fields.text(name, report))?;
    Pattern::new(&text)
        .map_err(|error| {
            report.error(fields.at(name), format!("expected a regular expression, found {text:?}: {error}"));
        })
        .ok()
}

fn index(fields: &mut Fields<'_>, name: &'static str, report: &mut Report) -> usize {
    let Some(number) = fields.integer(name, report) else { return 0 };
    usize::try_from(number).unwrap_or_else(|_| {
        report.error(fields.at(name), format!("expected a number from 0, found {number}"));
        0
    })
}

fn optional(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(params: &str) -> Result<S3Source, InvalidParams> {
        S3Source::parse(&SpecConfig { kind: "s3".into(), params: params.into() })
    }

    fn complaint(params: &str) -> String {
        parse(params).unwrap_err().to_string()
    }

    #[test]
    fn the_last_character_of_a_key_says_what_it_means() {
        for (key, expected) in [
            ("a/b.txt", Key::Object("a/b.txt".into())),
            ("a/", Key::Prefix("a/".into())),
            ("a/log-*", Key::Prefix("a/log-".into())),
            ("a*b", Key::Object("a*b".into())),
            ("*", Key::Prefix(String::new())),
            ("", Key::Prefix(String::new())),
        ] {
            let source = parse(&format!(r#"{{"bucket": "logs", "KEY": "{key}"}}"#)).unwrap();
            assert_eq!(source.key, expected);
        }
    }

    #[test]
    fn all_that_can_be_said_is_read() {
        let source = parse(
            r#"{"Bucket": "b.c-d", "Key": "k", "Filter": "^x", "Region": "eu-west-1", "Endpoint": "http://[::1]:9000/",
                "VersionID": "v", "ChecksumSHA256": "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
                "Partition": {"Type": "Substring", "StartIndex": 2, "EndIndex": 4}}"#,
        )
        .unwrap();
        assert_eq!(source.split, Split::Substring(2, 4));
        assert_eq!(source.endpoint.as_deref(), Some("http://[::1]:9000/"));
        assert!(source.filter.unwrap().is_in("xyz") && source.version_id.is_some());
        let date =
            parse(r#"{"Bucket": "b", "Partition": {"type": "date", "dateFormat": "2006-01"}}"#).unwrap();
        assert!(matches!(date.split, Split::Date(_)));
        parse(r#"{"Bucket": "arn:aws:s3:us-west-2:123456789012:accesspoint/mine"}"#).unwrap();
    }

    #[test]
    fn everything_wrong_is_told_at_once() {
        let error = complaint(
            r#"{"Bucket": "a/../b", "Key": "x/", "Filter": "(", "Region": "evil.example/", "Endpoint": "s3.example.net",
                "VersionID": "v", "ChecksumSHA256": "abc", "Partition": {"Type": "regex"}}"#,
        );
        let keys: Vec<_> =
            error.lines().filter_map(|line| line.split_once(": ")).map(|(key, _)| key).collect();
        let expected =
            ["Bucket", "Filter", "Region", "Endpoint", "ChecksumSHA256", "VersionID", "ChecksumSHA256"];
        let expected: Vec<_> = expected.iter().map(|key| format!("Params.{key}")).collect();
        assert_eq!(keys[..7], expected, "{error}");
        assert!(
            error.ends_with("Params.Partition.Pattern: expected a regular expression, found nothing"),
            "{error}"
        );
        assert!(complaint("{}").contains("Params.Bucket: expected the name of a bucket, found nothing"));
    }

    #[test]
    fn a_partition_that_splits_nothing_is_refused() {
        let partition = |text: &str| complaint(&format!(r#"{{"Bucket": "b", "Partition": {text}}}"#));
        assert!(
            partition(r#"{"Type": "month"}"#).contains("expected none, object, regex, substring or date")
        );
        assert!(
            partition(r#"{"Type": "substring", "StartIndex": 3, "EndIndex": 3}"#)
                .contains("EndIndex: expected more")
        );
        assert!(
            partition(r#"{"Type": "substring", "StartIndex": -1, "EndIndex": 3}"#)
                .contains("a number from 0")
        );
        assert!(
            partition(r#"{"Type": "date", "DateFormat": "%Y"}"#).contains("DateFormat: expected a layout")
        );
    }

    #[test]
    fn an_endpoint_must_not_lead_to_the_secrets_of_a_cloud() {
        for good in ["https://storage.googleapis.com", "HTTP://127.0.0.1:7070", "http://minio:9000/s3"] {
            assert_eq!(check_endpoint(good), Ok(()), "{good}");
        }
        for bad in [
            "http://169.254.169.254/latest",
            "http://[fe80::1]",
            "http://[::ffff:169.254.169.254]:80",
            "http://[fd00:ec2::254]",
            "ftp://example.net",
            "http://",
            "http://user@example.net",
            "http://example.net:99999",
            "http://example.net/?x",
        ] {
            check_endpoint(bad).unwrap_err();
        }
    }
}
