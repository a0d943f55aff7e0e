// SPDX-License-Identifier: GPL-2.0

//! The folder outside the checkout that holds everything downloaded or built.
//!
//! Promises that what it holds is complete: a thing is made in a temporary
//! folder and moved to its place when done, and is taken for present only if
//! the stamp beside it says that it was made from today's inputs. Whatever
//! interrupts the making leaves no stamp.

use anyhow::{Context, Result};
use std::{
    env,
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    process,
};

#[derive(Clone, Debug)]
pub(crate) struct Cache {
    root: PathBuf,
}

/// While it lives, no other run of this tool changes a part of the cache.
#[must_use]
pub(crate) struct Lock {
    _file: File,
}

impl Cache {
    pub(crate) fn open() -> Result<Self> {
        Self::open_at(base()?.join("uprobes-rs"))
    }

    fn open_at(root: PathBuf) -> Result<Self> {
        for folder in ["tmp", "logs", "locks"] {
            make_dir(&root.join(folder))?;
        }
        let cache = Self { root };
        cache.remove_leftovers()?;
        Ok(cache)
    }

    pub(crate) fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.root.join(relative)
    }

    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.root.join("logs").join(format!("{name}.log"))
    }

    /// A folder that goes away with the value, and after a crash with the next run.
    pub(crate) fn temp_dir(&self) -> Result<tempfile::TempDir> {
        let parent = self.root.join("tmp");
        tempfile::Builder::new()
            .prefix(&format!("{}-", process::id()))
            .tempdir_in(&parent)
            .with_context(|| format!("no temporary folder in {}", parent.display()))
    }

    /// Keeps other runs of this tool from changing `what` meanwhile.
    pub(crate) fn lock(&self, what: &str) -> Result<Lock> {
        self.take(what, File::try_lock, File::lock)
    }

    /// Keeps other runs from changing `what`; they may use it too.
    pub(crate) fn share(&self, what: &str) -> Result<Lock> {
        self.take(what, File::try_lock_shared, File::lock_shared)
    }

    fn take(
        &self,
        what: &str,
        attempt: fn(&File) -> Result<(), TryLockError>,
        wait: fn(&File) -> io::Result<()>,
    ) -> Result<Lock> {
        let path = self.root.join("locks").join(what);
        let file = File::create(&path).with_context(|| path.display().to_string())?;
        if attempt(&file).is_err() {
            eprintln!("waiting for another cargo xtask that works on the {what}");
            wait(&file).with_context(|| path.display().to_string())?;
        }
        Ok(Lock { _file: file })
    }

    /// Returns `relative`, made by `make` unless it was made from the same `key`.
    ///
    /// `make` fills the (absent) path that it is given, with a file or a folder.
    pub(crate) fn produce(
        &self,
        relative: &str,
        key: &str,
        make: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let target = self.path(relative);
        let stamp = Stamp::of(&target);
        if target.exists() && stamp.is(key) {
            return Ok(target);
        }
        let temp = self.temp_dir()?;
        let made = temp.path().join("made");
        make(&made)?;
        stamp.clear()?;
        replace(&made, &target)?;
        stamp.write(key)?;
        Ok(target)
    }

    /// Temporary folders carry the number of the process that made them.
    fn remove_leftovers(&self) -> Result<()> {
        for entry in fs::read_dir(self.root.join("tmp"))? {
            let path = entry?.path();
            let owner = path.file_name().and_then(|name| name.to_str());
            let pid = owner.and_then(|name| name.split('-').next());
            let alive = pid.is_some_and(|pid| Path::new("/proc").join(pid).exists());
            if !alive {
                remove(&path)?;
            }
        }
        Ok(())
    }
}

/// Says from which inputs the thing beside it was made.
pub(crate) struct Stamp {
    path: PathBuf,
}

impl Stamp {
    pub(crate) fn of(target: &Path) -> Self {
        let mut path = target.as_os_str().to_owned();
        path.push(".stamp");
        Self { path: path.into() }
    }

    pub(crate) fn is(&self, key: &str) -> bool {
        fs::read_to_string(&self.path).is_ok_and(|text| text == key)
    }

    pub(crate) fn exists(&self) -> bool {
        self.path.exists()
    }

    pub(crate) fn clear(&self) -> Result<()> {
        remove(&self.path)
    }

    pub(crate) fn write(&self, key: &str) -> Result<()> {
        write_atomically(&self.path, key.as_bytes())
    }
}

pub(crate) fn make_dir(path: &Path) -> Result<()> {
    fs::create_dir_all(path).with_context(|| format!("cannot make {}", path.display()))
}

/// Removes a file or a folder; it is no error if there is none.
pub(crate) fn remove(path: &Path) -> Result<()> {
    let result = match fs::symlink_metadata(path) {
        Ok(data) if data.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(_) => return Ok(()),
    };
    result.with_context(|| format!("cannot remove {}", path.display()))
}

/// Writes a file so that no reader and no crash sees half of it.
pub(crate) fn write_atomically(path: &Path, contents: &[u8]) -> Result<()> {
    let parent = path.parent().context("a file needs a folder")?;
    make_dir(parent)?;
    let write = || -> Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(parent)?;
        std::io::Write::write_all(&mut file, contents)?;
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        file.as_file().set_permissions(mode)?;
        file.persist(path)?;
        Ok(())
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

fn replace(made: &Path, target: &Path) -> Result<()> {
    remove(target)?;
    make_dir(target.parent().context("no folder to put it in")?)?;
    fs::rename(made, target).with_context(|| format!("cannot make {}", target.display()))
}

fn base() -> Result<PathBuf> {
    let absolute = |name| {
        env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        .context("neither XDG_CACHE_HOME nor HOME says where to cache things")
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::bail;

    fn cache() -> (tempfile::TempDir, Cache) {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open_at(dir.path().join("cache")).unwrap();
        (dir, cache)
    }

    #[test]
    fn a_thing_is_made_once_per_key() {
        let (_dir, cache) = cache();
        let mut count = 0;
        for key in ["1", "1", "2"] {
            let path = cache.produce("a/thing", key, |made| {
                count += 1;
                Ok(fs::write(made, key)?)
            });
            assert_eq!(fs::read_to_string(path.unwrap()).unwrap(), key);
        }
        assert_eq!(count, 2);
    }

    #[test]
    fn a_making_that_fails_leaves_what_was_there() {
        let (_dir, cache) = cache();
        cache
            .produce("thing", "1", |made| Ok(fs::write(made, "old")?))
            .unwrap();
        let failed = cache.produce("thing", "2", |made| {
            fs::write(made, "half")?;
            bail!("disk full")
        });
        assert!(failed.is_err());
        assert_eq!(fs::read_to_string(cache.path("thing")).unwrap(), "old");
        assert!(Stamp::of(&cache.path("thing")).is("1"));
    }

    #[test]
    fn a_thing_without_stamp_is_made_again() {
        let (_dir, cache) = cache();
        fs::write(cache.path("thing"), "half").unwrap();
        cache
            .produce("thing", "1", |made| Ok(fs::write(made, "whole")?))
            .unwrap();
        assert_eq!(fs::read_to_string(cache.path("thing")).unwrap(), "whole");
    }

    #[test]
    fn leftovers_of_a_dead_process_go_and_those_of_a_live_one_stay() {
        let (_dir, cache) = cache();
        let dead = cache.path("tmp/4999999-x");
        let live = cache.temp_dir().unwrap();
        fs::create_dir(&dead).unwrap();
        cache.remove_leftovers().unwrap();
        assert!(!dead.exists() && live.path().exists());
    }
}
