//! Paths inside an image, as text: always `/`, never the host's rules.

/// `path` made absolute from `base` and cleaned: no `.`, no `..`, no doubled or trailing `/`. `..` stops at the root.
pub(crate) fn join(base: &str, path: &str) -> String {
    let start = if path.starts_with('/') { "" } else { base };
    let mut parts: Vec<&str> = Vec::new();
    for part in start.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// Whether `path` as written can only mean a directory: it is empty, or its last component is `.`, `..` or nothing.
pub(crate) fn names_directory(path: &str) -> bool {
    matches!(path.rsplit('/').next(), None | Some("" | "." | ".."))
}

/// The destination of a copy: absolute and clean, with a trailing `/` where a directory is meant.
pub(crate) fn destination(cwd: &str, written: &str) -> String {
    let path = join(cwd, written);
    if names_directory(written) && path != "/" { format!("{path}/") } else { path }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joined_and_cleaned() {
        for (base, path, joined) in [
            ("/", "app", "/app"),
            ("/app", "src/../lib/./x", "/app/lib/x"),
            ("/app", "/usr//bin/", "/usr/bin"),
            ("/app", "../../..", "/"),
            ("", "", "/"),
        ] {
            assert_eq!(join(base, path), joined);
        }
    }

    #[test]
    fn a_directory_keeps_its_slash() {
        for (written, dest) in [
            ("./", "/app/"),
            (".", "/app/"),
            ("", "/app/"),
            ("x", "/app/x"),
            ("x/", "/app/x/"),
            ("/", "/"),
            ("x/.", "/app/x/"),
            ("..", "/"),
        ] {
            assert_eq!(destination("/app", written), dest, "{written}");
        }
    }
}
