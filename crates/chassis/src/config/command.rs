//! The command line, generated from the settings.

use std::path::PathBuf;

use clap::{Arg, ArgAction, Command, builder::ValueParser, value_parser};
use serde_yaml::Value;

use super::{binary::Binary, setting::Setting};

/// The option, and with the prefix the variable, that names the file.
pub(super) const CONFIG: &str = "config";
/// The option that prints the settings in effect.
pub(super) const PRINT_CONFIG: &str = "print-config";
/// Long options that no setting may have.
pub(super) const RESERVED_FLAGS: [&str; 4] = [CONFIG, PRINT_CONFIG, "help", "version"];

/// The command of `binary`: one option for each setting, and the loader's own.
pub(super) fn command(binary: &Binary, settings: &[Setting]) -> Command {
    let config =
        Arg::new(CONFIG).long(CONFIG).value_name("FILE").value_parser(value_parser!(PathBuf)).help(
            format!(
                "YAML file with settings; the environment and flags go over it [env: {}]",
                binary.variable(CONFIG)
            ),
        );
    let print = Arg::new(PRINT_CONFIG)
        .long(PRINT_CONFIG)
        .action(ArgAction::SetTrue)
        .help("Print the settings in effect as YAML and exit");
    Command::new(binary.name)
        .about(binary.about)
        .version(binary.version)
        .arg(config)
        .arg(print)
        .args(settings.iter().map(|setting| option(binary, setting)))
}

fn option(binary: &Binary, setting: &Setting) -> Arg {
    let mut text = format!(
        "{} [env: {}] [default: {}]",
        setting.summary(),
        binary.variable(setting.path()),
        setting.shown_default()
    );
    if let Some(range) = setting.range() {
        text.push_str(&format!(" [range: {range}]"));
    }
    let arg = Arg::new(setting.path().to_owned())
        .long(setting.flag())
        .value_name(value_name(&setting.default))
        .value_parser(ValueParser::string())
        // "-5" is a value here; the type decides whether it is valid.
        .allow_negative_numbers(true)
        .help(text);
    let arg = match &setting.default {
        // `--flag` alone means true.
        Value::Bool(_) => arg.num_args(0..=1).default_missing_value("true"),
        _ => arg,
    };
    match setting.section() {
        "" => arg,
        section => arg.help_heading(format!("Settings of {section}")),
    }
}

fn value_name(default: &Value) -> &'static str {
    match default {
        Value::Bool(_) => "BOOL",
        Value::Number(_) => "NUMBER",
        Value::Sequence(_) => "LIST",
        _ => "VALUE",
    }
}
