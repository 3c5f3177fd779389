//! `-p/--publisher`: where results go (cli.md 6.2).

use serde_json::{Map, Value};

use crate::flags::csv;

/// A publisher as a flag tells it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Publisher {
    /// Its kind.
    pub kind: String,
    /// Its parameters.
    pub params: Map<String, Value>,
}

/// Reads the value of the flag.
pub fn parse(text: &str) -> Result<Publisher, String> {
    let mut destination = String::new();
    let mut options = Map::new();
    for (index, field) in csv::record(text)?.iter().enumerate() {
        match field.split_once('=') {
            None if index == 0 => destination.clone_from(field),
            Some((key, value)) if is(key, &["target", "dst", "destination"]) => {
                destination = value.to_owned()
            }
            Some((key, value)) if is(key, &["opt", "option"]) => {
                let (name, value) = value.split_once('=').ok_or_else(|| invalid(field))?;
                options.insert(name.trim().to_owned(), Value::from(value.trim()));
            }
            _ => return Err(invalid(field)),
        }
    }
    publisher(&destination, options)
}

fn publisher(destination: &str, options: Map<String, Value>) -> Result<Publisher, String> {
    let (scheme, rest) = destination.split_once("://").unwrap_or((destination, ""));
    let kind = scheme.to_ascii_lowercase();
    let params = match kind.as_str() {
        "s3" => s3(rest, options),
        "ipfs" | "local" | "s3managed" => options,
        _ => return Err(format!("unknown publisher type: {scheme}; expected local, s3, s3managed or ipfs")),
    };
    Ok(Publisher { kind, params })
}

/// Options beat the URI.
fn s3(uri: &str, options: Map<String, Value>) -> Map<String, Value> {
    let (bucket, key) = uri.split_once('/').unwrap_or((uri, ""));
    let named = [("bucket", bucket), ("key", key)].into_iter().filter(|(_, text)| !text.is_empty());
    let mut params: Map<String, Value> =
        named.map(|(name, text)| (name.to_owned(), Value::from(text))).collect();
    params.extend(options);
    params
}

fn is(key: &str, names: &[&str]) -> bool {
    names.iter().any(|name| key.eq_ignore_ascii_case(name))
}

fn invalid(field: &str) -> String {
    format!("invalid publisher option: {field}; expected opt=NAME=VALUE")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(text: &str) -> (String, Value) {
        let publisher = parse(text).unwrap();
        (publisher.kind, Value::Object(publisher.params))
    }

    #[test]
    fn the_examples_of_the_reference() {
        assert_eq!(read("local"), ("local".into(), json!({})));
        assert_eq!(read("ipfs://"), ("ipfs".into(), json!({})));
        let expected = json!({"bucket": "results", "key": "{date}/{jobID}"});
        assert_eq!(read("s3://results/{date}/{jobID}"), ("s3".into(), expected));
        let expected = json!({"bucket": "results", "key": "run1", "endpoint": "https://minio.lan:9000", "region": "us-east-1"});
        let text = "s3://results/run1,opt=endpoint=https://minio.lan:9000,opt=region=us-east-1";
        assert_eq!(read(text), ("s3".into(), expected));
        assert_eq!(read("s3,opt=bucket=B,opt=key=K"), ("s3".into(), json!({"bucket": "B", "key": "K"})));
        assert_eq!(read("s3://a/b,opt=bucket=B").1["bucket"], "B");
    }

    #[test]
    fn mistakes_are_named() {
        assert!(parse("ftp").unwrap_err().starts_with("unknown publisher type: ftp"));
        assert!(parse("s3://a/b,region=x").unwrap_err().starts_with("invalid publisher option: region=x"));
        assert!(parse("s3://a/b,opt=region").unwrap_err().starts_with("invalid publisher option"));
    }
}
