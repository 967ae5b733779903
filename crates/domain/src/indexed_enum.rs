/// Defines an enum with `COUNT`, `ALL`, `index` and `from_index`, all derived from one list of
/// variants.
///
/// Tables are arrays of `COUNT` entries, so a new variant is a compile error in each of them.
#[macro_export]
macro_rules! indexed_enum {
    (
        $(#[$enum_doc:meta])*
        pub enum $name:ident {
            $($(#[$variant_doc:meta])* $variant:ident,)+
        }
    ) => {
        $(#[$enum_doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $name {
            /// How many variants there are.
            pub const COUNT: usize = [$(Self::$variant),+].len();

            /// Every variant, in index order.
            pub const ALL: [Self; Self::COUNT] = [$(Self::$variant),+];

            #[doc = concat!("Position in [`", stringify!($name), "::ALL`].")]
            pub const fn index(self) -> usize {
                self as usize
            }

            /// The variant at `index`, or `None` beyond the last.
            pub fn from_index(index: usize) -> Option<Self> {
                Self::ALL.get(index).copied()
            }
        }
    };
}
