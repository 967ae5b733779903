use std::fmt;

/// The longest application or function name, in bytes. The hashes of the Azure traces have 64.
const MAX_NAME_BYTES: usize = 256;

/// A serverless function: the application it belongs to and its name within it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FunctionId {
    application: String,
    function: String,
}

/// A name that cannot identify a function.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FunctionIdError {
    /// The name is empty.
    #[error("must not be empty")]
    Empty,
    /// The name is longer than 256 bytes.
    #[error("has {0} bytes; at most {most} are allowed", most = MAX_NAME_BYTES)]
    TooLong(usize),
    /// The name holds a control character, which would garble logs.
    #[error("holds a control character")]
    ControlCharacter,
}

impl FunctionId {
    /// Checks both names: 1 to 256 bytes, no control characters.
    pub fn new(
        application: impl Into<String>,
        function: impl Into<String>,
    ) -> Result<Self, FunctionIdError> {
        let (application, function) = (application.into(), function.into());
        Self::check(&application)?;
        Self::check(&function)?;
        Ok(Self { application, function })
    }

    /// Checks one of the two names.
    pub fn check(name: &str) -> Result<(), FunctionIdError> {
        if name.is_empty() {
            Err(FunctionIdError::Empty)
        } else if name.len() > MAX_NAME_BYTES {
            Err(FunctionIdError::TooLong(name.len()))
        } else if name.chars().any(char::is_control) {
            Err(FunctionIdError::ControlCharacter)
        } else {
            Ok(())
        }
    }

    /// The application's name.
    pub fn application(&self) -> &str {
        &self.application
    }

    /// The function's name.
    pub fn function(&self) -> &str {
        &self.function
    }
}

impl fmt::Display for FunctionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.application, self.function)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded_and_printable() {
        assert!(FunctionId::new("shop", "checkout").is_ok());
        assert_eq!(FunctionId::new("", "checkout"), Err(FunctionIdError::Empty));
        assert_eq!(FunctionId::new("shop", "a\nb"), Err(FunctionIdError::ControlCharacter));
        assert_eq!(FunctionId::new("shop", "x".repeat(257)), Err(FunctionIdError::TooLong(257)));
    }
}
