//! `index` as it is over Go's `map[string]string`: a name that is absent is an empty text, not an error.

use gotmpl::{Result, TemplateError, Value};

/// `index item keys…`: the first argument indexed by those that follow.
pub(super) fn index(arguments: &[Value]) -> Result<Value> {
    let Some((item, keys)) = arguments.split_first() else {
        return Err(TemplateError::ArgCount { name: "index".into(), expected: 1, got: 0 });
    };
    keys.iter().try_fold(item.clone(), |item, key| one(&item, key))
}

fn one(item: &Value, key: &Value) -> Result<Value> {
    match (item, key) {
        (Value::Map(entries), Value::String(name)) => {
            Ok(entries.get(name).cloned().unwrap_or_else(|| Value::from("")))
        }
        (Value::Map(_), other) => {
            Err(wrong(format!("value has type {}; should be string", other.type_name())))
        }
        (Value::String(text), Value::Int(position)) => usize::try_from(*position)
            .ok()
            .and_then(|position| text.as_bytes().get(position))
            .map(|byte| Value::Int(i64::from(*byte)))
            .ok_or_else(|| wrong(format!("index out of range: {position}"))),
        (Value::List(items), Value::Int(position)) => usize::try_from(*position)
            .ok()
            .and_then(|position| items.get(position))
            .cloned()
            .ok_or_else(|| wrong(format!("index out of range: {position}"))),
        (Value::String(_) | Value::List(_), other) => {
            Err(wrong(format!("cannot index slice/array with type {}", other.type_name())))
        }
        (other, _) => Err(wrong(format!("can't index item of type {}", other.type_name()))),
    }
}

fn wrong(why: String) -> TemplateError {
    TemplateError::Exec(format!("error calling index: {why}"))
}
