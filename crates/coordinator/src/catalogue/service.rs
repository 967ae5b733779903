use std::sync::Arc;

use strata_domain::FaultKind;
use strata_wire::{
    Fault,
    pb::{self, catalogues_server::Catalogues},
};
use tonic::{Request, Response, Status};

use super::{describe::describe, register::CatalogueRegister};

/// Shows and reloads the catalogue in force.
pub(crate) struct CataloguesService(pub(crate) Arc<CatalogueRegister>);

#[tonic::async_trait]
impl Catalogues for CataloguesService {
    async fn get_catalogue(
        &self,
        _: Request<pb::GetCatalogueRequest>,
    ) -> Result<Response<pb::Catalogue>, Status> {
        Ok(Response::new(describe(&self.0.in_force())))
    }

    async fn reload_catalogue(
        &self,
        _: Request<pb::ReloadCatalogueRequest>,
    ) -> Result<Response<pb::Catalogue>, Status> {
        let register = Arc::clone(&self.0);
        let reloaded = tokio::task::spawn_blocking(move || register.reload())
            .await
            .map_err(|_| Fault::new(FaultKind::Internal, "the reload was interrupted"))?;
        let catalogue = reloaded
            .map_err(|faults| Fault::new(FaultKind::FailedPrecondition, faults.to_string()))?;
        Ok(Response::new(describe(&catalogue)))
    }
}
