//! docs/settings.md is what the settings of the five programs say of themselves.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

use strata_chassis::{Binary, Setting};

type Program = (Binary, Vec<Setting>);

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/settings.md");
const UPDATE: &str = "UPDATE_DOCS=1 cargo test -p strata-node --test settings";

#[test]
fn the_page_of_settings_is_what_the_code_says() {
    let layers = strata_layers::settings().unwrap();
    let coordinator = strata_coordinator::settings().unwrap();
    let node = strata_node::settings().unwrap();
    let services: Vec<&Program> = [&coordinator].into_iter().chain(&layers).collect();
    let page = page(&services, &node);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(FILE, &page).unwrap();
    }
    let written = fs::read_to_string(Path::new(FILE)).unwrap_or_default();
    assert!(written == page, "docs/settings.md is not up to date; run `{UPDATE}`");
}

fn page(services: &[&Program], (node, node_settings): &Program) -> String {
    let mut groups = BTreeMap::<Of, Vec<&Setting>>::new();
    let mut seen = Vec::new();
    for (_, settings) in services {
        for setting in settings {
            if seen.contains(&setting.path()) {
                continue;
            }
            groups.entry(Of::those_with(setting, services)).or_default().push(setting);
            seen.push(setting.path());
        }
    }
    let mut page = format!(
        "# Settings\n\n<!-- Generated from the doc comments of the settings; do not edit. After a \
         change of a setting run `{UPDATE}` -->\n\n{INTRODUCTION}\n"
    );
    for (of, settings) in groups {
        write!(page, "\n## {}\n", of.title()).unwrap();
        tables(&mut page, &settings, services);
    }
    write!(page, "\n{NODE}\n").unwrap();
    for (section, settings) in sections(node_settings) {
        let service = services.iter().find(|(binary, _)| binary.name == section);
        for setting in &settings {
            let path = setting.path();
            let known = match service {
                Some(service) => of_path(service, path.split_once('.').unwrap().1),
                None => of_path(services[0], path),
            };
            let known = known.unwrap_or_else(|| panic!("{path} of {} is in no table", node.name));
            assert_eq!(setting.meaning(), known.meaning(), "{path}");
            assert_eq!(setting.shown_default(), known.shown_default(), "{path}");
        }
        let inner = match service {
            None => "the process has them once".to_owned(),
            Some(_) => {
                let inner = settings.iter().map(|s| s.path().split('.').nth(1).unwrap());
                let mut names: Vec<String> = inner.map(|name| format!("`{name}.*`")).collect();
                names.dedup();
                names.join(", ")
            }
        };
        let example = settings[0];
        let (flag, variable) = (example.flag(), node.variable(example.path()));
        writeln!(page, "| `{section}.*` | {inner} | `--{flag}`, `{variable}` |").unwrap();
    }
    page
}

/// The programs that have a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Of {
    Every,
    Layer,
    Coordinator,
}

impl Of {
    fn those_with(setting: &Setting, services: &[&Program]) -> Self {
        let have: Vec<bool> =
            services.iter().map(|service| of_path(service, setting.path()).is_some()).collect();
        match have[..] {
            [true, true, true, true] => Self::Every,
            [false, true, true, true] => Self::Layer,
            [true, false, false, false] => Self::Coordinator,
            _ => panic!("{} is a setting of one layer only: give it a table", setting.path()),
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Every => "All services",
            Self::Layer => "A layer",
            Self::Coordinator => "The coordinator",
        }
    }
}

fn of_path<'a>((_, settings): &'a Program, path: &str) -> Option<&'a Setting> {
    settings.iter().find(|setting| setting.path() == path)
}

/// Settings by the section they stand in, in their order.
fn sections<'a>(
    settings: impl IntoIterator<Item = &'a Setting>,
) -> Vec<(&'a str, Vec<&'a Setting>)> {
    let mut sections: Vec<(&str, Vec<&Setting>)> = Vec::new();
    for setting in settings {
        let section = setting.path().split('.').next().unwrap();
        match sections.last_mut() {
            Some((last, settings)) if *last == section => settings.push(setting),
            _ => sections.push((section, vec![setting])),
        }
    }
    sections
}

fn tables(page: &mut String, settings: &[&Setting], services: &[&Program]) {
    for (section, settings) in sections(settings.iter().copied()) {
        write!(
            page,
            "\n### {section}\n\n| setting | variable | flag | default | range | meaning |\n\
             |---|---|---|---|---|---|\n"
        )
        .unwrap();
        for setting in settings {
            let path = setting.path();
            let variable = path.replace('.', "_").to_uppercase();
            let range = setting.range().unwrap_or_default();
            writeln!(
                page,
                "| `{path}` | `{variable}` | `--{}` | {} | {range} | {} |",
                setting.flag(),
                default(setting, services),
                setting.meaning().replace("\n\n", " ").replace('\n', " ").replace('|', "\\|"),
            )
            .unwrap();
        }
    }
}

/// The default, or that of each program where they differ.
fn default(setting: &Setting, services: &[&Program]) -> String {
    let shown = |service: &&Program| {
        Some((service.0.name, of_path(service, setting.path())?.shown_default()))
    };
    let defaults: Vec<(&str, String)> = services.iter().filter_map(shown).collect();
    let code = |text: &str| match text {
        "" => "empty".to_owned(),
        "unset" => text.to_owned(),
        text => format!("`{text}`"),
    };
    match &defaults[..] {
        [(_, first), rest @ ..] if rest.iter().all(|(_, default)| default == first) => code(first),
        defaults => {
            let each = defaults.iter().map(|(name, default)| format!("{name} {}", code(default)));
            each.collect::<Vec<_>>().join(", ")
        }
    }
}

const INTRODUCTION: &str = "\
[Operations](operations.md) says where programs read their settings from, and which settings to look
at first. A variable is the name of the program, one of `STRATA_COORDINATOR_`, `STRATA_STRATEGIC_`,
`STRATA_TACTICAL_`, `STRATA_OPERATIONAL_` and `STRATA_NODE_`, followed by what the tables say.

A duration is written as `10s`, `500ms` or `1m 30s`. A list is comma separated in variables and
flags. An empty variable unsets a setting that may be unset.";

const NODE: &str = "\
## All services in one process

`strata-node` has the settings of the four services under their names, with the same defaults.

| settings | which | example |
|---|---|---|";
