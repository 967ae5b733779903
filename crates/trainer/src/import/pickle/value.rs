//! The values of a pickle.

use std::rc::Rc;

use anyhow::{Result, ensure};

/// Deepest nesting of values; a checkpoint has about eight levels.
const MOST_DEPTH: u32 = 64;

/// A shared value, with the depth of its nesting.
#[derive(Debug, Clone)]
pub(in crate::import) struct Value(Rc<Kind>, u32);

#[derive(Debug)]
pub(in crate::import) enum Kind {
    Class(String),
    Whole(i64),
    Text(String),
    Tuple(Vec<Value>),
    Dict(Vec<(Value, Value)>),
    /// What a class makes of its arguments.
    Made(Value, Value),
    /// Something kept outside of the pickle.
    Outside(Value),
    /// A value that a checkpoint is read without: None, floats, flags, lists.
    Other,
}

impl Value {
    /// A value that contains no other.
    pub(super) fn new(kind: Kind) -> Self {
        Self(Rc::new(kind), 0)
    }

    /// The tuple of `parts`.
    pub(super) fn of_tuple(parts: Vec<Self>) -> Result<Self> {
        let depth = parts.iter().map(|part| part.1).max();
        Self::nested(Kind::Tuple(parts), depth)
    }

    /// The dict of `entries`.
    pub(super) fn of_dict(entries: Vec<(Self, Self)>) -> Result<Self> {
        let depth = entries.iter().flat_map(|(key, value)| [key.1, value.1]).max();
        Self::nested(Kind::Dict(entries), depth)
    }

    /// What `class` makes of `arguments`.
    pub(super) fn of_call(class: Self, arguments: Self) -> Result<Self> {
        let depth = class.1.max(arguments.1);
        Self::nested(Kind::Made(class, arguments), Some(depth))
    }

    /// The object outside of the pickle with this id.
    pub(super) fn of_outside(id: Self) -> Result<Self> {
        let depth = id.1;
        Self::nested(Kind::Outside(id), Some(depth))
    }

    /// A value around others, of which the deepest has `depth`.
    fn nested(kind: Kind, depth: Option<u32>) -> Result<Self> {
        let depth = depth.unwrap_or(0) + 1;
        ensure!(depth <= MOST_DEPTH, "nested more than {MOST_DEPTH} deep");
        Ok(Self(Rc::new(kind), depth))
    }

    pub(in crate::import) fn kind(&self) -> &Kind {
        &self.0
    }

    pub(in crate::import) fn text(&self) -> Option<&str> {
        if let Kind::Text(text) = self.kind() { Some(text) } else { None }
    }

    pub(in crate::import) fn class(&self) -> Option<&str> {
        if let Kind::Class(name) = self.kind() { Some(name) } else { None }
    }

    pub(in crate::import) fn whole(&self) -> Option<usize> {
        if let Kind::Whole(value) = self.kind() { usize::try_from(*value).ok() } else { None }
    }

    pub(in crate::import) fn tuple(&self) -> Option<&[Self]> {
        if let Kind::Tuple(parts) = self.kind() { Some(parts) } else { None }
    }

    pub(in crate::import) fn dict(&self) -> Option<&[(Self, Self)]> {
        if let Kind::Dict(entries) = self.kind() { Some(entries) } else { None }
    }
}
