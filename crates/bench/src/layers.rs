//! Loads on single layers.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use bytes::Bytes;
use strata_cluster::Service;
use strata_load::{CALLERS_PER_CONNECTION, Measured, Refusal, channel, run_closed};
use strata_wire::{
    Forecasting, Placing, Selecting,
    oip::{
        self, grpc_inference_service_client::GrpcInferenceServiceClient,
        model_infer_request::InferInputTensor,
    },
};
use tonic::transport::Channel;

use crate::{
    callers::{FramesLoad, Tensors, Unary, UnaryMethod, run_frames},
    case::{CALLERS, Way},
    rows::Rows,
};

/// Rows in flight in a stream of frames, as far as the frames in flight allow.
const ROWS_IN_FLIGHT: usize = 512;
/// Frames in flight: two or more, so that one waits while the other runs; a layer reads 64 at most.
const FRAMES_IN_FLIGHT: std::ops::RangeInclusive<usize> = 2..=64;

/// A layer that is loaded alone.
pub(crate) struct OneLayer<'a> {
    pub(crate) layer: Service,
    pub(crate) endpoint: &'a str,
    pub(crate) rows: &'a Rows,
}

impl OneLayer<'_> {
    /// Loads the layer for `duration`.
    ///
    /// # Errors
    /// When the layer cannot be reached.
    pub(crate) async fn measure(&self, way: Way, duration: Duration) -> anyhow::Result<Measured> {
        match (way, self.layer) {
            (Way::Oip(rows), _) => self.tensors(rows, duration).await,
            (_, Service::Strategic) => {
                self.rows_of::<Selecting>(&self.rows.strategic, (way, duration)).await
            }
            (_, Service::Tactical) => {
                self.rows_of::<Placing>(&self.rows.tactical, (way, duration)).await
            }
            _ => self.rows_of::<Forecasting>(&self.rows.operational, (way, duration)).await,
        }
    }

    async fn tensors(&self, rows: usize, duration: Duration) -> anyhow::Result<Measured> {
        let request = infer_request(self.layer, self.endpoint, rows).await?;
        let callers = channels(self.endpoint)?.into_iter().map(|channel| Tensors {
            client: GrpcInferenceServiceClient::new(channel),
            request: request.clone(),
        });
        let mut measured = run_closed(callers.collect(), duration).await?;
        measured.good *= rows as u64;
        Ok(measured)
    }

    async fn rows_of<H: UnaryMethod>(
        &self,
        requests: &Arc<Vec<H::Request>>,
        (way, duration): (Way, Duration),
    ) -> anyhow::Result<Measured> {
        let Way::Frames(rows) = way else {
            let unary =
                |channel| Unary::<H> { client: H::client(channel), requests: requests.clone() };
            let callers = channels(self.endpoint)?.into_iter().map(unary);
            return run_closed(callers.collect(), duration).await;
        };
        let in_flight = ROWS_IN_FLIGHT / rows;
        let in_flight = in_flight.clamp(*FRAMES_IN_FLIGHT.start(), *FRAMES_IN_FLIGHT.end());
        let endpoint = self.endpoint.to_owned();
        let load = FramesLoad { endpoint, rows, in_flight, duration };
        run_frames::<H>(&load, requests).await
    }
}

/// A channel for each caller; several callers share a connection.
fn channels(endpoint: &str) -> anyhow::Result<Vec<Channel>> {
    let connections = CALLERS.div_ceil(CALLERS_PER_CONNECTION);
    let channels = (0..connections).map(|_| channel(endpoint));
    let channels = channels.collect::<anyhow::Result<Vec<_>>>()?;
    Ok((0..CALLERS).map(|number| channels[number / CALLERS_PER_CONNECTION].clone()).collect())
}

/// Positions of a row on the axis of a model that has one: about as many candidates as `research`
/// has on a platform.
const POSITIONS: usize = 24;

/// An input of a layer's model.
struct Input {
    name: String,
    /// Without the batch, and with [`POSITIONS`] on an axis.
    shape: Vec<usize>,
}

impl Input {
    /// Values from 0 to 1 for one row. They do not change the run time of the model. A mask lets
    /// every position pass.
    fn row(&self) -> Vec<f32> {
        let value = |index: usize| match self.name.as_str() {
            "mask" => 1.0,
            _ => (index * 37 % 100) as f32 / 100.0,
        };
        (0..self.shape.iter().product()).map(value).collect()
    }
}

/// Values for one row of a layer's model, as many as its metadata says; `None` when the model has
/// more than one input.
///
/// # Errors
/// When the layer cannot be reached.
pub(crate) async fn values(layer: Service, endpoint: &str) -> anyhow::Result<Option<Vec<f32>>> {
    match &inputs(layer, endpoint).await?[..] {
        [input] => Ok(Some(input.row())),
        _ => Ok(None),
    }
}

/// The inputs of a layer's model.
async fn inputs(layer: Service, endpoint: &str) -> anyhow::Result<Vec<Input>> {
    let mut client = GrpcInferenceServiceClient::new(channel(endpoint)?);
    let name = layer.name().to_owned();
    let request = oip::ModelMetadataRequest { name, version: String::new() };
    let metadata = client.model_metadata(request).await.map_err(Refusal::of);
    let metadata = metadata.with_context(|| format!("{endpoint} refuses"))?.into_inner();
    let inputs = metadata.inputs.into_iter().map(|input| {
        let without_batch = input.shape.iter().skip(1);
        let size = |size: &i64| usize::try_from(*size).unwrap_or(POSITIONS);
        Input { name: input.name, shape: without_batch.map(size).collect() }
    });
    Ok(inputs.collect())
}

/// An inference request of this many rows.
async fn infer_request(
    layer: Service,
    endpoint: &str,
    rows: usize,
) -> anyhow::Result<oip::ModelInferRequest> {
    let mut request =
        oip::ModelInferRequest { model_name: layer.name().to_owned(), ..Default::default() };
    for input in inputs(layer, endpoint).await? {
        let bytes: Vec<u8> = input.row().iter().flat_map(|value| value.to_le_bytes()).collect();
        request.raw_input_contents.push(Bytes::from(bytes.repeat(rows)));
        let shape = std::iter::once(rows).chain(input.shape).map(i64::try_from);
        request.inputs.push(InferInputTensor {
            name: input.name,
            datatype: "FP32".to_owned(),
            shape: shape.collect::<Result<_, _>>()?,
            ..Default::default()
        });
    }
    Ok(request)
}
