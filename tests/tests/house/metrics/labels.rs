//! What labels mean. Pages show labels, but not all of the values that they may have.

use std::collections::BTreeSet;

use super::page::Family;

enum Values {
    /// Exactly these values.
    OneOf(&'static [&'static str]),
    /// Values that this text describes.
    Any(&'static str),
}

/// A label of some metrics.
struct Label {
    name: &'static str,
    metrics: &'static [&'static str],
    values: Values,
}

const CALLS: &[&str] =
    &["grpc_server_started_total", "grpc_server_handled_total", "grpc_server_handling_seconds"];

const LABELS: &[Label] = &[
    Label {
        name: "grpc_type",
        metrics: CALLS,
        values: Values::OneOf(&["unary", "client_stream", "server_stream", "bidi_stream"]),
    },
    Label {
        name: "grpc_service",
        metrics: CALLS,
        values: Values::Any("a service of the contract; `unknown` for a path that is no method"),
    },
    Label {
        name: "grpc_method",
        metrics: CALLS,
        values: Values::Any("a method of the service; `unknown` for a path that is no method"),
    },
    Label {
        name: "grpc_code",
        metrics: &["grpc_server_handled_total"],
        values: Values::OneOf(&[
            "OK",
            "Canceled",
            "Unknown",
            "InvalidArgument",
            "DeadlineExceeded",
            "NotFound",
            "AlreadyExists",
            "PermissionDenied",
            "ResourceExhausted",
            "FailedPrecondition",
            "Aborted",
            "OutOfRange",
            "Unimplemented",
            "Internal",
            "Unavailable",
            "DataLoss",
            "Unauthenticated",
        ]),
    },
    Label {
        name: "binary",
        metrics: &["strata_build_info"],
        values: Values::OneOf(&["coordinator", "strategic", "tactical", "operational"]),
    },
    Label {
        name: "version",
        metrics: &["strata_build_info"],
        values: Values::Any("the version of the program"),
    },
    Label {
        name: "code",
        metrics: &["strata_coordinator_decisions_total"],
        values: Values::OneOf(&[
            "OK",
            "INVALID_ARGUMENT",
            "NOT_FOUND",
            "RESOURCE_EXHAUSTED",
            "FAILED_PRECONDITION",
            "UNAVAILABLE",
            "DEADLINE_EXCEEDED",
            "UNIMPLEMENTED",
            "INTERNAL",
        ]),
    },
    Label {
        name: "layer",
        metrics: &[
            "strata_coordinator_hop_seconds",
            "strata_coordinator_layer_links",
            "strata_coordinator_queue_rows",
        ],
        values: Values::OneOf(&["strategic", "tactical", "operational"]),
    },
    Label {
        name: "layer",
        metrics: &["strata_coordinator_speculation_total"],
        values: Values::OneOf(&["tactical", "operational"]),
    },
    Label {
        name: "outcome",
        metrics: &["strata_coordinator_speculation_total"],
        values: Values::OneOf(&["used", "wasted"]),
    },
    Label {
        name: "change",
        metrics: &["strata_coordinator_release_changes_total"],
        values: Values::OneOf(&["switch", "rollback", "clear"]),
    },
    Label {
        name: "outcome",
        metrics: &["strata_coordinator_release_changes_total"],
        values: Values::OneOf(&["done", "refused"]),
    },
    Label {
        name: "catalogue",
        metrics: &["strata_coordinator_catalogue_info"],
        values: Values::Any("the name of the catalogue"),
    },
    Label {
        name: "revision",
        metrics: &["strata_coordinator_catalogue_info"],
        values: Values::Any("a digest of its content"),
    },
    Label {
        name: "release",
        metrics: &["strata_coordinator_release_info"],
        values: Values::Any("the name of the release"),
    },
    Label {
        name: "strategic",
        metrics: &["strata_coordinator_release_info"],
        values: Values::Any("the version of the strategic model"),
    },
    Label {
        name: "tactical",
        metrics: &["strata_coordinator_release_info"],
        values: Values::Any("the version of the tactical model"),
    },
    Label {
        name: "operational",
        metrics: &["strata_coordinator_release_info"],
        values: Values::Any("the version of the operational model"),
    },
    Label {
        name: "code",
        metrics: &["strata_layer_row_faults_total"],
        values: Values::OneOf(&[
            "INVALID_ARGUMENT",
            "NOT_FOUND",
            "RESOURCE_EXHAUSTED",
            "FAILED_PRECONDITION",
            "UNAVAILABLE",
            "DEADLINE_EXCEEDED",
            "UNIMPLEMENTED",
            "INTERNAL",
        ]),
    },
    Label {
        name: "reason",
        metrics: &["strata_layer_rows_turned_away_total"],
        values: Values::OneOf(&["queue_full", "caller_full", "would_be_late"]),
    },
    Label {
        name: "outcome",
        metrics: &["strata_layer_model_loads_total"],
        values: Values::OneOf(&["loaded", "refused"]),
    },
    Label {
        name: "outcome",
        metrics: &["strata_layer_shadow_rows_total"],
        values: Values::OneOf(&["agreed", "differed", "skipped"]),
    },
    Label {
        name: "version",
        metrics: &[
            "strata_layer_model_traffic_percent",
            "strata_layer_model_rows_total",
            "strata_layer_shadow_rows_total",
            "strata_layer_shadow_score_difference",
        ],
        values: Values::Any("the version of the model"),
    },
];

/// The rows of the table of labels: name, metrics, values.
pub(crate) fn table() -> Vec<[String; 3]> {
    let code = |names: &[&str]| {
        names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
    };
    let row = |label: &Label| {
        let values = match label.values {
            Values::OneOf(values) => code(values),
            Values::Any(text) => text.to_owned(),
        };
        [code(&[label.name]), code(label.metrics), values]
    };
    LABELS.iter().map(row).collect()
}

/// What `LABELS` does not say of these metrics, or says wrongly.
pub(crate) fn problems<'a>(families: impl Iterator<Item = &'a Family>) -> Vec<String> {
    let mut problems = Vec::new();
    let mut exposed = BTreeSet::new();
    for family in families {
        for (label, seen) in &family.labels {
            exposed.insert((label.as_str(), family.name.as_str()));
            let described = LABELS
                .iter()
                .find(|known| known.name == label && known.metrics.contains(&family.name.as_str()));
            match described.map(|label| &label.values) {
                None => problems.push(format!("{label} of {} is missing", family.name)),
                Some(Values::Any(_)) => {}
                Some(Values::OneOf(values)) => {
                    let new = seen.iter().filter(|value| !values.contains(&value.as_str()));
                    problems.extend(new.map(|value| {
                        format!("{label} of {} lacks the value {value}", family.name)
                    }));
                }
            }
        }
    }
    for label in LABELS {
        let gone = label.metrics.iter().filter(|metric| !exposed.contains(&(label.name, **metric)));
        problems.extend(gone.map(|metric| format!("{} of {metric} is not exposed", label.name)));
    }
    problems
}
