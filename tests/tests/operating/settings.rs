//! Settings of the four programs: files, environment, flags, and what is refused.

use std::io::Write;

use serde_yaml::Value;
use strata_tests::{Finished, Spec, command, finish};
use tempfile::NamedTempFile;

const PROGRAMS: [(&str, u16); 4] =
    [("coordinator", 50050), ("strategic", 50051), ("tactical", 50052), ("operational", 50053)];

/// Flags with which a program listens on ports that the system chooses.
const ANY_PORTS: &[&str] = &["--grpc-listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];

fn file(yaml: &str) -> NamedTempFile {
    let mut file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    file.write_all(yaml.as_bytes()).unwrap();
    file
}

/// Runs the program with these flags and variables.
fn run(program: &str, flags: &[&str], env: &[(&str, &str)]) -> Finished {
    let mut command = command(program);
    command.args(flags).envs(env.iter().copied());
    finish(command)
}

/// The settings in effect, as the program prints them.
fn printed(program: &str, flags: &[&str], env: &[(&str, &str)]) -> Value {
    let flags: Vec<&str> = flags.iter().copied().chain(["--print-config"]).collect();
    serde_yaml::from_str(&run(program, &flags, env).expect_success()).unwrap()
}

/// What the program says when it refuses its configuration.
fn refusal(program: &str, flags: &[&str], env: &[(&str, &str)]) -> String {
    let refused = run(program, flags, env);
    assert_eq!(refused.code(), Some(2), "{program} {flags:?}");
    refused.stderr
}

#[test]
fn defaults_are_the_documented_ports() {
    for (program, port) in PROGRAMS {
        let settings = printed(program, &[], &[]);
        assert_eq!(settings["grpc"]["listen"], format!("127.0.0.1:{port}").as_str());
        assert_eq!(settings["admin"]["listen"], format!("127.0.0.1:{}", port - 41_000).as_str());
        assert_eq!(settings["telemetry"]["otlp"]["endpoint"], Value::Null);
    }
}

#[test]
fn what_is_printed_can_be_loaded_and_prints_the_same() {
    for (program, _) in PROGRAMS {
        let flags =
            ["--shutdown-grace", "7s", "--telemetry-log-filter", "warn,strata_chassis=debug"];
        let settings = printed(program, &flags, &[]);
        let file = file(&serde_yaml::to_string(&settings).unwrap());
        let path = file.path().to_str().unwrap();
        assert_eq!(printed(program, &["--config", path], &[]), settings);
    }
}

#[test]
fn the_environment_goes_over_the_file_and_flags_over_both() {
    for (program, _) in PROGRAMS {
        let file = file("shutdown:\n  grace: 11s\n  settle: 1s\n");
        let path = file.path().to_str().unwrap();
        let name = |setting: &str| format!("STRATA_{}_{setting}", program.to_uppercase());
        let (config, grace) = (name("CONFIG"), name("SHUTDOWN_GRACE"));
        let grace_of = |flags: &[&str], env: &[(&str, &str)]| {
            let settings = printed(program, flags, env);
            // Only the file has this setting.
            assert_eq!(settings["shutdown"]["settle"], "1s");
            settings["shutdown"]["grace"].clone()
        };
        assert_eq!(grace_of(&["--config", path], &[]), "11s");
        assert_eq!(grace_of(&[], &[(&config, path)]), "11s");
        assert_eq!(grace_of(&[], &[(&config, path), (&grace, "12s")]), "12s");
        let flags = ["--config", path, "--shutdown-grace", "13s"];
        assert_eq!(grace_of(&flags, &[(&grace, "12s")]), "13s");
    }
}

#[test]
fn what_is_not_a_setting_is_refused_with_the_nearest_that_is() {
    for (program, _) in PROGRAMS {
        let file = file("shutdown:\n  grase: 11s\n");
        let path = file.path().to_str().unwrap();
        let said = refusal(program, &["--config", path], &[]);
        assert!(said.contains("shutdown.grase") && said.contains("shutdown.grace"), "{said}");
        let variable = format!("STRATA_{}_SHUTDOWN_GRASE", program.to_uppercase());
        let said = refusal(program, &[], &[(&variable, "11s")]);
        assert!(said.contains(&variable) && said.contains("_SHUTDOWN_GRACE"), "{said}");
        assert!(refusal(program, &["--shutdown-grase", "11s"], &[]).contains("--shutdown-grase"));
    }
}

#[test]
fn a_value_that_cannot_be_is_refused_with_where_it_came_from() {
    for (program, _) in PROGRAMS {
        let variable = format!("STRATA_{}_GRPC_LISTEN", program.to_uppercase());
        let said = refusal(program, &[], &[(&variable, "nowhere")]);
        assert!(said.contains("grpc.listen") && said.contains(&variable), "{said}");
        let said = refusal(program, &["--grpc-max-message-bytes", "0"], &[]);
        assert!(said.contains("grpc.max_message_bytes"), "{said}");
        let said = refusal(program, &["--shutdown-settle", "1h"], &[]);
        assert!(said.contains("shutdown.settle: must be at most grace"), "{said}");
        let said = refusal(program, &["--config", "/nowhere/at/all.yaml"], &[]);
        assert!(said.contains("/nowhere/at/all.yaml"), "{said}");
        let file = file("a: [");
        let said = refusal(program, &["--config", file.path().to_str().unwrap()], &[]);
        assert!(said.contains("not valid YAML"), "{said}");
    }
}

#[test]
fn the_coordinator_takes_lists_of_endpoints() {
    let env = [("STRATA_COORDINATOR_LAYERS_TACTICAL", "http://a:1,http://b:2")];
    let settings = printed("coordinator", &[], &env);
    let expected: Value = serde_yaml::from_str("[http://a:1, http://b:2]").unwrap();
    assert_eq!(settings["layers"]["tactical"], expected);
    let said = refusal("coordinator", &["--requests-default-timeout", "0s"], &[]);
    assert!(said.contains("default_timeout"), "{said}");
}

#[test]
fn help_names_every_setting_with_its_variable() {
    for (program, _) in PROGRAMS {
        let help = run(program, &["--help"], &[]).expect_success();
        // The help folds long lines.
        let folded = help.split_whitespace().collect::<Vec<_>>().join(" ");
        let variable = format!("[env: STRATA_{}_GRPC_LISTEN]", program.to_uppercase());
        assert!(folded.contains("--grpc-listen") && folded.contains(&variable), "{help}");
    }
}

#[test]
fn a_layer_without_its_model_says_what_is_missing() {
    let empty = tempfile::tempdir().unwrap();
    let dir = empty.path().to_str().unwrap();
    for program in ["strategic", "tactical", "operational"] {
        let flags = [&["--models-dir", dir], ANY_PORTS].concat();
        let refused = run(program, &flags, &[]);
        assert_eq!(refused.code(), Some(1));
        let said = refused.stderr;
        assert!(said.contains(dir) && said.contains(program), "{said}");
    }
}

#[test]
fn a_layer_without_onnx_runtime_says_how_to_get_it() {
    let flags = [&["--inference-library", "/nowhere/libonnxruntime.so"], ANY_PORTS].concat();
    let refused = run("strategic", &flags, &[]);
    assert_eq!(refused.code(), Some(1));
    let said = refused.stderr;
    assert!(said.contains("/nowhere/libonnxruntime.so") && said.contains("make ort"), "{said}");
}

#[test]
fn cuda_that_cannot_be_had_is_a_refusal_with_the_reason_and_auto_says_so_once() {
    // The bundled library is built for CPUs.
    let cuda = [ANY_PORTS, &["--inference-execution-provider", "cuda"]].concat();
    let refused = run("tactical", &cuda, &[]);
    assert_eq!(refused.code(), Some(1));
    let said = refused.stderr;
    assert!(said.contains("CUDA execution provider is not enabled in this build"), "{said}");

    let spec = Spec::new("tactical");
    let process = spec.set("INFERENCE_EXECUTION_PROVIDER", "auto").set("INFERENCE_SESSIONS", "2");
    let process = process.start();
    let log = process.log();
    assert_eq!(process.logged("\"WARN\""), 0, "{log}");
    assert_eq!(process.logged("auto chose the execution provider"), 1, "{log}");
    let choice = log.lines().find(|line| line.contains("auto chose")).unwrap();
    assert!(choice.contains(r#""execution_provider":"cpu""#), "{choice}");
    assert!(choice.contains(r#""level":"INFO""#), "{choice}");
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (program, _) in PROGRAMS {
        let flags = ["--grpc-listen", &address, "--admin-listen", "127.0.0.1:0"];
        let refused = run(program, &flags, &[]);
        assert_eq!(refused.code(), Some(1));
        let said = refused.stderr;
        assert!(said.contains(&format!("grpc.listen {address} cannot be bound")), "{said}");
    }
}
