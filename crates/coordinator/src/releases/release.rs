use strata_wire::{Fault, Violations, pb};

/// Maximum length of a name in bytes.
const MAX_NAME: usize = 64;

/// A version of each layer's model, under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Release(pb::Release);

impl Release {
    /// Reads the release of a request.
    ///
    /// # Errors
    /// `InvalidArgument` with every field that is missing or wrong.
    pub(crate) fn read(release: Option<pb::Release>) -> Result<Self, Fault> {
        let mut violations = Violations::new();
        let Some(release) = release else {
            violations.add("release", "must be given");
            return Err(violations.into_fault());
        };
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if !(1..=MAX_NAME).contains(&release.name.len()) || !release.name.bytes().all(plain) {
            violations.add(
                "release.name",
                format_args!("must be 1 to {MAX_NAME} letters, digits, `.`, `_` and `-`"),
            );
        }
        for (field, version) in [
            ("release.strategic", release.strategic),
            ("release.tactical", release.tactical),
            ("release.operational", release.operational),
        ] {
            if version == 0 {
                violations.add(field, "must be a version, 1 or more");
            }
        }
        if violations.is_empty() { Ok(Self(release)) } else { Err(violations.into_fault()) }
    }

    /// The name of the release.
    pub(crate) fn name(&self) -> &str {
        &self.0.name
    }

    /// The versions of the strategic, tactical and operational model.
    pub(crate) const fn versions(&self) -> [u32; 3] {
        [self.0.strategic, self.0.tactical, self.0.operational]
    }

    /// The release as a message.
    pub(crate) fn to_pb(&self) -> pb::Release {
        self.0.clone()
    }
}
