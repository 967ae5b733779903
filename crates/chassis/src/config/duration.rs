//! How settings write durations: the types in `#[serde(with = "...")]`.

use std::{borrow::Cow, time::Duration};

use humantime_serde::Serde;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use super::setting::RANGE;

/// A `Duration` or an `Option<Duration>`, written as text: `1m 30s`.
pub type HumanDuration = Written<false>;

/// As [`HumanDuration`], above zero and at most 24 hours: zero is over before anything can happen,
/// and longer makes no sense on a connection and could not be added to every clock.
pub type Timeout = Written<true>;

/// A duration written as text, of any length or as a timeout.
#[derive(Debug)]
pub struct Written<const TIMEOUT: bool>;

const MAX_TIMEOUT: Duration = Duration::from_hours(24);
const TIMEOUT_RANGE: &str = "above zero and at most 24h";

impl<const TIMEOUT: bool> Written<TIMEOUT> {
    /// Writes a duration.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<T, S>(duration: &T, serializer: S) -> Result<S::Ok, S::Error>
    where
        for<'a> Serde<&'a T>: Serialize,
        S: Serializer,
    {
        humantime_serde::serialize(duration, serializer)
    }

    /// Reads a duration.
    ///
    /// # Errors
    /// The text is no duration, or a timeout that is out of range.
    pub fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        Serde<T>: Deserialize<'de>,
        T: Copy + Into<Option<Duration>>,
        D: Deserializer<'de>,
    {
        let duration: T = humantime_serde::deserialize(deserializer)?;
        match duration.into() {
            Some(time) if TIMEOUT && (time.is_zero() || time > MAX_TIMEOUT) => {
                Err(D::Error::custom(format_args!("must be {TIMEOUT_RANGE}")))
            }
            _ => Ok(duration),
        }
    }
}

impl<const TIMEOUT: bool> JsonSchema for Written<TIMEOUT> {
    fn schema_name() -> Cow<'static, str> {
        if TIMEOUT { "Timeout".into() } else { "Duration".into() }
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        match TIMEOUT {
            true => json_schema!({ "type": "string", RANGE: TIMEOUT_RANGE }),
            false => json_schema!({ "type": "string" }),
        }
    }
}
