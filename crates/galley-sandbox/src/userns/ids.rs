//! Id maps of user namespaces, and the subordinate ids that a user may map.

use std::fs;
use std::io;
use std::path::Path;

use super::UserNamespaceError;

/// A run of consecutive ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdRange {
    /// The first id inside the namespace.
    pub inside: u32,
    /// The id outside that it stands for.
    pub outside: u32,
    /// How many.
    pub count: u32,
}

/// A map of ids, as in `/proc/PID/uid_map` (user_namespaces(7)).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdMap {
    ranges: Vec<IdRange>,
}

impl IdMap {
    /// The map of user ids that this process lives in.
    ///
    /// # Errors
    /// When `/proc` is not mounted.
    pub fn of_users() -> io::Result<Self> {
        Ok(Self::parse(&fs::read_to_string("/proc/self/uid_map")?))
    }

    /// The map of group ids that this process lives in.
    ///
    /// # Errors
    /// When `/proc` is not mounted.
    pub fn of_groups() -> io::Result<Self> {
        Ok(Self::parse(&fs::read_to_string("/proc/self/gid_map")?))
    }

    /// Reads the kernel's form: lines of first id inside, first id outside, count. Other lines are
    /// passed over.
    pub fn parse(text: &str) -> Self {
        let range = |line: &str| {
            let mut numbers = line.split_whitespace().map(|word| word.parse().ok());
            let mut next = || numbers.next().flatten();
            Some(IdRange { inside: next()?, outside: next()?, count: next()? })
        };
        Self { ranges: text.lines().filter_map(range).collect() }
    }

    /// The map of a new namespace: id 0 is the user's `own` id, ids from 1 on are the subordinate ones.
    pub fn for_user(own: u32, subordinate: &SubIds) -> Self {
        let mut ranges = vec![IdRange { inside: 0, outside: own, count: 1 }];
        let mut inside = 1_u32;
        for (outside, count) in &subordinate.ranges {
            // A user with more ids than there are numbers keeps the first ones.
            let count = (*count).min(u32::MAX - inside);
            ranges.push(IdRange { inside, outside: *outside, count });
            inside += count;
        }
        Self { ranges }
    }

    /// The runs, in order.
    pub fn ranges(&self) -> &[IdRange] {
        &self.ranges
    }

    /// How many ids are mapped.
    pub fn count(&self) -> u32 {
        self.ranges.iter().fold(0, |sum, range| sum.saturating_add(range.count))
    }

    /// Whether `id` exists inside.
    pub fn contains(&self, id: u32) -> bool {
        self.ranges.iter().any(|range| id >= range.inside && id - range.inside < range.count)
    }

    /// Whether every id stands for itself, as outside of any user namespace.
    pub fn is_identity(&self) -> bool {
        self.ranges == [IdRange { inside: 0, outside: 0, count: u32::MAX }]
    }
}

/// The subordinate ids of a user: runs of first id and count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubIds {
    ranges: Vec<(u32, u32)>,
}

impl SubIds {
    /// Reads `/etc/subuid` or `/etc/subgid` (subuid(5)) for the user with this id.
    ///
    /// # Errors
    /// [`UserNamespaceError::NoSubordinateIds`] when the file is missing or has no line for the user.
    pub fn of_user(path: &Path, uid: u32) -> Result<Self, UserNamespaceError> {
        // A missing file is one without lines, to whoever has to write one.
        let text = fs::read_to_string(path).unwrap_or_default();
        let name = fs::read_to_string("/etc/passwd").ok().and_then(|passwd| name_of(&passwd, uid));
        let found = Self::parse(&text, name.as_deref(), uid);
        if found.ranges.is_empty() {
            let user = name.unwrap_or_else(|| uid.to_string());
            return Err(UserNamespaceError::NoSubordinateIds {
                path: path.into(),
                user,
                suggested: first_free(&text),
            });
        }
        Ok(found)
    }

    /// The lines for a user, who may stand there by name or by id.
    pub fn parse(text: &str, name: Option<&str>, uid: u32) -> Self {
        let uid = uid.to_string();
        let range = |line: &str| {
            let (user, start, count) = entry(line)?;
            (user == uid || Some(user) == name).then_some((start, count))
        };
        Self { ranges: text.lines().filter_map(range).filter(|(_, count)| *count > 0).collect() }
    }

    /// How many there are.
    pub fn count(&self) -> u32 {
        self.ranges.iter().fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }
}

fn entry(line: &str) -> Option<(&str, u32, u32)> {
    let mut fields = line.trim().split(':');
    let (user, start, count) = (fields.next()?, fields.next()?, fields.next()?);
    Some((user, start.parse().ok()?, count.parse().ok()?))
}

/// The first id after all that are given away; 100000 is where useradd(8) starts.
fn first_free(text: &str) -> u32 {
    let ends = text.lines().filter_map(entry).map(|(_, start, count)| start.saturating_add(count));
    ends.max().unwrap_or(0).max(100_000)
}

/// The name of a user in the form of passwd(5).
fn name_of(passwd: &str, uid: u32) -> Option<String> {
    let uid = uid.to_string();
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUBUID: &str = "root:100000:65536\nann:165536:65536\n# a comment\n12345:300000:1000\nann:1000000:10\nbroken:x:1\nnone:5:0\n";

    #[test]
    fn a_user_is_found_by_name_and_by_id() {
        let ann = SubIds::parse(SUBUID, Some("ann"), 1000);
        assert_eq!(ann.ranges, [(165_536, 65_536), (1_000_000, 10)]);
        assert_eq!(ann.count(), 65_546);
        assert_eq!(SubIds::parse(SUBUID, None, 12_345).ranges, [(300_000, 1000)]);
        assert_eq!(SubIds::parse(SUBUID, Some("bob"), 1001).count(), 0);
        assert_eq!(SubIds::parse(SUBUID, Some("none"), 1002).ranges, []);
        assert_eq!(SubIds::parse(SUBUID, Some("broken"), 1003).ranges, []);
    }

    #[test]
    fn the_map_starts_with_the_own_id_and_goes_on_with_the_subordinate_ones() {
        let map = IdMap::for_user(1000, &SubIds::parse(SUBUID, Some("ann"), 1000));
        let range = |inside, outside, count| IdRange { inside, outside, count };
        assert_eq!(
            map.ranges(),
            [range(0, 1000, 1), range(1, 165_536, 65_536), range(65_537, 1_000_000, 10)]
        );
        assert!(map.contains(0) && map.contains(65_546) && !map.contains(65_547));
        assert_eq!(map.count(), 65_547);
    }

    #[test]
    fn a_map_cannot_overflow() {
        let map = IdMap::for_user(0, &SubIds { ranges: vec![(1, u32::MAX), (7, 5)] });
        assert_eq!(map.count(), u32::MAX);
    }

    #[test]
    fn the_kernels_form_is_read() {
        let whole = IdMap::parse("         0          0 4294967295\n");
        assert!(whole.is_identity());
        let mapped = IdMap::parse("  0  1000  1\n  1  100000  65536\n");
        assert!(!mapped.is_identity());
        assert_eq!(mapped.count(), 65_537);
        assert_eq!(IdMap::parse("nonsense"), IdMap::default());
    }

    #[test]
    fn a_free_range_is_suggested() {
        assert_eq!(first_free(""), 100_000);
        assert_eq!(first_free(SUBUID), 1_000_010);
    }

    #[test]
    fn names_come_from_passwd() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n";
        assert_eq!(name_of(passwd, 1000).as_deref(), Some("ann"));
        assert_eq!(name_of(passwd, 1), None);
    }
}
