//! The Models service: lists, loads and unloads a layer's versions and changes their traffic.

use std::sync::Arc;

use strata_domain::FaultKind;
use strata_wire::{
    Fault, Violations,
    pb::{self, models_server::Models},
};
use tonic::{Request, Response, Status};

use super::versions::Catalog;
use crate::adapter::Adapter;

/// Changes the versions of a layer.
pub(crate) struct ModelsService<A>(pub(crate) Arc<Catalog<A>>);

/// Runs a change to its end even if its caller leaves: half a change would leave neither the old
/// state nor the new one.
pub(crate) async fn whole<T: Send + 'static>(
    change: impl Future<Output = Result<T, Fault>> + Send + 'static,
) -> Result<T, Fault> {
    let lost =
        |_| Fault::new(FaultKind::Internal, "the change was interrupted; list shows how far");
    tokio::spawn(change).await.map_err(lost)?
}

impl<A: Adapter> ModelsService<A> {
    fn catalog(&self, model: &str) -> Result<Arc<Catalog<A>>, Fault> {
        if model.is_empty() || model == A::NAME {
            return Ok(Arc::clone(&self.0));
        }
        let message = format!("this layer has the model `{}` and no other", A::NAME);
        Err(Fault::new(FaultKind::NotFound, message))
    }
}

async fn listed<A: Adapter>(catalog: &Arc<Catalog<A>>) -> Result<pb::ListModelsResponse, Fault> {
    Ok(pb::ListModelsResponse { versions: catalog.list().await? })
}

#[tonic::async_trait]
impl<A: Adapter> Models for ModelsService<A> {
    async fn list(
        &self,
        request: Request<pb::ListModelsRequest>,
    ) -> Result<Response<pb::ListModelsResponse>, Status> {
        let catalog = self.catalog(&request.get_ref().model)?;
        Ok(Response::new(listed(&catalog).await?))
    }

    async fn load(
        &self,
        request: Request<pb::LoadModelRequest>,
    ) -> Result<Response<pb::ModelVersion>, Status> {
        let pb::LoadModelRequest { model, version } = request.into_inner();
        let catalog = self.catalog(&model)?;
        let loading = async move {
            let loaded = catalog.load((version > 0).then_some(version)).await?;
            let mut versions = catalog.list().await?.into_iter();
            versions.find(|version| version.version == loaded).ok_or_else(|| {
                Fault::new(FaultKind::Internal, "the version was unloaded in the same moment")
            })
        };
        Ok(Response::new(whole(loading).await?))
    }

    async fn unload(
        &self,
        request: Request<pb::UnloadModelRequest>,
    ) -> Result<Response<pb::UnloadModelResponse>, Status> {
        let pb::UnloadModelRequest { model, version } = request.into_inner();
        let catalog = self.catalog(&model)?;
        if version == 0 {
            let mut violations = Violations::new();
            violations.add("version", "must be given");
            return Err(violations.into_fault().into());
        }
        whole(async move { catalog.unload(version).await }).await?;
        Ok(Response::new(pb::UnloadModelResponse {}))
    }

    async fn set_traffic(
        &self,
        request: Request<pb::SetTrafficRequest>,
    ) -> Result<Response<pb::ListModelsResponse>, Status> {
        let request = request.into_inner();
        let catalog = self.catalog(&request.model)?;
        let change = async move {
            catalog.set_traffic(&request)?;
            listed(&catalog).await
        };
        Ok(Response::new(whole(change).await?))
    }

    async fn rollback(
        &self,
        request: Request<pb::RollbackRequest>,
    ) -> Result<Response<pb::ListModelsResponse>, Status> {
        let catalog = self.catalog(&request.get_ref().model)?;
        let change = async move {
            catalog.rollback().await?;
            listed(&catalog).await
        };
        Ok(Response::new(whole(change).await?))
    }
}
