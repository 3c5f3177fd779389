//! What an answer of S3 that is no success means, and what to do about it.

use std::fmt;

/// What was asked for, for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The bucket.
    pub bucket: String,
    /// The object, or what keys were to begin with.
    pub key: String,
    /// The service's address, as far as the job or the node names one.
    pub endpoint: Option<String>,
    /// What requests are signed for.
    pub region: String,
    /// Whether requests are signed, and why not.
    pub signing: Signing,
}

/// Whether requests are signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signing {
    /// By this node's credentials.
    Signed,
    /// This node has none.
    NoCredentials,
    /// Looking for them went wrong, in this way. What is public can be read all the same.
    Unusable(String),
}

/// A permission, as S3's policies name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Permission {
    List,
    Get,
    GetVersion,
}

impl Permission {
    fn name(self) -> &'static str {
        match self {
            Self::List => "s3:ListBucket",
            Self::Get => "s3:GetObject",
            Self::GetVersion => "s3:GetObjectVersion",
        }
    }
}

/// What S3 answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// S3's word for what is wrong; empty where an answer has no body.
    pub(super) code: String,
    pub(super) message: String,
    /// Where the bucket really is.
    pub(super) region: Option<String>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bucket {:?}", self.bucket)?;
        if !self.key.is_empty() {
            write!(f, ", key {:?}", self.key)?;
        }
        match &self.endpoint {
            Some(endpoint) => write!(f, ", at {endpoint}"),
            None => write!(f, ", at AWS in {}", self.region),
        }
    }
}

/// What is wrong and what to do, for somebody who knows where.
pub(super) fn meaning(place: &Place, needed: Permission, answer: &Answer) -> String {
    let Place { region, signing, .. } = place;
    match (answer.code.as_str(), answer.status) {
        ("NoSuchBucket", _) => "there is no such bucket; check Bucket, Region and Endpoint".to_owned(),
        ("NoSuchKey", _) => {
            "there is no such object; check Key, where `dir/` means all below and `dir/log-*` all that begin so".to_owned()
        }
        ("NoSuchVersion", _) => "the object has no such version; check VersionID".to_owned(),
        ("MethodNotAllowed", _) => "this version marks that the object was deleted; choose another VersionID".to_owned(),
        ("RequestTimeTooSkewed" | "RequestExpired", _) => "the service's clock and this node's differ too much; nodes take \
             the control plane's time, so set the clock of the control plane or of the service right"
            .to_owned(),
        ("InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidToken" | "ExpiredToken" | "TokenRefreshRequired", _) => {
            format!("the service does not accept this node's AWS credentials ({}); renew them", told(answer))
        }
        ("PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException", _) | (_, 301) => {
            match answer.right_region() {
                Some(right) => format!("the bucket is in region {right}, not in {region}; set Region to {right}"),
                None => format!("the bucket is not in region {region}; set Region to where it is"),
            }
        }
        ("InvalidObjectState", _) => "the object is archived; restore it first".to_owned(),
        ("PreconditionFailed", _) | (_, 412) => "the object was changed while it was fetched; try again".to_owned(),
        (_, 401 | 403) => match signing {
            Signing::Signed => {
                format!("access is denied ({}); this node's AWS credentials need {}", told(answer), needed.name())
            }
            Signing::NoCredentials => "access is denied without credentials, and this node has none: neither in the \
                 agent's environment (AWS_ACCESS_KEY_ID), nor in ~/.aws, nor from a container or instance role"
                .to_owned(),
            Signing::Unusable(why) => {
                format!("access is denied without credentials, and this node's cannot be used: {why}")
            }
        },
        (_, 404) => "there is no such bucket or object; check Bucket, Key, Region and Endpoint".to_owned(),
        (_, 429 | 500..) => format!("the service is in trouble ({}); try again later", told(answer)),
        _ => format!("the service refuses ({}); check Endpoint and Region", told(answer)),
    }
}

impl Answer {
    /// Of the header, or of a message that ends as AWS's does: `the region 'a' is wrong; expecting 'b'`.
    fn right_region(&self) -> Option<&str> {
        let in_message = || self.message.split_once("expecting ")?.1.split(['\'', '"']).nth(1);
        self.region.as_deref().or_else(in_message)
    }
}

fn told(answer: &Answer) -> String {
    let mut text = answer.status.to_string();
    for part in [&answer.code, &answer.message] {
        if !part.is_empty() {
            text.push(' ');
            text.extend(part.chars().take(200));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, code: &str, signing: Signing) -> String {
        let place = Place {
            bucket: "logs".into(),
            key: "a".into(),
            endpoint: None,
            region: "eu-west-1".into(),
            signing,
        };
        let answer = Answer { status, code: code.into(), ..Answer::default() };
        meaning(&place, Permission::Get, &answer)
    }

    #[test]
    fn each_answer_says_what_to_do() {
        for (status, code, part) in [
            (404, "NoSuchBucket", "check Bucket"),
            (404, "NoSuchKey", "check Key"),
            (404, "", "no such bucket or object"),
            (403, "AccessDenied", "(403 AccessDenied); this node's AWS credentials need s3:GetObject"),
            (403, "SignatureDoesNotMatch", "renew them"),
            (403, "RequestTimeTooSkewed", "set the clock"),
            (400, "AuthorizationHeaderMalformed", "not in region eu-west-1"),
            (412, "", "changed while it was fetched"),
            (503, "SlowDown", "(503 SlowDown); try again later"),
            (400, "InvalidRequest", "refuses (400 InvalidRequest)"),
        ] {
            let text = of(status, code, Signing::Signed);
            assert!(text.contains(part), "{status} {code}: {text}");
        }
        assert!(of(403, "AccessDenied", Signing::NoCredentials).contains("this node has none"));
        let unusable = of(403, "", Signing::Unusable("no profile edge".into()));
        assert!(unusable.ends_with("cannot be used: no profile edge"), "{unusable}");
    }

    #[test]
    fn the_right_region_is_named() {
        let place = Place {
            bucket: "logs".into(),
            key: String::new(),
            endpoint: None,
            region: "us-east-1".into(),
            signing: Signing::Signed,
        };
        let answer = Answer { status: 301, region: Some("eu-west-1".into()), ..Answer::default() };
        let said = Answer {
            status: 400,
            code: "AuthorizationHeaderMalformed".into(),
            message: "the region 'us-east-1' is wrong; expecting 'eu-west-1'".into(),
            region: None,
        };
        let expected = "the bucket is in region eu-west-1, not in us-east-1; set Region to eu-west-1";
        for answer in [answer, said] {
            assert_eq!(meaning(&place, Permission::List, &answer), expected);
        }
        assert_eq!(place.to_string(), "bucket \"logs\", at AWS in us-east-1");
    }
}
