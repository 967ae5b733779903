//! Drains of the layers. Their models run one row at a time here, so that a few thousand rows keep
//! them busy for a while.

use rustix::process::Signal;
use strata_tests::{Process, Spec, patient, requests};
use strata_wire::pb;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

const FRAMES: u64 = 24;
const ROWS: usize = 1024;

fn slow(name: &'static str) -> Process {
    let spec = Spec::new(name).set("INFERENCE_MAX_BATCH", "1");
    spec.set("INFERENCE_QUEUE_ROWS", "1048576").start()
}

/// The tests of one layer: a stream and a call are in flight when the layer is told to stop.
macro_rules! drains {
    (
        $layer:ident, $client:path, $unary:ident as $method:literal, $stream:ident, $question:expr,
        $frame:ident => $frame_result:ident, $row:ident => $result:path
    ) => {
        mod $layer {
            use $client as Client;
            use $result as Answer;

            use super::*;

            /// A stream on which all frames were sent and none of the answers is read.
            async fn busy(
                process: &Process,
            ) -> (mpsc::Sender<pb::$frame>, Streaming<pb::$frame_result>) {
                let (sender, receiver) = mpsc::channel(FRAMES as usize);
                let mut client = Client::new(process.channel());
                let results = client.$stream(ReceiverStream::new(receiver)).await.unwrap();
                let row = pb::$row { request: Some($question), ..Default::default() };
                for frame_id in 1..=FRAMES {
                    let rows = vec![row.clone(); ROWS];
                    sender.send(pb::$frame { frame_id, rows }).await.unwrap();
                }
                (sender, results.into_inner())
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn everything_accepted_is_answered() {
                let mut process = slow(stringify!($layer));
                let (sender, mut results) = busy(&process).await;
                // After the first answer the model works on the other frames.
                let mut answered = vec![results.message().await.unwrap().unwrap()];
                let call = tokio::spawn({
                    let mut client = Client::new(process.channel());
                    async move { client.$unary(patient($question)).await }
                });
                process.wait_for_calls($method, 1.0);
                process.signal(Signal::TERM);
                process.wait_for_drain();

                // A caller ends its side of the stream when it is told; the layer answers the rest.
                let mut told = 0;
                let mut sender = Some(sender);
                while let Some(result) = results.message().await.unwrap() {
                    if result.draining {
                        told += 1;
                        sender = None;
                    } else {
                        answered.push(result);
                    }
                }
                assert!(sender.is_none());
                assert_eq!(told, 1);
                assert_eq!(answered.len() as u64, FRAMES);
                for frame in &answered {
                    assert_eq!(frame.rows.len(), ROWS);
                    let good = |row: &_| matches!(row, Some(Answer::Response(_)));
                    assert!(frame.rows.iter().all(|row| good(&row.result)));
                }
                call.await.unwrap().unwrap();
                assert_eq!(process.wait().code(), Some(0));
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn a_second_signal_ends_it_at_once() {
                let mut process = slow(stringify!($layer));
                let (_sender, mut results) = busy(&process).await;
                results.message().await.unwrap().unwrap();
                process.signal(Signal::TERM);
                process.signal(Signal::INT);
                // The process may see the two signals in either order.
                let code = process.wait().code();
                assert!([Some(130), Some(143)].contains(&code), "{code:?}");
            }
        }
    };
}

drains!(
    strategic, pb::strategic_client::StrategicClient, select as "Select", select_stream,
    requests::select(), SelectFrame => SelectFrameResult, SelectRow => pb::select_row_result::Result
);
drains!(
    tactical, pb::tactical_client::TacticalClient, place as "Place", place_stream,
    requests::place(), PlaceFrame => PlaceFrameResult, PlaceRow => pb::place_row_result::Result
);
drains!(
    operational, pb::operational_client::OperationalClient, forecast as "Forecast", forecast_stream,
    requests::forecast(), ForecastFrame => ForecastFrameResult,
    ForecastRow => pb::forecast_row_result::Result
);
