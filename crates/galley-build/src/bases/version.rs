//! What version a tag asks for, and whether a base has it.

/// The version that `tag` asks for: the numbers it begins with, `3.12` of `3.12-slim`. `None` for `bookworm`, `latest`, `nonroot`.
fn asked(tag: &str) -> Option<&str> {
    let tag = tag.strip_prefix('v').unwrap_or(tag);
    let end = tag.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(tag.len());
    let rest = &tag[end..];
    let version = tag[..end].trim_end_matches('.');
    // `3.12rc1` asks for more than numbers say.
    (!version.is_empty() && (rest.is_empty() || rest.starts_with('-'))).then_some(version)
}

/// The version that `tag` asks for where `has` is another: `3.12` is asked for, and `3.11.2` or `3.1` is not it; `3.12.1` is.
pub(super) fn differs<'t>(tag: &'t str, has: &str) -> Option<&'t str> {
    let asked = asked(tag)?;
    let wanted = asked.split('.');
    let mut offered = has.split(|c: char| !c.is_ascii_digit());
    let same = wanted.into_iter().all(|part| offered.next() == Some(part));
    (!same).then_some(asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_asks_for_the_numbers_it_begins_with() {
        for (tag, has, asked) in [
            ("3.12", "3.12.1", None),
            ("3.12", "3.12", None),
            ("3.12-slim", "3.12.1", None),
            ("3", "3.11.2", None),
            ("v3", "3.11.2", None),
            ("3.12", "3.11.2", Some("3.12")),
            ("3.1", "3.11.2", Some("3.1")),
            ("3.11.2.4", "3.11.2", Some("3.11.2.4")),
            ("20-alpine", "18.4", Some("20")),
            ("1", "1.63.0+dfsg1", None),
            ("bookworm", "12.1", None),
            ("latest", "1", None),
            ("3.13rc1", "3.12", None),
            ("", "1", None),
        ] {
            assert_eq!(differs(tag, has), asked, "{tag} {has}");
        }
    }
}
