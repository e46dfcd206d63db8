//! Any bytes as a layer archive: an answer comes, and what was read packs and reads back the same.
#![no_main]

use std::io::Read;

use galley_image::layer_tar::{LayerSink, TarProfile, Times, Whiteouts, pack, read};
use galley_image::{ContentDigest, Diff, DiffBuilder, DiffError, Entry, Kind, Tree, TreePath};
use libfuzzer_sys::fuzz_target;

#[derive(Default)]
struct Collect {
    builder: DiffBuilder,
    contents: std::collections::HashMap<ContentDigest, Vec<u8>>,
}

impl LayerSink for Collect {
    type Error = DiffError;

    fn put(&mut self, path: TreePath, mut entry: Entry, content: &mut dyn Read) -> Result<(), DiffError> {
        let mut bytes = Vec::new();
        let _ = content.read_to_end(&mut bytes);
        if let Kind::File(file) = &mut entry.kind {
            let digest = ContentDigest::of(&bytes);
            file.digest = Some(digest);
            self.contents.insert(digest, bytes);
        }
        self.builder.put(path, entry)
    }

    fn hard_link(&mut self, path: TreePath, target: TreePath) -> Result<(), DiffError> {
        self.builder.hard_link(path, &target)
    }

    fn whiteout(&mut self, path: TreePath) -> Result<(), DiffError> {
        self.builder.whiteout(path);
        Ok(())
    }

    fn opaque(&mut self, path: TreePath) -> Result<(), DiffError> {
        self.builder.opaque(path);
        Ok(())
    }
}

fn packed(diff: &Diff, contents: &std::collections::HashMap<ContentDigest, Vec<u8>>) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut open = |_: &TreePath, entry: &Entry| -> std::io::Result<Box<dyn Read>> {
        let digest = entry.file().and_then(|file| file.digest);
        let bytes = digest.and_then(|digest| contents.get(&digest)).cloned().unwrap_or_default();
        Ok(Box::new(std::io::Cursor::new(bytes)))
    };
    // Device numbers beyond the format are refused.
    pack(diff, &TarProfile::current(Times::Kept), &mut open, &mut out).ok()?;
    Some(out)
}

fuzz_target!(|bytes: &[u8]| {
    let _ = read(&mut &*bytes, Whiteouts::Literal, &mut Collect::default());
    let mut sink = Collect::default();
    if read(&mut &*bytes, Whiteouts::Decode, &mut sink).is_err() {
        return;
    }
    let diff = sink.builder.finish(&Tree::empty());
    let Some(first) = packed(&diff, &sink.contents) else { return };
    let mut again = Collect::default();
    read(&mut &*first, Whiteouts::Decode, &mut again).unwrap();
    let second = packed(&again.builder.finish(&Tree::empty()), &again.contents).unwrap();
    assert_eq!(first, second);
});
