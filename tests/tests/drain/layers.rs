//! The layers. Their models run one row at a time here, so that a few thousand rows keep them busy
//! for a while.

use std::time::Duration;

use rustix::process::Signal;
use strata_tests::{Process, Spec, requests};
use strata_wire::pb;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::{draining, taken};

const FRAMES: u64 = 24;
const ROWS: usize = 1024;

fn slow(name: &'static str) -> Process {
    let spec =
        Spec::new(name).set("INFERENCE_MAX_BATCH", "1").set("INFERENCE_QUEUE_ROWS", "1048576");
    spec.start()
}

/// For each layer: a stream and a call in flight while it is told to stop.
macro_rules! drains {
    (
        $layer:ident, $client:path, $unary:ident as $method:literal, $stream:ident, $question:expr,
        $frame:ident, $row:ident, $result:path
    ) => {
        mod $layer {
            use $client as Client;
            use $result as Answer;

            use super::*;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn everything_accepted_is_answered() {
                let mut process = slow(stringify!($layer));
                let (sender, receiver) = mpsc::channel(FRAMES as usize);
                let mut client = Client::new(process.channel());
                let results = client.$stream(ReceiverStream::new(receiver)).await.unwrap();
                let mut results = results.into_inner();
                let row = pb::$row { request: Some($question), ..Default::default() };
                for frame_id in 1..=FRAMES {
                    let rows = vec![row.clone(); ROWS];
                    sender.send(pb::$frame { frame_id, rows }).await.unwrap();
                }
                // The first answer: the model is at work on the others.
                let mut answered = vec![results.message().await.unwrap().unwrap()];
                let call = tokio::spawn({
                    let mut client = Client::new(process.channel());
                    let mut question = tonic::Request::new($question);
                    question.set_timeout(Duration::from_secs(30));
                    async move { client.$unary(question).await }
                });
                taken(&process, $method, 1.0);
                process.signal(Signal::TERM);
                draining(&process);

                // A good caller ends its side when it is told; the layer answers the rest.
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
                let (sender, receiver) = mpsc::channel(FRAMES as usize);
                let mut client = Client::new(process.channel());
                let results = client.$stream(ReceiverStream::new(receiver)).await.unwrap();
                let mut results = results.into_inner();
                let row = pb::$row { request: Some($question), ..Default::default() };
                for frame_id in 1..=FRAMES {
                    let rows = vec![row.clone(); ROWS];
                    sender.send(pb::$frame { frame_id, rows }).await.unwrap();
                }
                results.message().await.unwrap().unwrap();
                process.signal(Signal::TERM);
                process.signal(Signal::INT);
                // Two kinds of signal may be seen in either order.
                let code = process.wait().code();
                assert!([Some(130), Some(143)].contains(&code), "{code:?}");
            }
        }
    };
}

drains!(
    strategic, pb::strategic_client::StrategicClient, select as "Select", select_stream,
    requests::select(), SelectFrame, SelectRow, pb::select_row_result::Result
);
drains!(
    tactical, pb::tactical_client::TacticalClient, place as "Place", place_stream,
    requests::place(), PlaceFrame, PlaceRow, pb::place_row_result::Result
);
drains!(
    operational, pb::operational_client::OperationalClient, forecast as "Forecast", forecast_stream,
    requests::forecast(), ForecastFrame, ForecastRow, pb::forecast_row_result::Result
);
