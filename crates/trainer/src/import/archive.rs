//! The zip archive that `torch.save` writes. Its members are stored, never compressed: a member is
//! a slice of the file, so nothing can unpack to more than was read.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};

const END: &[u8] = b"PK\x05\x06";
const END_LEN: usize = 22;
const COMMENT_MOST: usize = 65_535;
const ENTRY: &[u8] = b"PK\x01\x02";
const ENTRY_LEN: usize = 46;
const LOCAL: &[u8] = b"PK\x03\x04";
const LOCAL_LEN: usize = 30;
/// A checkpoint of these networks has under fifty members.
const MOST_MEMBERS: usize = 4096;

/// Members of an archive by name.
#[derive(Debug)]
pub(super) struct Archive<'a> {
    members: BTreeMap<String, &'a [u8]>,
}

impl<'a> Archive<'a> {
    /// Finds the members of a zip file. Nothing is assumed of the bytes.
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self> {
        let broken = "not a whole zip archive, as torch.save writes it: it may have been cut off";
        let from = bytes.len().saturating_sub(END_LEN + COMMENT_MOST);
        let tail = bytes.get(from..).unwrap_or_default();
        let end = tail.windows(END.len()).rposition(|four| four == END).context(broken)?;
        let end = &tail[end..];
        ensure!(end.len() >= END_LEN, broken);
        let count = usize::from(u16_at(end, 10).context(broken)?);
        ensure!(
            count <= MOST_MEMBERS,
            "the archive has {count} members, at most {MOST_MEMBERS} are read"
        );
        let mut at = index(u32_at(end, 16).context(broken)?)?;
        let mut members = BTreeMap::new();
        for _ in 0..count {
            let entry = bytes.get(at..).context(broken)?;
            ensure!(entry.len() >= ENTRY_LEN && entry.starts_with(ENTRY), broken);
            let sizes = [24, 28, 30, 32].map(|offset| {
                if offset == 24 {
                    u32_at(entry, offset).map(u64::from)
                } else {
                    u16_at(entry, offset).map(u64::from)
                }
            });
            let [Some(size), Some(name_len), Some(extra), Some(comment)] = sizes else {
                anyhow::bail!(broken);
            };
            let [size, name_len, extra, comment] =
                [size, name_len, extra, comment].map(|v| v as usize);
            let name = entry.get(ENTRY_LEN..ENTRY_LEN + name_len).context(broken)?;
            let name = String::from_utf8_lossy(name).into_owned();
            let stored = u16_at(entry, 10) == Some(0) && u32_at(entry, 20) == u32_at(entry, 24);
            ensure!(
                stored,
                "member {name:?} is compressed ({size} bytes unpacked); torch.save never does \
                 that: save the checkpoint again"
            );
            let local = index(u32_at(entry, 42).context(broken)?)?;
            let data =
                member(bytes, local, size).with_context(|| format!("member {name:?}: {broken}"))?;
            let taken = members.insert(name.clone(), data);
            ensure!(taken.is_none(), "the archive has member {name:?} twice");
            at += ENTRY_LEN + name_len + extra + comment;
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

fn index(value: u32) -> Result<usize> {
    // All ones mean that a zip64 record has the number, which only files beyond 4 GiB need.
    ensure!(value != u32::MAX, "a zip64 archive is larger than what is read");
    Ok(value as usize)
}

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
