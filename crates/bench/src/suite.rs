//! Rounds of measurements.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use indicatif::ProgressBar;
use strata_cluster::{Cluster, Options, Service};
use strata_load::{
    CALLERS_PER_CONNECTION, Measured, OpenLoad, Stream, coordinator, run_closed, run_open,
    run_stream,
};
use strata_wire::pb::{self, coordinator_client::CoordinatorClient};

use crate::{
    callers::Decide,
    case::{CALLERS, Case, PeerKind, Server, USUAL_LAYER, Way},
    chain,
    figures::{Figures, per_answer_us},
    layers::OneLayer,
    process_group, reload,
    rows::Rows,
    servers::{Place, Servers},
};

/// The longest warm-up of a load.
const MAX_WARM_UP: Duration = Duration::from_millis(300);

/// The servers to measure, and the load.
pub(crate) struct Suite<'a> {
    pub(crate) servers: &'a Servers,
    pub(crate) requests: Arc<Vec<pb::DecideRequest>>,
    pub(crate) rows: Rows,
    /// How long each load lasts.
    pub(crate) duration: Duration,
    /// How a layer is started for `Case::Ready`.
    pub(crate) options: &'a dyn Fn() -> Options,
    /// The program `chain`, and the directory of the models.
    pub(crate) chain: Option<(PathBuf, PathBuf)>,
}

impl Suite<'_> {
    /// Measures all cases in each round.
    ///
    /// # Errors
    /// When a server cannot be reached.
    pub(crate) async fn run(
        &self,
        cases: &[Case],
        rounds: usize,
        bar: &ProgressBar,
    ) -> anyhow::Result<Figures> {
        let mut figures = Figures::default();
        bar.set_length((cases.len() * rounds) as u64);
        for round in 1..=rounds {
            for case in cases {
                bar.set_message(format!("round {round}: {}", case.title()));
                self.measure(*case, &mut figures).await.with_context(|| case.title())?;
                bar.inc(1);
            }
        }
        Ok(figures)
    }

    async fn measure(&self, case: Case, figures: &mut Figures) -> anyhow::Result<()> {
        match case {
            Case::Unary(server, callers) => {
                let Some(place) = self.servers.places.get(&server) else { return Ok(()) };
                self.unary((case, place), self.callers(place, callers, None)?, figures).await
            }
            Case::Functions(functions) => {
                let Some(place) = self.cluster() else { return Ok(()) };
                let callers = self.callers(place, CALLERS, Some(functions))?;
                self.unary((case, place), callers, figures).await
            }
            Case::Stream(server, in_flight) => {
                let Some(place) = self.servers.places.get(&server) else { return Ok(()) };
                self.stream(place, in_flight, self.warm_up()).await?;
                let before = busy(&groups(place))?;
                let measured = self.stream(place, in_flight, self.duration).await?;
                figures.add_load(&case.name(), &measured, since(before, &groups(place))?);
                Ok(())
            }
            Case::Open(percent) => self.open(case, percent, figures).await,
            Case::Peer(peer, callers) => self.peer(case, (peer, callers), figures).await,
            Case::Layer(layer, way) => self.layer(case, (layer, way), figures).await,
            Case::Chain => {
                let Some((program, models)) = &self.chain else { return Ok(()) };
                for (key, value) in chain::run(program, models, self.duration).await? {
                    figures.add(key, value);
                }
                Ok(())
            }
            Case::Reload => self.reload(figures).await,
            Case::Ready => self.ready(figures).await,
            Case::Memory => self.memory(figures),
        }
    }

    fn warm_up(&self) -> Duration {
        MAX_WARM_UP.min(self.duration)
    }

    fn cluster(&self) -> Option<&Place> {
        self.servers.places.get(&Server::Cluster)
    }

    fn callers(
        &self,
        place: &Place,
        callers: usize,
        functions: Option<usize>,
    ) -> anyhow::Result<Vec<Decide>> {
        let connections = callers.div_ceil(CALLERS_PER_CONNECTION);
        let clients = (0..connections).map(|_| coordinator(&place.endpoint));
        let clients: Vec<CoordinatorClient<_>> = clients.collect::<anyhow::Result<_>>()?;
        let caller = |number: usize| Decide {
            client: clients[number / CALLERS_PER_CONNECTION].clone(),
            requests: self.requests.clone(),
            functions,
        };
        Ok((0..callers).map(caller).collect())
    }

    async fn unary(
        &self,
        (case, place): (Case, &Place),
        callers: Vec<Decide>,
        figures: &mut Figures,
    ) -> anyhow::Result<()> {
        run_closed(callers.clone(), self.warm_up()).await?;
        let before = place.groups.iter().map(|(_, group)| process_group::processor_time(*group));
        let before = before.collect::<anyhow::Result<Vec<_>>>()?;
        let measured = run_closed(callers, self.duration).await?;
        let mut total = None;
        for ((service, group), before) in place.groups.iter().zip(before) {
            let busy = process_group::processor_time(*group)?.saturating_sub(before);
            *total.get_or_insert(Duration::ZERO) += busy;
            if case == Case::Unary(Server::Cluster, CALLERS) {
                let key = format!("cpu_us_per_decision_{}", service.name());
                figures.add(key, per_answer_us(busy, &measured));
            }
        }
        if let (Case::Unary(Server::Cluster, CALLERS), Some(total)) = (case, total) {
            figures.add("cpu_us_per_decision", per_answer_us(total, &measured));
        }
        figures.add_load(&case.name(), &measured, total);
        Ok(())
    }

    async fn stream(
        &self,
        place: &Place,
        in_flight: usize,
        duration: Duration,
    ) -> anyhow::Result<Measured> {
        let stream = Stream { endpoint: place.endpoint.clone(), in_flight };
        let until = Instant::now() + duration;
        let requests = self.requests.iter().cycle().take_while(|_| Instant::now() < until);
        let mut measured = Measured::new()?;
        let elapsed = run_stream(&stream, requests.cloned(), |_, took, result| {
            let answer = match result {
                pb::decide_stream_response::Result::Decision(_) => Ok(()),
                pb::decide_stream_response::Result::Fault(fault) => Err(fault.kind().as_str_name()),
            };
            measured.count(took, answer);
        });
        measured.elapsed = elapsed.await?;
        Ok(measured)
    }

    async fn open(&self, case: Case, percent: u32, figures: &mut Figures) -> anyhow::Result<()> {
        let Some(place) = self.cluster() else { return Ok(()) };
        let best = [1, 8, 64, 200].map(|callers| {
            let name = Case::Unary(Server::Cluster, callers).name();
            figures.latest(&format!("{name}_rps")).unwrap_or_default()
        });
        let best = best.into_iter().fold(1.0, f64::max);
        let load =
            OpenLoad { per_second: best * f64::from(percent) / 100.0, duration: self.duration };
        let callers = self.callers(place, CALLERS, None)?;
        run_closed(callers.clone(), self.warm_up()).await?;
        let measured = run_open(callers, load).await?;
        figures.add_load(&case.name(), &measured, None);
        Ok(())
    }

    async fn peer(
        &self,
        case: Case,
        (kind, callers): (PeerKind, usize),
        figures: &mut Figures,
    ) -> anyhow::Result<()> {
        let Some(peer) = self.servers.peers.get(&kind) else { return Ok(()) };
        let row = &self.servers.peer_row;
        let mut last = None;
        for duration in [self.warm_up(), self.duration] {
            let before = busy(&peer.groups())?;
            let measured = match kind {
                PeerKind::FastApi => run_closed(peer.http(callers, row).await?, duration).await?,
                PeerKind::GrpcAio => run_closed(peer.grpc(callers, row)?, duration).await?,
            };
            last = Some((measured, since(before, &peer.groups())?));
        }
        if let Some((measured, busy)) = last {
            figures.add_load(&case.name(), &measured, busy);
        }
        Ok(())
    }

    async fn layer(
        &self,
        case: Case,
        (layer, way): (Service, Way),
        figures: &mut Figures,
    ) -> anyhow::Result<()> {
        let found = self.servers.layers.iter().find(|(found, _)| *found == layer);
        let Some((_, endpoint)) = found else { return Ok(()) };
        let groups = self.cluster().map(|place| place.groups.clone()).unwrap_or_default();
        let groups = groups.into_iter().filter(|(found, _)| *found == layer);
        let groups: Vec<u32> = groups.map(|(_, group)| group).collect();
        let loaded = OneLayer { layer, endpoint, rows: &self.rows };
        loaded.measure(way, self.warm_up()).await?;
        let before = busy(&groups)?;
        let measured = loaded.measure(way, self.duration).await?;
        figures.add_load(&case.name(), &measured, since(before, &groups)?);
        let alias = match way {
            Way::Unary => "layer_unary_64",
            Way::Oip(1) => "oip_unary_64",
            Way::Oip(_) | Way::Frames(_) => return Ok(()),
        };
        if layer == USUAL_LAYER {
            figures.add(format!("{alias}_rps"), measured.rate());
        }
        Ok(())
    }

    async fn reload(&self, figures: &mut Figures) -> anyhow::Result<()> {
        let Some(place) = self.cluster() else { return Ok(()) };
        let layers: Vec<_> =
            self.servers.layers.iter().map(|(_, endpoint)| endpoint.clone()).collect();
        let callers = self.callers(place, CALLERS, None)?;
        run_closed(callers.clone(), self.warm_up()).await?;
        let load = || run_closed(callers.clone(), self.duration);
        let mut failed = 0;
        for when in ["before", "during", "after"] {
            let until = Instant::now() + self.duration;
            let measured = if when == "during" {
                let (measured, loaded) =
                    tokio::try_join!(load(), reload::versions_until(&layers, until))?;
                figures.add("reload_versions_loaded", loaded as f64);
                failed += measured.errors.values().sum::<u64>();
                measured
            } else {
                load().await?
            };
            let p99 = measured.latencies.quantile_ms(0.99) * 1000.0;
            figures.add(format!("reload_p99_{when}_us"), p99);
            figures.add_load(&format!("reload_{when}"), &measured, None);
        }
        figures.add("reload_failed", failed as f64);
        Ok(())
    }

    async fn ready(&self, figures: &mut Figures) -> anyhow::Result<()> {
        let mut slowest = Duration::ZERO;
        for layer in Service::LAYERS {
            let took = Cluster::time_to_ready(layer, &(self.options)()).await?;
            figures.add(format!("ready_{}_ms", layer.name()), took.as_secs_f64() * 1e3);
            slowest = slowest.max(took);
        }
        figures.add("ready_ms", slowest.as_secs_f64() * 1e3);
        Ok(())
    }

    fn memory(&self, figures: &mut Figures) -> anyhow::Result<()> {
        for (server, name) in
            [(Server::Cluster, "rss_total_mb"), (Server::Node, "inprocess_rss_mb")]
        {
            let Some(place) = self.servers.places.get(&server) else { continue };
            let mut total = 0.0;
            for (service, group) in &place.groups {
                let megabytes = process_group::resident_bytes(*group)? as f64 / 1e6;
                total += megabytes;
                if server == Server::Cluster {
                    figures.add(format!("rss_{}_mb", service.name()), megabytes);
                }
            }
            figures.add(name, total);
        }
        for (kind, peer) in &self.servers.peers {
            let bytes = peer.groups().into_iter().map(process_group::resident_bytes);
            let bytes: u64 = bytes.sum::<anyhow::Result<u64>>()?;
            figures.add(format!("peer_{}_rss_mb", kind.name()), bytes as f64 / 1e6);
        }
        Ok(())
    }
}

fn groups(place: &Place) -> Vec<u32> {
    place.groups.iter().map(|(_, group)| *group).collect()
}

/// The processor time of these groups since they started; `None` without any group.
fn busy(groups: &[u32]) -> anyhow::Result<Option<Duration>> {
    let times = groups.iter().map(|group| process_group::processor_time(*group));
    let total = times.sum::<anyhow::Result<Duration>>()?;
    Ok((!groups.is_empty()).then_some(total))
}

/// The processor time of these groups since `before`.
fn since(before: Option<Duration>, groups: &[u32]) -> anyhow::Result<Option<Duration>> {
    let Some(before) = before else { return Ok(None) };
    Ok(busy(groups)?.map(|now| now.saturating_sub(before)))
}
