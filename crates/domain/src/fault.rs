use std::fmt;

use crate::indexed_enum;

indexed_enum! {
    /// Why a request could not be answered. Deliberately few: each stands for one thing that a
    /// caller can do about it.
    pub enum FaultKind {
        /// The request breaks the contract; sending it again will not help.
        InvalidArgument,
        /// Something the request names is unknown.
        NotFound,
        /// A queue is full; try again after a pause.
        ResourceExhausted,
        /// The caller's constraints leave no placement at this moment.
        FailedPrecondition,
        /// A part is not reachable or is shutting down; try again.
        Unavailable,
        /// The caller's time was spent.
        DeadlineExceeded,
        /// The contract has it, this version does not.
        Unimplemented,
        /// A fault of Strata's own.
        Internal,
    }
}

impl FaultKind {
    /// The name of the gRPC status code that stands for this kind.
    pub const fn name(self) -> &'static str {
        match self {
            Self::InvalidArgument => "INVALID_ARGUMENT",
            Self::NotFound => "NOT_FOUND",
            Self::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Self::FailedPrecondition => "FAILED_PRECONDITION",
            Self::Unavailable => "UNAVAILABLE",
            Self::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Self::Unimplemented => "UNIMPLEMENTED",
            Self::Internal => "INTERNAL",
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
