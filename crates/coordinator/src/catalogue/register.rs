use std::sync::{Arc, Mutex, PoisonError, RwLock};

use strata_catalogue::CatalogueFaults;
use strata_domain::Catalogue;
use tokio::signal::unix::{SignalKind, signal};

/// The catalogue in force. A decision takes it when it begins and keeps it to its end.
#[derive(Debug)]
pub(crate) struct CatalogueRegister {
    /// The name or the file that is configured.
    source: String,
    in_force: RwLock<Arc<Catalogue>>,
    /// Held while a catalogue is read: one reload runs at a time.
    reloading: Mutex<()>,
}

impl CatalogueRegister {
    /// Reads the configured catalogue.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(crate) fn open(source: &str) -> Result<Self, CatalogueFaults> {
        let loaded = strata_catalogue::load(source)?;
        for warning in &loaded.warnings {
            tracing::info!(catalogue = source, %warning, "the catalogue is odd");
        }
        Ok(Self {
            source: source.to_owned(),
            in_force: RwLock::new(Arc::new(loaded.catalogue)),
            reloading: Mutex::default(),
        })
    }

    /// The catalogue in force.
    pub(crate) fn in_force(&self) -> Arc<Catalogue> {
        // An `Arc` is replaced as a whole: a poisoned lock still holds a sound one.
        Arc::clone(&self.in_force.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the configured catalogue again and puts it in force. Blocks for as long as the file
    /// system does.
    ///
    /// # Errors
    /// Everything that is wrong with it; the catalogue in force stays.
    pub(crate) fn reload(&self) -> Result<Arc<Catalogue>, CatalogueFaults> {
        let _one_at_a_time = self.reloading.lock().unwrap_or_else(PoisonError::into_inner);
        let loaded = strata_catalogue::load(&self.source).inspect_err(|faults| {
            tracing::warn!(catalogue = self.source, %faults, "catalogue not reloaded");
        })?;
        let catalogue = Arc::new(loaded.catalogue);
        *self.in_force.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&catalogue);
        let (name, revision) = (catalogue.name(), catalogue.revision());
        tracing::info!(name, revision, "catalogue in force");
        Ok(catalogue)
    }
}

/// Reloads the catalogue on SIGHUP.
pub(crate) async fn reload_on_hangup(register: Arc<CatalogueRegister>) {
    let mut hangups = match signal(SignalKind::hangup()) {
        Ok(hangups) => hangups,
        Err(error) => {
            return tracing::warn!(%error, "SIGHUP will not reload the catalogue");
        }
    };
    while hangups.recv().await.is_some() {
        let register = Arc::clone(&register);
        // What is wrong is logged.
        let _ = tokio::task::spawn_blocking(move || register.reload().is_ok()).await;
    }
}
