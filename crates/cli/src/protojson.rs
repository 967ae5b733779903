//! The JSON form of protobuf messages: camelCase names, enums by name, timestamps as RFC 3339,
//! 64-bit integers as strings. The descriptors define it, so that it follows every change of the
//! contract.

use std::sync::LazyLock;

use anyhow::{Context, anyhow};
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};
use serde::de::DeserializeSeed;
use strata_wire::pb;

static POOL: LazyLock<Result<DescriptorPool, String>> = LazyLock::new(|| {
    DescriptorPool::decode(strata_wire::FILE_DESCRIPTOR_SET).map_err(|error| error.to_string())
});

/// A message of the contract that this program reads or writes as JSON.
pub(crate) trait Named: Message + Default {
    /// The full name of the message.
    const NAME: &'static str;
}

impl Named for pb::DecideRequest {
    const NAME: &'static str = "strata.v1.DecideRequest";
}

impl Named for pb::DecideResponse {
    const NAME: &'static str = "strata.v1.DecideResponse";
}

impl Named for pb::ListModelsResponse {
    const NAME: &'static str = "strata.v1.ListModelsResponse";
}

impl Named for pb::ListReleasesResponse {
    const NAME: &'static str = "strata.v1.ListReleasesResponse";
}

/// The message as a JSON value, without the fields that have their default.
///
/// # Errors
/// Only if the descriptors do not match the generated code: a mistake in the build.
pub(crate) fn to_value<M: Named>(message: &M) -> anyhow::Result<serde_json::Value> {
    let bytes = message.encode_to_vec();
    let dynamic = DynamicMessage::decode(descriptor::<M>()?, bytes.as_slice())?;
    serde_json::to_value(&dynamic).context("the message cannot be written as JSON")
}

/// Parses the message in `json`.
///
/// # Errors
/// Line and column of invalid JSON, an unknown field, a value of the wrong type, or text after the
/// end.
pub(crate) fn from_str<M: Named>(json: &str) -> anyhow::Result<M> {
    let mut reader = serde_json::Deserializer::from_str(json);
    let dynamic = descriptor::<M>()?.deserialize(&mut reader)?;
    reader.end()?;
    Ok(dynamic.transcode_to()?)
}

fn descriptor<M: Named>() -> anyhow::Result<MessageDescriptor> {
    let pool = POOL.as_ref().map_err(|error| anyhow!("the contract's descriptors: {error}"))?;
    pool.get_message_by_name(M::NAME)
        .with_context(|| format!("{} is not in the contract's descriptors", M::NAME))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    const REQUEST: &str = r#"{
        "correlationId": "a1",
        "function": {"application": "shop", "function": "checkout"},
        "at": "2026-11-24T10:00:00Z",
        "current": {"platform": "aws-lambda", "region": "eu-west-1", "memoryMb": 512},
        "workload": {"durationMs": 320.5},
        "constraints": {"allowedProviders": ["aws", "gcp"]}
    }"#;

    #[test]
    fn requests_are_read_and_written_in_the_canonical_form() {
        let request: pb::DecideRequest = from_str(REQUEST).unwrap();
        assert_eq!(request.at.unwrap().seconds, 1_795_514_400);
        assert_eq!(request.current.as_ref().unwrap().region, "eu-west-1");
        assert_eq!(request.constraints.as_ref().unwrap().allowed_providers, ["aws", "gcp"]);
        let expected: serde_json::Value = serde_json::from_str(REQUEST).unwrap();
        assert_eq!(to_value(&request).unwrap(), expected);
    }

    #[test]
    fn names_of_the_proto_file_are_read_too() {
        let request: pb::DecideRequest = from_str(r#"{"correlation_id": "a1"}"#).unwrap();
        assert_eq!(request.correlation_id, "a1");
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (json, word) in [
            (r#"{"corelationId": "a1"}"#, "corelationId"),
            (r#"{"workload": {"durationMs": true}}"#, "bool"),
            (r#"{"current": {"platform": 1}}"#, "string"),
            ("{} {}", "trailing"),
            ("", "EOF"),
        ] {
            let error = format!("{:#}", from_str::<pb::DecideRequest>(json).unwrap_err());
            assert!(error.contains(word), "{json}: {error}");
        }
    }
}
