//! What extended headers say about the member behind them (pax `x`, GNU `L` and `K`) or about all that follow (pax `g`).

use super::error::ArchiveError;
use crate::entry::{Entry, Mtime, Xattrs};
use crate::layer_tar::pax;

/// What overrides a header's own fields.
#[derive(Default)]
pub(super) struct Extension {
    pub path: Option<Vec<u8>>,
    pub link: Option<Vec<u8>>,
    pub size: Option<u64>,
    pub uid: Option<u64>,
    pub gid: Option<u64>,
    pub mtime: Option<Mtime>,
    pub device: (Option<u32>, Option<u32>),
    pub xattrs: Xattrs,
    /// GNU tar describes the file's holes in records.
    pub sparse: bool,
    seen: bool,
    seen_pax: bool,
}

/// Defaults for all members behind a global header.
#[derive(Default)]
pub(super) struct Globals {
    pub uid: Option<u64>,
    pub gid: Option<u64>,
    pub mtime: Option<Mtime>,
}

impl Extension {
    /// Whether no extended header came.
    pub fn is_empty(&self) -> bool {
        !self.seen
    }

    pub fn add_pax(&mut self, block: &[u8], offset: u64) -> Result<(), ArchiveError> {
        if self.seen_pax {
            return Err(ArchiveError::Ambiguous { offset, what: "attributes" });
        }
        (self.seen, self.seen_pax) = (true, true);
        for record in pax::records(block) {
            let (key, value) = record.map_err(|_| malformed(offset, b""))?;
            self.record(key, value, offset)?;
        }
        Ok(())
    }

    pub fn add_long_name(&mut self, block: &[u8], offset: u64) -> Result<(), ArchiveError> {
        self.seen = true;
        set_once(&mut self.path, before_nul(block), "name", offset)
    }

    pub fn add_long_link(&mut self, block: &[u8], offset: u64) -> Result<(), ArchiveError> {
        self.seen = true;
        set_once(&mut self.link, before_nul(block), "link target", offset)
    }

    fn record(&mut self, key: &[u8], value: &[u8], offset: u64) -> Result<(), ArchiveError> {
        if let Some(name) = key.strip_prefix(pax::XATTR_PREFIX) {
            let name = pax::decode_xattr_name(name);
            if Entry::keeps_xattr(&name) {
                self.xattrs.insert(name, value.into());
            }
            return Ok(());
        }
        self.sparse |= key.starts_with(b"GNU.sparse.");
        // An empty value takes back what an earlier header said; the member's own field counts.
        if value.is_empty() {
            return Ok(());
        }
        let number = || pax::decimal(value).ok_or_else(|| malformed(offset, key));
        let device = || number().and_then(|n| u32::try_from(n).map_err(|_| malformed(offset, key)));
        match key {
            b"path" => set_once(&mut self.path, value, "name", offset)?,
            b"linkpath" => set_once(&mut self.link, value, "link target", offset)?,
            b"size" => {
                self.size = Some(number()?).filter(|size| *size <= i64::MAX as u64);
                if self.size.is_none() {
                    return Err(malformed(offset, key));
                }
            }
            b"uid" => self.uid = Some(number()?),
            b"gid" => self.gid = Some(number()?),
            b"mtime" => self.mtime = Some(pax::time(value).ok_or_else(|| malformed(offset, key))?),
            b"SCHILY.devmajor" => self.device.0 = Some(device()?),
            b"SCHILY.devminor" => self.device.1 = Some(device()?),
            // Names of owners, access times, comments and vendors' own records.
            _ => {}
        }
        Ok(())
    }
}

impl Globals {
    /// Git writes a comment here. Names and sizes for all members make no sense, and programs disagree on them.
    pub fn add_pax(&mut self, block: &[u8], offset: u64) -> Result<(), ArchiveError> {
        let mut extension = Extension::default();
        extension.add_pax(block, offset)?;
        let one_member = extension.path.is_some()
            || extension.link.is_some()
            || extension.size.is_some()
            || extension.sparse
            || !extension.xattrs.is_empty();
        if one_member {
            return Err(ArchiveError::Ambiguous {
                offset,
                what: "content (a global header sets it for all members)",
            });
        }
        self.uid = extension.uid.or(self.uid);
        self.gid = extension.gid.or(self.gid);
        self.mtime = extension.mtime.or(self.mtime);
        Ok(())
    }
}

fn set_once(
    field: &mut Option<Vec<u8>>,
    value: &[u8],
    what: &'static str,
    offset: u64,
) -> Result<(), ArchiveError> {
    match field.replace(value.to_vec()) {
        Some(_) => Err(ArchiveError::Ambiguous { offset, what }),
        None => Ok(()),
    }
}

fn before_nul(block: &[u8]) -> &[u8] {
    block.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn malformed(offset: u64, key: &[u8]) -> ArchiveError {
    ArchiveError::Record { offset, key: String::from_utf8_lossy(key).into_owned() }
}
