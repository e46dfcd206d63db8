//! Who owns what: `user[:group]` of USER, `--chown` and WORKDIR, looked up in the image's own `/etc/passwd` and
//! `/etc/group`.
//!
//! Rules (Dockerfile reference, "COPY --chown"): a user without a group gives its own number to both; numbers need no
//! files; names are looked up, and a named user without a group gets the group that `/etc/passwd` gives it.

use galley_syntax::suggest;

/// Numbers of a user and a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// A user or group that the image does not know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnknownOwner {
    /// No such user.
    #[error("the image's /etc/passwd has no user `{name}`{}", hint(nearest))]
    User {
        /// The name.
        name: String,
        /// The most similar name that there is.
        nearest: Option<String>,
    },
    /// No such group.
    #[error("the image's /etc/group has no group `{name}`{}", hint(nearest))]
    Group {
        /// The name.
        name: String,
        /// The most similar name that there is.
        nearest: Option<String>,
    },
    /// A number that is no id.
    #[error("`{0}` is no user or group id: ids go from 0 to 4294967294")]
    Id(String),
    /// Nothing stands before or behind the colon.
    #[error("`{0}` is no owner: write user, user:group, or numbers")]
    Malformed(String),
}

fn hint(nearest: &Option<String>) -> String {
    match nearest {
        Some(name) => format!("; did you mean `{name}`?"),
        None => "; a number needs no entry there".to_owned(),
    }
}

/// Whether `owner` cannot be resolved without the image's files.
#[must_use]
pub fn needs_files(owner: &str) -> bool {
    owner.split(':').any(|part| !part.is_empty() && !is_number(part))
}

/// The numbers that `owner` (`user[:group]`) means, with the bytes of the image's `/etc/passwd` and `/etc/group` (empty
/// where the image has none).
///
/// # Errors
/// [`UnknownOwner`].
pub fn resolve(owner: &str, passwd: &[u8], group: &[u8]) -> Result<Owner, UnknownOwner> {
    let (user, group_name) = match owner.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (owner, None),
    };
    if user.is_empty() || group_name.is_some_and(|name| name.is_empty() || name.contains(':')) {
        return Err(UnknownOwner::Malformed(owner.to_owned()));
    }
    let (uid, own_group) = if is_number(user) {
        let uid = number(user)?;
        (uid, uid)
    } else {
        let line = find(passwd, user)
            .ok_or_else(|| UnknownOwner::User { name: user.to_owned(), nearest: nearest(passwd, user) })?;
        let id = |at: usize| line.get(at).map_or(Err(UnknownOwner::Id(String::new())), |id| number(id));
        (id(2)?, id(3)?)
    };
    let gid = match group_name {
        None => own_group,
        Some(name) if is_number(name) => number(name)?,
        Some(name) => {
            let line = find(group, name).ok_or_else(|| UnknownOwner::Group {
                name: name.to_owned(),
                nearest: nearest(group, name),
            })?;
            line.get(2).map_or(Err(UnknownOwner::Id(String::new())), |id| number(id))?
        }
    };
    Ok(Owner { uid, gid })
}

/// The groups, besides its own, that list `user` as a member in the bytes of an `/etc/group` (group(5)).
#[must_use]
pub fn supplementary_groups(user: &str, group: &[u8]) -> Vec<u32> {
    let is_member =
        |fields: &Vec<String>| fields.get(3).is_some_and(|members| members.split(',').any(|m| m == user));
    lines(group).filter(is_member).filter_map(|fields| fields.get(2)?.parse().ok()).collect()
}

/// The home directory of `user`, a name or number, in the bytes of an `/etc/passwd` (passwd(5)).
#[must_use]
pub fn home(user: &str, passwd: &[u8]) -> Option<String> {
    let is_user = |fields: &Vec<String>| {
        fields.first().is_some_and(|name| name == user) || fields.get(2).is_some_and(|uid| uid == user)
    };
    lines(passwd).find(is_user)?.get(5).filter(|home| !home.is_empty()).cloned()
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn number(text: &str) -> Result<u32, UnknownOwner> {
    // The largest number means "leave it as it is" to chown(2).
    text.parse().ok().filter(|id| *id != u32::MAX).ok_or_else(|| UnknownOwner::Id(text.to_owned()))
}

fn lines(file: &[u8]) -> impl Iterator<Item = Vec<String>> {
    file.split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty() && !line.starts_with(b"#"))
        .map(|line| String::from_utf8_lossy(line).split(':').map(str::to_owned).collect())
}

fn find(file: &[u8], name: &str) -> Option<Vec<String>> {
    lines(file).find(|fields| fields.first().is_some_and(|first| first == name))
}

fn nearest(file: &[u8], name: &str) -> Option<String> {
    let names: Vec<String> = lines(file).filter_map(|fields| fields.into_iter().next()).collect();
    suggest::nearest(name, names.iter().map(String::as_str)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &[u8] =
        b"root:x:0:0:root:/root:/bin/sh\nnode:x:1000:1001::/home/node:/bin/sh\n# x\nbroken\n";
    const GROUP: &[u8] = b"root:x:0:\nstaff:x:50:node,other\nnode:x:1001:\ndocker:x:999:node\n";

    fn ids(owner: &str) -> Result<(u32, u32), UnknownOwner> {
        resolve(owner, PASSWD, GROUP).map(|owner| (owner.uid, owner.gid))
    }

    #[test]
    fn names_and_numbers() {
        assert_eq!(ids("node"), Ok((1000, 1001)));
        assert_eq!(ids("node:staff"), Ok((1000, 50)));
        assert_eq!(ids("12"), Ok((12, 12)));
        assert_eq!(ids("12:staff"), Ok((12, 50)));
        assert_eq!(ids("node:7"), Ok((1000, 7)));
        assert_eq!(resolve("1:2", b"", b""), Ok(Owner { uid: 1, gid: 2 }));
    }

    #[test]
    fn unknown_names_come_with_the_nearest() {
        let error = ids("ndoe").unwrap_err();
        assert_eq!(error.to_string(), "the image's /etc/passwd has no user `ndoe`; did you mean `node`?");
        assert!(
            matches!(ids("node:stuff"), Err(UnknownOwner::Group { nearest: Some(near), .. }) if near == "staff")
        );
        assert!(matches!(ids("zzzzzz"), Err(UnknownOwner::User { nearest: None, .. })));
        assert!(matches!(ids("4294967295"), Err(UnknownOwner::Id(_))));
        assert!(matches!(ids("broken"), Err(UnknownOwner::Id(_))));
        for malformed in ["", ":", "node:", ":node", "a:b:c"] {
            assert!(matches!(ids(malformed), Err(UnknownOwner::Malformed(_))), "{malformed}");
        }
    }

    #[test]
    fn groups_and_home() {
        assert_eq!(supplementary_groups("node", GROUP), [50, 999]);
        assert_eq!(home("node", PASSWD).as_deref(), Some("/home/node"));
        assert_eq!(home("1000", PASSWD).as_deref(), Some("/home/node"));
        assert_eq!(home("nobody", PASSWD), None);
        assert!(needs_files("node") && needs_files("1:staff") && !needs_files("1:2") && !needs_files(""));
    }
}
