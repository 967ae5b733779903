//! The proof that no setting is undocumented.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    check::Check,
    command::RESERVED_FLAGS,
    setting::{properties, schema, settings},
};

/// Fails if a setting of `C` has no doc comment, is missing in the serialized default, shares a
/// flag with another one, or if the default does not pass its own check. Every configuration has a
/// test of one line that calls it.
///
/// # Panics
/// With the list of what is wrong.
pub fn assert_documented<C: Default + Serialize + JsonSchema + Check>() {
    let mut wrong = Vec::new();
    let settings = match settings::<C>() {
        Ok(settings) => settings,
        Err(error) => panic!("{error}"),
    };
    let mut flags = BTreeSet::from(RESERVED_FLAGS.map(str::to_owned));
    for setting in &settings {
        let path = setting.path();
        if setting.summary().trim().is_empty() {
            wrong.push(format!("setting {path} has no doc comment"));
        }
        if let (Some((min, max)), Some(value)) = (setting.bounds, setting.default.as_f64())
            && !(min..=max).contains(&value)
        {
            wrong.push(format!("the default of {path}, {value}, is not from {min} to {max}"));
        }
        if !flags.insert(setting.flag()) {
            wrong.push(format!("setting {path} and another one are both --{}", setting.flag()));
        }
    }
    let mut known = Vec::new();
    properties(&schema::<C>(), "", &mut known);
    for path in known.iter().filter(|path| !settings.iter().any(|s| s.path() == *path)) {
        wrong.push(format!("setting {path} is not in the serialized default"));
    }
    if let Err(error) = C::default().check() {
        wrong.push(format!("the default is refused: {error}"));
    }
    assert!(wrong.is_empty(), "settings:\n  {}", wrong.join("\n  "));
}
