//! A decision request from the command line.

mod telemetry;

use std::path::Path;

use anyhow::{Context, bail};
use clap::Args;
use prost_types::Timestamp;
use strata_wire::pb;

use crate::protojson;

/// The groups of flags that describe a request. They conflict with a request in a file.
pub(crate) const FLAG_GROUPS: [&str; 4] =
    ["SubjectFlags", "LoadFlags", "TelemetryFlags", "ConstraintFlags"];

/// The flags of a request.
#[derive(Debug, Args)]
pub(crate) struct RequestFlags {
    #[command(flatten)]
    subject: SubjectFlags,
    #[command(flatten)]
    load: LoadFlags,
    #[command(flatten)]
    telemetry: telemetry::TelemetryFlags,
    #[command(flatten)]
    constraints: ConstraintFlags,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Request")]
struct SubjectFlags {
    /// Application the function belongs to
    #[arg(long, value_name = "NAME", required_unless_present = "file")]
    application: Option<String>,
    /// The function
    #[arg(long, value_name = "NAME", required_unless_present = "file")]
    function: Option<String>,
    /// Time for which is decided, RFC 3339 [default: now]
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// Platform it runs on now, such as aws-lambda; `strata catalogue list --endpoint` shows them
    #[arg(long, value_name = "NAME", requires = "region")]
    platform: Option<String>,
    /// Region it runs in now, in the provider's own name, such as eu-west-1
    #[arg(long, value_name = "NAME", requires = "memory")]
    region: Option<String>,
    /// Memory it has now in MB: any size
    #[arg(long, value_name = "MB", requires = "platform")]
    memory: Option<u32>,
    /// Returned in the answer unchanged
    #[arg(long, value_name = "ID")]
    correlation_id: Option<String>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Load")]
struct LoadFlags {
    /// Invocations per minute [default: from the telemetry]
    #[arg(long, value_name = "PER_MINUTE")]
    rate: Option<f64>,
    /// Mean time between invocations [default: from the rate]
    #[arg(long, value_name = "MS")]
    inter_arrival_ms: Option<f64>,
    /// Time since the last invocation [default: not known]
    #[arg(long, value_name = "SECONDS")]
    idle_seconds: Option<f64>,
    /// Times between the latest invocations, oldest first, at most 16: 600,600,600 for a timer
    /// [default: not known]
    #[arg(long, value_name = "SECONDS", value_delimiter = ',')]
    gap_seconds: Vec<f32>,
    /// Run time of the latest invocation [default: the mean; one of the two must be given]
    #[arg(long, value_name = "MS")]
    duration_ms: Option<f64>,
    /// Mean run time [default: that of the latest invocation]
    #[arg(long, value_name = "MS")]
    avg_duration_ms: Option<f64>,
    /// Standard deviation of the run time
    #[arg(long, value_name = "MS")]
    std_duration_ms: Option<f64>,
    /// Memory it uses [default: from the telemetry]
    #[arg(long, value_name = "MB")]
    memory_mb: Option<f64>,
    /// Area of most callers, such as eu-west [default: that of where it runs now]
    #[arg(long, value_name = "AREA", group = "home")]
    home_area: Option<String>,
    /// Region of most callers, of any provider: eu-west-1 or aws/eu-west-1
    #[arg(long, value_name = "REGION", group = "home")]
    home_region: Option<String>,
    /// Place of most callers: degrees north and east, such as 50.1,8.7
    #[arg(long, value_name = "LAT,LON", group = "home", value_parser = coordinates)]
    #[arg(allow_hyphen_values = true)]
    home_point: Option<pb::Coordinates>,
    /// Provider that holds its data and sends its requests [default: callers are on the internet]
    #[arg(long, value_name = "PROVIDER")]
    data_provider: Option<String>,
    /// Mean size of a request
    #[arg(long, value_name = "BYTES")]
    request_bytes: Option<f64>,
    /// Mean size of a response
    #[arg(long, value_name = "BYTES")]
    response_bytes: Option<f64>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Constraints and options")]
struct ConstraintFlags {
    /// Only these platforms, separated by commas
    #[arg(long, value_name = "PLATFORMS", value_delimiter = ',')]
    allow_platforms: Vec<String>,
    /// Only these providers, separated by commas
    #[arg(long, value_name = "PROVIDERS", value_delimiter = ',')]
    allow_providers: Vec<String>,
    /// Only these regions, separated by commas: eu-west-1 or aws/eu-west-1
    #[arg(long, value_name = "REGIONS", value_delimiter = ',')]
    allow_regions: Vec<String>,
    /// Only regions of these groups of residency, separated by commas: EU
    #[arg(long, value_name = "GROUPS", value_delimiter = ',')]
    allow_residency: Vec<String>,
    /// Only these processor architectures, separated by commas
    #[arg(long, value_name = "ARCHITECTURES", value_delimiter = ',')]
    allow_architectures: Vec<String>,
    /// Least memory
    #[arg(long, value_name = "MB")]
    min_memory: Option<u32>,
    /// Most memory
    #[arg(long, value_name = "MB")]
    max_memory: Option<u32>,
    /// Most estimated mean latency
    #[arg(long, value_name = "MS")]
    latency_slo_ms: Option<f64>,
    /// Most estimated cost of an invocation
    #[arg(long, value_name = "USD")]
    cost_ceiling_usd: Option<f64>,
    /// Weights of cost, performance and carbon, such as 0.4,0.4,0.2
    #[arg(long, value_name = "W,W,W", value_delimiter = ',', num_args = 1)]
    weights: Vec<f64>,
    /// Penalty on the objective when every call is avoidably late: 0 to 100 [default: 2]
    #[arg(long, value_name = "PENALTY")]
    late_penalty: Option<f64>,
    /// Return the scores of the models, and the placements that they were not asked about
    #[arg(long)]
    explain: bool,
    /// Ask every layer again, whatever its cadence; this version always does
    #[arg(long)]
    refresh: bool,
    /// Leave no record; this version never does
    #[arg(long)]
    dry_run: bool,
}

impl RequestFlags {
    /// Builds the request. The coordinator validates its values.
    ///
    /// # Errors
    /// When the telemetry file cannot be read, or there are not three weights.
    pub(crate) fn build(self) -> anyhow::Result<pb::DecideRequest> {
        let current = self.subject.placement();
        let subject = self.subject;
        Ok(pb::DecideRequest {
            correlation_id: subject.correlation_id.unwrap_or_default(),
            function: Some(pb::Function {
                application: subject.application.context("--application must be given")?,
                function: subject.function.context("--function must be given")?,
            }),
            at: subject.at,
            current,
            telemetry: self.telemetry.steps(self.load.rate)?,
            workload: Some(self.load.workload()),
            constraints: self.constraints.constraints(),
            weights: self.constraints.weights()?,
            late_penalty: self.constraints.late_penalty,
            options: self.constraints.options(),
            ..pb::DecideRequest::default()
        })
    }
}

impl SubjectFlags {
    fn placement(&self) -> Option<pb::Placement> {
        Some(pb::Placement {
            platform: self.platform.clone()?,
            region: self.region.clone()?,
            memory_mb: self.memory?,
            provider: String::new(),
        })
    }
}

/// Degrees north and east. The coordinator refuses those that are not on the globe.
fn coordinates(text: &str) -> Result<pb::Coordinates, String> {
    let parts: Result<Vec<f64>, _> = text.split(',').map(|part| part.trim().parse()).collect();
    match parts.as_deref() {
        Ok(&[latitude, longitude]) => Ok(pb::Coordinates { latitude, longitude }),
        _ => Err("must be degrees north and east with a comma between them: 50.1,8.7".to_owned()),
    }
}

impl LoadFlags {
    /// Where callers are. The flags exclude one another.
    fn home(&self) -> Option<pb::Home> {
        let area = self.home_area.clone().map(pb::home::Place::Area);
        let region = || self.home_region.clone().map(pb::home::Place::Region);
        let place = area.or_else(region).or(self.home_point.map(pb::home::Place::Point));
        place.map(|place| pb::Home { place: Some(place) })
    }

    fn workload(self) -> pb::Workload {
        let home = self.home();
        let calls = pb::CallHistory {
            idle_seconds: self.idle_seconds,
            gap_seconds: self.gap_seconds,
            ..pb::CallHistory::default()
        };
        pb::Workload {
            invocation_rate_per_minute: self.rate,
            inter_arrival_ms: self.inter_arrival_ms,
            duration_ms: self.duration_ms,
            avg_duration_ms: self.avg_duration_ms,
            std_duration_ms: self.std_duration_ms,
            memory_mb: self.memory_mb,
            home,
            data_provider: self.data_provider.unwrap_or_default(),
            request_bytes: self.request_bytes,
            response_bytes: self.response_bytes,
            calls: (calls != pb::CallHistory::default()).then_some(calls),
            ..pb::Workload::default()
        }
    }
}

impl ConstraintFlags {
    fn constraints(&self) -> Option<pb::Constraints> {
        let constraints = pb::Constraints {
            allowed_platforms: self.allow_platforms.clone(),
            allowed_providers: self.allow_providers.clone(),
            allowed_regions: self.allow_regions.clone(),
            allowed_residency: self.allow_residency.clone(),
            allowed_architectures: self.allow_architectures.clone(),
            min_memory_mb: self.min_memory.unwrap_or(0),
            max_memory_mb: self.max_memory.unwrap_or(0),
            latency_slo_ms: self.latency_slo_ms,
            cost_ceiling_usd: self.cost_ceiling_usd,
        };
        (constraints != pb::Constraints::default()).then_some(constraints)
    }

    fn weights(&self) -> anyhow::Result<Option<pb::ObjectiveWeights>> {
        match self.weights[..] {
            [] => Ok(None),
            [cost, performance, carbon] => {
                Ok(Some(pb::ObjectiveWeights { cost, performance, carbon }))
            }
            _ => bail!("--weights takes three: cost,performance,carbon"),
        }
    }

    fn options(&self) -> Option<pb::Options> {
        let options = pb::Options {
            refresh: self.refresh,
            explain: self.explain,
            dry_run: self.dry_run,
            ..pb::Options::default()
        };
        (options != pb::Options::default()).then_some(options)
    }
}

/// Reads a request in protobuf's JSON form from a file, or from standard input for `-`.
///
/// # Errors
/// When the file cannot be read, or the line and column at which it cannot be parsed.
pub(crate) fn from_file(path: &Path) -> anyhow::Result<pb::DecideRequest> {
    let text = telemetry::read(path)?;
    protojson::from_str(&text)
        .with_context(|| format!("{} is not a DecideRequest in JSON", path.display()))
}
