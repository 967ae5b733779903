//! Unary calls from many callers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use strata_wire::pb;
use strata_wire::pb::coordinator_client::CoordinatorClient;
use tokio::task::JoinSet;
use tonic::transport::Channel;

use super::Measured;
use crate::connection;
use crate::failure::code_name;
use crate::histogram::Latencies;

/// Callers that share a connection: as a client library would, neither one for all nor one for
/// each.
const CALLERS_PER_CONNECTION: usize = 16;

/// So many callers for so long.
#[derive(Debug, Clone)]
pub(crate) struct UnaryLoad {
    pub(crate) endpoint: String,
    pub(crate) callers: usize,
    pub(crate) duration: Duration,
    /// Sent in turn; each caller starts at another place.
    pub(crate) requests: Arc<Vec<pb::DecideRequest>>,
}

/// Calls `Decide` until the time is over.
///
/// # Errors
/// An endpoint that is no address. A server that refuses or is gone shows in the errors that are
/// counted.
pub(crate) async fn run_unary(load: &UnaryLoad) -> anyhow::Result<Measured> {
    let started = Instant::now();
    let until = started + load.duration;
    let mut channel = None;
    let mut callers = JoinSet::new();
    for number in 0..load.callers {
        if number % CALLERS_PER_CONNECTION == 0 {
            channel = Some(connection::channel(&load.endpoint)?);
        }
        let Some(channel) = &channel else { continue };
        let client = CoordinatorClient::new(channel.clone());
        let first = number * load.requests.len() / load.callers;
        callers.spawn(call(client, load.requests.clone(), first, until));
    }
    let mut total =
        Measured { latencies: Latencies::new()?, errors: BTreeMap::new(), elapsed: Duration::ZERO };
    while let Some(caller) = callers.join_next().await {
        let (latencies, errors) = caller??;
        total.latencies.add(&latencies)?;
        for (code, count) in errors {
            *total.errors.entry(code).or_default() += count;
        }
    }
    total.elapsed = started.elapsed();
    Ok(total)
}

type Counted = (Latencies, BTreeMap<&'static str, u64>);

async fn call(
    mut client: CoordinatorClient<Channel>,
    requests: Arc<Vec<pb::DecideRequest>>,
    first: usize,
    until: Instant,
) -> anyhow::Result<Counted> {
    let (mut latencies, mut errors) = (Latencies::new()?, BTreeMap::new());
    let mut next = first;
    loop {
        let request = requests[next % requests.len()].clone();
        next += 1;
        let sent = Instant::now();
        if sent >= until {
            return Ok((latencies, errors));
        }
        if let Err(status) = client.decide(request).await {
            *errors.entry(code_name(status.code())).or_default() += 1;
        }
        latencies.record(sent.elapsed());
    }
}
