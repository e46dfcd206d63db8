//! Which mirrors Debian's archives are asked at: given, of a snapshot, or those of the machine's apt.

use std::fs;
use std::path::{Path, PathBuf};

use super::date;
use super::error::ArchiveError;
use super::mirror::Mirror;
use super::sources::{self, Source};

/// Mirrors of Debian's two archives, each in the order in which they are asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mirrors {
    /// Of `debian`.
    pub main: Vec<Mirror>,
    /// Of `debian-security`.
    pub security: Vec<Mirror>,
    /// The file of apt's in which the machine's owner says that releases from here may be out of date.
    pub accepts_expired: Option<PathBuf>,
}

impl Mirrors {
    /// Mirrors by their URIs. Where none is given for security updates, they are looked for beside the first ones: `…/debian-security`.
    ///
    /// # Errors
    /// The first URI that is none.
    pub fn given(main: &[String], security: &[String]) -> Result<Self, ArchiveError> {
        let parse =
            |uris: &[String]| uris.iter().map(|uri| Mirror::parse(uri)).collect::<Result<Vec<_>, _>>();
        Ok(Self { main: parse(main)?, security: parse(security)?, accepts_expired: None }.with_security())
    }

    /// The state of the archives at a moment, where a mirror keeps such states: `template` is its URI with `{archive}` and `{moment}` in it. To be
    /// used with [`super::request::Trust::at`] set to the same moment.
    ///
    /// # Errors
    /// A template without both, or that is no URI.
    pub fn snapshot(template: &str, moment: u64) -> Result<Self, ArchiveError> {
        if !template.contains("{archive}") || !template.contains("{moment}") {
            return Err(ArchiveError::Snapshot {
                template: Mirror::parse(template).map_or_else(|error| error.0, |mirror| mirror.to_string()),
            });
        }
        let mirror = |archive| {
            Mirror::parse(&template.replace("{archive}", archive).replace("{moment}", &date::moment(moment)))
        };
        Ok(Self {
            main: vec![mirror("debian")?],
            security: vec![mirror("debian-security")?],
            accepts_expired: None,
        })
    }

    /// The Debian mirrors among the sources of apt's configuration in `directory`, usually `/etc/apt`; other vendors' archives are left out.
    ///
    /// # Errors
    /// [`ArchiveError::NoMirror`].
    pub fn of_host(directory: &Path) -> Result<Self, ArchiveError> {
        let mut mirrors = Self::default();
        for (file, source) in
            host_sources(directory).into_iter().filter(|(_, source)| sources::is_debian(source))
        {
            let security = source.suites.iter().any(|suite| sources::is_security(suite));
            let list = if security { &mut mirrors.security } else { &mut mirrors.main };
            if !list.contains(&source.mirror) {
                list.push(source.mirror);
            }
            if source.accepts_expired {
                mirrors.accepts_expired.get_or_insert(file);
            }
        }
        if mirrors.main.is_empty() {
            return Err(ArchiveError::NoMirror { directory: directory.into() });
        }
        if mirrors.accepts_expired.is_none() {
            mirrors.accepts_expired = configurations(directory)
                .into_iter()
                .find(|file| fs::read_to_string(file).is_ok_and(|text| sources::accepts_expired(&text)));
        }
        Ok(mirrors.with_security())
    }

    fn with_security(mut self) -> Self {
        if self.security.is_empty() {
            self.security = self.main.iter().map(|mirror| mirror.beside("-security")).collect();
        }
        self
    }
}

/// The sources with their files, in apt's order: the one file, then those of the directory by name. What cannot be read is not there for apt either.
fn host_sources(directory: &Path) -> Vec<(PathBuf, Source)> {
    let mut files = vec![directory.join("sources.list")];
    files.extend(entries(&directory.join("sources.list.d")));
    let mut found = Vec::new();
    for file in files {
        let read: fn(&str) -> Vec<Source> = match file.extension().and_then(|extension| extension.to_str()) {
            Some("list") => sources::one_line,
            Some("sources") => sources::stanzas,
            _ => continue,
        };
        let text = fs::read_to_string(&file).unwrap_or_default();
        found.extend(read(&text).into_iter().map(|source| (file.clone(), source)));
    }
    found
}

fn configurations(directory: &Path) -> Vec<PathBuf> {
    let mut files = entries(&directory.join("apt.conf.d"));
    files.push(directory.join("apt.conf"));
    files
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let read = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = read.map(|entry| entry.path()).collect();
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(files: &[(&str, &str)]) -> (tempfile::TempDir, Result<Mirrors, ArchiveError>) {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let mirrors = Mirrors::of_host(directory.path());
        (directory, mirrors)
    }

    fn shown(mirrors: &[Mirror]) -> Vec<String> {
        mirrors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_machines_mirrors_and_no_others() {
        let (directory, mirrors) = host(&[
            ("sources.list", "deb http://a/debian bookworm main\ndeb http://vendor/apt stable main\n"),
            (
                "sources.list.d/z.sources",
                "Types: deb\nURIs: http://b/debian http://a/debian\nSuites: bookworm-updates\nComponents: main\n",
            ),
            ("sources.list.d/s.list", "deb http://s/debian-security bookworm-security main\n"),
            ("sources.list.d/off.list.disabled", "deb http://off/debian bookworm main\n"),
            ("apt.conf.d/99frozen", "Acquire::Check-Valid-Until \"false\";\n"),
        ]);
        let mirrors = mirrors.unwrap();
        assert_eq!(shown(&mirrors.main), ["http://a/debian", "http://b/debian"]);
        assert_eq!(shown(&mirrors.security), ["http://s/debian-security"]);
        assert_eq!(mirrors.accepts_expired, Some(directory.path().join("apt.conf.d/99frozen")));
        assert_eq!(mirrors.of("bookworm-updates"), mirrors.main);
        assert_eq!(mirrors.of("bookworm-security"), mirrors.security);
    }

    #[test]
    fn without_apt_the_setting_is_named() {
        let (_directory, mirrors) = host(&[]);
        assert!(mirrors.unwrap_err().to_string().contains("give one with `--mirror URI`"));
    }

    #[test]
    fn security_updates_lie_beside() {
        let given = Mirrors::given(&["http://a/debian/".into()], &[]).unwrap();
        assert_eq!(shown(&given.security), ["http://a/debian-security"]);
        assert!(Mirrors::given(&["nowhere".into()], &[]).is_err());
    }

    #[test]
    fn snapshots_are_of_a_moment() {
        let mirrors = Mirrors::snapshot("http://s/archive/{archive}/{moment}/", 0).unwrap();
        assert_eq!(shown(&mirrors.main), ["http://s/archive/debian/19700101T000000Z"]);
        assert_eq!(shown(&mirrors.security), ["http://s/archive/debian-security/19700101T000000Z"]);
        let error = Mirrors::snapshot("http://me:pw@s/archive", 0).unwrap_err().to_string();
        assert!(error.contains("`http://s/archive` has to name `{archive}` and `{moment}`"), "{error}");
    }
}
