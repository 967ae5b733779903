use crate::config::Listen;

/// Why a server could not be started or did not end well.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// A listener could not be bound.
    #[error("{setting} {address} cannot be bound")]
    Bind {
        /// The setting that names the address.
        setting: &'static str,
        /// The address.
        address: Listen,
        /// Why not: usually another process has it.
        #[source]
        source: std::io::Error,
    },
    /// A descriptor set is not one.
    #[error("a file descriptor set cannot be decoded; pass the bytes the code generator wrote")]
    Descriptors(#[source] prost::DecodeError),
    /// Reflection does not accept the descriptors.
    #[error("reflection cannot be built from the file descriptor sets")]
    Reflection(#[source] tonic_reflection::server::Error),
    /// A service is served that no descriptor set describes.
    #[error("service {0} is in none of the file descriptor sets")]
    Undescribed(&'static str),
    /// The grace budget was over before everything accepted was answered.
    #[error("the grace budget ended with {in_flight} accepted requests unanswered")]
    Cut {
        /// How many.
        in_flight: usize,
    },
}
