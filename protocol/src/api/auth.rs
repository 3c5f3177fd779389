//! How clients say who they are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::tolerant::nullable;

/// Answer of `GET auth`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase", default)]
pub struct AuthMethodsResponse {
    /// Always empty.
    pub next_token: String,
    /// By name. Clients take the only one, and ask their user when there are several.
    #[serde(deserialize_with = "nullable")]
    pub methods: BTreeMap<String, AuthMethod>,
}

/// What a method wants of a client. The keys are lower-case.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct AuthMethod {
    /// `challenge`.
    #[serde(rename = "type")]
    pub method_type: String,
    /// What to sign.
    pub params: ChallengeParams,
}

/// What to sign.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase", default)]
pub struct ChallengeParams {
    /// Bytes in base64.
    pub input_phrase: String,
}

/// `POST auth/{name}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase", default)]
pub struct AuthenticateRequest {
    /// The method again.
    #[serde(deserialize_with = "nullable")]
    pub name: String,
    /// A [`ChallengeReply`] as JSON, in base64.
    pub method_data: String,
}

/// A phrase that was signed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase", default)]
pub struct ChallengeReply {
    /// RSA PKCS#1 v1.5 over SHA-256 of the phrase, in base64.
    #[serde(deserialize_with = "nullable")]
    pub phrase_signature: String,
    /// PKCS#1 DER, in base64.
    #[serde(deserialize_with = "nullable")]
    pub public_key: String,
}

/// Answer of `POST auth/{name}`, with status 200 or 401.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase", default)]
pub struct AuthenticationResponse {
    /// How it went.
    pub authentication: Authentication,
}

/// How an authentication went. The keys are lower-case.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Authentication {
    /// The client is let in.
    pub success: bool,
    /// To be sent as `Authorization: Bearer …`.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "nullable")]
    pub token: String,
    /// Why not.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "nullable")]
    pub reason: String,
}
