//! Layering: each value is put over the last and read at once, so that a wrong one is known by
//! where it came from.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use serde_yaml::Value;

use super::{
    binary::Binary,
    check::Check,
    command::{CONFIG, PRINT_CONFIG, command},
    error::{ConfigError, Invalid, Origin},
    setting::{Setting, settings_of},
    tree,
};

/// No configuration comes near this; a device or a log file given by mistake does.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// What the command line asked for.
#[derive(Debug)]
pub enum Invocation<C> {
    /// Run with this configuration.
    Run(Box<C>),
    /// Print this text to standard output and exit with 0: `--help`, `--version`,
    /// `--print-config`.
    Print(String),
}

/// Reads the configuration of `binary`: the defaults of `C`, then the file of `--config` or
/// `<PREFIX>_CONFIG`, then the environment, then flags.
///
/// # Errors
/// [`ConfigError`] for anything that is not understood: an unknown key, variable or flag, a value
/// of the wrong type or out of range, a file that is not one YAML document. Nothing is ignored.
pub fn load<C>(
    binary: &Binary,
    args: impl IntoIterator<Item = OsString>,
    env: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Invocation<C>, ConfigError>
where
    C: Default + Serialize + DeserializeOwned + JsonSchema + Check,
{
    let defaults = serde_yaml::to_value(C::default()).map_err(ConfigError::Default)?;
    let settings = settings_of::<C>(&defaults);
    let matches = match command(binary, &settings).try_get_matches_from(args) {
        Ok(matches) => matches,
        Err(message) if message.use_stderr() => {
            return Err(ConfigError::Usage(message.render().to_string().trim_end().to_owned()));
        }
        Err(message) => return Ok(Invocation::Print(message.render().to_string())),
    };
    let environment = Environment::read(binary, &settings, env)?;
    let file = matches.get_one::<PathBuf>(CONFIG).cloned().or(environment.config);

    let mut layers = Layers::<C>::new(defaults.clone());
    if let Some(path) = file {
        for (key, value) in read_file(&path, &defaults, &settings)? {
            layers.put(&key, vec![value], Origin::File(path.clone()))?;
        }
    }
    for (setting, name, text) in environment.settings {
        layers.put(setting.path(), setting.readings(&text), Origin::Variable(name))?;
    }
    for setting in &settings {
        if let Some(text) = matches.get_one::<String>(setting.path()) {
            layers.put(setting.path(), setting.readings(text), Origin::Flag(setting.flag()))?;
        }
    }
    let config = layers.finish(&settings)?;
    if matches.get_flag(PRINT_CONFIG) {
        let text = serde_yaml::to_string(&config).map_err(ConfigError::Default)?;
        return Ok(Invocation::Print(text));
    }
    Ok(Invocation::Run(Box::new(config)))
}

/// The tree as it grows, the configuration it reads as, and where each value came from.
struct Layers<C> {
    tree: Value,
    config: C,
    origins: BTreeMap<String, Origin>,
}

impl<C: Default + DeserializeOwned + Check> Layers<C> {
    fn new(tree: Value) -> Self {
        Self { tree, config: C::default(), origins: BTreeMap::new() }
    }

    /// Puts the first of `readings` that the type accepts at `path`.
    fn put(&mut self, path: &str, readings: Vec<Value>, origin: Origin) -> Result<(), ConfigError> {
        let mut refusal = None;
        for reading in readings {
            let mut tree = self.tree.clone();
            tree::put(&mut tree, path, reading);
            match serde_yaml::from_value(tree.clone()) {
                Ok(config) => {
                    (self.tree, self.config) = (tree, config);
                    self.origins.insert(path.to_owned(), origin);
                    return Ok(());
                }
                Err(error) => _ = refusal.get_or_insert(error.to_string()),
            }
        }
        let reason = refusal.unwrap_or_else(|| "no value".to_owned());
        Err(ConfigError::Value { path: path.to_owned(), reason, origin: origin.to_string() })
    }

    /// The configuration, once its values are in range and fit together.
    fn finish(self, settings: &[Setting]) -> Result<C, ConfigError> {
        let outcome = self.check_ranges(settings).and_then(|()| self.config.check());
        match outcome {
            Ok(()) => Ok(self.config),
            Err(invalid) => Err(ConfigError::Value {
                path: invalid.path().to_owned(),
                reason: invalid.reason().to_owned(),
                origin: match self.origins.get(invalid.path()) {
                    Some(origin) => origin.to_string(),
                    None => "the default".to_owned(),
                },
            }),
        }
    }

    fn check_ranges(&self, settings: &[Setting]) -> Result<(), Invalid> {
        for setting in settings {
            let value = tree::get(&self.tree, setting.path()).and_then(Value::as_f64);
            if let (Some((min, max)), Some(value)) = (setting.bounds, value)
                && !(min..=max).contains(&value)
            {
                let reason = format!("must be from {min} to {max}");
                return Err(Invalid::new(setting.path(), reason));
            }
        }
        Ok(())
    }
}

/// What the environment says: the settings, and the file.
struct Environment<'a> {
    settings: Vec<(&'a Setting, String, String)>,
    config: Option<PathBuf>,
}

impl<'a> Environment<'a> {
    fn read(
        binary: &Binary,
        settings: &'a [Setting],
        env: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, ConfigError> {
        let named = |setting: &'a Setting| (binary.variable(setting.path()), setting);
        let known: BTreeMap<String, &Setting> = settings.iter().map(named).collect();
        let prefix = format!("{}_", binary.env_prefix);
        let config_name = binary.variable(CONFIG);
        let mut found = Self { settings: Vec::new(), config: None };
        for (name, value) in env {
            let Some(name) = name.to_str().filter(|name| name.starts_with(&prefix)) else {
                continue;
            };
            if name == config_name {
                found.config = (!value.is_empty()).then(|| PathBuf::from(value));
            } else if let Some(setting) = known.get(name) {
                let text = value.into_string().map_err(|_| ConfigError::Value {
                    path: setting.path().to_owned(),
                    reason: "the value is not UTF-8".to_owned(),
                    origin: Origin::Variable(name.to_owned()).to_string(),
                })?;
                found.settings.push((setting, name.to_owned(), text));
            } else if !is_service_link(&name[prefix.len()..], &value.to_string_lossy()) {
                let names = known.keys().map(String::as_str).chain([config_name.as_str()]);
                let hint = tree::nearest(name, names);
                return Err(ConfigError::UnknownVariable { name: name.to_owned(), hint });
            }
        }
        Ok(found)
    }
}

/// Whether Kubernetes made this variable: for a Service called `strata-strategic` it gives every
/// pod of the namespace `STRATA_STRATEGIC_SERVICE_HOST`, `..._SERVICE_PORT[_NAME]` and
/// `..._PORT[_N_PROTO[_PART]]` (docker links), which are nobody's typing errors.
fn is_service_link(rest: &str, value: &str) -> bool {
    let after = |marker: &str| match rest.rfind(marker) {
        Some(at) if at == 0 || rest[..at].ends_with('_') => Some(&rest[at + marker.len()..]),
        _ => None,
    };
    if after("SERVICE_HOST").is_some_and(str::is_empty) {
        return true;
    }
    let is_port = |text: &str| text.parse::<u16>().is_ok();
    if after("SERVICE_PORT").is_some_and(|name| name.is_empty() || name.starts_with('_')) {
        return is_port(value);
    }
    let is_url = ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme));
    match after("PORT_") {
        None => is_url && after("PORT").is_some_and(str::is_empty),
        // ..._PORT_50051_TCP is a URL, ..._PORT_50051_TCP_{PROTO,PORT,ADDR} are its parts. The
        // marker found last may be the PORT of the parts' own name, which is not followed by "_".
        Some(parts) => {
            let mut parts = parts.split('_');
            let number = parts.next().is_some_and(is_port);
            let protocol = parts.next().is_some_and(|p| ["TCP", "UDP", "SCTP"].contains(&p));
            let part = parts.next().is_none_or(|p| ["PROTO", "PORT", "ADDR"].contains(&p));
            number && protocol && part && parts.next().is_none()
        }
    }
}

/// The settings of a file, in its order, after every key was found to exist.
fn read_file(
    path: &Path,
    defaults: &Value,
    known: &[Setting],
) -> Result<Vec<(String, Value)>, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(ConfigError::TooLarge { path: path.to_owned(), limit: MAX_FILE_BYTES });
    }
    let yaml = |source| ConfigError::Yaml { path: path.to_owned(), source };
    let tree: Value = serde_yaml::from_slice(&bytes).map_err(yaml)?;
    let mut walk = Walk { path, known, settings: Vec::new() };
    walk.walk("", defaults, tree)?;
    Ok(walk.settings)
}

struct Walk<'a> {
    path: &'a Path,
    known: &'a [Setting],
    settings: Vec<(String, Value)>,
}

impl Walk<'_> {
    /// Takes the settings of the section `at`, and of the sections in it.
    fn walk(&mut self, at: &str, defaults: &Value, value: Value) -> Result<(), ConfigError> {
        let section = match defaults {
            Value::Mapping(section) if !section.is_empty() => section,
            _ => {
                self.settings.push((at.to_owned(), value));
                return Ok(());
            }
        };
        let entries = match value {
            Value::Mapping(entries) => entries,
            // A section whose settings are all commented out, or an empty file.
            Value::Null => return Ok(()),
            _ => {
                return Err(ConfigError::Value {
                    path: if at.is_empty() { "the file".to_owned() } else { at.to_owned() },
                    reason: "expected a section with settings of its own".to_owned(),
                    origin: Origin::File(self.path.to_owned()).to_string(),
                });
            }
        };
        for (key, value) in entries {
            let path = tree::join(at, &key);
            match section.get(&key) {
                Some(defaults) => self.walk(&path, defaults, value)?,
                None => return Err(self.unknown(path)),
            }
        }
        Ok(())
    }

    fn unknown(&self, key: String) -> ConfigError {
        let known = self.known.iter().map(Setting::path);
        let hint = tree::nearest(&key, known);
        ConfigError::UnknownKey { path: self.path.to_owned(), key, hint }
    }
}
