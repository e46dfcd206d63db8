//! References and platforms: whatever is typed, an answer comes, and what is accepted is read back as it is written.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use galley_image::{Digest, Platform, Reference, TreePath};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn a_reference_is_read_back_as_it_is_written(text in "[a-zA-Z0-9._:/@\\[\\]-]{0,40}") {
        if let Ok(reference) = text.parse::<Reference>() {
            prop_assert_eq!(reference.to_string().parse::<Reference>(), Ok(reference.clone()));
            prop_assert_eq!(reference.familiar().parse::<Reference>(), Ok(reference));
        }
    }

    #[test]
    fn any_text_is_answered(text in ".{0,60}") {
        let _ = text.parse::<Reference>();
        let _ = text.parse::<Platform>();
        let _ = text.parse::<Digest>();
    }

    #[test]
    fn a_platform_is_read_back_as_it_is_written(text in "(linux|Linux|windows|freebsd)/(amd64|x86_64|arm|arm64|aarch64|armhf|[a-z0-9]{1,8})(/[a-z0-9]{1,4})?") {
        let platform: Platform = text.parse().unwrap();
        prop_assert_eq!(platform.to_string().parse::<Platform>(), Ok(platform.clone()));
        prop_assert!(platform.accepts(&platform));
    }

    #[test]
    fn a_path_is_read_back_as_it_is_written(bytes in prop::collection::vec(prop::sample::select(b"ab./\xff".to_vec()), 0..24)) {
        let path = TreePath::clean(&bytes).unwrap();
        prop_assert_eq!(TreePath::strict(path.as_bytes()), Ok(path.clone()));
        if let Ok(strict) = TreePath::strict(&bytes) {
            prop_assert_eq!(strict, path);
        }
    }
}
