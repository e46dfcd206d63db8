//! Who a process runs as: USER and `run -u`, looked up in the image's `/etc/passwd` and `/etc/group`.
//!
//! This differs from `--chown` (`owner.rs`) where a number is written alone: a process whose user has no entry runs with the root group
//! (Dockerfile reference, "USER"), while a file gets the same number as its group.

use galley_sandbox::UserIds;

use crate::owner::{self, UnknownOwner};

/// Numbers and home directory of a process's user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessUser {
    /// User, group and further groups.
    pub ids: UserIds,
    /// The home directory; `/` for a user without an entry.
    pub home: String,
}

/// The user that `written` (`user[:group]`, empty for root) means, with the bytes of the image's `/etc/passwd` and `/etc/group`.
/// With a group written, there is no further group.
///
/// # Errors
/// [`UnknownOwner`].
pub fn resolve(written: &str, passwd: &[u8], group: &[u8]) -> Result<ProcessUser, UnknownOwner> {
    let written = if written.is_empty() { "0" } else { written };
    let (user, named_group) =
        written.split_once(':').map_or((written, None), |(user, group)| (user, Some(group)));
    let named = owner::resolve(user, passwd, group);
    let entry = entry_of(passwd, user, named.as_ref().ok().map(|owner| owner.uid));
    let uid = named?.uid;
    let gid = match named_group {
        Some(group_name) => owner::resolve(&format!("{uid}:{group_name}"), passwd, group)?.gid,
        None => entry.as_ref().map_or(0, |entry| entry.gid),
    };
    // The own group is listed too, as login(1) does it: else a program that gives up its group for another one leaves the process
    // outside of a group whose members are denied something (CVE-2022-36109).
    let mut groups = vec![gid];
    if let (Some(entry), None) = (&entry, named_group) {
        groups.extend(
            owner::supplementary_groups(&entry.name, group).into_iter().filter(|other| *other != gid),
        );
    }
    let home = entry.map(|entry| entry.home).filter(|home| !home.is_empty());
    Ok(ProcessUser { ids: UserIds { uid, gid, groups }, home: home.unwrap_or_else(|| "/".into()) })
}

struct Entry {
    name: String,
    gid: u32,
    home: String,
}

/// The line of passwd(5) with this name, else the first one with this number.
fn entry_of(passwd: &[u8], name: &str, uid: Option<u32>) -> Option<Entry> {
    let text = String::from_utf8_lossy(passwd);
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split(':').collect()).collect();
    let by_name = lines.iter().find(|fields| fields.first() == Some(&name));
    let by_number =
        || lines.iter().find(|fields| fields.get(2).and_then(|id| id.parse().ok()) == uid && uid.is_some());
    let fields = by_name.or_else(by_number)?;
    Some(Entry {
        name: fields.first()?.to_string(),
        gid: fields.get(3)?.parse().ok()?,
        home: fields.get(5).copied().unwrap_or_default().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &[u8] = b"root:x:0:0:root:/root:/bin/sh\napp:x:1001:2002::/srv/app:/bin/sh\n";
    const GROUP: &[u8] = b"root:x:0:\napps:x:2002:\nvideo:x:44:app,other\n";

    fn ids(written: &str) -> (u32, u32, Vec<u32>, String) {
        let user = resolve(written, PASSWD, GROUP).unwrap();
        (user.ids.uid, user.ids.gid, user.ids.groups, user.home)
    }

    #[test]
    fn names_and_numbers() {
        assert_eq!(ids(""), (0, 0, vec![0], "/root".into()));
        assert_eq!(ids("app"), (1001, 2002, vec![2002, 44], "/srv/app".into()));
        assert_eq!(ids("1001"), (1001, 2002, vec![2002, 44], "/srv/app".into()));
        assert_eq!(ids("app:video"), (1001, 44, vec![44], "/srv/app".into()));
        assert_eq!(ids("1001:7"), (1001, 7, vec![7], "/srv/app".into()));
        assert_eq!(ids("65532"), (65532, 0, vec![0], "/".into()));
        assert!(matches!(resolve("nobody", PASSWD, GROUP), Err(UnknownOwner::User { .. })));
        assert!(matches!(resolve("app:none", PASSWD, GROUP), Err(UnknownOwner::Group { .. })));
    }
}
