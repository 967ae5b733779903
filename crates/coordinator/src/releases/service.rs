use strata_domain::FaultKind;
use strata_wire::{
    Fault,
    pb::{self, releases_server::Releases},
};
use tonic::{Request, Response, Status};

use super::release::Release;
use crate::deciding::Pipeline;

/// Changes the release in force.
pub(crate) struct ReleasesService(pub(crate) Pipeline);

type Listed = Result<Response<pb::ListReleasesResponse>, Status>;

impl ReleasesService {
    /// Makes a change and counts it. The change continues when its caller leaves.
    async fn change<F>(
        &self,
        name: &'static str,
        work: impl FnOnce(Pipeline) -> F + Send + 'static,
    ) -> Listed
    where
        F: Future<Output = Result<(), Fault>> + Send + 'static,
    {
        let lost =
            |_| Fault::new(FaultKind::Internal, "the change was interrupted; list shows how far");
        let pipeline = self.0.clone();
        let changing = tokio::spawn(async move {
            let done = work(pipeline.clone()).await;
            pipeline.metrics.release_changed(name, done.is_ok());
            if let Err(fault) = &done {
                let (kind, reason) = (fault.kind, &fault.message);
                tracing::warn!(change = name, %kind, reason, "release not changed");
            }
            done
        });
        changing.await.map_err(lost).flatten()?;
        Ok(Response::new(self.0.releases.listed()))
    }
}

#[tonic::async_trait]
impl Releases for ReleasesService {
    async fn list(&self, _: Request<pb::ListReleasesRequest>) -> Listed {
        Ok(Response::new(self.0.releases.listed()))
    }

    async fn switch(&self, request: Request<pb::SwitchReleaseRequest>) -> Listed {
        let release = Release::read(request.into_inner().release)?;
        let switch = |pipeline: Pipeline| async move {
            pipeline.releases.switch(release, async |release| pipeline.load(release).await).await
        };
        self.change("switch", switch).await
    }

    async fn rollback(&self, _: Request<pb::RollbackReleaseRequest>) -> Listed {
        let roll_back = |pipeline: Pipeline| async move {
            pipeline.releases.roll_back(async |release| pipeline.load(release).await).await
        };
        self.change("rollback", roll_back).await
    }

    async fn clear(&self, _: Request<pb::ClearReleaseRequest>) -> Listed {
        let clear = |pipeline: Pipeline| async move {
            pipeline.releases.clear();
            Ok(())
        };
        self.change("clear", clear).await
    }
}
