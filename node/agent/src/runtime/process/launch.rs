//! From a container's specification to an executable, its arguments, its environment and its user on this host.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::Access;

use crate::runtime::ContainerSpec;

/// The image that means this executable.
const SAMPLE_APP: &str = "quorate/sample-app";
/// What a process gets that is told no other; the agent's own environment is none of its business.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Says why `spec` cannot be run here, before anything is made for it.
pub(super) fn check(spec: &ContainerSpec) -> Result<(), String> {
    Launch::of(spec, Path::new("/")).map(|_| ())
}

/// Becomes the process. Returns only if that failed.
pub(super) fn exec(spec: &ContainerSpec, work: &Path) -> String {
    become_one(Launch::of(spec, work), work)
}

/// Becomes a run of `words` beside the process: in its directory and environment, as its user. Returns only if that failed.
pub(super) fn exec_beside(spec: &ContainerSpec, words: Vec<String>, work: &Path) -> String {
    become_one(Launch::of_words(spec, words, work), work)
}

fn become_one(launch: Result<Launch, String>, work: &Path) -> String {
    let launch = match launch {
        Ok(launch) => launch,
        Err(reason) => return reason,
    };
    let mut command = Command::new(&launch.executable);
    command.arg0(&launch.words[0]).args(&launch.words[1..]);
    command
        .env_clear()
        .envs(&launch.environment)
        .current_dir(&launch.directory);
    if let Some(user) = launch.user {
        // Its own directory is its to write in; a failure shows when it tries.
        let _ = std::os::unix::fs::chown(work, Some(user.uid), Some(user.gid));
        command.uid(user.uid).gid(user.gid);
    }
    let error = command.exec();
    format!("exec: {:?}: {error}", launch.words[0])
}

struct Launch {
    executable: PathBuf,
    words: Vec<String>,
    environment: BTreeMap<String, String>,
    directory: PathBuf,
    user: Option<User>,
}

impl Launch {
    fn of(spec: &ContainerSpec, work: &Path) -> Result<Self, String> {
        if is_sample_app(&spec.image) {
            let words = ["quorate", "sample-app"].map(str::to_owned).into_iter();
            let words = words.chain(spec.command.clone()).collect();
            return Self::with(spec, words, work, |_, _| Ok("/proc/self/exe".into()));
        }
        let words = spec.entry_point.iter().chain(&spec.command);
        let mut words: Vec<String> = words.cloned().collect();
        if words.is_empty() {
            words.push(spec.image.clone());
        }
        Self::of_words(spec, words, work)
    }

    /// Other words, of which there is one at least.
    fn of_words(spec: &ContainerSpec, words: Vec<String>, work: &Path) -> Result<Self, String> {
        let word = words[0].clone();
        Self::with(spec, words, work, |environment, directory| {
            find(&word, environment, directory)
        })
    }

    fn with(
        spec: &ContainerSpec,
        words: Vec<String>,
        work: &Path,
        find: impl FnOnce(&BTreeMap<String, String>, &Path) -> Result<PathBuf, String>,
    ) -> Result<Self, String> {
        let given = &spec.working_directory;
        let directory = if given.is_empty() {
            work.to_owned()
        } else {
            PathBuf::from(given)
        };
        let environment = environment(spec);
        let executable = find(&environment, &directory)?;
        let user = if spec.user.is_empty() {
            None
        } else {
            Some(User::find(&spec.user)?)
        };
        Ok(Self {
            executable,
            words,
            environment,
            directory,
            user,
        })
    }
}

fn is_sample_app(image: &str) -> bool {
    image == SAMPLE_APP
        || image
            .strip_prefix(SAMPLE_APP)
            .is_some_and(|rest| rest.starts_with(':'))
}

fn environment(spec: &ContainerSpec) -> BTreeMap<String, String> {
    let mut environment = BTreeMap::from([
        ("PATH".to_owned(), PATH.to_owned()),
        ("HOME".to_owned(), "/".to_owned()),
    ]);
    for port in spec.tag.ports.iter().rev() {
        environment.insert(
            format!("QUORATE_PORT_{}", port.container),
            port.host.to_string(),
        );
        environment.insert("PORT".to_owned(), port.host.to_string());
    }
    environment.extend(spec.full_environment());
    environment
}

fn find(
    word: &str,
    environment: &BTreeMap<String, String>,
    directory: &Path,
) -> Result<PathBuf, String> {
    let is_executable =
        |path: &PathBuf| path.is_file() && rustix::fs::access(path, Access::EXEC_OK).is_ok();
    if word.contains('/') {
        let path = directory.join(word);
        return Some(path)
            .filter(is_executable)
            .ok_or_else(|| format!("exec: {word:?}: no such executable on this host"));
    }
    let path = environment.get("PATH").map_or(PATH, String::as_str);
    let mut places = path.split(':').map(|place| Path::new(place).join(word));
    places
        .find(is_executable)
        .ok_or_else(|| format!("exec: {word:?}: executable file not found in $PATH"))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct User {
    uid: u32,
    gid: u32,
}

impl User {
    /// Reads `user`, `user:group`, by name or by number.
    fn find(text: &str) -> Result<Self, String> {
        let (user, group) = text
            .split_once(':')
            .map_or((text, None), |(user, group)| (user, Some(group)));
        let users = fs::read_to_string("/etc/passwd")
            .map_err(|error: io::Error| format!("read /etc/passwd: {error}"))?;
        let entry = entry(&users, user);
        let uid = user
            .parse()
            .ok()
            .or_else(|| entry.as_ref()?.get(2)?.parse().ok());
        let gid = match group {
            Some(group) => group.parse().ok().or_else(|| {
                let groups = fs::read_to_string("/etc/group").ok()?;
                self::entry(&groups, group)?.get(2)?.parse().ok()
            }),
            None => Some(
                entry
                    .as_ref()
                    .and_then(|entry| entry.get(3)?.parse().ok())
                    .unwrap_or(0),
            ),
        };
        match (uid, gid) {
            (Some(uid), Some(gid)) => Ok(Self { uid, gid }),
            _ => Err(format!(
                "unable to find user {text}: no matching entries in passwd or group file"
            )),
        }
    }
}

fn entry<'a>(table: &'a str, name: &str) -> Option<Vec<&'a str>> {
    let mut entries = table
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>());
    entries.find(|fields| fields.first() == Some(&name))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn users_are_found_by_name_and_by_number() {
        assert_eq!(User::find("root"), Ok(User { uid: 0, gid: 0 }));
        assert_eq!(User::find("12:34"), Ok(User { uid: 12, gid: 34 }));
        assert!(User::find("nobody-of-that-name").is_err());
    }

    #[test]
    fn the_sample_app_is_an_image_with_any_tag() {
        assert!(is_sample_app("quorate/sample-app") && is_sample_app("quorate/sample-app:latest"));
        assert!(!is_sample_app("quorate/sample-apple"));
    }

    #[test]
    fn executables_are_found_as_a_shell_finds_them() {
        let environment = BTreeMap::new();
        assert!(
            find("sh", &environment, Path::new("/"))
                .unwrap()
                .ends_with("bin/sh")
        );
        assert!(find("bin/sh", &environment, Path::new("/")).is_ok());
        assert_eq!(
            find("no-such-thing", &environment, Path::new("/")).unwrap_err(),
            "exec: \"no-such-thing\": executable file not found in $PATH"
        );
    }
}
