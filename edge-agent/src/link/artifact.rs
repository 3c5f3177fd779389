//! Compiled modules from the control plane, as the WASM engine wants them.

use bacalhau_protocol::engine_profile::{ArtifactEnvelope, ContentHash, EngineProfile};
use futures_util::future::BoxFuture;

use super::Client;
use crate::executor::wasm::{ArtifactSource, SignedArtifact};

impl ArtifactSource for Client {
    fn fetch<'a>(
        &'a self,
        module: ContentHash,
        profile: &'a EngineProfile,
    ) -> BoxFuture<'a, Result<SignedArtifact, Box<dyn std::error::Error + Send + Sync>>> {
        Box::pin(async move {
            let artifact = self.fetch_artifact(module.0, &serde_json::to_string(profile)?).await?;
            let envelope = ArtifactEnvelope {
                profile: profile.id(),
                module,
                artifact: ContentHash(artifact.hash),
                signature: artifact.signature,
            };
            Ok(SignedArtifact { envelope, bytes: artifact.bytes })
        })
    }
}
