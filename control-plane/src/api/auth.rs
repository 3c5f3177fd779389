//! How callers say who they are (api.md 3.21, 3.22).
//!
//! One method is offered, the one all of Bacalhau's command lines know: sign a phrase with the key of this
//! installation. The policy behind it is the anonymous one: whoever proves to hold the key they show is let in, and gets
//! a token that names nobody. Nothing asks for tokens, and unknown ones are ignored, so those of an earlier server at the
//! same address do no harm.

use std::future::{Ready, ready};
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bacalhau_protocol::api::{
    AuthMethod, AuthMethodsResponse, Authentication, AuthenticationResponse, ChallengeParams, ChallengeReply,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

use super::answer::Answer;
use super::body::JsonBody;
use super::error::ApiError;
use super::routes::Api;

/// Name of the one method. Bacalhau's configuration lower-cases `ClientKey`; callers may write it in any case.
const METHOD: &str = "clientkey";
/// What everybody who is let in gets.
const TOKEN: &str = "anonymous";

/// Open to everybody: the methods there are.
pub(super) fn list(State(api): State<Arc<Api>>) -> Ready<Answer<AuthMethodsResponse>> {
    let methods = [(METHOD.to_owned(), requirement(&api))].into();
    ready(Answer(AuthMethodsResponse { next_token: String::new(), methods }))
}

/// Open to everybody: one method.
pub(super) fn get(
    State(api): State<Arc<Api>>,
    Path(name): Path<String>,
) -> Ready<Result<Answer<AuthMethod>, ApiError>> {
    ready(known(&name).map(|()| Answer(requirement(&api))))
}

/// Open to everybody: checks the signature. A refusal is 401, and not in the shape of other errors.
pub(super) fn authenticate(
    State(api): State<Arc<Api>>,
    Path(name): Path<String>,
    body: JsonBody,
) -> Ready<Result<Response, ApiError>> {
    ready(known(&name).and_then(|()| answer(&api, body)))
}

fn known(name: &str) -> Result<(), ApiError> {
    if name.eq_ignore_ascii_case(METHOD) { Ok(()) } else { Err(ApiError::method_unknown(name, METHOD)) }
}

fn requirement(api: &Api) -> AuthMethod {
    let params = ChallengeParams { input_phrase: STANDARD.encode(phrase(api)) };
    AuthMethod { method_type: "challenge".to_owned(), params }
}

/// Bacalhau has its node id signed. It protects nothing here, and a fresh one would have to be remembered.
fn phrase(api: &Api) -> &[u8] {
    api.parts.node_id.as_bytes()
}

fn answer(api: &Api, mut body: JsonBody) -> Result<Response, ApiError> {
    let data = body.text("MethodData")?;
    let reply: ChallengeReply = STANDARD
        .decode(&data)
        .ok()
        .and_then(|document| serde_json::from_slice(&document).ok())
        .ok_or_else(|| ApiError::bad_request("MethodData: expected a JSON document in base64"))?;
    let (status, authentication) = match verify(phrase(api), &reply) {
        Ok(()) => {
            (StatusCode::OK, Authentication { success: true, token: TOKEN.to_owned(), reason: String::new() })
        }
        Err(reason) => (
            StatusCode::UNAUTHORIZED,
            Authentication { success: false, token: String::new(), reason: reason.to_owned() },
        ),
    };
    Ok((status, Answer(AuthenticationResponse { authentication })).into_response())
}

/// RSA PKCS#1 v1.5 over SHA-256 of the phrase; the key as PKCS#1 DER.
fn verify(phrase: &[u8], reply: &ChallengeReply) -> Result<(), &'static str> {
    let key = STANDARD.decode(&reply.public_key).map_err(|_| "the public key is not base64")?;
    let signature = STANDARD.decode(&reply.phrase_signature).map_err(|_| "the signature is not base64")?;
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key)
        .verify(phrase, &signature)
        .map_err(|_| "the signature does not fit the phrase and the public key")
}
