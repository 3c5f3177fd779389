//! `-i/--input`: data a task needs (cli.md 6.1).

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::config::value::parse_bool;
use crate::flags::csv;
use crate::job_file::inline;

/// Where inputs stand when nothing else is said.
pub const DEFAULT_TARGET: &str = "/inputs";

/// An input source as a flag tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// Kind of the source.
    pub kind: &'static str,
    /// Its parameters.
    pub params: Map<String, Value>,
    /// The URI as written.
    pub alias: String,
    /// Path inside the task.
    pub target: String,
}

/// Reads one value of the flag. Without a target the input stands at `default_target`.
pub fn parse(text: &str, default_target: &str) -> Result<Input, String> {
    let fields = Fields::read(text)?;
    let uri = fields
        .uri
        .ok_or_else(|| format!("input {text:?} names no source: begin with a URI such as file:///var/log"))?;
    let target = fields.target.unwrap_or_else(|| default_target.to_owned());
    let (kind, params) = source(&uri, &fields.options)?;
    Ok(Input { kind, params, alias: uri, target })
}

/// A file or directory of this machine that a job takes along.
pub fn embedded(path: &Path, target: &str) -> Result<Input, inline::Error> {
    let params = [("URL".to_owned(), json!(inline::data_url(path)?))].into_iter().collect();
    let alias = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Input { kind: "inline", params, alias, target: target.to_owned() })
}

/// Whether the text is a URI with a scheme.
pub fn is_uri(text: &str) -> bool {
    text.split_once("://")
        .is_some_and(|(scheme, _)| !scheme.is_empty() && scheme.bytes().all(|b| b.is_ascii_alphanumeric()))
}

#[derive(Default)]
struct Fields {
    uri: Option<String>,
    target: Option<String>,
    options: Vec<(String, String)>,
}

impl Fields {
    fn read(text: &str) -> Result<Self, String> {
        let mut fields = Self::default();
        let mut explicit_target = None;
        for (index, field) in csv::record(text)?.iter().enumerate() {
            match field.split_once('=') {
                None if index == 0 => fields.short_form(field),
                None => return Err(format!("invalid storage option: {field}. Must be a key=value pair")),
                Some((key, value)) => match key.to_ascii_lowercase().as_str() {
                    "src" | "source" => fields.uri = Some(bare(value)),
                    "dst" | "target" | "destination" => explicit_target = Some(bare(value)),
                    "opt" | "option" => fields.options.push(option(value)?),
                    _ => return Err(unexpected(key, field)),
                },
            }
        }
        fields.target = explicit_target.or(fields.target);
        Ok(fields)
    }

    /// `URI[:TARGET]`: the target is what follows the last colon behind `scheme://`.
    fn short_form(&mut self, field: &str) {
        let start = field.find("://").map_or(0, |at| at + 3);
        match field[start..].rfind(':') {
            Some(colon) => {
                self.uri = Some(bare(&field[..start + colon]));
                self.target = Some(bare(&field[start + colon + 1..]));
            }
            None => self.uri = Some(bare(field)),
        }
    }
}

fn unexpected(key: &str, field: &str) -> String {
    let hint = match field.contains("://") {
        true => "; a URI that contains '=' must be given as src=URI",
        false => "; expected src, dst or opt",
    };
    format!("unexpected key {key} in field {field}{hint}")
}

fn option(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) => Ok((key.trim().to_ascii_lowercase(), value.trim().to_owned())),
        None => Err(format!("invalid storage option: {text}. Must be a key=value pair")),
    }
}

fn bare(text: &str) -> String {
    text.trim().trim_matches(['"', '\'']).to_owned()
}

fn source(uri: &str, options: &[(String, String)]) -> Result<(&'static str, Map<String, Value>), String> {
    let (scheme, rest) = uri.split_once("://").ok_or_else(|| {
        format!("input {uri:?} has no scheme: write file:///path for a directory of the node, or https://… for a URL")
    })?;
    match scheme.to_ascii_lowercase().as_str() {
        "ipfs" => Ok(("ipfs", entries([("CID", json!(rest.split('/').next().unwrap_or_default()))]))),
        "http" | "https" => Ok(("urlDownload", entries([("URL", json!(uri))]))),
        "s3" => Ok(("s3", s3(uri, rest, options)?)),
        "file" => Ok(("localDirectory", local(uri, rest, options)?)),
        "git" | "gitlfs" => Err(format!("unsupported type {scheme:?}")),
        _ => Err(format!("unknown storage schema: {scheme}; expected file, s3, ipfs, http or https")),
    }
}

fn s3(uri: &str, rest: &str, options: &[(String, String)]) -> Result<Map<String, Value>, String> {
    let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
    if bucket.is_empty() {
        return Err(format!("input {uri:?} names no bucket: write s3://BUCKET/KEY"));
    }
    let mut params = entries([("Bucket", json!(bucket)), ("Key", json!(key))]);
    for (name, value) in options {
        let param = match name.as_str() {
            "endpoint" => "Endpoint",
            "region" => "Region",
            "filter" => "Filter",
            "versionid" | "version-id" | "version_id" => "VersionID",
            "checksum-256" | "checksum256" | "checksum_256" => "ChecksumSHA256",
            _ => return Err(format!("unknown option {name:?} for storage s3")),
        };
        params.insert(param.into(), json!(value));
    }
    Ok(params)
}

fn local(uri: &str, path: &str, options: &[(String, String)]) -> Result<Map<String, Value>, String> {
    if !path.starts_with('/') {
        return Err(format!("input {uri:?} must name an absolute path: write file:///path"));
    }
    let mut params = entries([("SourcePath", json!(path)), ("ReadWrite", json!(false))]);
    for (name, value) in options {
        match name.as_str() {
            "rw" | "read-write" | "read_write" | "readwrite" => {
                let writable = parse_bool(value)
                    .ok_or_else(|| format!("option {name} must be true or false, not {value:?}"))?;
                params.insert("ReadWrite".into(), json!(writable));
            }
            _ => return Err(format!("unknown option {name}; expected rw=true or rw=false")),
        }
    }
    Ok(params)
}

fn entries<const N: usize>(pairs: [(&str, Value); N]) -> Map<String, Value> {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (String, Value, String, String) {
        let input = parse(text, DEFAULT_TARGET).unwrap();
        (input.kind.to_owned(), Value::Object(input.params), input.alias, input.target)
    }

    #[test]
    fn the_examples_of_the_reference() {
        for (text, kind, params, alias, target) in [
            ("ipfs://QmX", "ipfs", json!({"CID": "QmX"}), "ipfs://QmX", "/inputs"),
            ("ipfs://QmX:/data", "ipfs", json!({"CID": "QmX"}), "ipfs://QmX", "/data"),
            ("src=ipfs://QmX,dst=/data", "ipfs", json!({"CID": "QmX"}), "ipfs://QmX", "/data"),
            (
                "s3://mybucket/logs/2024-10-*,dst=/logs,opt=region=eu-west-1",
                "s3",
                json!({"Bucket": "mybucket", "Key": "logs/2024-10-*", "Region": "eu-west-1"}),
                "s3://mybucket/logs/2024-10-*",
                "/logs",
            ),
            (
                "src=s3://b/k,dst=/in,opt=endpoint=https://s3.example.net:9000,opt=version-id=7",
                "s3",
                json!({"Bucket": "b", "Key": "k", "Endpoint": "https://s3.example.net:9000", "VersionID": "7"}),
                "s3://b/k",
                "/in",
            ),
            (
                "https://example.org/a.csv,dst=/data",
                "urlDownload",
                json!({"URL": "https://example.org/a.csv"}),
                "https://example.org/a.csv",
                "/data",
            ),
            (
                "file:///etc/app:/config",
                "localDirectory",
                json!({"SourcePath": "/etc/app", "ReadWrite": false}),
                "file:///etc/app",
                "/config",
            ),
            (
                "FILE:///var/lib/app,dst=/inputs,opt=rw=true",
                "localDirectory",
                json!({"SourcePath": "/var/lib/app", "ReadWrite": true}),
                "FILE:///var/lib/app",
                "/inputs",
            ),
        ] {
            assert_eq!(read(text), (kind.into(), params, alias.into(), target.into()), "{text}");
        }
    }

    #[test]
    fn an_explicit_target_beats_the_short_one() {
        assert_eq!(read("file:///a:/b,dst=/c").3, "/c");
        assert_eq!(read(r#""file:///a,b:/c""#).1["SourcePath"], "/a,b");
        assert_eq!(read("source=file:///a, target='/c'").3, "/c");
    }

    #[test]
    fn a_port_without_a_target_is_split_as_documented() {
        assert_eq!(read("https://host:9000/file").3, "9000/file");
        assert_eq!(read("src=https://host:9000/file,dst=/f").1["URL"], "https://host:9000/file");
    }

    #[test]
    fn mistakes_are_named() {
        for (text, part) in [
            ("https://h/a?b=c", "must be given as src=URI"),
            ("file:///a,mode=rw", "unexpected key mode"),
            ("file:///a,rw", "Must be a key=value pair"),
            ("file:///a,opt=rw", "Must be a key=value pair"),
            ("file:///a,opt=rw=maybe", "true or false"),
            ("file:///a,opt=size=3", "unknown option size"),
            ("s3://b/k,opt=size=3", "unknown option \"size\" for storage s3"),
            ("s3:///k", "names no bucket"),
            ("file://a", "absolute"),
            ("git://a/b", "unsupported type"),
            ("nfs://a", "unknown storage schema: nfs"),
            ("/var/log", "has no scheme"),
            ("dst=/a", "names no source"),
        ] {
            let error = parse(text, DEFAULT_TARGET).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
