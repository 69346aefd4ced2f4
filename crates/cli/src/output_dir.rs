//! The directory that Envoy watches, written in the order in which Envoy can use the files.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    thread,
    time::Duration,
};

use crate::{
    at_path,
    render::{RenderedFile, WritePhase},
};

/// The time that Envoy gets to load the first phase, in which it compiles a new module.
const TAKEOVER_DELAY: Duration = Duration::from_secs(1);

/// Writes the files that differ from those in the directory. Between the phases there is a delay for
/// an Envoy that watches the directory.
pub(crate) fn write(dir: &Path, files: &[RenderedFile], dir_use: DirUse) -> Result<(), String> {
    let [targets, routes] =
        [WritePhase::Targets, WritePhase::Routes].map(|phase| changed(dir, files, phase));
    write_all(dir, &targets)?;
    if dir_use == DirUse::Watched && !targets.is_empty() && !routes.is_empty() {
        thread::sleep(TAKEOVER_DELAY);
    }
    write_all(dir, &routes)
}

/// The use of a directory before it is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DirUse {
    /// The first rendering: no Envoy reads it yet.
    New,
    /// A later rendering: an Envoy may have loaded the one before.
    Watched,
}

/// Returns the files of a phase that are missing or differ. Writing the others too would make Envoy
/// reload them for nothing.
fn changed<'f>(dir: &Path, files: &'f [RenderedFile], phase: WritePhase) -> Vec<&'f RenderedFile> {
    let is_there = |file: &RenderedFile| {
        fs::read_to_string(dir.join(&file.path)).is_ok_and(|text| text == file.text)
    };
    files.iter().filter(|file| file.phase == phase && !is_there(file)).collect()
}

fn write_all(dir: &Path, files: &[&RenderedFile]) -> Result<(), String> {
    files.iter().try_for_each(|file| {
        let path = dir.join(&file.path);
        write_atomically(&path, &file.text).map_err(|error| at_path(&path, &error))
    })
}

/// Writes a file in one step, so that Envoy never reads a part of one. Only its owner may read the
/// file, because some hold keys of accounts.
pub(crate) fn write_atomically(path: &Path, text: &str) -> io::Result<()> {
    fs::create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
    let fresh = path.with_extension("new");
    let mut options = fs::OpenOptions::new();
    let mut handle = options.write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    handle.write_all(text.as_bytes())?;
    handle.sync_all()?;
    fs::rename(fresh, path)
}
