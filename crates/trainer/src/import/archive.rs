//! The zip archive that `torch.save` writes. Its members are stored and never compressed. Each
//! member is a slice of the file, so nothing unpacks to more than was read.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};

const END: &[u8] = b"PK\x05\x06";
const END_LEN: usize = 22;
const COMMENT_MOST: usize = 65_535;
const ENTRY: &[u8] = b"PK\x01\x02";
const ENTRY_LEN: usize = 46;
const LOCAL: &[u8] = b"PK\x03\x04";
const LOCAL_LEN: usize = 30;
/// A checkpoint of these networks has under fifty members.
const MOST_MEMBERS: usize = 4096;

const BROKEN: &str = "not a whole zip archive, as torch.save writes it: it may have been cut off";

/// Members of an archive by name.
#[derive(Debug)]
pub(super) struct Archive<'a> {
    members: BTreeMap<String, &'a [u8]>,
}

impl<'a> Archive<'a> {
    /// Finds the members of a zip file. The bytes are not trusted.
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self> {
        let from = bytes.len().saturating_sub(END_LEN + COMMENT_MOST);
        let tail = bytes.get(from..).unwrap_or_default();
        let end = tail.windows(END.len()).rposition(|four| four == END).context(BROKEN)?;
        let end = &tail[end..];
        ensure!(end.len() >= END_LEN, BROKEN);
        let count = usize::from(u16_at(end, 10).context(BROKEN)?);
        ensure!(
            count <= MOST_MEMBERS,
            "the archive has {count} members, at most {MOST_MEMBERS} are read"
        );
        let mut at = index(u32_at(end, 16).context(BROKEN)?)?;
        let mut members = BTreeMap::new();
        for _ in 0..count {
            let entry = Entry::read(bytes.get(at..).context(BROKEN)?)?;
            let data = member(bytes, entry.local, entry.size)
                .with_context(|| format!("member {:?}: {BROKEN}", entry.name))?;
            at += entry.len;
            let taken = members.insert(entry.name.clone(), data);
            ensure!(taken.is_none(), "the archive has member {:?} twice", entry.name);
        }
        Ok(Self { members })
    }

    /// The member called `name`.
    pub(super) fn get(&self, name: &str) -> Option<&'a [u8]> {
        self.members.get(name).copied()
    }

    /// The one directory that holds `data.pkl`, with its closing slash.
    pub(super) fn root(&self) -> Result<&str> {
        let mut roots = self.members.keys().filter_map(|name| name.strip_suffix("data.pkl"));
        let root = roots.next().context(
            "the archive has no data.pkl: it was not written by torch.save (TorchScript: save the \
             state_dict instead)",
        )?;
        ensure!(roots.next().is_none(), "the archive has more than one data.pkl");
        Ok(root)
    }
}

/// An entry of the central directory.
struct Entry {
    name: String,
    /// Bytes of the member.
    size: usize,
    /// Position of the member's local header in the file.
    local: usize,
    /// Bytes of the entry itself.
    len: usize,
}

impl Entry {
    fn read(entry: &[u8]) -> Result<Self> {
        ensure!(entry.len() >= ENTRY_LEN && entry.starts_with(ENTRY), BROKEN);
        let size = u32_at(entry, 24).context(BROKEN)? as usize;
        let lengths = [28, 30, 32].map(|offset| u16_at(entry, offset).map(usize::from));
        let [Some(name_len), Some(extra), Some(comment)] = lengths else { bail!(BROKEN) };
        let name = entry.get(ENTRY_LEN..ENTRY_LEN + name_len).context(BROKEN)?;
        let name = String::from_utf8_lossy(name).into_owned();
        let stored = u16_at(entry, 10) == Some(0) && u32_at(entry, 20) == u32_at(entry, 24);
        ensure!(
            stored,
            "member {name:?} is compressed ({size} bytes unpacked); torch.save never does that: \
             save the checkpoint again"
        );
        let local = index(u32_at(entry, 42).context(BROKEN)?)?;
        Ok(Self { name, size, local, len: ENTRY_LEN + name_len + extra + comment })
    }
}

/// A position in the file.
fn index(value: u32) -> Result<usize> {
    // All ones mean that a zip64 record holds the number, which only files beyond 4 GiB need.
    ensure!(value != u32::MAX, "a zip64 archive is larger than what is read");
    Ok(value as usize)
}

/// The `size` bytes of the member whose local header is at `at`.
fn member(bytes: &[u8], at: usize, size: usize) -> Option<&[u8]> {
    let local = bytes.get(at..)?;
    if !local.starts_with(LOCAL) {
        return None;
    }
    let skipped = LOCAL_LEN + usize::from(u16_at(local, 26)?) + usize::from(u16_at(local, 28)?);
    local.get(skipped..skipped.checked_add(size)?)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}
