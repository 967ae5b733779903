//! The services of a binary, and the ones every server has.

use std::{convert::Infallible, fmt};

use axum::response::IntoResponse;
use http::Request;
use tonic::{
    body::Body,
    server::NamedService,
    service::{Routes, RoutesBuilder},
};
use tower::Service;

use super::{
    error::ServerError, health::HealthHandle, methods::MethodTable, middleware::INFRASTRUCTURE,
};

/// The gRPC services a binary serves, with the descriptors that describe them.
#[derive(Clone, Default)]
pub struct Services {
    routes: RoutesBuilder,
    names: Vec<&'static str>,
    descriptors: Vec<&'static [u8]>,
}

impl Services {
    /// No services yet. `descriptor_sets` are encoded `FileDescriptorSet`s; together they must
    /// describe every service that is added, and may describe more.
    #[must_use]
    pub fn described_by(descriptor_sets: &[&'static [u8]]) -> Self {
        Self { descriptors: descriptor_sets.to_vec(), ..Self::default() }
    }

    /// Adds a service: one of tonic's generated servers.
    #[must_use]
    pub fn with<S>(mut self, service: S) -> Self
    where
        S: Service<Request<Body>, Error = Infallible>
            + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Response: IntoResponse,
        S::Future: Send + 'static,
    {
        self.names.push(S::NAME);
        self.routes.add_service(service);
        self
    }

    /// Every service that will be served, health and reflection among them.
    fn all_names(&self) -> Vec<&'static str> {
        let mut names = self.names.clone();
        names.extend(INFRASTRUCTURE);
        names
    }

    pub(super) fn methods(&self) -> Result<MethodTable, ServerError> {
        let mut sets = self.descriptors.clone();
        sets.push(tonic_health::pb::FILE_DESCRIPTOR_SET);
        sets.push(tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET);
        sets.push(tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET);
        MethodTable::of(&self.all_names(), &sets)
    }

    /// The routes, with health (not serving at first) and reflection in both its versions.
    pub(super) async fn routes(self, health: &HealthHandle) -> Result<Routes, ServerError> {
        let names = self.all_names();
        let reflection = || {
            let mut builder = tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET);
            for set in &self.descriptors {
                builder = builder.register_encoded_file_descriptor_set(set);
            }
            names.iter().fold(builder, |builder, name| builder.with_service_name(*name))
        };
        let v1 = reflection().build_v1().map_err(ServerError::Reflection)?;
        let v1alpha = reflection().build_v1alpha().map_err(ServerError::Reflection)?;
        let health = health.service_for(&self.names).await;
        let mut routes = self.routes;
        routes.add_service(health).add_service(v1).add_service(v1alpha);
        Ok(routes.routes().prepare())
    }
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Services").field("names", &self.names).finish_non_exhaustive()
    }
}
