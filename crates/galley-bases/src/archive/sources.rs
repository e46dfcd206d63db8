//! apt's sources, as text: which of them are Debian's own archives (sources.list(5)).

use std::path::PathBuf;

use super::deb822;
use super::mirror::{Mirror, SignedBy};

/// One mirror of one archive, with the options that bear on trust.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Where; with the keys that the source names.
    pub mirror: Mirror,
    /// `bookworm`, `bookworm-updates`.
    pub suites: Vec<String>,
    /// `main`, `contrib`.
    pub components: Vec<String>,
    /// `check-valid-until=no` or `check-date=no`: the owner of the machine accepts old releases from here.
    pub accepts_expired: bool,
}

/// The sources in a file of the one-line style (`.list`). Lines that cannot be read are left out, as apt's own errors name them.
pub fn one_line(text: &str) -> Vec<Source> {
    text.lines().filter_map(one_source).flatten().collect()
}

fn one_source(line: &str) -> Option<Vec<Source>> {
    let line = line.split('#').next().unwrap_or_default().trim();
    let rest = line.strip_prefix("deb")?;
    let rest = rest.starts_with(char::is_whitespace).then(|| rest.trim())?;
    let (options, rest) = match rest.strip_prefix('[') {
        Some(inside) => inside.split_once(']')?,
        None => ("", rest),
    };
    let mut words = rest.split_whitespace();
    let (uri, suite) = (words.next()?, words.next()?);
    let option = |name: &str| {
        let mut pairs = options.split_whitespace().filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    };
    let signed_by = option("signed-by").map(|path| SignedBy::File(PathBuf::from(path)));
    let accepts_expired =
        [option("check-valid-until"), option("check-date")].into_iter().flatten().any(is_no);
    let components = words.map(str::to_owned).collect();
    let mirror = Mirror::parse(uri).ok()?.signed_by(signed_by);
    Some(vec![Source { mirror, suites: vec![suite.into()], components, accepts_expired }])
}

/// The sources in a file of the deb822 style (`.sources`).
pub fn stanzas(text: &str) -> Vec<Source> {
    deb822::paragraphs(text).flat_map(|paragraph| stanza(&paragraph)).collect()
}

fn stanza(paragraph: &deb822::Paragraph<'_>) -> Vec<Source> {
    let words = |name: &str| -> Vec<String> {
        let value = deb822::folded(paragraph.get(name).unwrap_or_default());
        value.split_whitespace().map(str::to_owned).collect()
    };
    let off = paragraph.get("Enabled").is_some_and(is_no);
    if off || !words("Types").iter().any(|kind| kind == "deb") {
        return Vec::new();
    }
    let (suites, components) = (words("Suites"), words("Components"));
    let accepts_expired =
        [paragraph.get("Check-Valid-Until"), paragraph.get("Check-Date")].into_iter().flatten().any(is_no);
    let signed_by = paragraph.get("Signed-By").and_then(signed_by);
    let mirrors = words("URIs").into_iter().filter_map(|uri| Mirror::parse(&uri).ok());
    mirrors
        .map(|mirror| Source {
            mirror: mirror.signed_by(signed_by.clone()),
            suites: suites.clone(),
            components: components.clone(),
            accepts_expired,
        })
        .collect()
}

fn signed_by(value: &str) -> Option<SignedBy> {
    if value.contains("-----BEGIN") {
        // Empty lines are written as a dot there.
        let lines = deb822::value_lines(value).map(|line| if line == "." { "" } else { line });
        return Some(SignedBy::Key(lines.collect::<Vec<_>>().join("\n")));
    }
    value.split_whitespace().find(|word| word.starts_with('/')).map(|path| SignedBy::File(path.into()))
}

fn is_no(value: &str) -> bool {
    ["no", "false", "without", "off", "disable", "0"]
        .iter()
        .any(|word| value.trim().eq_ignore_ascii_case(word))
}

/// Whether apt's configuration (apt.conf(5)) turns the check of dates off for all sources.
pub fn accepts_expired(configuration: &str) -> bool {
    configuration.lines().any(|line| {
        let mut words = line.split(['"', ';', ' ', '\t']).filter(|word| !word.is_empty());
        let name = words.next().unwrap_or_default();
        let named = ["Acquire::Check-Valid-Until", "Acquire::Check-Date"]
            .iter()
            .any(|known| name.eq_ignore_ascii_case(known));
        named && words.next().is_some_and(is_no)
    })
}

/// Whether this may be one of Debian's own archives: others often have `debian` in their address, too, but name their own key. What
/// is taken for Debian's and is not, fails when its signature is checked.
pub fn is_debian(source: &Source) -> bool {
    let by_debian = match &source.mirror.signed_by {
        Some(SignedBy::File(path)) => {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("debian-archive"))
        }
        // Some write Debian's key itself into the file; who else's it is, the signature tells.
        Some(SignedBy::Key(_)) | None => true,
    };
    let uri = source.mirror.to_string();
    let in_place =
        uri.rsplit('/').take(2).any(|part| part == "debian" || part.starts_with("debian-security"));
    by_debian && in_place && source.components.iter().any(|component| component == "main")
}

/// Whether the suites are those of security updates, which lie in an archive of their own.
pub fn is_security(suite: &str) -> bool {
    suite.ends_with("-security") || suite.ends_with("/updates")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(sources: &[Source]) -> Vec<String> {
        let line = |source: &Source| {
            let (debian, old) = (
                if is_debian(source) { " debian" } else { "" },
                if source.accepts_expired { " old" } else { "" },
            );
            format!(
                "{} {} {}{debian}{old}",
                source.mirror,
                source.suites.join(","),
                source.components.join(",")
            )
        };
        sources.iter().map(line).collect()
    }

    #[test]
    fn one_line_style() {
        let text = "# deb http://commented/debian a main\n\
            deb http://host/debian bookworm main contrib # why\n\
            deb-src http://host/debian bookworm main\n\
            deb [arch=amd64 signed-by=/usr/share/keyrings/vendor.gpg] https://vendor/linux/debian bookworm main\n\
            deb [check-valid-until=no] http://me:pw@host/debian-security/ bookworm-security main\n\
            deb [broken http://host/debian bookworm main\n\
            deb cdrom:[Debian]/ bookworm main\n\
            debian\ndeb\n";
        assert_eq!(
            shown(&one_line(text)),
            [
                "http://host/debian bookworm main,contrib debian",
                "https://vendor/linux/debian bookworm main",
                "http://host/debian-security bookworm-security main debian old",
            ]
        );
    }

    #[test]
    fn deb822_style() {
        let text = "Types: deb deb-src\n# why\nURIs: http://host/debian\n http://other/debian/\nSuites: bookworm bookworm-updates\nComponents: main\n\
            Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\n\
            Enabled: no\nTypes: deb\nURIs: http://off/debian\nSuites: x\nComponents: main\n\n\
            Types: deb-src\nURIs: http://src/debian\nSuites: x\nComponents: main\n\n\
            Types: deb\nURIs: http://vendor/debian\nSuites: x\nComponents: stable\nCheck-Date: no\n\
            Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mDME\n";
        let sources = stanzas(text);
        assert_eq!(
            shown(&sources),
            [
                "http://host/debian bookworm,bookworm-updates main debian",
                "http://other/debian bookworm,bookworm-updates main debian",
                "http://vendor/debian x stable old",
            ]
        );
        let key = SignedBy::Key("-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDME".into());
        assert_eq!(sources[2].mirror.signed_by, Some(key));
    }

    #[test]
    fn configuration_that_ignores_dates() {
        for (text, accepts) in [
            ("Acquire::Check-Valid-Until \"false\";", true),
            ("acquire::check-date \"no\";", true),
            ("Acquire::Check-Valid-Until \"true\";", false),
            ("// Acquire::Check-Valid-Until \"false\";", false),
            ("Acquire::Languages \"none\";", false),
        ] {
            assert_eq!(accepts_expired(text), accepts, "{text}");
        }
    }

    #[test]
    fn suites_of_security_updates() {
        assert!(is_security("bookworm-security") && is_security("buster/updates"));
        assert!(!is_security("bookworm") && !is_security("bookworm-updates"));
    }
}
