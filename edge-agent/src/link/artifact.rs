//! Compiled modules from the control plane, as the WASM engine wants them.

use bacalhau_protocol::engine_profile::{ArtifactEnvelope, ContentHash, EngineProfile};
use bacalhau_protocol::wire::stream::ReplyCode;
use futures_util::future::BoxFuture;

use super::Client;
use super::client::Error;
use crate::executor::wasm::{ArtifactSource, SignedArtifact};

impl ArtifactSource for Client {
    fn fetch<'a>(
        &'a self,
        module: ContentHash,
        wasm: &'a [u8],
        profile: &'a EngineProfile,
    ) -> BoxFuture<'a, Result<SignedArtifact, Box<dyn std::error::Error + Send + Sync>>> {
        Box::pin(async move {
            let json = serde_json::to_string(profile)?;
            let artifact = match self.fetch_artifact(module.0, &json).await {
                // The module came to this node by another way than through the control plane.
                Err(Error::Refused { code: ReplyCode::NotFound, .. }) => {
                    self.store_module(module.0, wasm).await?;
                    self.fetch_artifact(module.0, &json).await?
                }
                outcome => outcome?,
            };
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
