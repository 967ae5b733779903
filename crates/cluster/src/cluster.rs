//! The running cluster: started in order, ready together, drained coordinator first.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, anyhow, bail};
use futures_util::future::{join_all, select_all};
use rustix::process::Signal;
use strata_chassis::ClientConfig;
use tonic::transport::Channel;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::{
    child::{Child, LogSink, program},
    plan::{Plan, Ports},
    service::Service,
    settings::{catalogue_env, log_env, models_env, node_env, shared_env},
};

/// How the services are started.
pub struct Options {
    /// The directory of the programs; `None` is the directory of this program.
    pub bin_dir: Option<PathBuf>,
    /// The directory of the models; `None` leaves it to the environment.
    pub models: Option<PathBuf>,
    /// The catalogue of placements of every service; `None` leaves it to the environment.
    pub catalogue: Option<String>,
    /// More settings of services: the part of the variable after the name of the service, and the
    /// value.
    pub settings: Vec<(Service, &'static str, String)>,
    /// Whether one process runs all four services.
    pub in_process: bool,
    /// Where the services listen.
    pub ports: Ports,
    /// Whether the services log warnings only, unless the environment says otherwise.
    pub quiet: bool,
    /// Receives every line that a service logs.
    pub log: LogSink,
    /// The time in which all services must be ready.
    pub ready_within: Duration,
}

/// Time between two health checks of a service that is not ready.
const POLL: Duration = Duration::from_millis(5);
/// The time in which a health check must be answered.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(1);
/// The time in which a service must drain. Its own grace budget ends it sooner, unless it hangs.
const DRAIN_LIMIT: Duration = Duration::from_secs(120);

/// The four services, running. Dropping the cluster kills them.
pub struct Cluster {
    plan: Plan,
    children: Vec<Child>,
}

impl Cluster {
    /// Starts the services and waits until each is ready.
    ///
    /// # Errors
    /// When a program is missing, an address is taken, or a service ends early or is not ready in
    /// time; the error then shows its last lines. The services that were started are stopped.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        let bin_dir = match options.bin_dir.clone() {
            Some(dir) => dir,
            None => own_dir()?,
        };
        for &service in programs(options.in_process).into_iter().flatten() {
            program(service, &bin_dir)?;
        }
        let plan = Plan::new(options.ports, |name| std::env::var(name).ok())?;
        plan.check_free()?;
        let mut cluster = Self { plan, children: Vec::new() };
        match cluster.start_in_order(&bin_dir, &options).await {
            Ok(()) => Ok(cluster),
            Err(error) => {
                // The first error is the cause; the other services only have to end.
                let _ = cluster.stop().await;
                Err(error)
            }
        }
    }

    /// Starts one layer alone, measures the time until it is ready, and stops it.
    ///
    /// # Errors
    /// Those of [`Self::start`].
    pub async fn time_to_ready(layer: Service, options: &Options) -> anyhow::Result<Duration> {
        let bin_dir = options.bin_dir.clone().map_or_else(own_dir, Ok)?;
        let plan = Plan::new(Ports::Free, |_| None)?;
        let mut env = plan.env(layer);
        env.extend(log_env(layer, options.quiet));
        env.extend(models_env(layer, options.models.as_deref()));
        env.extend(catalogue_env(layer, options.catalogue.as_deref()));
        let mut cluster = Self { plan, children: Vec::new() };
        let started = Instant::now();
        cluster.children.push(Child::spawn(layer, &bin_dir, env, options.log.clone())?);
        let late = cluster.late(&[layer], started + options.ready_within).await;
        let took = started.elapsed();
        cluster.stop().await?;
        match late? {
            None => Ok(took),
            Some(late) => bail!("{} was not ready in time", late.name()),
        }
    }

    async fn start_in_order(&mut self, bin_dir: &Path, options: &Options) -> anyhow::Result<()> {
        let until = Instant::now() + options.ready_within;
        for group in programs(options.in_process) {
            for &service in group {
                let mut env = self.plan.env(service);
                env.extend(log_env(service, options.quiet));
                env.extend(shared_env(service, |name| std::env::var_os(name).is_some()));
                if service == Service::Node {
                    env.splice(0..0, node_env(std::env::vars_os()));
                }
                env.extend(models_env(service, options.models.as_deref()));
                env.extend(catalogue_env(service, options.catalogue.as_deref()));
                let own = options.settings.iter().filter(|(of, ..)| *of == service);
                env.extend(own.map(|(_, name, value)| (service.variable(name), value.clone())));
                self.children.push(Child::spawn(service, bin_dir, env, options.log.clone())?);
            }
            if let Some(late) = self.late(group, until).await? {
                let is_late = |child: &&Child| [late, Service::Node].contains(&child.service());
                let child = self.children.iter().find(is_late);
                let lines = child.map(Child::last_lines).unwrap_or_default();
                let (name, within) =
                    (late.name(), humantime::format_duration(options.ready_within));
                bail!("{name} is not ready after {within}; it said last:\n{lines}");
            }
        }
        Ok(())
    }

    /// Where the services listen.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The process ids of the services that run.
    pub fn pids(&self) -> Vec<(Service, u32)> {
        let running = self.children.iter();
        running.filter_map(|child| Some((child.service(), child.pid()?))).collect()
    }

    /// Completes when a service ends by itself, with an error that shows its last lines.
    pub async fn failure(&mut self) -> anyhow::Error {
        if self.children.is_empty() {
            return anyhow!("nothing was started");
        }
        let exits = self.children.iter_mut().map(|child| Box::pin(child.wait()));
        let (exit, index, rest) = select_all(exits).await;
        drop(rest);
        let child = &mut self.children[index];
        let name = child.service().name();
        child.output_logged().await;
        match exit {
            Ok(status) => anyhow!("{name} ended ({status}); it said last:\n{}", child.last_lines()),
            Err(error) => anyhow!(error).context(format!("{name} cannot be waited for")),
        }
    }

    /// Drains the coordinator, then the layers, so that every accepted request is answered.
    ///
    /// # Errors
    /// When a service does not end by itself, or ends with a failure.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        let (coordinator, layers): (Vec<_>, Vec<_>) =
            self.children.iter_mut().partition(|child| child.service() == Service::Coordinator);
        let mut outcome = Ok(());
        for group in [coordinator, layers] {
            for result in join_all(group.into_iter().map(drain)).await {
                outcome = outcome.and(result);
            }
        }
        outcome
    }

    /// Waits until each of `services` is ready. Returns the first that is not ready by `until`.
    async fn late(
        &mut self,
        services: &[Service],
        until: Instant,
    ) -> anyhow::Result<Option<Service>> {
        let parts = match services {
            [Service::Node] => &Service::ALL,
            services => services,
        };
        for &service in parts {
            let channel =
                strata_chassis::channel(&self.plan.endpoint(service), &ClientConfig::default())?;
            let ready = async {
                while !is_serving(&channel).await {
                    tokio::time::sleep(POLL).await;
                }
            };
            tokio::select! {
                () = ready => {}
                error = self.failure() => return Err(error),
                () = tokio::time::sleep_until(until.into()) => return Ok(Some(service)),
            }
        }
        Ok(None)
    }
}

async fn drain(child: &mut Child) -> anyhow::Result<()> {
    let name = child.service().name();
    if child.has_ended() {
        return Ok(());
    }
    child.signal(Signal::TERM)?;
    let ended = tokio::time::timeout(DRAIN_LIMIT, child.wait()).await;
    if ended.is_ok() {
        child.output_logged().await;
    }
    match ended {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(anyhow!(
            "{name} did not stop well ({status}); it said last:\n{}",
            child.last_lines()
        )),
        Ok(Err(error)) => Err(error).with_context(|| format!("{name} cannot be waited for")),
        Err(_) => {
            child.signal(Signal::KILL)?;
            bail!("{name} did not stop within {} s and was killed", DRAIN_LIMIT.as_secs())
        }
    }
}

/// The programs in groups: a group starts at once, when the one before it is ready. The layers come
/// first, so that the coordinator finds them.
fn programs(in_process: bool) -> Vec<&'static [Service]> {
    match in_process {
        true => vec![&[Service::Node]],
        false => vec![&Service::LAYERS, &[Service::Coordinator]],
    }
}

/// The directory of this program, where the other programs are too.
///
/// # Errors
/// When the operating system does not tell it.
pub fn own_dir() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe().context("where this program is; name --bin-dir")?;
    let dir = program.parent().context("this program is in no directory; name --bin-dir")?;
    Ok(dir.to_owned())
}

/// Whether the server behind `channel` answers that it is ready.
async fn is_serving(channel: &Channel) -> bool {
    let mut client = HealthClient::new(channel.clone());
    let mut request = tonic::Request::new(HealthCheckRequest { service: String::new() });
    request.set_timeout(HEALTH_TIMEOUT);
    let answer = tokio::time::timeout(HEALTH_TIMEOUT, client.check(request)).await;
    matches!(answer, Ok(Ok(answer)) if answer.get_ref().status() == ServingStatus::Serving)
}
