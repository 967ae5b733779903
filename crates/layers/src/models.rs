//! The Models service, designed and not served yet.

use strata_wire::pb::{self, models_server::Models};
use tonic::{Request, Response, Status};

/// Says so to every call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FixedModels;

/// What to do instead.
pub(crate) const FIXED: &str =
    "this version serves the model it was started with; change --models-version and restart";

fn fixed<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented(FIXED))
}

#[tonic::async_trait]
impl Models for FixedModels {
    async fn list(
        &self,
        _: Request<pb::ListModelsRequest>,
    ) -> Result<Response<pb::ListModelsResponse>, Status> {
        fixed()
    }

    async fn load(
        &self,
        _: Request<pb::LoadModelRequest>,
    ) -> Result<Response<pb::ModelVersion>, Status> {
        fixed()
    }

    async fn unload(
        &self,
        _: Request<pb::UnloadModelRequest>,
    ) -> Result<Response<pb::UnloadModelResponse>, Status> {
        fixed()
    }

    async fn set_traffic(
        &self,
        _: Request<pb::SetTrafficRequest>,
    ) -> Result<Response<pb::ListModelsResponse>, Status> {
        fixed()
    }

    async fn rollback(
        &self,
        _: Request<pb::RollbackRequest>,
    ) -> Result<Response<pb::ListModelsResponse>, Status> {
        fixed()
    }
}
