//! Files that are no Dockerfiles at all. Never a panic, always a diagnosis and an exit code.

use std::fs;

use crate::lab::{Lab, ended};

/// Pieces that get further than noise does.
const PIECES: [&[u8]; 40] = [
    b"FROM scratch\n",
    b"FROM ",
    b"RUN ",
    b"COPY ",
    b"ADD ",
    b"ENV ",
    b"ARG ",
    b"LABEL ",
    b"ONBUILD ",
    b"HEALTHCHECK ",
    b"--from=",
    b"--mount=type=",
    b"--chown=",
    b"cache,id=",
    b"<<EOF ",
    b"EOF\n",
    b"\\\n",
    b"\n",
    b" ",
    b"\t",
    b"\"",
    b"'",
    b"${",
    b"}",
    b":-",
    b"$",
    b"[\"",
    b"\",",
    b"\"]",
    b"# escape=`\n",
    b"# syntax=x\n",
    b"#",
    b"\r\n",
    b"\0",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    "\u{1f980}\u{202e}".as_bytes(),
    b"=",
    b"* ?[",
    b"99999999999999999999",
];

/// The same numbers on every machine (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    fn noise(&mut self) -> Vec<u8> {
        (0..self.below(2000)).map(|_| (self.next() & 0xff) as u8).collect()
    }

    fn pieces(&mut self) -> Vec<u8> {
        (0..1 + self.below(60)).flat_map(|_| PIECES[self.below(PIECES.len())].iter().copied()).collect()
    }
}

#[test]
fn any_bytes_are_answered() {
    let lab = Lab::new();
    let mut built = 0;
    for seed in 0..200 {
        let mut random = Random(seed);
        let mut bytes = if seed % 3 == 0 { random.noise() } else { random.pieces() };
        if seed % 2 == 0 {
            bytes.extend(random.noise());
        }
        let file = lab.path().join("Dockerfile");
        fs::write(&file, &bytes).unwrap();
        let file = file.to_str().unwrap();
        let context = lab.context();
        // Nothing runs, and no registry is reached.
        let mut galley = lab.galley();
        galley.env("HTTPS_PROXY", "http://127.0.0.1:1").env("HTTP_PROXY", "http://127.0.0.1:1");
        let planned = ended(&galley.args(["plan", "-f", file]).arg(&context).output().unwrap());
        let shown = bytes.escape_ascii();
        match planned.code {
            Some(0) => built += 1,
            Some(1) => assert!(planned.stderr.contains("error"), "seed {seed}, {shown}: {planned:?}"),
            _ => panic!("seed {seed}, {shown}: {planned:?}"),
        }
        assert!(!planned.stderr.contains("panicked"), "seed {seed}, {shown}: {planned:?}");
    }
    assert!(built < 200, "these are no Dockerfiles");
}
