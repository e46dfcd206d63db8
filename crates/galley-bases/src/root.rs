//! From `.deb` files to a root file system: unpacked, configured, trimmed.
