//! The catalogue that decisions choose from: which one is in force, and how it is replaced.

mod describe;
mod info;
mod register;
mod service;

pub(crate) use self::{
    info::expose as expose_catalogue,
    register::{CatalogueRegister, reload_on_hangup},
    service::CataloguesService,
};
