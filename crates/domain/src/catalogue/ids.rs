//! Indices into a catalogue, which only a catalogue makes.

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($number:ty)) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name($number);

        impl $name {
            /// The id at a position below the bounds of a catalogue, which fit its number.
            pub(crate) const fn new(index: usize) -> Self {
                Self(index as $number)
            }

            /// Position in its catalogue.
            pub const fn index(self) -> usize {
                self.0 as usize
            }
        }
    };
}

id!(
    /// A provider of a catalogue.
    ProviderId(u8)
);
id!(
    /// A platform of a catalogue.
    PlatformId(u8)
);
id!(
    /// A region of a catalogue.
    RegionId(u16)
);
id!(
    /// An area of callers of a catalogue.
    AreaId(u16)
);
id!(
    /// A placement that can be chosen from a catalogue.
    CandidateId(u16)
);
