//! Configuration: layering, every refusal, what is printed.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{collections::BTreeMap, ffi::OsString, net::SocketAddr, path::PathBuf, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strata_chassis::{
    AdminConfig, Binary, Check, ClientConfig, ConfigError, GrpcConfig, HumanDuration, Invalid,
    Invocation, LogFormat, RuntimeConfig, Sampler, ShutdownConfig, TelemetryConfig,
    assert_documented, check_sections, load, report,
};

const BINARY: Binary = Binary {
    name: "probe",
    about: "Tests configuration",
    env_prefix: "STRATA_PROBE",
    version: "1.2.3",
};

#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Probe {
    grpc: GrpcConfig,
    admin: AdminConfig,
    client: ClientConfig,
    telemetry: TelemetryConfig,
    shutdown: ShutdownConfig,
    runtime: RuntimeConfig,
    model: Model,
    /// Addresses of peers
    peers: Vec<SocketAddr>,
    /// Rate by name
    rates: BTreeMap<String, f64>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Model {
    /// Name of the model
    name: String,
    /// Where models are
    directory: Option<PathBuf>,
    /// Share
    #[schemars(range(min = 0, max = 1))]
    threshold: f64,
    /// How long to wait
    #[serde(with = "HumanDuration")]
    patience: Option<Duration>,
}

impl Default for Probe {
    fn default() -> Self {
        Self {
            grpc: GrpcConfig::on_port(50051),
            admin: AdminConfig::on_port(9051),
            client: ClientConfig::default(),
            telemetry: TelemetryConfig::default(),
            shutdown: ShutdownConfig::default(),
            runtime: RuntimeConfig::default(),
            model: Model {
                name: "first".to_owned(),
                directory: None,
                threshold: 0.5,
                patience: None,
            },
            peers: Vec::new(),
            rates: BTreeMap::new(),
        }
    }
}

impl Check for Probe {
    fn check(&self) -> Result<(), Invalid> {
        check_sections(&[
            ("grpc", &self.grpc),
            ("client", &self.client),
            ("telemetry", &self.telemetry),
            ("shutdown", &self.shutdown),
        ])
    }
}

/// A command line, an environment and a file.
#[derive(Default)]
struct Given<'a> {
    args: &'a [&'a str],
    env: &'a [(&'a str, &'a str)],
    file: Option<&'a str>,
}

impl Given<'_> {
    fn invoke(&self) -> Result<Invocation<Probe>, ConfigError> {
        let directory = tempfile::tempdir().unwrap();
        let mut args: Vec<OsString> = vec!["probe".into()];
        args.extend(self.args.iter().map(OsString::from));
        if let Some(text) = self.file {
            let path = directory.path().join("probe.yaml");
            std::fs::write(&path, text).unwrap();
            args.extend(["--config".into(), path.into()]);
        }
        load::<Probe>(&BINARY, args, self.env.iter().map(|(k, v)| (k.into(), v.into())))
    }

    fn config(&self) -> Probe {
        match self.invoke() {
            Ok(Invocation::Run(config)) => *config,
            Ok(Invocation::Print(text)) => panic!("printed: {text}"),
            Err(error) => panic!("refused: {}", report(&error)),
        }
    }

    fn printed(&self) -> String {
        match self.invoke() {
            Ok(Invocation::Print(text)) => text,
            other => panic!("{other:?}"),
        }
    }

    fn refusal(&self) -> String {
        report(&self.invoke().expect_err("should be refused")).to_string()
    }
}

fn file(text: &str) -> Given<'_> {
    Given { file: Some(text), ..Given::default() }
}

fn env<'a>(env: &'a [(&'a str, &'a str)]) -> Given<'a> {
    Given { env, ..Given::default() }
}

fn args<'a>(args: &'a [&'a str]) -> Given<'a> {
    Given { args, ..Given::default() }
}

#[test]
fn every_setting_is_documented() {
    assert_documented::<Probe>();
}

#[test]
fn nothing_given_is_the_default() {
    assert_eq!(Given::default().config(), Probe::default());
    assert_eq!(file("").config(), Probe::default());
    assert_eq!(file("grpc:\n  # listen: 127.0.0.1:1\n").config(), Probe::default());
}

#[test]
fn flags_go_over_the_environment_over_the_file_over_the_default() {
    let text = "grpc: {listen: '127.0.0.1:1'}\nadmin: {listen: '127.0.0.1:1'}\nmodel: {name: f}";
    let given = Given {
        args: &["--grpc-listen", "127.0.0.1:3"],
        env: &[
            ("STRATA_PROBE_GRPC_LISTEN", "127.0.0.1:2"),
            ("STRATA_PROBE_ADMIN_LISTEN", "127.0.0.1:2"),
            ("STRATA_OTHER", "is somebody else's"),
            ("PATH", "/bin"),
        ],
        file: Some(text),
    };
    let config = given.config();
    assert_eq!(config.grpc.listen.tcp().unwrap().port(), 3);
    assert_eq!(config.admin.listen.port(), 2);
    assert_eq!(config.model.name, "f");
    assert_eq!(config.grpc.max_connections, Probe::default().grpc.max_connections);
}

#[test]
fn the_file_can_be_named_by_the_environment_and_the_flag_wins() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("named.yaml");
    std::fs::write(&path, "model: {name: by-environment}").unwrap();
    let variable = [("STRATA_PROBE_CONFIG", path.to_str().unwrap())];
    assert_eq!(env(&variable).config().model.name, "by-environment");
    let both = Given { env: &variable, ..file("model: {name: by-flag}") };
    assert_eq!(both.config().model.name, "by-flag");
}

#[test]
fn every_kind_of_value_is_read_from_text() {
    let config = env(&[
        ("STRATA_PROBE_SHUTDOWN_GRACE", "1m 30s"),
        ("STRATA_PROBE_MODEL_PATIENCE", "250ms"),
        ("STRATA_PROBE_RUNTIME_WORKER_THREADS", "3"),
        ("STRATA_PROBE_MODEL_DIRECTORY", "123"),
        ("STRATA_PROBE_MODEL_NAME", "1e3"),
        ("STRATA_PROBE_PEERS", "127.0.0.1:1, [::1]:2"),
        ("STRATA_PROBE_TELEMETRY_OTLP_SAMPLER", "parentbased_traceidratio"),
        ("STRATA_PROBE_TELEMETRY_LOG_FORMAT", "json"),
        ("STRATA_PROBE_GRPC_KEEPALIVE_INTERVAL", ""),
    ])
    .config();
    assert_eq!(config.shutdown.grace, Duration::from_secs(90));
    assert_eq!(config.model.patience, Some(Duration::from_millis(250)));
    assert_eq!(config.runtime.worker_threads, Some(3));
    // Numbers that stand where names do are names.
    assert_eq!(config.model.directory, Some(PathBuf::from("123")));
    assert_eq!(config.model.name, "1e3");
    assert_eq!(config.peers, ["127.0.0.1:1".parse().unwrap(), "[::1]:2".parse().unwrap()]);
    assert_eq!(config.telemetry.otlp.sampler, Sampler::ParentBasedTraceIdRatio);
    assert_eq!(config.telemetry.log.format, LogFormat::Json);
    assert_eq!(config.grpc.keepalive_interval, None);
}

#[test]
fn a_flag_that_is_a_switch_needs_no_value() {
    assert!(args(&["--grpc-adaptive-window"]).config().grpc.adaptive_window);
    assert!(args(&["--grpc-adaptive-window", "true"]).config().grpc.adaptive_window);
    let text = "grpc: {adaptive_window: true}";
    let off = Given { args: &["--grpc-adaptive-window=false"], ..file(text) };
    assert!(!off.config().grpc.adaptive_window);
}

#[test]
fn a_table_has_keys_of_the_users_own() {
    let config = file("rates: {a: 1.5, b: 2}\npeers: ['127.0.0.1:1']").config();
    assert_eq!(config.rates, BTreeMap::from([("a".to_owned(), 1.5), ("b".to_owned(), 2.0)]));
    assert_eq!(config.peers.len(), 1);
    let emptied = Given { env: &[("STRATA_PROBE_PEERS", "")], ..file("peers: ['127.0.0.1:1']") };
    assert!(emptied.config().peers.is_empty());
}

#[test]
fn an_unknown_key_is_refused_by_path_and_file_with_the_nearest_one() {
    let refusal = file("grpc: {lisen: '127.0.0.1:1'}").refusal();
    assert!(refusal.contains("unknown key grpc.lisen in file /"), "{refusal}");
    assert!(refusal.contains("probe.yaml; did you mean grpc.listen?"), "{refusal}");
    let refusal = file("zzz: 1").refusal();
    assert!(refusal.contains("unknown key zzz") && !refusal.contains("mean"), "{refusal}");
    assert!(file("1: 2").refusal().contains("unknown key 1"));
}

#[test]
fn an_unknown_variable_with_the_prefix_is_refused() {
    let refusal = env(&[("STRATA_PROBE_GRPC_LISEN", "127.0.0.1:1")]).refusal();
    let expected = "unknown environment variable STRATA_PROBE_GRPC_LISEN; \
                    did you mean STRATA_PROBE_GRPC_LISTEN?";
    assert_eq!(refusal, expected);
}

#[test]
fn the_variables_kubernetes_makes_for_a_service_are_nobodys_mistake() {
    // The links of Services called strata-probe and strata-probe-admin.
    let links = [
        ("STRATA_PROBE_SERVICE_HOST", "10.0.0.1"),
        ("STRATA_PROBE_SERVICE_PORT", "50051"),
        ("STRATA_PROBE_SERVICE_PORT_GRPC", "50051"),
        ("STRATA_PROBE_PORT", "tcp://10.0.0.1:50051"),
        ("STRATA_PROBE_PORT_50051_TCP", "tcp://10.0.0.1:50051"),
        ("STRATA_PROBE_PORT_50051_TCP_PROTO", "tcp"),
        ("STRATA_PROBE_PORT_50051_TCP_PORT", "50051"),
        ("STRATA_PROBE_PORT_50051_TCP_ADDR", "10.0.0.1"),
        ("STRATA_PROBE_ADMIN_SERVICE_HOST", "10.0.0.1"),
        ("STRATA_PROBE_ADMIN_PORT", "tcp://10.0.0.1:9051"),
        ("STRATA_PROBE_ADMIN_PORT_9051_TCP_PORT", "9051"),
    ];
    assert_eq!(env(&links).config(), Probe::default());
    for mistake in [
        ("STRATA_PROBE_GRPC_PORT", "50051"),
        ("STRATA_PROBE_PORT", "50051"),
        ("STRATA_PROBE_SERVICE_PORT_GRPC", "grpc"),
        ("STRATA_PROBE_PORT_X_TCP", "tcp://10.0.0.1:1"),
        ("STRATA_PROBE_SUPPORT_1_TCP", "tcp://10.0.0.1:1"),
    ] {
        let refusal = env(&[mistake]).refusal();
        assert!(refusal.contains(mistake.0), "{mistake:?}: {refusal}");
    }
}

#[test]
fn a_wrong_value_is_refused_by_where_it_came_from_and_what_was_expected() {
    let refusal = file("grpc: {max_connections: many}").refusal();
    assert!(refusal.starts_with("grpc.max_connections: "), "{refusal}");
    assert!(refusal.contains("expected usize") && refusal.contains("probe.yaml"), "{refusal}");

    let refusal = env(&[("STRATA_PROBE_SHUTDOWN_GRACE", "soon")]).refusal();
    assert!(refusal.starts_with("shutdown.grace: "), "{refusal}");
    assert!(refusal.contains("expected a duration"), "{refusal}");
    assert!(refusal.ends_with("(from environment variable STRATA_PROBE_SHUTDOWN_GRACE)"));

    let refusal = args(&["--telemetry-otlp-sampler", "sometimes"]).refusal();
    assert!(refusal.contains("parentbased_always_on"), "{refusal}");
    assert!(refusal.ends_with("(from flag --telemetry-otlp-sampler)"), "{refusal}");

    let refusal = args(&["--grpc-max-connections", "-1"]).refusal();
    assert!(refusal.contains("usize") && refusal.contains("flag"), "{refusal}");
}

#[test]
fn a_value_out_of_range_is_refused_by_where_it_came_from() {
    let refusal = args(&["--model-threshold", "1.5"]).refusal();
    assert_eq!(refusal, "model.threshold: must be from 0 to 1 (from flag --model-threshold)");
    let refusal = file("telemetry: {otlp: {sampler_ratio: 2}}").refusal();
    assert!(refusal.starts_with("telemetry.otlp.sampler_ratio: must be"), "{refusal}");
    let refusal = args(&["--telemetry-log-filter", "strata=loud"]).refusal();
    assert!(refusal.starts_with("telemetry.log.filter: "), "{refusal}");
    for zero in ["--grpc-max-connections", "--grpc-max-concurrent-calls"] {
        assert!(args(&[zero, "0"]).refusal().contains("must be from 1"), "{zero}");
    }
    assert!(args(&["--grpc-stream-window-bytes", "2147483648"]).refusal().contains("2147483647"));
}

#[test]
fn a_time_in_which_nothing_can_happen_or_everything_is_refused() {
    for setting in [
        "grpc.keepalive_interval",
        "grpc.keepalive_timeout",
        "grpc.handshake_timeout",
        "client.connect_timeout",
        "client.keepalive_interval",
        "client.keepalive_timeout",
        "telemetry.otlp.timeout",
        "telemetry.otlp.delay",
    ] {
        let flag = format!("--{}", setting.replace(['.', '_'], "-"));
        for time in ["0s", "100000000000y"] {
            let refusal = args(&[&flag, time]).refusal();
            assert!(refusal.starts_with(&format!("{setting}: must be above zero")), "{refusal}");
        }
        args(&[&flag, "24h"]).config();
    }
}

#[test]
fn to_settle_takes_no_longer_than_the_grace() {
    let refusal = args(&["--shutdown-grace", "5s", "--shutdown-settle", "6s"]).refusal();
    let expected = "shutdown.settle: must be at most grace, 5s (from flag --shutdown-settle)";
    assert_eq!(refusal, expected);
    args(&["--shutdown-grace", "0s", "--shutdown-settle", "0s"]).config();
}

#[test]
fn a_file_that_is_not_one_plain_document_is_refused() {
    for (text, expected) in [
        ("grpc: {listen: '127.0.0.1:1', listen: '127.0.0.1:2'}", "listen"),
        ("model: {name: a}\nmodel: {name: b}", "model"),
        ("a: 1\n---\nb: 2", "more than one document"),
        ("grpc: [", "line"),
        ("- grpc", "expected a section"),
        ("grpc: 5", "grpc: expected a section"),
        ("\u{0}", "YAML"),
    ] {
        let refusal = file(text).refusal();
        assert!(refusal.contains(expected) && refusal.contains("probe.yaml"), "{text}: {refusal}");
    }
}

#[test]
fn a_file_that_is_malicious_is_refused() {
    let deep = "[".repeat(100_000);
    assert!(file(&deep).refusal().contains("YAML"));
    let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..20 {
        let line = format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 9].join(", "));
        laughs.push_str(&line);
    }
    assert!(file(&laughs).refusal().contains("YAML"));
    let large = format!("# {}\n", "x".repeat(2 << 20));
    assert!(file(&large).refusal().contains("larger than 1048576 bytes"));
}

#[test]
fn a_file_that_cannot_be_read_is_refused() {
    let refusal = args(&["--config", "/nowhere/probe.yaml"]).refusal();
    assert!(refusal.contains("/nowhere/probe.yaml cannot be read: No such file"), "{refusal}");
    assert!(args(&["--config", "/"]).refusal().contains("cannot be read"));
}

#[test]
fn what_the_command_line_cannot_mean_is_refused() {
    let refusal = args(&["--grpc-lisen", "127.0.0.1:1"]).refusal();
    assert!(refusal.contains("--grpc-lisen") && refusal.contains("--grpc-listen"), "{refusal}");
    assert!(args(&["stray"]).refusal().contains("stray"));
    assert!(args(&["--grpc-listen"]).refusal().contains("--grpc-listen"));
}

#[test]
fn the_printed_configuration_reads_back_as_itself() {
    let given = Given {
        args: &["--print-config", "--shutdown-grace", "3s", "--peers", "127.0.0.1:1,127.0.0.1:2"],
        env: &[("STRATA_PROBE_MODEL_THRESHOLD", "0.25")],
        file: Some("rates: {a: 1.5}"),
    };
    let printed = given.printed();
    assert!(printed.contains("grace: 3s\n"), "{printed}");
    let config = file(&printed).config();
    assert_eq!(config.shutdown.grace, Duration::from_secs(3));
    assert_eq!(config.model.threshold, 0.25);
    assert_eq!(config.peers.len(), 2);
    assert_eq!(config.rates["a"], 1.5);
    let again = Given { args: &["--print-config"], ..file(&printed) };
    assert_eq!(again.printed(), printed);
}

#[test]
fn a_configuration_that_is_refused_is_not_printed() {
    assert!(args(&["--print-config", "--model-threshold", "7"]).refusal().contains("0 to 1"));
}

#[test]
fn the_help_shows_every_setting_with_its_variable_and_default() {
    let help = args(&["--help"]).printed();
    let flat = help.split_whitespace().collect::<Vec<_>>().join(" ");
    for expected in [
        "--grpc-listen <VALUE> Address and port of the gRPC listener, or unix:/path; port 0 \
         picks a free one [env: STRATA_PROBE_GRPC_LISTEN] [default: 127.0.0.1:50051]",
        "[env: STRATA_PROBE_MODEL_DIRECTORY] [default: unset]",
        "[env: STRATA_PROBE_MODEL_THRESHOLD] [default: 0.5] [range: 0 to 1]",
        "[default: 10s] [range: above zero and at most 24h]",
        "Calls in progress at once; more are refused with RESOURCE_EXHAUSTED [env:",
        "--config <FILE>",
        "[env: STRATA_PROBE_CONFIG]",
        "--print-config",
    ] {
        assert!(flat.contains(expected), "{expected}\n---\n{help}");
    }
    assert_eq!(args(&["--version"]).printed().trim(), "probe 1.2.3");
}

#[test]
#[should_panic(expected = "setting here has no doc comment")]
fn a_setting_without_help_is_found() {
    #[derive(Default, Serialize, JsonSchema)]
    struct Bare {
        here: u8,
    }
    impl Check for Bare {}
    assert_documented::<Bare>();
}

#[test]
#[should_panic(expected = "setting gone is not in the serialized default")]
fn help_without_a_setting_is_found() {
    #[derive(Default, Serialize, JsonSchema)]
    struct Bare {
        /// Is here
        here: u8,
        /// Has no name to set it by
        #[serde(skip_serializing_if = "Option::is_none")]
        gone: Option<u8>,
    }
    impl Check for Bare {}
    assert_documented::<Bare>();
}

#[test]
#[should_panic(expected = "the default of here, 7, is not from 1 to 5")]
fn a_default_that_is_out_of_range_is_found() {
    #[derive(Serialize, JsonSchema)]
    struct Bare {
        /// Is here
        #[schemars(range(min = 1, max = 5))]
        here: u8,
    }
    impl Default for Bare {
        fn default() -> Self {
            Self { here: 7 }
        }
    }
    impl Check for Bare {}
    assert_documented::<Bare>();
}
