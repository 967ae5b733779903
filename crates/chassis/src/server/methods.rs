//! The methods a server has, from the descriptors of its services.

use std::collections::HashMap;

use prost::Message;
use prost_types::FileDescriptorSet;

use super::error::ServerError;

/// A method, as its descriptor says.
#[derive(Debug, Clone)]
pub(crate) struct Method {
    pub(crate) service: String,
    pub(crate) name: String,
    client_streams: bool,
    server_streams: bool,
}

impl Method {
    /// The name of its shape, as in the label `grpc_type` of go-grpc-middleware.
    pub(crate) fn kind(&self) -> &'static str {
        match (self.client_streams, self.server_streams) {
            (false, false) => "unary",
            (true, false) => "client_stream",
            (false, true) => "server_stream",
            (true, true) => "bidi_stream",
        }
    }

    /// Whether one request gives one answer.
    pub(crate) fn is_unary(&self) -> bool {
        !self.client_streams && !self.server_streams
    }
}

/// Methods by the path of their calls, `/package.Service/Method`.
#[derive(Debug, Default)]
pub(crate) struct MethodTable {
    methods: HashMap<String, Method>,
}

impl MethodTable {
    /// The methods of `services`, each of which must be in one of `descriptor_sets`.
    pub(super) fn of(
        services: &[&'static str],
        descriptor_sets: &[&[u8]],
    ) -> Result<Self, ServerError> {
        let mut table = Self::default();
        let mut described = Vec::new();
        for bytes in descriptor_sets {
            let set = FileDescriptorSet::decode(*bytes).map_err(ServerError::Descriptors)?;
            for file in &set.file {
                for service in &file.service {
                    let name = match file.package() {
                        "" => service.name().to_owned(),
                        package => format!("{package}.{}", service.name()),
                    };
                    if services.contains(&name.as_str()) {
                        table.add(&name, service);
                        described.push(name);
                    }
                }
            }
        }
        match services.iter().find(|name| !described.iter().any(|d| d == *name)) {
            None => Ok(table),
            Some(name) => Err(ServerError::Undescribed(name)),
        }
    }

    fn add(&mut self, service: &str, descriptor: &prost_types::ServiceDescriptorProto) {
        for method in &descriptor.method {
            let path = format!("/{service}/{}", method.name());
            let method = Method {
                service: service.to_owned(),
                name: method.name().to_owned(),
                client_streams: method.client_streaming(),
                server_streams: method.server_streaming(),
            };
            self.methods.insert(path, method);
        }
    }

    pub(crate) fn get(&self, path: &str) -> Option<&Method> {
        self.methods.get(path)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Method)> {
        self.methods.iter().map(|(path, method)| (path.as_str(), method))
    }
}
