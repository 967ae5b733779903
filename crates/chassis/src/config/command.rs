//! The command line, generated from the leaves of the default configuration.

use clap::builder::ValueParser;
use clap::{Arg, ArgAction, Command, value_parser};
use serde_yaml::Value;

use super::documented::Help;
use super::tree::Leaf;
use super::{Binary, load};

/// The command of `binary`: one option for each setting, and the loader's own.
pub(super) fn command(binary: &Binary, leaves: &[Leaf], help: &Help) -> Command {
    let config = Arg::new(load::CONFIG)
        .long(load::CONFIG)
        .value_name("FILE")
        .value_parser(value_parser!(std::path::PathBuf))
        .help(format!(
            "YAML file with settings; the environment and flags go over it [env: {}]",
            binary.variable(load::CONFIG)
        ));
    let print = Arg::new(load::PRINT_CONFIG)
        .long(load::PRINT_CONFIG)
        .action(ArgAction::SetTrue)
        .help("Print the settings in effect as YAML and exit");
    Command::new(binary.name)
        .about(binary.about)
        .version(binary.version)
        .arg(config)
        .arg(print)
        .args(leaves.iter().map(|leaf| option(binary, leaf, help)))
}

fn option(binary: &Binary, leaf: &Leaf, help: &Help) -> Arg {
    let text = format!(
        "{} [env: {}] [default: {}]",
        help.text(&leaf.path),
        binary.variable(&leaf.path),
        leaf.shown_default()
    );
    let arg = Arg::new(leaf.path.clone())
        .long(leaf.flag())
        .value_name(value_name(&leaf.default))
        .value_parser(ValueParser::string())
        // "-5" is a value here, and whether it is a good one the type says.
        .allow_negative_numbers(true)
        .help(text);
    let arg = match &leaf.default {
        // `--flag` alone means true.
        Value::Bool(_) => arg.num_args(0..=1).default_missing_value("true"),
        _ => arg,
    };
    match leaf.section() {
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
