//! Replicas that load the versions that releases need, or refuse to.
#![allow(clippy::unwrap_used)]

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use futures_util::StreamExt;
use prometheus_client::metrics::gauge::Gauge;
use strata_chassis::ClientConfig;
use strata_domain::FaultKind;
use strata_wire::{
    Fault, Selecting,
    pb::{
        self,
        models_server::{Models, ModelsServer},
        select_row_result::Result as Outcome,
        strategic_server::{Strategic, StrategicServer},
    },
};
use tokio::{
    net::TcpListener,
    sync::{Notify, watch},
};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, Streaming};

use super::{Layer, LinkSettings, Needs, Replicas, tests::asked};

/// A layer that tracks its loaded versions and answers rows with the version as the platform.
#[derive(Clone, Default)]
struct Replica(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    available: BTreeSet<u32>,
    loaded: BTreeSet<u32>,
    loads: u32,
    /// Rows that named a version that was not loaded.
    missed: u32,
    answered: u32,
}

impl Replica {
    fn with(available: &[u32]) -> Self {
        let this = Self::default();
        this.0.lock().unwrap().available = available.iter().copied().collect();
        this
    }

    fn read<T>(&self, read: impl FnOnce(&mut State) -> T) -> T {
        read(&mut self.0.lock().unwrap())
    }

    fn answer(&self, frame: pb::SelectFrame) -> pb::SelectFrameResult {
        let row = |row: pb::SelectRow| {
            let version = row.request.unwrap().model_version;
            let outcome =
                self.read(|state| match version == 0 || state.loaded.contains(&version) {
                    true => {
                        state.answered += 1;
                        let platform = version.to_string();
                        Outcome::Response(pb::SelectResponse { platform, ..Default::default() })
                    }
                    false => {
                        state.missed += 1;
                        let kind = FaultKind::FailedPrecondition;
                        Outcome::Fault(Fault::new(kind, "not loaded").into())
                    }
                });
            pb::SelectRowResult { result: Some(outcome) }
        };
        let rows = frame.rows.into_iter().map(row).collect();
        pb::SelectFrameResult { frame_id: frame.frame_id, rows, draining: false }
    }

    async fn serve(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tonic::transport::Server::builder()
            .add_service(StrategicServer::new(self.clone()))
            .add_service(ModelsServer::new(self.clone()));
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        format!("http://{address}")
    }
}

#[tonic::async_trait]
impl Strategic for Replica {
    type SelectStreamStream =
        futures_util::stream::BoxStream<'static, Result<pb::SelectFrameResult, Status>>;

    async fn select(
        &self,
        _: Request<pb::SelectRequest>,
    ) -> Result<Response<pb::SelectResponse>, Status> {
        Err(Status::unimplemented("only streams"))
    }

    async fn select_stream(
        &self,
        request: Request<Streaming<pb::SelectFrame>>,
    ) -> Result<Response<Self::SelectStreamStream>, Status> {
        let this = self.clone();
        let answers = request.into_inner().map(move |frame| frame.map(|frame| this.answer(frame)));
        Ok(Response::new(answers.boxed()))
    }
}

#[tonic::async_trait]
impl Models for Replica {
    async fn load(
        &self,
        request: Request<pb::LoadModelRequest>,
    ) -> Result<Response<pb::ModelVersion>, Status> {
        let version = request.into_inner().version;
        // Gives other tasks time to run in between.
        tokio::time::sleep(Duration::from_millis(5)).await;
        self.read(|state| {
            state.loads += 1;
            if !state.available.contains(&version) {
                return Err(Status::not_found(format!("there is no version {version}")));
            }
            state.loaded.insert(version);
            let state = pb::ModelState::Ready.into();
            Ok(Response::new(pb::ModelVersion { version, state, ..Default::default() }))
        })
    }

    async fn list(
        &self,
        _: Request<pb::ListModelsRequest>,
    ) -> Result<Response<pb::ListModelsResponse>, Status> {
        Err(Status::unimplemented("not played"))
    }

    async fn unload(
        &self,
        _: Request<pb::UnloadModelRequest>,
    ) -> Result<Response<pb::UnloadModelResponse>, Status> {
        Err(Status::unimplemented("not played"))
    }

    async fn set_traffic(
        &self,
        _: Request<pb::SetTrafficRequest>,
    ) -> Result<Response<pb::ListModelsResponse>, Status> {
        Err(Status::unimplemented("not played"))
    }

    async fn rollback(
        &self,
        _: Request<pb::RollbackRequest>,
    ) -> Result<Response<pb::ListModelsResponse>, Status> {
        Err(Status::unimplemented("not played"))
    }
}

struct Stage {
    layer: Layer<Selecting>,
    needs: watch::Sender<Needs>,
    connected: Gauge,
}

impl Stage {
    /// A stage of these replicas that needs the versions `must`.
    async fn set(replicas: &[&Replica], must: &[u32]) -> Self {
        let needs = watch::Sender::new(Needs { must: must.to_vec(), may: Vec::new() });
        let connected = Gauge::default();
        let settings = LinkSettings {
            client: ClientConfig::default(),
            queue_rows: 64,
            max_backoff: Duration::from_millis(50),
            max_message_bytes: 4 << 20,
            resolve_interval: Duration::from_secs(60),
            connected: connected.clone(),
            came_up: Arc::new(Notify::new()),
            needs: needs.subscribe(),
        };
        let mut endpoints = Vec::new();
        for replica in replicas {
            endpoints.push(replica.serve().await);
        }
        let layer = Layer::Remote(Replicas::find(&endpoints, settings).unwrap());
        Self { layer, needs, connected }
    }

    async fn connected(&self, links: i64) {
        while self.connected.get() != links {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    async fn ask(&self, model_version: u32) -> Result<String, Fault> {
        let request = pb::SelectRequest { model_version, ..Default::default() };
        let deadline = Instant::now() + Duration::from_secs(30);
        let answered = self.layer.ask(asked(request, deadline, 0)).await;
        answered.map(|answered| answered.response.platform)
    }
}

#[tokio::test]
async fn a_replica_is_asked_only_when_it_has_loaded_what_it_must() {
    let replica = Replica::with(&[1, 2]);
    let stage = Stage::set(&[&replica], &[2]).await;
    stage.connected(1).await;
    assert_eq!(stage.ask(2).await.as_deref(), Ok("2"));
    assert_eq!(replica.read(|state| (state.loads, state.missed)), (1, 0));
}

#[tokio::test]
async fn a_replica_without_the_version_is_left_out_until_it_has_it() {
    let (able, unable) = (Replica::with(&[1, 2]), Replica::with(&[1]));
    let stage = Stage::set(&[&able, &unable], &[2]).await;
    stage.connected(1).await;
    for _ in 0..20 {
        assert_eq!(stage.ask(2).await.as_deref(), Ok("2"));
    }
    assert_eq!(unable.read(|state| (state.answered, state.missed)), (0, 0));
    unable.read(|state| state.available.insert(2));
    stage.connected(2).await;
    while unable.read(|state| state.answered) == 0 {
        assert_eq!(stage.ask(2).await.as_deref(), Ok("2"));
    }
    assert_eq!(unable.read(|state| state.missed), 0);
}

#[tokio::test]
async fn a_refusal_of_a_connected_replica_names_it() {
    let (able, unable) = (Replica::with(&[1, 2]), Replica::with(&[1]));
    let stage = Stage::set(&[&able, &unable], &[]).await;
    stage.connected(2).await;
    stage.layer.load(1).await.unwrap();
    let fault = stage.layer.load(2).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::NotFound);
    for part in ["the strategic layer at http://127.0.0.1:", "there is no version 2"] {
        assert!(fault.message.contains(part), "{fault}");
    }
    let nobody = Stage::set(&[], &[]).await;
    assert_eq!(nobody.layer.load(1).await.unwrap_err().kind, FaultKind::Unavailable);
}

#[tokio::test]
async fn what_was_unloaded_is_loaded_once_for_all_rows_that_miss_it() {
    let replica = Replica::with(&[1, 2]);
    let stage = Stage::set(&[&replica], &[2]).await;
    stage.connected(1).await;
    replica.read(|state| state.loaded.clear());
    let asked = futures_util::future::join_all((0..40).map(|_| stage.ask(2))).await;
    assert!(asked.into_iter().all(|answer| answer.as_deref() == Ok("2")));
    let (loads, missed) = replica.read(|state| (state.loads, state.missed));
    // One load at the connection and one reload.
    assert!(loads == 2 && missed > 1, "{loads} loads, {missed} missed");
}

#[tokio::test]
async fn a_replica_that_lost_the_version_for_good_is_asked_no_more() {
    let (able, unable) = (Replica::with(&[1, 2]), Replica::with(&[1, 2]));
    let stage = Stage::set(&[&able, &unable], &[2]).await;
    stage.connected(2).await;
    unable.read(|state| {
        state.loaded.clear();
        state.available.remove(&2);
    });
    // A row that meets the failing replica makes it recalled; later rows go to the other one.
    while unable.read(|state| state.missed) == 0 {
        assert_eq!(stage.ask(2).await.as_deref(), Ok("2"));
    }
    stage.connected(1).await;
    let before = unable.read(|state| state.missed);
    for _ in 0..20 {
        assert_eq!(stage.ask(2).await.as_deref(), Ok("2"));
    }
    assert_eq!(unable.read(|state| state.missed), before);
    // Without needs, the replica is asked again.
    stage.needs.send_replace(Needs::default());
    stage.connected(2).await;
}
