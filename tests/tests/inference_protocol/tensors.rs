//! Requests that the clients of other servers cannot send, from a generated client.

use rustix::process::Signal;
use strata_tests::{Spec, metric};
use strata_wire::oip::{
    ModelInferRequest, ModelInferResponse,
    grpc_inference_service_client::GrpcInferenceServiceClient as Client,
    model_infer_request::InferInputTensor,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;

use crate::requests::{row_width, typed};

#[tokio::test]
async fn a_message_larger_than_the_largest_batch_is_refused_before_it_is_decoded() {
    let process = Spec::new("strategic").start();
    let mut client = Client::new(process.channel());
    // Each input takes two bytes on the wire and hundreds in memory.
    let inputs = vec![InferInputTensor::default(); 1 << 16];
    let request = ModelInferRequest { inputs, ..Default::default() };
    let status = client.model_infer(request).await.unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange, "{status:?}");
    let width = row_width(&mut client, "strategic").await;
    let request = typed("strategic", 64, vec![0.5; 64 * width]);
    assert!(client.model_infer(request).await.is_ok());
}

#[tokio::test]
async fn rows_are_counted_with_those_of_the_layers_own_service() {
    let process = Spec::new("strategic").start();
    let mut client = Client::new(process.channel());
    let width = row_width(&mut client, "strategic").await;
    client.model_infer(typed("strategic", 3, vec![0.5; 3 * width])).await.unwrap();
    client.model_infer(typed("nothing", 3, vec![0.5; 3 * width])).await.unwrap_err();
    let metrics = process.metrics();
    assert_eq!(metric(&metrics, "strata_layer_rows_answered_total", &[]), 4.0);
    let faults = metric(&metrics, "strata_layer_row_faults_total", &[("code", "NOT_FOUND")]);
    assert_eq!(faults, 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_drains_answers_what_it_read_and_ends() {
    let mut process = Spec::new("strategic").start();
    let mut client = Client::new(process.channel());
    let width = row_width(&mut client, "strategic").await;
    let (sender, receiver) = mpsc::channel(16);
    let mut answers =
        client.model_stream_infer(ReceiverStream::new(receiver)).await.unwrap().into_inner();
    let request = |id: u32| ModelInferRequest {
        id: id.to_string(),
        ..typed("strategic", 1, vec![0.5; width])
    };
    for id in 0..10 {
        sender.send(request(id)).await.unwrap();
    }
    for id in 0..10 {
        let answer = answers.message().await.unwrap().unwrap();
        assert_eq!((answer.error_message.as_str(), id_of(answer.infer_response)), ("", id));
    }
    process.signal(Signal::TERM);
    let status = answers.message().await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().contains("new stream"), "{status:?}");
    assert!(process.wait().success());
}

fn id_of(response: Option<ModelInferResponse>) -> u32 {
    response.unwrap().id.parse().unwrap()
}
