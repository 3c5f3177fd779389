//! Query parameters, as tolerant as clients need (api.md 1.2): empty values count as absent, unknown ones are ignored.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;

use super::error::ApiError;

/// Query parameters in the order they were sent.
pub(super) struct Params(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Infallible;

    /// What is no query at all is an empty one.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let pairs = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri);
        Ok(Self(pairs.map_or_else(|_| Vec::new(), |Query(pairs)| pairs)))
    }
}

impl Params {
    /// The first value of a parameter; empty when absent.
    pub(super) fn text(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    /// All values of a repeated parameter.
    pub(super) fn all(&self, name: &'static str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A whole number; 0 when absent.
    pub(super) fn number(&self, name: &str) -> Result<u64, ApiError> {
        match self.text(name) {
            "" => Ok(0),
            text => text.parse().map_err(|_| {
                ApiError::bad_request(format!(
                    "query parameter {name}: expected a whole number, found {text:?}"
                ))
            }),
        }
    }

    /// A truth value as Go and Python write it; false when absent.
    pub(super) fn flag(&self, name: &str) -> Result<bool, ApiError> {
        match self.text(name) {
            "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
            "" | "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
            text => Err(ApiError::bad_request(format!(
                "query parameter {name}: expected true or false, found {text:?}"
            ))),
        }
    }

    /// The namespace in which a name is looked up.
    pub(super) fn namespace(&self) -> &str {
        match self.text("namespace") {
            "" => bacalhau_protocol::api::decode::DEFAULT_NAMESPACE,
            namespace => namespace,
        }
    }

    /// The label selector, whose terms may be spread over several parameters.
    pub(super) fn selector(&self) -> Result<Vec<bacalhau_protocol::model::Constraint>, ApiError> {
        let terms: Vec<&str> = self.all("labels").collect();
        bacalhau_protocol::selector::parse(&terms.join(","))
            .map_err(|error| ApiError::bad_request(format!("query parameter labels: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(pairs: &[(&str, &str)]) -> Params {
        Params(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn empty_values_count_as_absent_and_others_are_checked() {
        let empty = params(&[("limit", ""), ("reverse", ""), ("namespace", "")]);
        assert_eq!(
            (empty.number("limit"), empty.flag("reverse"), empty.namespace()),
            (Ok(0), Ok(false), "default")
        );
        let set = params(&[("limit", "5"), ("reverse", "True"), ("tail", "yes"), ("size", "-1")]);
        assert_eq!((set.number("limit"), set.flag("reverse")), (Ok(5), Ok(true)));
        assert_eq!(set.flag("tail").unwrap_err().0.status, 400);
        assert!(set.number("size").unwrap_err().0.message.contains("size"));
    }

    #[test]
    fn terms_of_several_parameters_make_one_selector() {
        let labels = params(&[("labels", "a=b"), ("limit", "1"), ("labels", "!c")]);
        assert_eq!(labels.selector().unwrap().len(), 2);
        assert_eq!(params(&[("labels", "a in x")]).selector().unwrap_err().0.status, 400);
    }
}
