//! Where each service listens, and the environment variables that tell them so.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    str::FromStr,
};

use anyhow::Context;
use strata_chassis::Listen;

use crate::{
    free_ports::{free_ports, probe},
    service::Service,
    sockets::SocketDir,
};

/// The admin port is the gRPC port minus this.
const ADMIN_OFFSET: u16 = 41_000;
const GRPC_LISTEN: &str = "GRPC_LISTEN";
const ADMIN_LISTEN: &str = "ADMIN_LISTEN";

/// Which addresses the services listen on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ports {
    /// The documented ones on loopback, except where the environment says otherwise.
    Default,
    /// Free ports on loopback.
    Free,
    /// Unix sockets in a private directory for gRPC; free ports on loopback for admin HTTP.
    Sockets,
}

#[derive(Debug, Clone)]
struct Listeners {
    grpc: Listen,
    admin: SocketAddr,
}

/// Where each service listens.
#[derive(Debug)]
pub struct Plan {
    listeners: [Listeners; 4],
    /// Removed when the plan is dropped: the services have ended by then.
    _sockets: Option<SocketDir>,
}

impl Plan {
    /// Chooses the addresses. `env` looks up an environment variable.
    ///
    /// # Errors
    /// When a variable is not an address, no port is free, or no directory for sockets can be made.
    pub fn new(ports: Ports, env: impl Fn(&str) -> Option<String>) -> anyhow::Result<Self> {
        let free = free_ports(2 * Service::ALL.len())?;
        let sockets = (ports == Ports::Sockets).then(SocketDir::make).transpose()?;
        let mut listeners = Vec::new();
        for (service, free) in Service::ALL.into_iter().zip(free.chunks_exact(2)) {
            listeners.push(match (ports, &sockets) {
                (_, Some(dir)) => {
                    Listeners { grpc: dir.socket(service.name())?, admin: loopback(free[1]) }
                }
                (Ports::Free | Ports::Sockets, None) => {
                    Listeners { grpc: loopback(free[0]).into(), admin: loopback(free[1]) }
                }
                (Ports::Default, None) => {
                    let port = service.grpc_port();
                    let admin_port = port - ADMIN_OFFSET;
                    Listeners {
                        grpc: match address_in_env(service, GRPC_LISTEN, &env)? {
                            None => loopback(port).into(),
                            Some(Listen::Tcp(grpc)) => with_port(grpc, free[0]).into(),
                            Some(socket) => socket,
                        },
                        admin: address_in_env(service, ADMIN_LISTEN, &env)?
                            .map_or(loopback(admin_port), |admin| with_port(admin, free[1])),
                    }
                }
            });
        }
        let listeners = listeners.try_into().map_err(|_| anyhow::anyhow!("four services"))?;
        Ok(Self { listeners, _sockets: sockets })
    }

    /// Checks that nothing else listens on these ports: an older server there would answer in place
    /// of the one to be started.
    ///
    /// # Errors
    /// Names the first address that is taken, and the variable that sets another.
    pub(crate) fn check_free(&self) -> anyhow::Result<()> {
        for service in Service::ALL {
            let Listeners { grpc, admin } = self.listeners(service);
            // The service itself checks a unix socket when it binds it.
            let grpc = grpc.tcp().map(|grpc| (GRPC_LISTEN, grpc));
            for (setting, address) in grpc.into_iter().chain([(ADMIN_LISTEN, *admin)]) {
                probe(address).with_context(|| {
                    let variable = service.variable(setting);
                    format!(
                        "{} cannot listen on {address}; stop what does, or set {variable}",
                        service.name()
                    )
                })?;
            }
        }
        Ok(())
    }

    /// The gRPC address that clients on this machine connect to.
    pub fn grpc(&self, service: Service) -> Listen {
        match &self.listeners(service).grpc {
            Listen::Tcp(address) => reachable(*address).into(),
            socket => socket.clone(),
        }
    }

    /// The gRPC address as an endpoint: `http://...` or `unix:...`.
    pub fn endpoint(&self, service: Service) -> String {
        match self.grpc(service) {
            Listen::Tcp(address) => format!("http://{address}"),
            socket => socket.to_string(),
        }
    }

    /// The variables that tell a service where to listen, and the coordinator where the layers are.
    pub(crate) fn env(&self, service: Service) -> Vec<(String, String)> {
        if service == Service::Node {
            return self.env_of_node();
        }
        let listeners = self.listeners(service);
        let mut env = vec![
            (service.variable(GRPC_LISTEN), listeners.grpc.to_string()),
            (service.variable(ADMIN_LISTEN), listeners.admin.to_string()),
        ];
        if service == Service::Coordinator {
            for layer in Service::LAYERS {
                let setting = format!("LAYERS_{}", layer.name().to_ascii_uppercase());
                env.push((service.variable(&setting), self.endpoint(layer)));
            }
        }
        env
    }

    fn env_of_node(&self) -> Vec<(String, String)> {
        let of_part = |service: Service| {
            let Listeners { grpc, admin } = self.listeners(service);
            [
                (service.variable_of_part(GRPC_LISTEN), grpc.to_string()),
                (service.variable_of_part(ADMIN_LISTEN), admin.to_string()),
            ]
        };
        Service::ALL.into_iter().flat_map(of_part).collect()
    }

    /// The listeners of a service; of the one process, those of its coordinator.
    fn listeners(&self, service: Service) -> &Listeners {
        match service {
            Service::Strategic => &self.listeners[0],
            Service::Tactical => &self.listeners[1],
            Service::Operational => &self.listeners[2],
            Service::Coordinator | Service::Node => &self.listeners[3],
        }
    }
}

/// The address of a listener in the environment, if there is one.
fn address_in_env<T>(
    service: Service,
    setting: &str,
    env: impl Fn(&str) -> Option<String>,
) -> anyhow::Result<Option<T>>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    let name = service.variable(setting);
    let Some(text) = env(&name) else { return Ok(None) };
    let parsed = text.trim().parse();
    parsed.map(Some).with_context(|| format!("{name}={text:?} is not where a server can listen"))
}

/// Replaces port 0 by `free`: the port must be known before the service starts.
fn with_port(mut address: SocketAddr, free: u16) -> SocketAddr {
    if address.port() == 0 {
        address.set_port(free);
    }
    address
}

fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// The address to connect to for a listener, which may listen on all interfaces.
fn reachable(listen: SocketAddr) -> SocketAddr {
    match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => loopback(listen.port()),
        IpAddr::V6(ip) if ip.is_unspecified() => loopback(listen.port()),
        _ => listen,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn defaults_are_the_documented_ports_on_loopback() {
        let plan = Plan::new(Ports::Default, |_| None).unwrap();
        assert_eq!(plan.endpoint(Service::Coordinator), "http://127.0.0.1:50050");
        let env = plan.env(Service::Coordinator);
        let expected = [
            ("STRATA_COORDINATOR_GRPC_LISTEN", "127.0.0.1:50050"),
            ("STRATA_COORDINATOR_ADMIN_LISTEN", "127.0.0.1:9050"),
            ("STRATA_COORDINATOR_LAYERS_STRATEGIC", "http://127.0.0.1:50051"),
            ("STRATA_COORDINATOR_LAYERS_TACTICAL", "http://127.0.0.1:50052"),
            ("STRATA_COORDINATOR_LAYERS_OPERATIONAL", "http://127.0.0.1:50053"),
        ];
        assert_eq!(env, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn the_environment_moves_a_listener_and_who_connects_to_it() {
        let plan = Plan::new(Ports::Default, |name| {
            (name == "STRATA_TACTICAL_GRPC_LISTEN").then(|| "0.0.0.0:7000".to_owned())
        })
        .unwrap();
        assert_eq!(plan.env(Service::Tactical)[0].1, "0.0.0.0:7000");
        assert_eq!(plan.env(Service::Coordinator)[3].1, "http://127.0.0.1:7000");
    }

    #[test]
    fn one_process_is_told_where_all_four_listen() {
        let env = Plan::new(Ports::Default, |_| None).unwrap().env(Service::Node);
        assert_eq!(env.len(), 8);
        let tactical = ("STRATA_NODE_TACTICAL_GRPC_LISTEN", "127.0.0.1:50052");
        assert_eq!((env[2].0.as_str(), env[2].1.as_str()), tactical);
    }

    #[test]
    fn a_unix_socket_is_told_as_it_is() {
        let plan = Plan::new(Ports::Default, |name| {
            (name == "STRATA_TACTICAL_GRPC_LISTEN").then(|| "unix:///run/tactical.sock".to_owned())
        })
        .unwrap();
        assert_eq!(plan.env(Service::Tactical)[0].1, "unix:/run/tactical.sock");
        assert_eq!(plan.env(Service::Coordinator)[3].1, "unix:/run/tactical.sock");
    }

    #[test]
    fn sockets_are_in_a_directory_that_goes_with_the_plan() {
        let plan = Plan::new(Ports::Sockets, |_| None).unwrap();
        let socket = plan.endpoint(Service::Tactical);
        assert_eq!(plan.env(Service::Tactical)[0].1, socket);
        assert_eq!(plan.env(Service::Coordinator)[3].1, socket);
        assert!(plan.env(Service::Tactical)[1].1.starts_with("127.0.0.1:"));
        let path = std::path::PathBuf::from(socket.strip_prefix("unix:").unwrap());
        let dir = path.parent().unwrap();
        assert!(dir.is_dir() && path.ends_with("tactical.sock"));
        drop(plan);
        assert!(!dir.exists());
    }

    #[test]
    fn port_0_becomes_a_port_that_can_be_told_to_others() {
        let plan = Plan::new(Ports::Default, |name| {
            (name == "STRATA_TACTICAL_GRPC_LISTEN").then(|| "127.0.0.1:0".to_owned())
        })
        .unwrap();
        assert_ne!(plan.grpc(Service::Tactical).tcp().unwrap().port(), 0);
    }

    #[test]
    fn what_is_no_address_is_refused_by_name() {
        let error = Plan::new(Ports::Default, |name| {
            name.ends_with("TACTICAL_ADMIN_LISTEN").then(|| "localhost".to_owned())
        })
        .unwrap_err();
        assert!(format!("{error:#}").contains("STRATA_TACTICAL_ADMIN_LISTEN=\"localhost\""));
    }

    #[test]
    fn a_port_that_is_taken_is_named_with_what_to_do() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap().to_string();
        let free = free_ports(8).unwrap().into_iter().map(|port| format!("127.0.0.1:{port}"));
        let free = std::cell::RefCell::new(free);
        let plan = Plan::new(Ports::Default, |name| match name {
            "STRATA_TACTICAL_GRPC_LISTEN" => Some(address.clone()),
            _ => free.borrow_mut().next(),
        })
        .unwrap();
        let error = format!("{:#}", plan.check_free().unwrap_err());
        let expected = format!("tactical cannot listen on {address}");
        assert!(error.contains(&expected), "{error}");
        assert!(error.contains("STRATA_TACTICAL_GRPC_LISTEN"), "{error}");
        drop(taken);
        plan.check_free().unwrap();
    }

    #[test]
    fn free_ports_ignore_the_environment() {
        let plan = Plan::new(Ports::Free, |_| Some("127.0.0.1:1".to_owned())).unwrap();
        assert!(
            Service::ALL.iter().all(|service| plan.grpc(*service).tcp().unwrap().port() > 1024)
        );
    }
}
