//! Reads files of bounded size, and replaces files atomically: a reader sees the old content or the
//! new one, never a part.

use std::{
    fs::{self, File},
    io::{Read, Write},
    path::Path,
};

use anyhow::{Context, Result, ensure};

/// Reads a file of at most `limit` bytes, whatever its metadata says.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let context = || format!("cannot read {}", path.display());
    let file = File::open(path).with_context(context)?;
    let metadata = file.metadata().with_context(context)?;
    ensure!(metadata.is_file(), "{} is not a file", path.display());
    ensure!(
        metadata.len() <= limit,
        "{} has {} bytes, at most {limit} are read",
        path.display(),
        metadata.len()
    );
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes).with_context(context)?;
    Ok(bytes)
}

/// Writes the file `name` of `directory`, or replaces it.
pub(crate) fn put(directory: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    // A hidden name: readers ignore what an interrupted run leaves behind.
    let fresh = directory.join(format!(".{name}.new"));
    write(&fresh, bytes)?;
    fs::rename(&fresh, directory.join(name))?;
    Ok(())
}

/// Writes a file through to the disk.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(())
}

/// Creates `directory` with `files` (name and content), or replaces it as a whole.
pub(crate) fn replace_directory(directory: &Path, files: &[(&str, &[u8])]) -> Result<()> {
    let parent = directory.parent().context("the directory has no parent")?;
    let name = directory.file_name().context("the directory has no name")?;
    // Hidden names: a repository ignores them.
    let beside = |what: &str| parent.join(format!(".{}.{what}", name.to_string_lossy()));
    let (fresh, stale) = (beside("new"), beside("old"));
    for leftover in [&fresh, &stale] {
        if leftover.exists() {
            fs::remove_dir_all(leftover)?;
        }
    }
    fs::create_dir_all(&fresh)?;
    for (name, bytes) in files {
        write(&fresh.join(name), bytes)?;
    }
    if !directory.exists() {
        return Ok(fs::rename(&fresh, directory)?);
    }
    fs::rename(directory, &stale)?;
    if let Err(error) = fs::rename(&fresh, directory) {
        fs::rename(&stale, directory)?;
        return Err(error.into());
    }
    Ok(fs::remove_dir_all(&stale)?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_replaced_as_a_whole() {
        let root = tempfile::tempdir().unwrap();
        let version = root.path().join("strategic/1");
        replace_directory(&version, &[("a", b"1"), ("b", b"2")]).unwrap();
        replace_directory(&version, &[("a", b"3")]).unwrap();
        assert_eq!(fs::read(version.join("a")).unwrap(), b"3");
        assert!(!version.join("b").exists(), "a file of the old version is left");
        let left: Vec<_> = fs::read_dir(version.parent().unwrap()).unwrap().collect();
        assert_eq!(left.len(), 1, "something is left beside it: {left:?}");
    }

    #[test]
    fn leftovers_of_an_interrupted_run_do_not_matter() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join(".1.new")).unwrap();
        fs::write(root.path().join(".1.new/half"), b"x").unwrap();
        replace_directory(&root.path().join("1"), &[("a", b"1")]).unwrap();
        assert!(!root.path().join("1/half").exists());
    }
}
