//! The cases of the Dockerfile language: what to build, kept apart from who builds it, so that a test runs them with galley
//! alone and `cargo xtask conformance` beside its peers.
//!
//! A case is a file `NAME.case`: a sentence on what it shows, then sections, each begun by a line `--- KIND NAME`:
//!
//! - `--- Dockerfile`, or `--- Dockerfile PATH` for a second file in the context;
//! - `--- context`: the context as a [`crate::tree`]; entries without a time get 2020-09-13;
//! - `--- setup`: what a tree cannot say, as a script for `sh -eu` that runs in the context;
//! - `--- image NAME`: the Dockerfile of an image that is built before, from the same context, as
//!   `conformance/CASE-NAME`;
//! - `--- args`: further arguments of the build, one a line; `--- env`: variables, one a line;
//! - `--- fails`: galley is meant to refuse it, so that a slip in a case is not taken for what it shows;
//! - `--- differs PEER`: why galley and this peer differ here. What is not written down is a failure.
//!
//! All cases may stand on the image `conformance/base`. What galley makes of a case is the file `NAME.expected` beside it.

mod case;
mod decisions;
mod galley;

pub use case::{Case, Prepared};
pub use decisions::page;
pub use galley::{Galley, Outcome, base_context};

/// The image that cases stand on.
pub const BASE: &str = "conformance/base";

/// How [`BASE`] is made, from a context with Debian's static `busybox` in it.
pub const BASE_DOCKERFILE: &str = r#"FROM scratch
COPY busybox /bin/busybox
RUN ["/bin/busybox", "--install", "-s", "/bin"]
COPY <<passwd <<group /etc/
root:x:0:0:root:/root:/bin/sh
app:x:1001:2002::/home/app:/bin/sh
bare:x:1002:1002:::/bin/sh
passwd
root:x:0:
app:x:2002:
staff:x:50:
video:x:44:app
group
RUN mkdir -p -m 0700 /root && mkdir -p -m 1777 /tmp && mkdir -p /usr/lib /srv /run /var && ln -s usr/lib /lib && ln -s /run /var/run \
 && mkdir -p /home/app && chmod 0750 /home/app && chown 1001:2002 /home/app
"#;

/// The time that files of a context have where a case says nothing: 2020-09-13T12:26:40Z.
pub const CONTEXT_TIME: i64 = 1_600_000_000;
