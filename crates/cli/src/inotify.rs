//! Inotify instances of Linux: Envoy opens one for each file that it watches, and aborts without a
//! reason if the user has no more.

use std::{
    fs::{self, DirEntry},
    os::unix::fs::MetadataExt,
    path::Path,
};

use crate::render::RenderedFile;

/// Instances that are left to other programs of the user.
const SPARE: usize = 4;

/// Files that Envoy reads at its start, or with a route, and does not watch.
const UNWATCHED: [&str; 2] = ["envoy.yaml", "playground.html"];

/// Use of the user's inotify instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InotifyUse {
    /// Instances that the user's processes have.
    pub(crate) used: usize,
    /// Instances that the user may have: `fs.inotify.max_user_instances`.
    pub(crate) limit: usize,
}

impl InotifyUse {
    /// Reads the use from `/proc`. `None` on systems without it.
    pub(crate) fn read(proc: &Path) -> Option<Self> {
        let limit = fs::read_to_string(proc.join("sys/fs/inotify/max_user_instances")).ok()?;
        let user = fs::metadata(proc.join("self")).ok()?.uid();
        let is_own = |process: &DirEntry| process.metadata().is_ok_and(|own| own.uid() == user);
        let processes = fs::read_dir(proc).ok()?.flatten().filter(is_process).filter(is_own);
        let used = processes.map(|process| instances(&process.path().join("fd"))).sum();
        Some(Self { used, limit: limit.trim().parse().ok()? })
    }

    /// Returns a warning if an Envoy with these files would not start, or would leave next to nothing
    /// for other programs.
    pub(crate) fn warning(self, files: &[RenderedFile]) -> Option<String> {
        let (needed, Self { used, limit }) = (needed(files), self);
        (used + needed + SPARE > limit).then(|| {
            format!(
                "Envoy needs {needed} inotify instances to start, and aborts without them: this \
                 user has {used} of {limit} in use; raise the limit with `sysctl -w \
                 fs.inotify.max_user_instances=1024`"
            )
        })
    }
}

/// Returns the number of instances that an Envoy with these files needs: one for each file that it
/// watches, and two for each key, which has a subscription and a directory.
fn needed(files: &[RenderedFile]) -> usize {
    let watches = |file: &RenderedFile| match &*file.path {
        path if UNWATCHED.contains(&path) => 0,
        path if path.starts_with("secrets/") => 2,
        _ => 1,
    };
    files.iter().map(watches).sum()
}

/// Returns whether an entry of `/proc` is a process. Its other entries repeat some.
fn is_process(entry: &DirEntry) -> bool {
    entry.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit)
}

/// Returns the number of inotify instances among the open files of a process.
fn instances(open_files: &Path) -> usize {
    let files = fs::read_dir(open_files).into_iter().flatten().flatten();
    let links = files.filter_map(|file| fs::read_link(file.path()).ok());
    links.filter(|link| link.as_os_str() == "anon_inode:inotify").count()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::render::WritePhase;

    fn files(paths: &[&str]) -> Vec<RenderedFile> {
        let file = |path: &&str| RenderedFile {
            path: (*path).to_owned(),
            text: String::new(),
            phase: WritePhase::Targets,
        };
        paths.iter().map(file).collect()
    }

    #[test]
    fn a_key_needs_two_instances_and_a_page_none() {
        let paths = ["envoy.yaml", "playground.html", "clusters.yaml", "secrets/openai.yaml"];
        assert_eq!(needed(&files(&paths)), 3);
    }

    #[test]
    fn a_limit_that_is_near_is_named_with_its_remedy() {
        let files = files(&["clusters.yaml", "listeners.yaml"]);
        let warning = |used| InotifyUse { used, limit: 128 }.warning(&files);
        assert_eq!(warning(122), None);
        let text = warning(123).unwrap();
        assert!(text.contains("needs 2") && text.contains("123 of 128"), "{text}");
        assert!(text.contains("sysctl -w fs.inotify.max_user_instances="), "{text}");
    }

    #[test]
    fn the_instances_of_all_processes_count() {
        let proc = tempfile::tempdir().unwrap();
        let at = |path: &str| proc.path().join(path);
        fs::create_dir_all(at("sys/fs/inotify")).unwrap();
        for (process, links) in [("1", 2), ("22", 1), ("self", 1)] {
            fs::create_dir_all(at(&format!("{process}/fd"))).unwrap();
            for link in 0..links {
                symlink("anon_inode:inotify", at(&format!("{process}/fd/{link}"))).unwrap();
            }
            symlink("/dev/null", at(&format!("{process}/fd/9"))).unwrap();
        }
        assert_eq!(InotifyUse::read(proc.path()), None);
        fs::write(at("sys/fs/inotify/max_user_instances"), "128\n").unwrap();
        let expected = InotifyUse { used: 3, limit: 128 };
        assert_eq!(InotifyUse::read(proc.path()), Some(expected));
    }
}
