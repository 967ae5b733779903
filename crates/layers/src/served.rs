//! The generated services of the three layers, which are one service under different names.

/// Implements a layer's frames, its generated service and its process, all by delegation.
macro_rules! served {
    (
        $layer:ident: $about:literal, env $env:literal, ports $grpc:literal and $admin:literal;
        service $module:ident::{$service:ident, $server:ident};
        unary $unary:ident($request:ident) -> $response:ident;
        stream $stream:ident($frame:ident) -> $result:ident as $stream_type:ident;
        rows $row_result:ident in $row_module:ident;
    ) => {
        impl $crate::frame::Framed for $layer {
            type Frame = pb::$frame;
            type FrameResult = pb::$result;

            fn open(frame: Self::Frame) -> (u64, Vec<$crate::frame::Row<Self::Request>>) {
                let rows = frame.rows.into_iter().map(|row| $crate::frame::Row {
                    request: row.request,
                    traceparent: row.traceparent,
                    tracestate: row.tracestate,
                    budget_us: row.budget_us,
                });
                (frame.frame_id, rows.collect())
            }

            fn close(
                frame_id: u64,
                results: Vec<$crate::frame::RowResult<Self>>,
            ) -> Self::FrameResult {
                let rows = results.into_iter().map(|result| pb::$row_result {
                    result: Some(match result {
                        Ok(response) => pb::$row_module::Result::Response(response),
                        Err(fault) => pb::$row_module::Result::Fault(fault.into()),
                    }),
                });
                pb::$result { frame_id, rows: rows.collect(), draining: false }
            }

            fn notice() -> Self::FrameResult {
                pb::$result { draining: true, ..Default::default() }
            }
        }

        #[tonic::async_trait]
        impl pb::$module::$service for $crate::engine::Service<$layer> {
            type $stream_type = $crate::stream::ResultStream<pb::$result>;

            async fn $unary(
                &self,
                request: tonic::Request<pb::$request>,
            ) -> Result<tonic::Response<pb::$response>, tonic::Status> {
                self.unary(request).await
            }

            async fn $stream(
                &self,
                request: tonic::Request<tonic::Streaming<pb::$frame>>,
            ) -> Result<tonic::Response<Self::$stream_type>, tonic::Status> {
                self.stream(request)
            }
        }

        impl $crate::process::Layer for $layer {
            type Server = pb::$module::$server<$crate::engine::Service<Self>>;
            const PORTS: (u16, u16) = ($grpc, $admin);
            const ABOUT: &'static str = $about;
            const ENV_PREFIX: &'static str = $env;

            fn server(
                service: $crate::engine::Service<Self>,
                max_message_bytes: usize,
            ) -> Self::Server {
                pb::$module::$server::new(service)
                    .max_decoding_message_size(max_message_bytes)
                    .max_encoding_message_size(max_message_bytes)
            }
        }
    };
}

pub(crate) use served;
