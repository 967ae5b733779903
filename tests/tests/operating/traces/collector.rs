//! A collector: an OTLP server that keeps every span it receives.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::{KeyValue, any_value::Value},
};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

/// What tests check of a span.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    /// 32 hexadecimal digits.
    pub(crate) trace: String,
    /// 16 hexadecimal digits.
    pub(crate) id: String,
    /// The same; empty for a root.
    pub(crate) parent: String,
    /// The `tracestate` of W3C Trace Context.
    pub(crate) state: String,
    pub(crate) name: String,
    /// `service.name` of the process it came from.
    pub(crate) service: String,
    pub(crate) kind: i32,
    pub(crate) failed: bool,
    pub(crate) attributes: BTreeMap<String, Value>,
    pub(crate) start_ns: u64,
    pub(crate) end_ns: u64,
}

impl Span {
    /// An attribute that is a number.
    pub(crate) fn number(&self, name: &str) -> i64 {
        match self.attributes.get(name) {
            Some(Value::IntValue(number)) => *number,
            other => panic!("{name} is {other:?} in {self:?}"),
        }
    }

    /// An attribute that is text.
    pub(crate) fn text(&self, name: &str) -> &str {
        match self.attributes.get(name) {
            Some(Value::StringValue(text)) => text,
            other => panic!("{name} is {other:?} in {self:?}"),
        }
    }
}

/// A running collector.
#[derive(Debug, Clone)]
pub(crate) struct Collector {
    address: SocketAddr,
    spans: Arc<Mutex<Vec<Span>>>,
}

impl Collector {
    /// Starts it on a free port.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let collector = Self { address, spans: Arc::default() };
        let server = tonic::transport::Server::builder()
            .add_service(TraceServiceServer::new(collector.clone()))
            .serve_with_incoming(TcpListenerStream::new(listener));
        tokio::spawn(server);
        collector
    }

    /// Where it takes spans.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every span so far.
    pub(crate) fn spans(&self) -> Vec<Span> {
        self.spans.lock().unwrap().clone()
    }
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut spans = self.spans.lock().unwrap();
        for resource in request.into_inner().resource_spans {
            let about = attributes(resource.resource.unwrap().attributes);
            let Some(Value::StringValue(service)) = about.get("service.name") else {
                panic!("no service.name in {about:?}")
            };
            for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                spans.push(Span {
                    trace: hex(&span.trace_id),
                    id: hex(&span.span_id),
                    parent: hex(&span.parent_span_id),
                    state: span.trace_state,
                    name: span.name,
                    service: service.clone(),
                    kind: span.kind,
                    // STATUS_CODE_ERROR
                    failed: span.status.is_some_and(|status| status.code == 2),
                    attributes: attributes(span.attributes),
                    start_ns: span.start_time_unix_nano,
                    end_ns: span.end_time_unix_nano,
                });
            }
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn attributes(pairs: Vec<KeyValue>) -> BTreeMap<String, Value> {
    let values = pairs.into_iter().filter_map(|pair| Some((pair.key, pair.value?.value?)));
    values.collect()
}
