//! The four services as child processes: started together, ready together, stopped from the
//! caller's side.

mod child;
mod plan;
mod ports;
mod session;
mod settings;
mod sockets;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use futures_util::future::{join_all, select_all};
use rustix::process::Signal;

use crate::connection;
use child::Child;
use settings::{log_env, models_env, node_env, shared_env};

pub(crate) use child::LogSink;
pub(crate) use plan::{Plan, Ports, Service};
pub(crate) use ports::free_ports;
pub(crate) use session::{Ended, Running, serve};

/// How the services are started.
pub(crate) struct Options {
    /// The directory of the programs; where this program is, unless said otherwise.
    pub(crate) bin_dir: Option<PathBuf>,
    /// The models they serve; what the environment says, unless said otherwise.
    pub(crate) models: Option<PathBuf>,
    /// Settings of services beyond those of the environment, each by what follows the service in its variable.
    pub(crate) settings: Vec<(Service, &'static str, String)>,
    /// Whether they are one process instead of four.
    pub(crate) in_process: bool,
    /// Where they listen.
    pub(crate) ports: Ports,
    /// Whether they log warnings only, where the environment asks for nothing else.
    pub(crate) quiet: bool,
    /// Takes every line they log.
    pub(crate) log: LogSink,
    /// Time until all four must be ready.
    pub(crate) ready_within: Duration,
}

/// Time between two questions whether a service is ready.
const POLL: Duration = Duration::from_millis(5);
/// Time a service gets to drain. Its own grace budget ends it sooner; this is for one that hangs.
const DRAIN_LIMIT: Duration = Duration::from_secs(120);

/// The four services, running. Dropping it kills them.
pub(crate) struct Cluster {
    plan: Plan,
    children: Vec<Child>,
}

impl Cluster {
    /// Starts the four and waits until each says that it is ready.
    ///
    /// # Errors
    /// A program that is missing, an address that is taken, one that ended early (with what it last
    /// logged) or was not ready in time. Those that were started are stopped again.
    pub(crate) async fn start(options: Options) -> anyhow::Result<Self> {
        let bin_dir = match options.bin_dir.clone() {
            Some(dir) => dir,
            None => own_dir()?,
        };
        for &service in programs(options.in_process).into_iter().flatten() {
            child::program(service, &bin_dir)?;
        }
        let plan = Plan::new(options.ports, |name| std::env::var(name).ok())?;
        plan.check_free()?;
        let mut cluster = Self { plan, children: Vec::new() };
        match cluster.start_in_order(&bin_dir, &options).await {
            Ok(()) => Ok(cluster),
            Err(error) => {
                // The first error is the one to show; the others only have to be gone.
                let _ = cluster.stop().await;
                Err(error)
            }
        }
    }

    /// Starts one layer alone, and tells how long it took from then until it said that it is ready. It is stopped again.
    ///
    /// # Errors
    /// As of [`Self::start`].
    pub(crate) async fn time_to_ready(
        layer: Service,
        options: &Options,
    ) -> anyhow::Result<Duration> {
        let bin_dir = options.bin_dir.clone().map_or_else(own_dir, Ok)?;
        let plan = Plan::new(Ports::Free, |_| None)?;
        let mut env = plan.env(layer);
        env.extend(log_env(layer, options.quiet));
        env.extend(models_env(layer, options.models.as_deref()));
        let mut cluster = Self { plan, children: Vec::new() };
        let started = Instant::now();
        cluster.children.push(Child::spawn(layer, &bin_dir, env, options.log.clone())?);
        let ready = cluster.ready(&[layer], started + options.ready_within).await;
        let took = started.elapsed();
        cluster.stop().await?;
        match ready? {
            Ok(()) => Ok(took),
            Err(late) => bail!("{} was not ready in time", late.name()),
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
                let own = options.settings.iter().filter(|(of, ..)| *of == service);
                env.extend(own.map(|(_, name, value)| (service.variable(name), value.clone())));
                self.children.push(Child::spawn(service, bin_dir, env, options.log.clone())?);
            }
            if let Err(late) = self.ready(group, until).await? {
                let is_late = |child: &&Child| [late, Service::Node].contains(&child.service());
                let said = self.children.iter().find(is_late);
                let said = said.map(Child::said).unwrap_or_default();
                let (name, within) =
                    (late.name(), humantime::format_duration(options.ready_within));
                bail!("{name} is not ready after {within}; it said last:\n{said}");
            }
        }
        Ok(())
    }

    /// Where the four listen.
    pub(crate) fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The process ids of those that run.
    pub(crate) fn pids(&self) -> Vec<(Service, u32)> {
        let running = self.children.iter();
        running.filter_map(|child| Some((child.service(), child.pid()?))).collect()
    }

    /// Completes when one of them ends by itself, with the error that says so.
    pub(crate) async fn failure(&mut self) -> anyhow::Error {
        if self.children.is_empty() {
            return anyhow!("nothing was started");
        }
        let exits = self.children.iter_mut().map(|child| Box::pin(child.wait()));
        let (exit, index, rest) = select_all(exits).await;
        drop(rest);
        let child = &mut self.children[index];
        let name = child.service().name();
        child.heard().await;
        match exit {
            Ok(status) => anyhow!("{name} ended ({status}); it said last:\n{}", child.said()),
            Err(error) => anyhow!(error).context(format!("{name} cannot be waited for")),
        }
    }

    /// Drains the coordinator, then the layers: everything accepted is answered. Those that have
    /// ended stay ended.
    ///
    /// # Errors
    /// One that did not end by itself, or not well.
    pub(crate) async fn stop(&mut self) -> anyhow::Result<()> {
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

    /// Waits until each of `services` says that it is ready; gives the first that does not in time.
    async fn ready(
        &mut self,
        services: &[Service],
        until: Instant,
    ) -> anyhow::Result<Result<(), Service>> {
        let parts = match services {
            [Service::Node] => &Service::ALL,
            services => services,
        };
        for &service in parts {
            let channel = connection::channel(&self.plan.endpoint(service))?;
            let ready = async {
                while !connection::is_serving(&channel).await {
                    tokio::time::sleep(POLL).await;
                }
            };
            tokio::select! {
                () = ready => {}
                error = self.failure() => return Err(error),
                () = tokio::time::sleep_until(until.into()) => return Ok(Err(service)),
            }
        }
        Ok(Ok(()))
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
        child.heard().await;
    }
    match ended {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => {
            Err(anyhow!("{name} did not stop well ({status}); it said last:\n{}", child.said()))
        }
        Ok(Err(error)) => Err(error).with_context(|| format!("{name} cannot be waited for")),
        Err(_) => {
            child.signal(Signal::KILL)?;
            bail!("{name} did not stop within {} s and was killed", DRAIN_LIMIT.as_secs())
        }
    }
}

/// The programs to start, in groups one after the other: the layers first, all at once; the coordinator then finds them there.
fn programs(in_process: bool) -> Vec<&'static [Service]> {
    match in_process {
        true => vec![&[Service::Node]],
        false => vec![&Service::LAYERS, &[Service::Coordinator]],
    }
}

/// Where this program is, and with it the others.
///
/// # Errors
/// When the system does not say.
pub(crate) fn own_dir() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe().context("where this program is; name --bin-dir")?;
    let dir = program.parent().context("this program is in no directory; name --bin-dir")?;
    Ok(dir.to_owned())
}
