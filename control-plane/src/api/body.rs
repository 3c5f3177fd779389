//! JSON bodies: accepted with every method, keys in any case, an empty body is an empty object (api.md 1.2).

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use futures_util::StreamExt as _;
use serde_json::{Map, Value};

use super::error::ApiError;

/// Largest request body, bytes.
pub(super) const MAX_BODY_BYTES: usize = 10_000_000;

/// Longest reason or message of a caller, bytes.
const MAX_TEXT_BYTES: usize = 4096;

/// Largest body that is read to its end while it is refused, and for how long: a client that is still sending when the
/// connection closes never sees the answer.
const MAX_DISCARDED_BYTES: usize = 100_000_000;
const DISCARD_TIME: Duration = Duration::from_secs(30);

/// The members of a request's JSON object.
#[derive(Debug, Default)]
pub(super) struct JsonBody(Map<String, Value>);

impl<S: Send + Sync> FromRequest<S> for JsonBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let (head, body) = request.into_parts();
        // Refused by what it announces, before any of it is kept.
        if let Some(length) = announced(&head.headers).filter(|length| *length > MAX_BODY_BYTES) {
            if length <= MAX_DISCARDED_BYTES {
                tokio::spawn(tokio::time::timeout(DISCARD_TIME, discard(body)));
            }
            return Err(ApiError::too_large(MAX_BODY_BYTES));
        }
        let bytes = to_bytes(body, MAX_BODY_BYTES).await.map_err(|_| ApiError::too_large(MAX_BODY_BYTES))?;
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        if !is_json(&head.headers) {
            return Err(ApiError::not_json());
        }
        match serde_json::from_slice(&bytes) {
            Ok(Value::Object(members)) => Ok(Self(members)),
            Ok(Value::Null) => Ok(Self::default()),
            Ok(_) => Err(ApiError::bad_request("expected a JSON object as the request body")),
            Err(error) => Err(ApiError::bad_request(format!("the request body is no JSON: {error}"))),
        }
    }
}

impl JsonBody {
    /// Takes a member out; `null` when absent.
    pub(super) fn take(&mut self, key: &str) -> Value {
        let found = self.0.iter_mut().rev().find(|(name, _)| name.eq_ignore_ascii_case(key));
        found.map_or(Value::Null, |(_, value)| value.take())
    }

    /// A text; empty when absent.
    pub(super) fn text(&mut self, key: &str) -> Result<String, ApiError> {
        match self.take(key) {
            Value::Null => Ok(String::new()),
            Value::String(text) => Ok(text),
            _ => Err(ApiError::bad_request(format!("{key}: expected text"))),
        }
    }

    /// A truth value; false when absent.
    pub(super) fn flag(&mut self, key: &str) -> Result<bool, ApiError> {
        match self.take(key) {
            Value::Null => Ok(false),
            Value::Bool(flag) => Ok(flag),
            _ => Err(ApiError::bad_request(format!("{key}: expected true or false"))),
        }
    }

    /// A whole number; 0 when absent.
    pub(super) fn number(&mut self, key: &str) -> Result<u64, ApiError> {
        match self.take(key) {
            Value::Null => Ok(0),
            value => value
                .as_u64()
                .ok_or_else(|| ApiError::bad_request(format!("{key}: expected a whole number, 0 or more"))),
        }
    }
}

/// A text that is kept with what it is about; refused when it is longer than that is worth.
pub(super) fn short(key: &str, text: String) -> Result<String, ApiError> {
    if text.len() > MAX_TEXT_BYTES {
        let length = text.len();
        let message = format!("{key}: has {length} bytes, at most {MAX_TEXT_BYTES} are taken");
        return Err(ApiError::bad_request(message));
    }
    Ok(text)
}

async fn discard(body: Body) {
    let mut chunks = body.into_data_stream();
    while let Some(Ok(_)) = chunks.next().await {}
}

fn announced(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || kind.ends_with("+json")
}
