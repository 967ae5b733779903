//! As much of pickle as a PyTorch checkpoint needs. Nothing is ever called: a class is a name.
//!
//! candle's own reader takes lengths from the file at their word, copies what is remembered (so
//! that a small file can grow without bound) and panics on short tuples; this one assumes malice.
//! Values are shared, not copied, and every operation makes at most one: the memory used is bounded by
//! the size of the file.

use std::{collections::HashMap, rc::Rc};

use anyhow::{Context, Result, bail, ensure};

/// Deepest nesting; a checkpoint has about eight.
const MOST_DEPTH: u32 = 64;

/// A value, with how deep it is nested.
#[derive(Debug, Clone)]
pub(super) struct Value(Rc<Kind>, u32);

#[derive(Debug)]
pub(super) enum Kind {
    Class(String),
    Whole(i64),
    Text(String),
    Tuple(Vec<Value>),
    Dict(Vec<(Value, Value)>),
    /// What a class makes of its arguments.
    Made(Value, Value),
    /// Something kept outside of the pickle.
    Outside(Value),
    /// Whatever does not matter here: None, floats, flags, lists.
    Other,
}

impl Value {
    fn new(kind: Kind) -> Self {
        Self(Rc::new(kind), 0)
    }

    fn around(kind: Kind, parts: &[&Self]) -> Result<Self> {
        let depth = parts.iter().map(|part| part.1).max().unwrap_or(0) + 1;
        ensure!(depth <= MOST_DEPTH, "nested more than {MOST_DEPTH} deep");
        Ok(Self(Rc::new(kind), depth))
    }

    pub(super) fn kind(&self) -> &Kind {
        &self.0
    }

    pub(super) fn text(&self) -> Option<&str> {
        if let Kind::Text(text) = self.kind() { Some(text) } else { None }
    }

    pub(super) fn class(&self) -> Option<&str> {
        if let Kind::Class(name) = self.kind() { Some(name) } else { None }
    }

    pub(super) fn whole(&self) -> Option<usize> {
        if let Kind::Whole(value) = self.kind() { usize::try_from(*value).ok() } else { None }
    }

    pub(super) fn tuple(&self) -> Option<&[Self]> {
        if let Kind::Tuple(parts) = self.kind() { Some(parts) } else { None }
    }

    pub(super) fn dict(&self) -> Option<&[(Self, Self)]> {
        if let Kind::Dict(entries) = self.kind() { Some(entries) } else { None }
    }
}

/// Something on the stack: a dict is still being filled, and shared with the memo.
#[derive(Debug, Clone)]
enum Slot {
    Mark,
    Done(Value),
    /// The index of a dict that is being filled.
    Filling(usize),
}

struct Machine<'a> {
    bytes: &'a [u8],
    stack: Vec<Slot>,
    memo: HashMap<u32, Slot>,
    dicts: Vec<Vec<(Value, Value)>>,
    finished: HashMap<usize, Value>,
}

/// Reads the one value that `bytes` holds.
pub(super) fn read(bytes: &[u8]) -> Result<Value> {
    let mut machine = Machine {
        bytes,
        stack: Vec::new(),
        memo: HashMap::new(),
        dicts: Vec::new(),
        finished: HashMap::new(),
    };
    loop {
        let at = bytes.len() - machine.bytes.len();
        match machine.step() {
            Ok(true) => return machine.pop(),
            Ok(false) => {}
            Err(error) => return Err(error.context(format!("pickle, byte {at}"))),
        }
    }
}

impl Machine<'_> {
    fn take(&mut self, count: usize) -> Result<&[u8]> {
        let (taken, rest) = self.bytes.split_at_checked(count).context("it ends in the middle")?;
        self.bytes = rest;
        Ok(taken)
    }

    fn number(&mut self, count: usize) -> Result<i64> {
        ensure!(count <= 8, "a number of {count} bytes");
        let taken = self.take(count)?;
        let mut bytes = [0; 8];
        // Little endian: what is left out is the sign.
        if taken.last().is_some_and(|byte| byte & 0x80 != 0) {
            bytes = [0xff; 8];
        }
        bytes[..count].copy_from_slice(taken);
        Ok(i64::from_le_bytes(bytes))
    }

    fn unsigned(&mut self, count: usize) -> Result<u32> {
        Ok(self.take(count)?.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte)))
    }

    fn line(&mut self) -> Result<String> {
        let end = self.bytes.iter().position(|b| *b == b'\n').context("a line has no end")?;
        let line = String::from_utf8_lossy(self.take(end)?).into_owned();
        self.take(1)?;
        Ok(line)
    }

    fn push(&mut self, kind: Kind) {
        self.stack.push(Slot::Done(Value::new(kind)));
    }

    fn pop(&mut self) -> Result<Value> {
        match self.stack.pop().context("the stack is empty")? {
            Slot::Mark => bail!("a mark where a value belongs"),
            Slot::Done(value) => Ok(value),
            Slot::Filling(index) => self.finish(index),
        }
    }

    /// A dict is a value as soon as something takes it: no part of a checkpoint grows later.
    fn finish(&mut self, index: usize) -> Result<Value> {
        if let Some(value) = self.finished.get(&index) {
            return Ok(value.clone());
        }
        let entries = std::mem::take(&mut self.dicts[index]);
        let depth = entries.iter().flat_map(|(k, v)| [k.1, v.1]).max().unwrap_or(0) + 1;
        ensure!(depth <= MOST_DEPTH, "nested more than {MOST_DEPTH} deep");
        let value = Value(Rc::new(Kind::Dict(entries)), depth);
        self.finished.insert(index, value.clone());
        Ok(value)
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Value>> {
        let mark = self.stack.iter().rposition(|slot| matches!(slot, Slot::Mark));
        let slots = self.stack.split_off(mark.context("there is no mark")?);
        slots
            .into_iter()
            .skip(1)
            .map(|slot| match slot {
                Slot::Done(value) => Ok(value),
                Slot::Filling(index) => self.finish(index),
                Slot::Mark => bail!("a mark where a value belongs"),
            })
            .collect()
    }

    fn tuple(&mut self, parts: Vec<Value>) -> Result<()> {
        let depth = parts.iter().map(|part| part.1).max().unwrap_or(0) + 1;
        ensure!(depth <= MOST_DEPTH, "nested more than {MOST_DEPTH} deep");
        self.stack.push(Slot::Done(Value(Rc::new(Kind::Tuple(parts)), depth)));
        Ok(())
    }

    fn empty_dict(&mut self) {
        self.dicts.push(Vec::new());
        self.stack.push(Slot::Filling(self.dicts.len() - 1));
    }

    fn set_items(&mut self, items: Vec<Value>) -> Result<()> {
        ensure!(items.len().is_multiple_of(2), "a key without a value");
        match self.stack.last() {
            Some(Slot::Filling(index)) => {
                let index = *index;
                ensure!(!self.finished.contains_key(&index), "a dict grows after it was used");
                let mut items = items.into_iter();
                while let (Some(key), Some(value)) = (items.next(), items.next()) {
                    self.dicts[index].push((key, value));
                }
                Ok(())
            }
            // Of some other class: hyperparameters and the like.
            Some(Slot::Done(_)) => Ok(()),
            _ => bail!("items for something that is no dict"),
        }
    }

    fn tail(&mut self, count: usize) -> Result<Vec<Value>> {
        let mut parts = (0..count).map(|_| self.pop()).collect::<Result<Vec<_>>>()?;
        parts.reverse();
        Ok(parts)
    }

    /// What `class(*arguments)` gives.
    fn reduce(&mut self) -> Result<()> {
        let (arguments, class) = (self.pop()?, self.pop()?);
        if class.class() == Some("collections.OrderedDict") {
            self.empty_dict();
        } else {
            let parts = [class.clone(), arguments.clone()];
            let made = Value::around(Kind::Made(class, arguments), &[&parts[0], &parts[1]])?;
            self.stack.push(Slot::Done(made));
        }
        Ok(())
    }

    fn remember(&mut self, key: u32) -> Result<()> {
        let slot = self.stack.last().context("nothing to remember")?.clone();
        self.memo.insert(key, slot);
        Ok(())
    }

    fn recall(&mut self, key: u32) -> Result<()> {
        let slot =
            self.memo.get(&key).with_context(|| format!("nothing is remembered as {key}"))?;
        self.stack.push(slot.clone());
        Ok(())
    }

    /// One operation; true after the last one.
    fn step(&mut self) -> Result<bool> {
        match self.take(1)?[0] {
            b'.' => return Ok(true),
            0x80 => {
                let protocol = self.unsigned(1)?;
                ensure!(protocol <= 3, "protocol {protocol}; torch.save writes 2");
            }
            b'c' => {
                let name = format!("{}.{}", self.line()?, self.line()?);
                self.push(Kind::Class(name));
            }
            b'q' => {
                let key = self.unsigned(1)?;
                self.remember(key)?;
            }
            b'r' => {
                let key = self.unsigned(4)?;
                self.remember(key)?;
            }
            b'h' => {
                let key = self.unsigned(1)?;
                self.recall(key)?;
            }
            b'j' => {
                let key = self.unsigned(4)?;
                self.recall(key)?;
            }
            b'(' => self.stack.push(Slot::Mark),
            b'}' => self.empty_dict(),
            code => self.value_or_structure(code)?,
        }
        Ok(false)
    }

    fn value_or_structure(&mut self, code: u8) -> Result<()> {
        match code {
            b'X' => {
                let length = self.unsigned(4)? as usize;
                let text = String::from_utf8_lossy(self.take(length)?).into_owned();
                self.push(Kind::Text(text));
            }
            b'K' | b'M' => {
                let value = self.unsigned(if code == b'K' { 1 } else { 2 })?;
                self.push(Kind::Whole(value.into()));
            }
            b'J' => {
                let value = self.number(4)?;
                self.push(Kind::Whole(value));
            }
            0x8a => {
                let count = self.unsigned(1)? as usize;
                let value = self.number(count)?;
                self.push(Kind::Whole(value));
            }
            b'G' => {
                self.take(8)?;
                self.push(Kind::Other);
            }
            b'N' | 0x88 | 0x89 | b']' => self.push(Kind::Other),
            b'a' => {
                self.pop()?;
            }
            b'e' => {
                self.pop_to_mark()?;
            }
            b')' => self.tuple(Vec::new())?,
            0x85..=0x87 => {
                let parts = self.tail(usize::from(code) - 0x84)?;
                self.tuple(parts)?;
            }
            b't' => {
                let parts = self.pop_to_mark()?;
                self.tuple(parts)?;
            }
            b's' => {
                let items = self.tail(2)?;
                self.set_items(items)?;
            }
            b'u' => {
                let items = self.pop_to_mark()?;
                self.set_items(items)?;
            }
            b'R' | 0x81 => self.reduce()?,
            // The state of an object: for a state dict its `_metadata`, which says nothing here.
            b'b' => {
                self.pop()?;
            }
            b'Q' => {
                let id = self.pop()?;
                let value = Value::around(Kind::Outside(id.clone()), &[&id])?;
                self.stack.push(Slot::Done(value));
            }
            other => bail!("operation {other:#04x} is not one that a checkpoint needs"),
        }
        Ok(())
    }
}
