use super::error::Invalid;

/// What the types and the ranges of settings do not say: settings that depend on each other, and
/// texts that have to mean something.
pub trait Check {
    /// Checks the values against each other.
    ///
    /// # Errors
    /// The first setting that is refused, by its path.
    fn check(&self) -> Result<(), Invalid> {
        Ok(())
    }
}

/// Checks sections, each under its name.
///
/// # Errors
/// The first setting that is refused, by its path.
pub fn check_sections(sections: &[(&str, &dyn Check)]) -> Result<(), Invalid> {
    sections
        .iter()
        .try_for_each(|(name, section)| section.check().map_err(|invalid| invalid.within(name)))
}
