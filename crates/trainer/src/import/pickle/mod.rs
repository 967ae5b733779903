//! The part of pickle that a PyTorch checkpoint needs. Nothing is ever called: a class is a name.
//!
//! candle's own reader trusts lengths in the file, copies memoised values (so that a small file can
//! grow without bound) and panics on short tuples. This one expects malicious files. Values are
//! shared and not copied, and every operation creates at most one: the size of the file bounds the
//! memory used.

mod value;

use std::collections::HashMap;

use anyhow::{Context, Result, bail, ensure};

pub(super) use value::{Kind, Value};

/// An element of the stack. A dict that is still being filled is shared with the memo.
#[derive(Debug, Clone)]
enum Slot {
    Mark,
    Done(Value),
    /// The index of a dict that is still being filled.
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
    /// The next `count` bytes.
    fn take(&mut self, count: usize) -> Result<&[u8]> {
        let (taken, rest) = self.bytes.split_at_checked(count).context("it ends in the middle")?;
        self.bytes = rest;
        Ok(taken)
    }

    /// A signed little-endian number of `count` bytes.
    fn number(&mut self, count: usize) -> Result<i64> {
        ensure!(count <= 8, "a number of {count} bytes");
        let taken = self.take(count)?;
        let mut bytes = [0; 8];
        // The bytes beyond the last one repeat the sign.
        if taken.last().is_some_and(|byte| byte & 0x80 != 0) {
            bytes = [0xff; 8];
        }
        bytes[..count].copy_from_slice(taken);
        Ok(i64::from_le_bytes(bytes))
    }

    /// An unsigned little-endian number of `count` bytes, at most four.
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

    /// Turns a dict into a value when something takes it: no dict of a checkpoint grows later.
    fn finish(&mut self, index: usize) -> Result<Value> {
        if let Some(value) = self.finished.get(&index) {
            return Ok(value.clone());
        }
        let entries = std::mem::take(&mut self.dicts[index]);
        let value = Value::of_dict(entries)?;
        self.finished.insert(index, value.clone());
        Ok(value)
    }

    /// The values above the topmost mark, which is dropped.
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
        self.stack.push(Slot::Done(Value::of_tuple(parts)?));
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
            // An object of another class, such as hyperparameters.
            Some(Slot::Done(_)) => Ok(()),
            _ => bail!("items for something that is no dict"),
        }
    }

    /// The topmost `count` values, the deepest first.
    fn tail(&mut self, count: usize) -> Result<Vec<Value>> {
        let mut parts = (0..count).map(|_| self.pop()).collect::<Result<Vec<_>>>()?;
        parts.reverse();
        Ok(parts)
    }

    /// Replaces class and arguments by what `class(*arguments)` stands for.
    fn reduce(&mut self) -> Result<()> {
        let (arguments, class) = (self.pop()?, self.pop()?);
        if class.class() == Some("collections.OrderedDict") {
            self.empty_dict();
        } else {
            self.stack.push(Slot::Done(Value::of_call(class, arguments)?));
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

    /// Runs one operation; returns true after the last one.
    fn step(&mut self) -> Result<bool> {
        match self.take(1)?[0] {
            b'.' => return Ok(true),
            0x80 => {
                let protocol = self.unsigned(1)?;
                ensure!(protocol <= 3, "protocol {protocol}; torch.save writes 2");
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
            code => match self.literal(code)? {
                Some(kind) => self.push(kind),
                None => self.combine(code)?,
            },
        }
        Ok(false)
    }

    /// The value that an operation reads from the bytes; `None` for other operations.
    fn literal(&mut self, code: u8) -> Result<Option<Kind>> {
        Ok(Some(match code {
            b'c' => Kind::Class(format!("{}.{}", self.line()?, self.line()?)),
            b'X' => {
                let length = self.unsigned(4)? as usize;
                Kind::Text(String::from_utf8_lossy(self.take(length)?).into_owned())
            }
            b'K' => Kind::Whole(self.unsigned(1)?.into()),
            b'M' => Kind::Whole(self.unsigned(2)?.into()),
            b'J' => Kind::Whole(self.number(4)?),
            0x8a => {
                let count = self.unsigned(1)? as usize;
                Kind::Whole(self.number(count)?)
            }
            b'G' => {
                self.take(8)?;
                Kind::Other
            }
            b'N' | 0x88 | 0x89 | b']' => Kind::Other,
            _ => return Ok(None),
        }))
    }

    /// Runs an operation that combines values of the stack.
    fn combine(&mut self, code: u8) -> Result<()> {
        match code {
            b'}' => self.empty_dict(),
            // Items of a list, which a checkpoint is read without.
            b'a' => drop(self.pop()?),
            b'e' => drop(self.pop_to_mark()?),
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
            // The state of an object: for a state dict its `_metadata`, which is not needed.
            b'b' => drop(self.pop()?),
            b'Q' => {
                let id = self.pop()?;
                self.stack.push(Slot::Done(Value::of_outside(id)?));
            }
            other => bail!("operation {other:#04x} is not one that a checkpoint needs"),
        }
        Ok(())
    }
}
