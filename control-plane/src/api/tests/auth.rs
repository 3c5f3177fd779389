use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::world::World;

/// Of the world's phrase, `hub`, made with `openssl dgst -sha256 -sign`.
pub(super) const SIGNATURE: &str = "nT5VaOGcWffvzcgHKhiy+M5qysLhybn8osbvCKQRVRW21DN5riqThBxsG3K05Ehzcr9ONaoSXzAtpFAqMX7XSwN6y6ruRIhz8LO579841EX1N8O+1LBZZvpniYsOlILpcnwMI27uylv0hgb/HJ4PTqFtvYmUFEcoU9RhRVjJWwEuCjRBfXN5Wn8O7H/TMUrISd1yz2gKWK6Kke5EyRdpbHm0/b5jLzOvSVGYqkVVpA66706Y96m7aQZc0WYNLRiU2XnPF0+Q0vsdCeXwFC1TLyHuYMKLXpFl5eYVtxh+ELRRrvBSOyIFhSlfTLo8KQch7GsZTkMjCuvcCItdy4qDEw==";
/// The public half of the key that made it.
const KEY: &str = "MIIBCgKCAQEAsouxHTcrGa+w91CgN1g5+D3LMSjypQOcS47k3M7uiX6G+qVparkELWClwqENjN6HskYsO1f+4zeHVki1qGZdIwt4JlJUryWiI9Z5+QeYVAqHIWGP2ur++hAXbPDXs+YdLWAOyjSymmuF/xE3varvS9J6VjnnaT0EO3Wr5HdOI6vZcodE78iYC6re109f6CEH/yhlbTPSKvyIONUgfL4VwYX0qTkjxgbx9HmUcOoZkqbz1V0EH13pxyloL/70jYX+/SY1ntqipQpmEm3/jBxdyKzsZNlxYXTsL8fYIOXljl12bcklsK7KgUP6fdSgkzwbyordJ2Ld7aFBiYtfsFaw+wIDAQAB";

/// What a client sends.
pub(super) fn method_data(signature: &str) -> String {
    STANDARD.encode(json!({"PhraseSignature": signature, "PublicKey": KEY}).to_string())
}

#[tokio::test]
async fn one_method_is_offered_and_a_signature_lets_in() {
    let world = World::start().await;
    let methods = world.get("/api/v1/auth").await.ok();
    let challenge = json!({"type": "challenge", "params": {"InputPhrase": STANDARD.encode("hub")}});
    assert_eq!(methods, json!({"NextToken": "", "Methods": {"clientkey": challenge}}));
    assert_eq!(world.get("/api/v1/auth/ClientKey").await.ok(), challenge);
    let post = async |name: &str, data: &str| {
        let body = json!({"Name": name, "MethodData": data});
        world.send("POST", &format!("/api/v1/auth/{name}"), &[], Some(body)).await
    };
    let accepted = post("ClientKey", &method_data(SIGNATURE)).await.ok();
    assert_eq!(accepted["Authentication"]["success"], true);
    assert!(accepted["Authentication"]["token"].as_str().is_some_and(|token| !token.is_empty()));
    let refused = post("clientkey", &method_data(&STANDARD.encode([0; 256]))).await;
    assert_eq!((refused.status, &refused.json()["Authentication"]["success"]), (401, &Value::Bool(false)));
    assert_eq!(post("clientkey", "").await.status, 400);
    assert_eq!(post("password", "").await.status, 404);
}

#[tokio::test]
async fn settings_are_shown_as_each_client_reads_them() {
    let world = World::start().await;
    let path = "/api/v1/agent/config";
    assert_eq!(world.get(path).await.ok(), json!({"config": {"NameProvider": "hostname"}}));
    let old = world.send("GET", path, &[("X-Bacalhau-Git-Version", "v1.5.2")], None).await;
    assert_eq!(old.ok(), json!({"NameProvider": "hostname"}));
}
