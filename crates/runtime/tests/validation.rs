//! What is refused before a model serves, and how the refusal reads.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod models;

use std::{
    error::Error,
    path::{Path, PathBuf},
};

use models::{on_cpu, start};
use strata_runtime::{
    Manifest, Model, ModelFiles, ModelOptions, Repository, RepositoryError, Shape, StartError,
};

/// A copy of a fixture whose manifest says `to` where it said `from`.
fn altered(name: &str, from: &str, to: &str) -> (tempfile::TempDir, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join(name).join("1");
    copy(name, &dir);
    let path = dir.join("manifest.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "nothing to replace: {from}");
    std::fs::write(&path, text.replace(from, to)).unwrap();
    (root, dir)
}

fn copy(name: &str, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for file in ["manifest.yaml", "model.onnx"] {
        std::fs::copy(models::directory().join(name).join("1").join(file), to.join(file)).unwrap();
    }
}

fn load(root: &tempfile::TempDir, name: &str) -> Result<ModelFiles, RepositoryError> {
    Repository::open(root.path()).unwrap().load(name, None)
}

/// An error with its causes, as a log shows it.
fn whole(error: &dyn Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", whole(source)),
        None => error.to_string(),
    }
}

/// Starts a model whose manifest was altered in memory.
fn start_with(name: &str, alter: impl FnOnce(&mut Manifest)) -> Result<Model, StartError> {
    let files = models::files(name);
    let mut manifest = files.manifest().clone();
    alter(&mut manifest);
    let files = ModelFiles::new(manifest, files.graph().to_vec()).unwrap();
    Model::start(&models::runtime(), files, &on_cpu())
}

#[test]
fn a_graph_that_was_changed_is_refused_with_both_hashes() {
    let (root, dir) = altered("double", "name: double", "name: double");
    let mut graph = std::fs::read(dir.join("model.onnx")).unwrap();
    let expected = strata_runtime::sha256_hex(&graph);
    *graph.last_mut().unwrap() ^= 1;
    std::fs::write(dir.join("model.onnx"), &graph).unwrap();
    let text = whole(&load(&root, "double").unwrap_err());
    assert!(text.contains(&expected), "{text}");
    assert!(text.contains(&strata_runtime::sha256_hex(&graph)), "{text}");
}

#[test]
fn hashes_are_sha256() {
    // FIPS 180-2, appendix B.1.
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(strata_runtime::sha256_hex(b"abc"), abc);
}

#[test]
fn an_unknown_key_in_the_manifest_is_named() {
    let (root, _) = altered("double", "version: 1", "version: 1\nauthor: nobody");
    let text = whole(&load(&root, "double").unwrap_err());
    assert!(text.contains("double/1") && text.contains("unknown field `author`"), "{text}");
}

#[test]
fn a_wrong_number_of_features_is_refused() {
    let (root, _) = altered("double", "  - { name: x2, unit: '1' }\n", "");
    let text = whole(&load(&root, "double").unwrap_err());
    assert!(text.contains("input `x`: 2 features are listed"), "{text}");
    assert!(text.contains("[batch, 3] has 3"), "{text}");
}

#[test]
fn another_shape_than_the_graphs_shows_both_sides() {
    let error = start_with("double", |manifest| {
        let input = &mut manifest.inputs[0];
        input.shape = Shape::new([4]);
        input.features.push(strata_runtime::Feature { name: "x3".into(), unit: "1".into() });
        manifest.outputs[0].shape = Shape::new([3, 3]);
    })
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "model `double`: input `x`: the manifest says f32 [batch, 4], \
         the graph says f32 [batch, 3]; \
         output `y`: the manifest says f32 [batch, 3, 3], the graph says f32 [batch, 3]"
    );
}

#[test]
fn a_graph_of_one_fixed_row_is_refused() {
    let text = start("fixed", &on_cpu()).unwrap_err().to_string();
    assert!(text.contains("the manifest says f32 [batch, 3], the graph says f32 [1, 3]"), "{text}");
}

#[test]
fn another_name_shows_both_sides() {
    let error = start_with("double", |manifest| manifest.inputs[0].name = "state".to_owned());
    let text = error.unwrap_err().to_string();
    assert!(text.contains("input `state`: the manifest says f32 [batch, 3], the graph says no"));
    assert!(
        text.contains("input `x`: the manifest says no such name, the graph says f32 [batch, 3]")
    );
}

#[test]
fn another_opset_shows_both_sides() {
    let error = start_with("double", |manifest| manifest.graph.opset = 18).unwrap_err();
    assert!(matches!(&error, StartError::Graph { mismatches, .. } if mismatches.len() == 1));
    assert!(error.to_string().contains("opset: the manifest says 18, the graph says 17"));
}

#[test]
fn a_file_that_is_no_graph_is_refused() {
    let mut manifest = models::files("double").manifest().clone();
    let graph = b"not a graph".to_vec();
    manifest.graph.sha256 = strata_runtime::sha256_hex(&graph);
    let files = ModelFiles::new(manifest, graph).unwrap();
    let error = Model::start(&models::runtime(), files, &on_cpu()).unwrap_err();
    assert!(matches!(error, StartError::Session(_)), "{error}");
}

#[test]
fn options_out_of_range_are_refused() {
    let error = start("double", &ModelOptions { max_batch: 0, ..on_cpu() }).unwrap_err();
    assert_eq!(error.to_string(), "model options: max_batch is 0, it must be 1 to 4096");
}

#[test]
fn the_newest_version_is_the_highest_number() {
    let root = tempfile::tempdir().unwrap();
    for version in ["1", "2", "10"] {
        let dir = root.path().join("double").join(version);
        copy("double", &dir);
        let path = dir.join("manifest.yaml");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("version: 1", &format!("version: {version}"))).unwrap();
    }
    let repository = Repository::open(root.path()).unwrap();
    assert_eq!(repository.models().unwrap(), ["double"]);
    assert_eq!(repository.versions("double").unwrap(), [1, 2, 10]);
    assert_eq!(repository.newest("double").unwrap(), 10);
    assert_eq!(repository.load("double", None).unwrap().manifest().version, 10);
    assert_eq!(repository.load("double", Some(2)).unwrap().manifest().version, 2);
    let text = repository.load("double", Some(3)).unwrap_err().to_string();
    assert_eq!(text, "model `double` has no version 3; it has 1, 2, 10");
}

#[test]
fn junk_and_links_are_no_models() {
    let root = tempfile::tempdir().unwrap();
    let model = root.path().join("double");
    copy("double", &model.join("1"));
    for junk in ["01", "+1", "0", "-1", "latest"] {
        copy("double", &model.join(junk));
    }
    std::fs::create_dir(model.join("2")).unwrap();
    std::fs::write(model.join("3"), "a file").unwrap();
    std::fs::create_dir_all(root.path().join(".hidden/1")).unwrap();
    std::fs::create_dir_all(root.path().join("empty")).unwrap();
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(model.join("1"), model.join("4")).unwrap();
        std::os::unix::fs::symlink(&model, root.path().join("alias")).unwrap();
    }
    let repository = Repository::open(root.path()).unwrap();
    assert_eq!(repository.models().unwrap(), ["double"]);
    assert_eq!(repository.versions("double").unwrap(), [1]);
    for name in ["empty", "absent"] {
        let error = repository.versions(name).unwrap_err();
        assert!(matches!(error, RepositoryError::NoModel { .. }), "{name}: {error}");
    }
    for name in ["..", "../double", "a/b", "", ".hidden"] {
        let error = repository.load(name, None).unwrap_err();
        assert!(matches!(error, RepositoryError::Name(_)), "{name}: {error}");
    }
}

#[test]
fn a_model_in_anothers_place_is_refused() {
    let root = tempfile::tempdir().unwrap();
    copy("double", &root.path().join("double").join("7"));
    let text = load(&root, "double").unwrap_err().to_string();
    assert!(text.contains("`double` version 7"), "{text}");
    assert!(text.contains("its manifest says `double` version 1"), "{text}");
}

#[cfg(unix)]
#[test]
fn a_graph_behind_a_link_is_refused() {
    let (root, dir) = altered("double", "name: double", "name: double");
    let real = root.path().join("graph");
    std::fs::rename(dir.join("model.onnx"), &real).unwrap();
    std::os::unix::fs::symlink(&real, dir.join("model.onnx")).unwrap();
    let text = whole(&load(&root, "double").unwrap_err());
    assert!(text.contains("symbolic links are not followed"), "{text}");
}

#[test]
fn a_graph_larger_than_the_limit_is_refused() {
    let repository = Repository::open(models::directory()).unwrap().with_graph_limit(64);
    let text = whole(&repository.load("double", None).unwrap_err());
    assert!(text.contains("model.onnx") && text.contains("limit of 64 bytes"), "{text}");
}

#[test]
fn a_directory_that_is_not_there_is_named() {
    let text = Repository::open("no/such/place").unwrap_err().to_string();
    assert_eq!(text, "cannot read no/such/place");
}

#[test]
fn another_stamp_means_that_a_file_was_written() {
    let (root, dir) = altered("double", "name: double", "name: double");
    let repository = Repository::open(root.path()).unwrap();
    let stamp = || repository.stamp("double", 1).unwrap();
    let before = stamp();
    assert_eq!(stamp(), before);
    let graph = std::fs::File::options().write(true).open(dir.join("model.onnx")).unwrap();
    graph.set_modified(std::time::UNIX_EPOCH).unwrap();
    let after = stamp();
    assert_ne!(after, before);
    std::fs::write(dir.join("more"), "").unwrap();
    assert_ne!(stamp(), after);
    assert!(repository.stamp("double", 2).is_err() && repository.stamp("../double", 1).is_err());
}

#[test]
fn a_manifest_is_told_without_its_graph() {
    let (root, dir) = altered("double", "name: double", "name: double");
    std::fs::remove_file(dir.join("model.onnx")).unwrap();
    let repository = Repository::open(root.path()).unwrap();
    assert_eq!(repository.manifest("double", 1).unwrap().name, "double");
    assert!(matches!(repository.manifest("..", 1), Err(RepositoryError::Name(_))));
    assert!(matches!(repository.manifest("double", 2), Err(RepositoryError::Manifest { .. })));
}
