//! Mirrors, signatures, indexes, dependencies, downloads: from a list of names to verified `.deb` files.
