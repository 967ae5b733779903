//! `strata catalogue`, and the commands of docs/catalogue.md.

use std::{fs, process::Command};

use strata_tests::{finish, program, root, shared_world, strata};

/// The fenced shell blocks of docs/catalogue.md that need no running service.
fn blocks() -> Vec<String> {
    let document = fs::read_to_string(root().join("docs/catalogue.md")).unwrap();
    let fenced = document.split("```sh\n").skip(1);
    let blocks = fenced.map(|part| part.split("```").next().unwrap().to_owned());
    blocks.filter(|block| !block.contains("strata up") && !block.contains("127.0.0.1")).collect()
}

/// Runs a block as a shell does in the root of the repository, except that its files are in
/// `directory` and not in `target`. A command that fails ends it.
fn run(block: &str, directory: &str) -> String {
    let strata = program("strata").display().to_string();
    // The program first: it is in `target` too.
    let script = block.replace("target/release/strata", "$STRATA");
    let script =
        script.replace("mkdir -p target\n", "").replace("target/", &format!("{directory}/"));
    let mut bash = Command::new("bash");
    bash.current_dir(root()).env("STRATA", strata);
    bash.args(["-c", &format!("set -euo pipefail\n{script}")]);
    finish(bash).expect_success()
}

#[test]
fn the_document_works_as_pasted() {
    let directory = tempfile::tempdir().unwrap();
    let blocks = blocks();
    assert!(blocks.len() >= 5, "{} blocks", blocks.len());
    let directory = directory.path().to_str().unwrap();
    let shown: Vec<String> = blocks.iter().map(|block| run(block, directory)).collect();
    let text = shown.join("\n");
    let sound = text.matches(" is sound: ").count();
    assert_eq!(sound, blocks.join("\n").matches("catalogue check").count(), "{text}");
    assert!(!text.contains("warning:") && !text.contains("fault:"), "{text}");
    let (price, spain) = (&shown[1], &shown[2]);
    for (part, text) in [
        ("regions.europe-west3.gb_second_usd: 3.5e-6 -> 2.9e-6", price),
        ("providers.aws: added -> 1 entry", price),
        ("they differ", price),
        ("platforms.aws-lambda.regions.eu-south-2: added -> ", spain),
        ("gap: ", spain),
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

#[test]
fn a_catalogue_with_faults_fails_the_check_and_names_each() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bad.yaml");
    let text = "extends: world\nformat: 1\nproviders: {aws: {discount: 17}}\n\
                default_area: eu-wset\n";
    fs::write(&path, text).unwrap();
    let checked = strata(&format!("catalogue check {}", path.display()));
    assert_eq!(checked.code(), Some(1));
    for part in [
        "fault: providers.aws.discount: must be 0 to below 1, is 17",
        "fault: default_area: there is no area `eu-wset`; did you mean `eu-west`?",
        "is refused: 2 faults",
    ] {
        assert!(checked.stdout.contains(part), "{part} is not in\n{}", checked.text());
    }
}

#[test]
fn two_catalogues_differ_or_are_the_same() {
    let same = strata("catalogue diff world world");
    assert_eq!(same.code(), Some(0), "{}", same.text());
    assert!(same.stdout.starts_with("the same: revision "), "{}", same.stdout);
    let differ = strata("catalogue diff research world");
    assert_eq!(differ.code(), Some(1));
    assert!(differ.stdout.contains("name: research -> world\n"), "{}", differ.stdout);
}

#[test]
fn the_schema_describes_the_format() {
    let schema = strata("catalogue schema").expect_success();
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    assert!(schema["properties"]["platforms"]["description"].is_string());
    assert_eq!(strata("catalogue show nowhere").code(), Some(1));
}

#[test]
fn the_catalogue_in_force_is_listed_and_reloaded() {
    let cluster = shared_world();
    let endpoint = cluster.coordinator.spec().endpoint();
    let listed = strata(&format!("catalogue list --endpoint {endpoint}")).expect_success();
    let own = strata("catalogue list --catalogue world").expect_success();
    let title = own.lines().next().unwrap();
    assert!(title.starts_with("world, revision "), "{title}");
    assert!(listed.starts_with(title) && listed.contains("gcp-cloud-run-functions"), "{listed}");
    let reloaded = strata(&format!("catalogue reload --endpoint {endpoint}")).expect_success();
    assert_eq!(reloaded.trim_end(), title);
}
