//! Files as PyTorch and safetensors write them.

use std::{
    collections::HashMap,
    io::Write,
    process::{Command, Stdio},
};

use candle_core::pickle;

use super::*;

/// Writes what torch.save writes, the state dict under `key` unless that is "-".
pub(super) fn write_pt(path: &Path, tensors: &Tensors, key: &str) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/write_pt.py");
    let mut python = Command::new("python3")
        .arg(script)
        .args([path.as_os_str(), key.as_ref()])
        .stdin(Stdio::piped())
        .spawn()
        .expect("python3 is needed");
    let mut stdin = python.stdin.take().unwrap();
    for (name, shape, values) in tensors {
        let shape: Vec<String> = shape.iter().map(usize::to_string).collect();
        let hex: String = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .map(|byte| format!("{byte:02x}"))
            .collect();
        writeln!(stdin, "{name} {} {hex}", shape.join(",")).unwrap();
    }
    drop(stdin);
    assert!(python.wait().unwrap().success());
}

pub(super) fn write_safetensors(path: &Path, tensors: &Tensors) {
    let tensors: HashMap<String, Tensor> = tensors
        .iter()
        .map(|(name, shape, values)| {
            let tensor = Tensor::from_slice(values, shape.as_slice(), &Device::Cpu).unwrap();
            (name.clone(), tensor)
        })
        .collect();
    candle_core::safetensors::save(&tensors, path).unwrap();
}

#[test]
fn a_checkpoint_computes_in_onnx_runtime_what_its_network_computes() {
    for layer in DecisionLayer::ALL {
        let network = network(layer);
        let rows = input(network.as_ref(), 9);
        let wanted = outputs(network.as_ref(), &rows);
        let fixture = Fixture::new();
        let files = ["-", "state_dict", "q_network"].map(|key| {
            let path = fixture.dir.path().join(format!("{key}.pt"));
            write_pt(&path, &tensors(network.as_ref()), key);
            path
        });
        let safetensors = fixture.dir.path().join("net.safetensors");
        write_safetensors(&safetensors, &tensors(network.as_ref()));
        for (index, file) in files.iter().chain([&safetensors]).enumerate() {
            let directory = fixture.import(layer, file, &scaler(layer)).unwrap();
            let version = (index + 1).to_string();
            assert_eq!(directory, fixture.models().join(layer.name()).join(version));
            for (found, wanted) in fixture.serve(layer, &rows).iter().zip(&wanted) {
                assert_close(found, wanted);
            }
        }
        let verified = publish::verify(&fixture.models(), &fixture.runtime).unwrap();
        assert_eq!(verified.len(), 4);
        assert!(
            verified.iter().all(|found| matches!(found.agreement, publish::Agreement::Network(_)))
        );
    }
}

#[test]
fn candle_reads_the_same_from_the_file_that_the_script_writes() {
    let network = network(DecisionLayer::Tactical);
    let dir = tempfile::tempdir().unwrap();
    for (key, asked) in [("-", None), ("state_dict", Some("state_dict"))] {
        let path = dir.path().join("net.pt");
        write_pt(&path, &tensors(network.as_ref()), key);
        let read: HashMap<String, Tensor> =
            pickle::read_all_with_key(&path, asked).unwrap().into_iter().collect();
        assert_eq!(read.len(), tensors(network.as_ref()).len());
        for (name, shape, values) in tensors(network.as_ref()) {
            assert_eq!(read[&name].dims(), shape);
            let found: Vec<f32> = read[&name].flatten_all().unwrap().to_vec1().unwrap();
            assert_eq!(found, values);
        }
    }
}

#[test]
fn the_manifest_says_where_the_model_came_from_and_a_version_is_never_replaced() {
    let network = network(DecisionLayer::Tactical);
    let fixture = Fixture::new();
    let file = fixture.dir.path().join("ppo.safetensors");
    write_safetensors(&file, &tensors(network.as_ref()));
    let scaler = Some(fixture.write("scaler.yaml", TACTICAL));
    let options =
        Import { scaler, version: Some(3), ..fixture.options(DecisionLayer::Tactical, &file) };
    import::import(&options, &fixture.runtime).unwrap();
    let files = Repository::open(fixture.models()).unwrap().load("tactical", Some(3)).unwrap();
    let manifest = files.manifest();
    let sha256 = strata_runtime::sha256_hex(&std::fs::read(&file).unwrap());
    let data = manifest.data.as_ref().unwrap();
    assert!(data.trace.contains("ppo.safetensors") && data.trace.contains(&sha256), "{data:?}");
    assert_eq!(manifest.training["imported_sha256"], sha256.as_str().into());
    assert_eq!(manifest.metrics.keys().collect::<Vec<_>>(), ["parity_max_relative_error"]);

    let error = import::import(&options, &fixture.runtime).unwrap_err().to_string();
    assert!(error.contains("is there already"), "{error}");
    let next = fixture.import(DecisionLayer::Tactical, &file, TACTICAL).unwrap();
    assert!(next.ends_with("tactical/4"), "{}", next.display());
}

#[test]
fn the_documentation_shows_a_scaler_that_works() {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/bring-your-own.md");
    let document = std::fs::read_to_string(document).unwrap();
    assert!(document.contains(TACTICAL), "tests/import_data/scaler.yaml is not the one shown");
}
