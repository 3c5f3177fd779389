//! All settings as one nested document, as a configuration file would hold them.

use serde_json::{Map, Value as Json};

use crate::config::keys::{KEYS, Key};
use crate::config::{Settings, Value, duration};

/// Stands for what nobody may see.
const HIDDEN: &str = "********";

/// Every key with the value it has, by sections. Secrets are replaced.
pub fn redacted(settings: &Settings) -> Json {
    nested(KEYS.iter().map(|key| (key.name, hide(key, value(settings, key)))))
}

/// Every key with the value it has, by sections, secrets included: for the person who configures this node.
pub fn complete(settings: &Settings) -> Json {
    nested(KEYS.iter().map(|key| (key.name, value(settings, key))))
}

/// The value of one key. A structure nobody set is `null`.
pub fn value(settings: &Settings, key: &Key) -> Json {
    match key.name {
        "DataDir" => settings.data_dir().display().to_string().into(),
        name => settings.value(name).map_or(Json::Null, |value| json(&value)),
    }
}

/// A value as it stands in a file.
pub fn json(value: &Value) -> Json {
    match value {
        Value::Text(text) => text.as_str().into(),
        Value::Bool(flag) => (*flag).into(),
        Value::Integer(number) => (*number).into(),
        Value::Duration(time) => duration::format(*time).into(),
        Value::List(items) => items.as_slice().into(),
        Value::Map(entries) => serde_json::json!(entries),
        Value::Structure(structure) => structure.clone(),
    }
}

/// Puts dotted names into sections.
pub fn nested<'a>(entries: impl Iterator<Item = (&'a str, Json)>) -> Json {
    let mut root = Map::new();
    for (name, value) in entries {
        let mut section = &mut root;
        let mut rest = name;
        while let Some((head, tail)) = rest.split_once('.') {
            let entry = section.entry(head).or_insert_with(|| Json::Object(Map::new()));
            match entry {
                Json::Object(inner) => section = inner,
                _ => unreachable!("no key is a section of another"),
            }
            rest = tail;
        }
        section.insert(rest.to_owned(), value);
    }
    Json::Object(root)
}

fn hide(key: &Key, value: Json) -> Json {
    match (key.name, value) {
        ("API.Auth.Users", Json::Null) => Json::Null,
        ("API.Auth.Users", _) => HIDDEN.into(),
        (name, Json::String(text)) if name.ends_with(".Token") && !text.is_empty() => HIDDEN.into(),
        (_, Json::String(text)) => without_user_part(&text).into(),
        (_, Json::Array(items)) => items.into_iter().map(|item| hide(key, item)).collect(),
        (name, Json::Object(entries)) if name.ends_with(".Params") => {
            entries.into_iter().map(|(name, _)| (name, HIDDEN.into())).collect::<Map<_, _>>().into()
        }
        (_, other) => other,
    }
}

/// `scheme://secret@host` and `secret@host:port` without the secret.
fn without_user_part(text: &str) -> String {
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), text),
    };
    let authority = match scheme.as_str() {
        "http://" | "https://" => rest.split('/').next().unwrap_or(rest),
        // Before the address of an orchestrator may stand a join string, and its secret may have slashes.
        _ => rest,
    };
    match authority.rsplit_once('@') {
        Some((secret, _)) => format!("{scheme}{HIDDEN}{}", &rest[secret.len()..]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Invocation, load};

    fn settings(config: &[&str]) -> Settings {
        let config = config.iter().map(ToString::to_string).collect();
        let environment = [("HOME".to_owned(), "/home/ann".to_owned())].into();
        let invocation = Invocation { config, environment, ..Invocation::default() };
        load(&invocation, &|_| Err(std::io::ErrorKind::NotFound.into())).unwrap()
    }

    #[test]
    fn every_key_stands_in_its_section() {
        let document = complete(&settings(&["Labels=zone=a", "API.Port=9"]));
        assert_eq!(document["API"]["Port"], 9);
        assert_eq!(document["Labels"]["zone"], "a");
        assert_eq!(document["DataDir"], "/home/ann/.bacalhau");
        assert_eq!(document["Orchestrator"]["NodeManager"]["DisconnectTimeout"], "1m0s");
        assert_eq!(document["Compute"]["Orchestrators"], serde_json::json!(["nats://127.0.0.1:4222"]));
    }

    #[test]
    fn secrets_are_never_shown() {
        let settings = settings(&[
            "Orchestrator.Auth.Token=s3cret",
            "Compute.Auth.Token=s3cret",
            "Compute.Orchestrators=nats://s3cret@10.0.0.4:4222,ab.s3cret/s3cret@other,plain:4222",
            "JobAdmissionControl.ProbeHTTP=http://user:s3cret@probe/x@y",
            "JobDefaults.Batch.Task.Publisher.Params=Key=s3cret",
        ]);
        let document = redacted(&settings);
        assert!(!document.to_string().contains("s3cret"), "{document}");
        assert_eq!(document["Orchestrator"]["Auth"]["Token"], HIDDEN);
        let orchestrators =
            serde_json::json!(["nats://********@10.0.0.4:4222", "********@other", "plain:4222"]);
        assert_eq!(document["Compute"]["Orchestrators"], orchestrators);
        assert_eq!(document["JobAdmissionControl"]["ProbeHTTP"], "http://********@probe/x@y");
        assert!(complete(&settings).to_string().contains("s3cret"));
    }
}
