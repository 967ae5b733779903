//! Loads of single layers.

use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use strata_wire::oip;
use strata_wire::oip::grpc_inference_service_client::GrpcInferenceServiceClient;
use strata_wire::oip::model_infer_request::InferInputTensor;
use strata_wire::pb;
use tonic::transport::Channel;

use super::case::{CALLERS, Way};
use super::rows::Rows;
use crate::cluster::Service;
use crate::connection;
use crate::failure::Refusal;
use crate::load::{
    CALLERS_PER_CONNECTION, Forecasts, Frames, Layer, Measured, Placements, Selections, Tensors,
    run_closed, run_frames,
};

/// Rows on their way in a stream of frames, where so many frames may be.
const ROWS_IN_FLIGHT: usize = 512;
/// Frames on their way: two at least, so that one waits while the other runs; a layer reads 64 at most.
const FRAMES_IN_FLIGHT: std::ops::RangeInclusive<usize> = 2..=64;

/// A layer that is asked alone.
pub(crate) struct OneLayer<'a> {
    pub(crate) layer: Service,
    pub(crate) endpoint: &'a str,
    pub(crate) rows: &'a Rows,
}

impl OneLayer<'_> {
    /// Loads it.
    ///
    /// # Errors
    /// A layer that cannot be reached.
    pub(crate) async fn measure(&self, way: Way, duration: Duration) -> anyhow::Result<Measured> {
        match way {
            Way::Unary => run_closed(self.callers()?, duration).await,
            Way::Frames(rows) => self.frames(rows, duration).await,
            Way::Oip(rows) => {
                let request = request(&self.layer, self.endpoint, rows).await?;
                let callers = channels(self.endpoint)?.into_iter().map(|channel| Tensors {
                    client: GrpcInferenceServiceClient::new(channel),
                    request: request.clone(),
                });
                let mut measured = run_closed(callers.collect(), duration).await?;
                measured.good *= rows as u64;
                Ok(measured)
            }
        }
    }

    fn callers(&self) -> anyhow::Result<Vec<Layer>> {
        use pb::operational_client::OperationalClient;
        use pb::strategic_client::StrategicClient;
        use pb::tactical_client::TacticalClient;
        let caller = |channel| match self.layer {
            Service::Strategic => {
                Layer::Strategic(StrategicClient::new(channel), self.rows.strategic.clone())
            }
            Service::Tactical => {
                Layer::Tactical(TacticalClient::new(channel), self.rows.tactical.clone())
            }
            _ => Layer::Operational(OperationalClient::new(channel), self.rows.operational.clone()),
        };
        Ok(channels(self.endpoint)?.into_iter().map(caller).collect())
    }

    async fn frames(&self, rows: usize, duration: Duration) -> anyhow::Result<Measured> {
        let in_flight = ROWS_IN_FLIGHT / rows;
        let in_flight = in_flight.clamp(*FRAMES_IN_FLIGHT.start(), *FRAMES_IN_FLIGHT.end());
        let load = Frames { endpoint: self.endpoint.to_owned(), rows, in_flight, duration };
        match self.layer {
            Service::Strategic => run_frames::<Selections>(&load, &self.rows.strategic).await,
            Service::Tactical => run_frames::<Placements>(&load, &self.rows.tactical).await,
            _ => run_frames::<Forecasts>(&load, &self.rows.operational).await,
        }
    }
}

/// A channel for each of the callers, shared as usual.
fn channels(endpoint: &str) -> anyhow::Result<Vec<Channel>> {
    let connections = CALLERS.div_ceil(CALLERS_PER_CONNECTION);
    let channels = (0..connections).map(|_| connection::channel(endpoint));
    let channels = channels.collect::<anyhow::Result<Vec<_>>>()?;
    Ok((0..CALLERS).map(|number| channels[number / CALLERS_PER_CONNECTION].clone()).collect())
}

/// The values of one row of a layer's model: as many as its metadata says, all between 0 and 1. What they are does not change the time it takes.
///
/// # Errors
/// A layer that cannot be reached, or whose model has more than one input.
pub(crate) async fn values(layer: Service, endpoint: &str) -> anyhow::Result<Vec<f32>> {
    let (_, shape) = input(&layer, endpoint).await?;
    let count: i64 = shape.iter().skip(1).product();
    Ok((0..count).map(|index| (index * 37 % 100) as f32 / 100.0).collect())
}

async fn input(layer: &Service, endpoint: &str) -> anyhow::Result<(String, Vec<i64>)> {
    let mut client = GrpcInferenceServiceClient::new(connection::channel(endpoint)?);
    let name = layer.name().to_owned();
    let request = oip::ModelMetadataRequest { name, version: String::new() };
    let metadata = client.model_metadata(request).await.map_err(Refusal::of);
    let metadata = metadata.with_context(|| format!("{endpoint} refuses"))?.into_inner();
    match <[_; 1]>::try_from(metadata.inputs) {
        Ok([input]) => Ok((input.name, input.shape)),
        Err(inputs) => bail!("the model of {} has {} inputs", layer.name(), inputs.len()),
    }
}

async fn request(
    layer: &Service,
    endpoint: &str,
    rows: usize,
) -> anyhow::Result<oip::ModelInferRequest> {
    let (name, mut shape) = input(layer, endpoint).await?;
    let row = values(*layer, endpoint).await?;
    let bytes: Vec<u8> = row.iter().flat_map(|value| value.to_le_bytes()).collect();
    shape[0] = i64::try_from(rows)?;
    Ok(oip::ModelInferRequest {
        model_name: layer.name().to_owned(),
        inputs: vec![InferInputTensor {
            name,
            datatype: "FP32".to_owned(),
            shape,
            ..Default::default()
        }],
        raw_input_contents: vec![Bytes::from(bytes.repeat(rows))],
        ..Default::default()
    })
}
