//! Dependency fields and versions: no panic; what was read is shown, and reads the same again; the order of versions is one.
#![no_main]

use galley_bases::archive::dependency::parse;
use galley_bases::archive::version::compare;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(clauses) = parse(text) {
        let shown = clauses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let again = parse(&shown).expect("what is shown can be read");
        assert_eq!(again.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "), shown);
    }
    let mut parts = text.splitn(3, '|');
    if let (Some(a), Some(b), Some(c)) = (parts.next(), parts.next(), parts.next()) {
        assert_eq!(compare(a, b), compare(b, a).reverse());
        assert!(compare(a, a).is_eq());
        if compare(a, b).is_le() && compare(b, c).is_le() {
            assert!(compare(a, c).is_le());
        }
    }
});
