//! Catalogues whose text, files, overlays or sizes are wrong: each is refused, with the fault and
//! its place.
#![allow(clippy::unwrap_used)]

use std::{fs, path::Path};

use serde_yaml::Mapping;
use strata_catalogue::{Fault, load, load_text};
use tempfile::TempDir;

fn faults_of(text: &str, directory: &Path) -> Vec<Fault> {
    match load_text("bad", text, directory) {
        Ok(_) => panic!("accepted: {text}"),
        Err(refused) => refused.faults,
    }
}

/// The text has exactly one fault, the expected one.
#[track_caller]
fn assert_fault(faults: &[Fault], place: &str, piece: &str) {
    let expected = |fault: &Fault| fault.place == place && fault.text.contains(piece);
    assert!(
        faults.len() == 1 && expected(&faults[0]),
        "expected {place}: {piece}\n  got {faults:#?}"
    );
}

#[test]
fn texts_that_are_no_catalogue() {
    for (text, place, piece) in [
        ("", "", "must be a map"),
        ("[1, 2]", "", "must be a map"),
        ("just words", "", "must be a map"),
        ("a: [1", "", "not YAML"),
        ("format: 1\nformat: 1", "", "not YAML: duplicate entry"),
        ("format: 1\n---\nformat: 1", "", "not YAML"),
        ("a: &a [*a]", "", "not YAML"),
        ("apiVersion: v1\nkind: Pod", "format", "must be given: 1"),
        ("format: 2\nname: x", "format", "must be 1, is 2"),
        ("format: '1'\nname: x", "format", "must be 1, is '1'"),
        ("format: 1\nname: x", "", "missing field `reference_platform`"),
        ("format: 1\nonly: {providers: [aws]}", "only", "no meaning without `extends`"),
        ("extends: research", "format", "must be given: 1"),
        ("extends: research\nformat: 7", "format", "must be 1, is 7"),
        ("extends: 5\nformat: 1", "extends", "the name or the file"),
        ("extends: null\nformat: 1", "extends", "the name or the file"),
        ("extends: [research, world]\nformat: 1", "extends", "the name or the file"),
        ("extends: reserach\nformat: 1", "extends", "did you mean `research`?"),
        ("extends: missing.yaml\nformat: 1", "extends", "cannot read the catalogue `missing.yaml`"),
    ] {
        assert_fault(&faults_of(text, Path::new("")), place, piece);
    }
}

#[test]
fn keys_and_types_that_the_format_does_not_have() {
    for (edit, place, piece) in [
        ("colour: red", "colour", "unknown field `colour`"),
        ("name: [x]", "name", "expected a string"),
        ("platforms: []", "platforms", "expected a map"),
        ("platforms: {aws-lambda: {colour: red}}", "platforms.aws-lambda.colour", "unknown field"),
        ("platforms: {x: {provider: aws}}", "platforms.x", "missing field `architecture`"),
        (
            "platforms: {aws-lamda: null}",
            "platforms.aws-lamda",
            "none to remove; did you mean `aws-",
        ),
        ("regions: {aws/nowhere: null}", "regions.aws/nowhere", "none to remove"),
        (
            "platforms: {aws-lambda: {architecture: riscv}}",
            "platforms.aws-lambda.architecture",
            "unknown variant `riscv`, expected `x86_64` or `arm64`",
        ),
        (
            "platforms: {aws-lambda: {memory_mb: many}}",
            "platforms.aws-lambda.memory_mb",
            "a list of sizes in MB, or a map of min, max and step",
        ),
        (
            "platforms: {aws-lambda: {memory_mb: {min: 1, max: 2}}}",
            "platforms.aws-lambda.memory_mb",
            "a list of sizes in MB, or a map of min, max and step",
        ),
        (
            "platforms: {aws-lambda: {memory_mb: [-128]}}",
            "platforms.aws-lambda.memory_mb",
            "a list of sizes",
        ),
        (
            "platforms: {aws-lambda: {price: {gb_second_usd: cheap}}}",
            "platforms.aws-lambda.price.gb_second_usd",
            "expected f64",
        ),
        (
            "platforms: {aws-lambda: {billing: {memory: all}}}",
            "platforms.aws-lambda.billing.memory",
            "expected `configured` or `used`",
        ),
        (
            "platforms: {aws-lambda: {cold_start: {removed: [[1]]}}}",
            "platforms.aws-lambda.cold_start.removed[0]",
            "expected a tuple of size 2",
        ),
        (
            "platforms: {aws-lambda: {slowdown: {cpu: {small: 2}}}}",
            "platforms.aws-lambda.slowdown.cpu",
            "u32",
        ),
        ("regions: {aws/us-east-1: {pue: 1.2}}", "regions.aws/us-east-1.pue", "PueEntry"),
        ("areas: {us-east: [aws/us-east-1]}", "areas.us-east", "AreaEntry"),
        ("sources: {ccf-2023: {date: 2023}}", "sources.ccf-2023.date", "expected a string"),
        ("hours: {IE: 1}", "hours.IE", "expected a sequence"),
        ("round_trips: {within_ms: null}", "round_trips", "missing field `within_ms`"),
    ] {
        let text = format!("extends: research\nformat: 1\n{edit}");
        assert_fault(&faults_of(&text, Path::new("")), place, piece);
    }
}

#[test]
fn parts_to_keep_that_are_not_there() {
    for (only, place, piece) in [
        ("{providers: [asure]}", "only.providers[0]", "did you mean `azure`?"),
        ("{platforms: [aws-lambda, aws]}", "only.platforms[1]", "not in the catalogue"),
        ("{regions: [aws/us-east-9]}", "only.regions[0]", "did you mean `aws/us-east-1`?"),
        ("{regions: [us-east-1]}", "only.regions[0]", "did you mean `aws/us-east-1`?"),
        ("{areas: [us-east]}", "only.areas", "unknown field `areas`"),
        ("{providers: aws}", "only.providers", "expected a sequence"),
        ("[aws]", "only", "invalid"),
    ] {
        // What is left when nothing is kept would have faults of its own.
        let text = format!("extends: research\nformat: 1\nonly: {only}");
        assert_fault(&faults_of(&text, Path::new("")), place, piece);
    }
    let text = "extends: research\nformat: 1\nonly: {providers: [gcp]}";
    let faults = faults_of(text, Path::new(""));
    assert_fault(&faults, "reference_platform", "no platform `aws-lambda`");
}

fn write(directory: &TempDir, name: &str, text: &str) -> String {
    let path = directory.path().join(name);
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn refused(path: &str) -> Vec<Fault> {
    match load(path) {
        Ok(_) => panic!("accepted: {path}"),
        Err(refused) => {
            assert_eq!(refused.name, path);
            refused.faults
        }
    }
}

#[test]
fn files_that_cannot_be_read() {
    let directory = tempfile::tempdir().unwrap();
    assert_fault(&refused("wrold"), "", "did you mean `world`?");
    assert_fault(&refused("missing/file.yaml"), "", "built in are research and world");
    assert_fault(&refused(directory.path().to_str().unwrap()), "", "it is no file");
    assert_fault(&refused(""), "", "cannot read the catalogue ``");
    let large = write(&directory, "large.yaml", &"# all too much\n".repeat(300_000));
    assert_fault(&refused(&large), "", "it has 4500000 bytes, at most 4194304");
    let binary = directory.path().join("binary.yaml");
    fs::write(&binary, [0xff, 0xfe, 0x00, 0x80]).unwrap();
    assert_fault(&refused(binary.to_str().unwrap()), "", "valid UTF-8");
}

#[test]
fn files_that_extend_one_another() {
    let directory = tempfile::tempdir().unwrap();
    let text = |extends: &str| format!("extends: {extends}\nformat: 1\n");
    let own = write(&directory, "own.yaml", &text("own.yaml"));
    assert_fault(&refused(&own), "extends", "own.yaml` extends itself in the end");
    let first = write(&directory, "first.yaml", &text("second.yaml"));
    write(&directory, "second.yaml", &text("./first.yaml"));
    assert_fault(&refused(&first), "extends", "extends itself in the end (in ");
    // Seven files over a built-in catalogue are fine, eight and more are not.
    write(&directory, "chain0.yaml", &text("research"));
    for number in 1..10 {
        let extended = text(&format!("chain{}.yaml", number - 1));
        write(&directory, &format!("chain{number}.yaml"), &extended);
    }
    let chain = |number: usize| directory.path().join(format!("chain{number}.yaml"));
    assert!(load(chain(6).to_str().unwrap()).is_ok());
    let faults = refused(chain(9).to_str().unwrap());
    assert_fault(&faults, "extends", "more than 8 catalogues extend one another");
}

#[test]
fn a_fault_of_a_file_that_is_extended_names_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let top = write(&directory, "top.yaml", "extends: base.yaml\nformat: 1\n");
    for (text, place, piece) in [
        ("a: [", "", "not YAML"),
        ("- a", "", "must be a map"),
        ("format: 2", "format", "must be 1, is 2"),
        ("extends: wrold\nformat: 1", "extends", "did you mean `world`?"),
        ("extends: world\nformat: 1\nonly: {providers: [ibm]}", "only.providers[0]", "`ibm`"),
    ] {
        write(&directory, "base.yaml", text);
        let faults = refused(&top);
        assert_fault(&faults, place, piece);
        assert!(faults[0].text.ends_with("base.yaml)"), "{}", faults[0]);
    }
}

/// An overlay of `research` with more entries in a section, each a copy of one that is there.
fn with_copies(section: &str, entry: &str, names: impl Iterator<Item = String>) -> String {
    let document = strata_catalogue::built_in("research").document;
    let document = serde_yaml::to_value(&document).unwrap();
    let copies: Mapping =
        names.map(|name| (name.into(), document[section][entry].clone())).collect();
    let overlay = Mapping::from_iter([
        ("extends".into(), "research".into()),
        ("format".into(), 1.into()),
        (section.into(), copies.into()),
    ]);
    serde_yaml::to_string(&overlay).unwrap()
}

#[test]
fn catalogues_beyond_the_bounds() {
    let here = Path::new("");
    let many = |count: usize| (0..count).map(|number| format!("p{number}"));
    let platforms = with_copies("platforms", "aws-lambda", many(62));
    assert_fault(&faults_of(&platforms, here), "platforms", "must be 1 to 64, are 65");
    let regions = |count| (0..count).map(|number| format!("aws/r{number}"));
    let regions = with_copies("regions", "aws/us-east-1", regions(501));
    assert_fault(&faults_of(&regions, here), "regions", "must be 1 to 512, are 513");
    let providers = (0..254).map(|number| format!("p{number}/r"));
    let providers = with_copies("regions", "aws/us-east-1", providers);
    assert_fault(&faults_of(&providers, here), "regions", "of 257 providers; at most 256");
    let sizes = "extends: research\nformat: 1\n\
                 platforms: {aws-lambda: {memory_mb: {min: 1, max: 1020, step: 1}}}";
    assert_fault(&faults_of(sizes, here), "platforms", "make 4120 placements; at most 4096");
    let all_sizes = sizes.replace("max: 1020", "max: 1048576");
    assert_fault(&faults_of(&all_sizes, here), "platforms", "placements; at most 4096");
    let none = "extends: research\nformat: 1\nplatforms: {aws-lambda: null, \
                gcp-functions-gen1: null, azure-functions-consumption: null}";
    let places: Vec<String> = faults_of(none, here).into_iter().map(|fault| fault.place).collect();
    assert_eq!(places, ["platforms", "reference_platform"]);
}

#[test]
fn names_of_entries() {
    let here = Path::new("");
    for (section, entry, name, place, piece) in [
        ("platforms", "aws-lambda", "a b", "platforms.a b", "letters, digits"),
        ("regions", "aws/us-east-1", "aws", "regions.aws", "named `provider/region`"),
        ("regions", "aws/us-east-1", "aws/", "regions.aws/", "`` must be"),
        ("regions", "aws/us-east-1", "aws/a/b", "regions.aws/a/b", "`a/b` must be"),
        ("regions", "aws/us-east-1", "a c/b", "regions.a c/b", "`a c` must be"),
    ] {
        let text = with_copies(section, entry, [name.to_owned()].into_iter());
        assert_fault(&faults_of(&text, here), place, piece);
    }
    let area = "extends: research\nformat: 1\nareas: {us-east: null, \
                'us east': {regions: [aws/us-east-1]}}\ndefault_area: us-west";
    assert_fault(&faults_of(area, here), "areas.us east", "letters, digits");
}
