//! Checkpoints and scalers that are refused, with the reason.

use super::{
    checkpoints::{write_pt, write_safetensors},
    *,
};

/// Checks that a tactical checkpoint is refused after `change`, in both formats, with an error that
/// contains all `parts`.
#[track_caller]
fn changed(change: impl Fn(&mut Tensors), parts: &[&str]) {
    let fixture = Fixture::new();
    let mut tensors = tensors(network(DecisionLayer::Tactical).as_ref());
    change(&mut tensors);
    let files = ["net.pth", "net.safetensors"].map(|name| fixture.dir.path().join(name));
    write_pt(&files[0], &tensors, "-");
    write_safetensors(&files[1], &tensors);
    for file in &files {
        let error = fixture.refusal(DecisionLayer::Tactical, file, TACTICAL);
        for part in parts {
            assert!(error.contains(part), "no {part:?} in: {error}");
        }
    }
}

fn position(tensors: &Tensors, name: &str) -> usize {
    tensors.iter().position(|(found, ..)| found == name).unwrap()
}

#[test]
fn a_missing_an_extra_and_a_misshapen_tensor_are_named_with_both_sides() {
    let name = "actor.6.weight";
    changed(
        |all| {
            let at = position(all, name);
            all.remove(at);
        },
        &["actor.6.weight: wanted [24, 64], the checkpoint has none"],
    );
    changed(
        |all| all.push(("actor.8.weight".to_owned(), vec![2, 3], vec![0.0; 6])),
        &["actor.8.weight: the network has none, found [2, 3]"],
    );
    changed(
        |all| {
            let at = position(all, "shared.0.weight");
            all[at].1 = vec![64, 22];
        },
        &["shared.0.weight: wanted [128, 11], found [64, 22]"],
    );
}

#[test]
fn weights_that_are_not_finite_are_refused() {
    for (value, shown) in [(f32::NAN, "NaN"), (f32::NEG_INFINITY, "-inf")] {
        changed(
            |all| {
                let at = position(all, "critic.3.bias");
                all[at].2[0] = value;
            },
            &["critic.3.bias", shown, "finite"],
        );
    }
}

#[test]
fn a_checkpoint_of_another_layer_is_refused() {
    let fixture = Fixture::new();
    let file = fixture.dir.path().join("dqn.pt");
    write_pt(&file, &tensors(network(DecisionLayer::Strategic).as_ref()), "-");
    let error = fixture.refusal(DecisionLayer::Tactical, &file, TACTICAL);
    assert!(error.contains("fusion.6.weight: the network has none"), "{error}");
    assert!(error.contains("shared.0.weight: wanted [128, 11], the checkpoint has none"));
    write_pt(&file, &tensors(network(DecisionLayer::Tactical).as_ref()), "somewhere_else");
    let error = fixture.refusal(DecisionLayer::Tactical, &file, TACTICAL);
    assert!(error.contains("somewhere_else") && error.contains("model_state_dict"), "{error}");
}

#[test]
fn no_byte_changed_or_cut_off_ends_in_a_panic() {
    let fixture = Fixture::new();
    let path = fixture.dir.path().join("net.pt");
    write_pt(&path, &tensors(network(DecisionLayer::Tactical).as_ref()), "state_dict");
    let whole = std::fs::read(&path).unwrap();
    for part in [0, 1, 21, 400, whole.len() / 2, whole.len() - 1] {
        let file = fixture.write("cut.pt", &whole[..part]);
        let error = fixture.refusal(DecisionLayer::Tactical, &file, TACTICAL);
        assert!(error.contains("zip archive"), "{error}");
    }
    // The pickle comes first in the file: change every other byte of it in turn.
    for at in (30..1500).step_by(2) {
        for flip in [0x01, 0x80, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] ^= flip;
            let file = fixture.write("changed.pt", &bytes);
            // The checkpoint may be read or refused, depending on the byte; the scaler is always
            // refused.
            let options = Import {
                scaler: Some(fixture.write("bad.yaml", "features: []")),
                ..fixture.options(DecisionLayer::Tactical, &file)
            };
            import::import(&options, &fixture.runtime).unwrap_err();
        }
    }
}

#[test]
fn sizes_are_not_believed() {
    let fixture = Fixture::new();
    // A safetensors header that claims 2^62 bytes.
    let file = fixture.write("a.safetensors", [&(1u64 << 62).to_le_bytes()[..], b"{}"].concat());
    let error = fixture.refusal(DecisionLayer::Tactical, &file, TACTICAL);
    assert!(error.contains("4611686018427387904"), "{error}");
    // A tensor that claims more values than the file holds.
    let header = br#"{"x":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,4]}}"#;
    let bytes = [&(header.len() as u64).to_le_bytes()[..], header, &[0; 4]].concat();
    fixture.refusal(DecisionLayer::Tactical, &fixture.write("b.safetensors", bytes), TACTICAL);
    // A sparse file beyond the limit: nothing of it is read.
    let file = fixture.write("c.pt", b"PK");
    let sparse = std::fs::OpenOptions::new().write(true).open(&file).unwrap();
    sparse.set_len(import::FILE_LIMIT + 1).unwrap();
    let error = fixture.refusal(DecisionLayer::Tactical, &file, TACTICAL);
    assert!(error.contains("at most 268435456 are read"), "{error}");
    // A member that would unpack to 4 GiB.
    let path = fixture.dir.path().join("d.pt");
    write_pt(&path, &tensors(network(DecisionLayer::Tactical).as_ref()), "-");
    let mut bytes = std::fs::read(&path).unwrap();
    let entry = bytes.windows(4).position(|four| four == b"PK\x01\x02").unwrap();
    bytes[entry + 10] = 8;
    bytes[entry + 24..entry + 28].fill(0xff);
    let error = fixture.refusal(DecisionLayer::Tactical, &fixture.write("d.pt", bytes), TACTICAL);
    assert!(error.contains("is compressed (4294967295 bytes unpacked)"), "{error}");
    let error =
        fixture.refusal(DecisionLayer::Tactical, &fixture.write("e.pt", "garbage"), TACTICAL);
    assert!(error.contains("not a zip archive"), "{error}");
}

#[test]
fn a_wrong_scaler_is_refused() {
    let fixture = Fixture::new();
    let file = fixture.dir.path().join("net.safetensors");
    write_safetensors(&file, &tensors(network(DecisionLayer::Tactical).as_ref()));
    let duration = "name: duration, unit: ms, center: 120.0, scale: 480.0";
    for (to, part) in [
        ("name: moon_phase, unit: ms, center: 1, scale: 1", "unknown feature `moon_phase`"),
        ("name: duration, unit: s, center: 1, scale: 1", "is wanted in `s`"),
        ("name: duration, unit: ms, center: 1, scale: 0", "scale 0 must be finite"),
        ("name: duration, unit: ms, center: 1, scale: .nan", "scale NaN must be finite"),
        ("name: duration, unit: ms, center: .inf, scale: 1", "center inf"),
        ("name: duration, unit: ms, center: 1, scale: 1, clip: 3", "unknown field `clip`"),
    ] {
        let error =
            fixture.refusal(DecisionLayer::Tactical, &file, &TACTICAL.replace(duration, to));
        assert!(error.contains(part) && error.contains("scaler.yaml"), "{error}");
    }
    let output = format!("{TACTICAL}output: {{request_rate_log_span: 4}}\n");
    assert!(fixture.refusal(DecisionLayer::Tactical, &file, &output).contains("no output scale"));
    let forecaster = fixture.dir.path().join("lstm.safetensors");
    write_safetensors(&forecaster, &tensors(network(DecisionLayer::Operational).as_ref()));
    let without =
        scaler(DecisionLayer::Operational).replace("output: {request_rate_log_span: 4}\n", "");
    let error = fixture.refusal(DecisionLayer::Operational, &forecaster, &without);
    assert!(error.contains("request_rate_log_span"), "{error}");
}
