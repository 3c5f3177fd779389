//! How this node speaks to an S3 service: with which credentials, for which region, by which clock.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_config::meta::region::RegionProviderChain;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::interceptors::BeforeDeserializationInterceptorContextMut;
use aws_sdk_s3::config::{
    Builder, ConfigBag, Intercept, ProvideCredentials, RuntimeComponents, SharedInterceptor,
    StalledStreamProtectionConfig,
};
use aws_sdk_s3::error::BoxError;
use aws_sdk_s3::primitives::SdkBody;
use aws_smithy_async::time::TimeSource;
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns, ResolveDnsError};
use aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint;
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use bacalhau_protocol::spec::s3::{S3Source, is_link_local};
use http_body_util::Limited;
use tokio::time::timeout;

use super::trouble::{Place, Signing};
use super::{MAX_ANSWER_BYTES, Settings};
use crate::chain::chain;
use crate::clock::Clock;

/// Longest search for credentials. A device that has none finds that nobody answers where clouds give them out.
const CREDENTIALS_PATIENCE: Duration = Duration::from_secs(5);
/// Longest wait for a connection, by a slow link.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
/// What requests are signed for if neither job nor node say; AWS then answers where the bucket is.
const DEFAULT_REGION: &str = "us-east-1";

/// A service, and how to name it and what is asked of it.
pub(super) struct Service {
    pub(super) client: Client,
    pub(super) place: Arc<Place>,
}

impl Service {
    /// Looks for region and credentials anew, so that those that were renewed count. Nothing is asked of S3 yet.
    pub(super) async fn connect(source: &S3Source, settings: &Settings) -> Self {
        let mut config = load(source, settings).await;
        let signing = signing(&config).await;
        if signing != Signing::Signed {
            let mut anonymous = config.into_builder();
            anonymous.set_credentials_provider(None);
            config = anonymous.build();
        }
        let endpoint = config.endpoint_url().map(str::to_owned);
        let region = config.region().map_or(DEFAULT_REGION, Region::as_ref).to_owned();
        let mut builder = Builder::from(&config).force_path_style(endpoint.is_some());
        builder.push_interceptor(SharedInterceptor::new(ShortAnswers));
        if signing != Signing::Signed {
            builder.set_allow_no_auth();
        }
        let (bucket, key) = (source.bucket.clone(), source.key.prefix().to_owned());
        let place = Arc::new(Place { bucket, key, endpoint, region, signing });
        Self { client: Client::from_conf(builder.build()), place }
    }
}

async fn load(source: &S3Source, settings: &Settings) -> SdkConfig {
    let region = match &source.region {
        Some(region) => RegionProviderChain::first_try(Region::new(region.clone())),
        None => RegionProviderChain::default_provider().or_else(DEFAULT_REGION),
    };
    let timeouts =
        TimeoutConfig::builder().connect_timeout(CONNECT_PATIENCE).read_timeout(settings.read_timeout);
    let ring = tls::Provider::Rustls(CryptoMode::Ring);
    let http = aws_smithy_http_client::Builder::new().tls_provider(ring).build_with_resolver(Names);
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        .time_source(FleetClock(settings.clock.clone()))
        .timeout_config(timeouts.build())
        .retry_config(RetryConfig::standard().with_max_attempts(settings.attempts.get()))
        // Silence is noticed where bytes are read, with a limit that operators set.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .region(region);
    // The SDK knows the variable too, but does not say what it found.
    let of_node = || std::env::var("AWS_ENDPOINT_URL_S3").ok().filter(|endpoint| !endpoint.is_empty());
    if let Some(endpoint) = source.endpoint.clone().or_else(of_node) {
        loader = loader.endpoint_url(endpoint);
    }
    loader.load().await
}

/// Looks for credentials. A node without any that can be used still reaches what is public.
async fn signing(config: &SdkConfig) -> Signing {
    let Some(provider) = config.credentials_provider() else { return Signing::NoCredentials };
    match timeout(CREDENTIALS_PATIENCE, provider.provide_credentials()).await {
        Ok(Ok(_)) => Signing::Signed,
        Ok(Err(CredentialsError::CredentialsNotLoaded(_))) => Signing::NoCredentials,
        Ok(Err(error)) => Signing::Unusable(chain(&error)),
        Err(_) => Signing::Unusable(format!("nothing was found within {} s", CREDENTIALS_PATIENCE.as_secs())),
    }
}

/// Ends answers that are read into memory and are too long. Objects go to the disk and have their own limit.
#[derive(Debug)]
struct ShortAnswers;

#[dyn_dispatch_hint]
impl Intercept for ShortAnswers {
    fn name(&self) -> &'static str {
        "ShortAnswers"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        settings: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let is_object = settings.load::<Metadata>().is_some_and(|operation| operation.name() == "GetObject");
        let response = context.response_mut();
        if !(is_object && response.status().is_success()) {
            let body = response.take_body();
            *response.body_mut() = SdkBody::from_body_1_x(Limited::new(body, MAX_ANSWER_BYTES));
        }
        Ok(())
    }
}

/// The fleet's time: requests are signed with it, whatever the device's own clock says.
#[derive(Debug)]
struct FleetClock(Clock);

impl TimeSource for FleetClock {
    fn now(&self) -> SystemTime {
        let nanos = u64::try_from(self.0.now().0).unwrap_or_default();
        UNIX_EPOCH + Duration::from_nanos(nanos)
    }
}

/// Looks up names, but never gives an address where a cloud keeps a machine's secrets: jobs choose endpoints. Addresses
/// in an endpoint are judged when the job is read.
#[derive(Clone, Debug)]
struct Names;

impl ResolveDns for Names {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        DnsFuture::new(async move {
            let found = tokio::net::lookup_host((name, 0)).await.map_err(ResolveDnsError::new)?;
            let found: Vec<IpAddr> =
                found.map(|address| address.ip()).filter(|ip| !is_link_local(*ip)).collect();
            if found.is_empty() {
                return Err(ResolveDnsError::new(format!("{name} has no address that jobs may reach")));
            }
            Ok(found)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_never_leads_to_the_secrets_of_a_cloud() {
        // Numbers that are no plain address are names to whoever looks at the text, but not to the C library.
        Names.resolve_dns("2852039166").await.unwrap_err();
        assert!(!Names.resolve_dns("localhost").await.unwrap().is_empty());
    }
}
