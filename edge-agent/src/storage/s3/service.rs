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
use bacalhau_protocol::spec::s3::{S3Source, host_and_port};
use http_body_util::Limited;
use tokio::time::timeout;

use super::trouble::{Place, Signing};
use super::{Error, MAX_ANSWER_BYTES, Settings};
use crate::chain::chain;
use crate::clock::Clock;
use crate::egress::is_outside;

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
    pub(super) async fn connect(source: &S3Source, settings: &Settings) -> Result<Self, Error> {
        // The SDK knows the variable too, but does not say what it found.
        let of_node = std::env::var("AWS_ENDPOINT_URL_S3").ok().filter(|endpoint| !endpoint.is_empty());
        let (endpoint, names) = choose(source.endpoint.as_deref(), of_node.as_deref())?;
        let mut config = load(source, endpoint, names, settings).await;
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
        Ok(Self { client: Client::from_conf(builder.build()), place })
    }
}

/// The endpoint, and where names may lead. Only the operator chooses a service on the node itself: what listens there for
/// the node's own use would answer to any job.
fn choose(of_job: Option<&str>, of_node: Option<&str>) -> Result<(Option<String>, Names), Error> {
    let is_same =
        |one: &str, other: &str| one.trim_end_matches('/').eq_ignore_ascii_case(other.trim_end_matches('/'));
    match (of_job, of_node) {
        (None, own) => Ok((own.map(str::to_owned), Names::Anywhere)),
        (Some(named), Some(own)) if is_same(named, own) => Ok((Some(own.to_owned()), Names::Anywhere)),
        (Some(named), _) => {
            let address = host_and_port(named).and_then(|(host, _)| host.parse().ok());
            if address.is_some_and(|address| !is_outside(address)) {
                return Err(Error::Inside(named.to_owned()));
            }
            Ok((Some(named.to_owned()), Names::Outside))
        }
    }
}

async fn load(source: &S3Source, endpoint: Option<String>, names: Names, settings: &Settings) -> SdkConfig {
    let region = match &source.region {
        Some(region) => RegionProviderChain::first_try(Region::new(region.clone())),
        None => RegionProviderChain::default_provider().or_else(DEFAULT_REGION),
    };
    let timeouts =
        TimeoutConfig::builder().connect_timeout(CONNECT_PATIENCE).read_timeout(settings.read_timeout);
    let ring = tls::Provider::Rustls(CryptoMode::Ring);
    let http = aws_smithy_http_client::Builder::new().tls_provider(ring).build_with_resolver(names);
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        .time_source(FleetClock(settings.clock.clone()))
        .timeout_config(timeouts.build())
        .retry_config(RetryConfig::standard().with_max_attempts(settings.attempts.get()))
        // Silence is noticed where bytes are read, with a limit that operators set.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .region(region);
    if let Some(endpoint) = endpoint {
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

/// Looks up names, whose addresses count like those that stand in an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Names {
    /// Never this node nor its link, where clouds keep a machine's secrets.
    Outside,
    /// No job chose the name.
    Anywhere,
}

impl ResolveDns for Names {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        DnsFuture::new(async move {
            let found = tokio::net::lookup_host((name, 0)).await.map_err(ResolveDnsError::new)?;
            let may_reach = |address: &IpAddr| *self == Self::Anywhere || is_outside(*address);
            let found: Vec<IpAddr> = found.map(|address| address.ip()).filter(may_reach).collect();
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
    async fn a_name_leads_to_the_node_itself_only_for_its_operator() {
        // Numbers that are no plain address are names to whoever looks at the text, but not to the C library.
        for name in ["2852039166", "2130706433", "localhost"] {
            Names::Outside.resolve_dns(name).await.unwrap_err();
        }
        assert!(!Names::Anywhere.resolve_dns("localhost").await.unwrap().is_empty());
    }

    #[test]
    fn a_job_names_no_service_of_the_node_but_the_one_its_operator_named() {
        let own = "http://127.0.0.1:9000";
        let chosen = |of_job, of_node| choose(of_job, of_node).ok();
        assert_eq!(chosen(None, None), Some((None, Names::Anywhere)));
        for of_job in [None, Some(own), Some("HTTP://127.0.0.1:9000/")] {
            assert_eq!(chosen(of_job, Some(own)), Some((Some(own.to_owned()), Names::Anywhere)));
        }
        for of_job in
            ["http://127.0.0.1:8384", "http://127.0.0.1:9000/x", "https://[::1]:9000", "http://0.0.0.0"]
        {
            assert_eq!(chosen(Some(of_job), Some(own)), None, "{of_job}");
        }
        for of_job in ["http://192.0.2.7:9000", "https://s3.example.net", "http://localhost:9000"] {
            assert_eq!(chosen(Some(of_job), Some(own)), Some((Some(of_job.to_owned()), Names::Outside)));
        }
    }
}
