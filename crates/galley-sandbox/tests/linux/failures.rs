//! What cannot be started says why.

use galley_sandbox::{Cancel, Mount, MountKind, Root, SandboxError, UserIds};

use crate::lab::Lab;

#[test]
fn a_program_that_is_not_there() {
    let lab = Lab::new();
    let error = lab.try_run(&lab.process(&["no-such-program"]), &Cancel::new()).unwrap_err();
    assert!(matches!(error, SandboxError::NotFound { .. }), "{error:?}");
    assert_eq!(error.shell_code(), 127);
    assert!(error.to_string().contains("looked for /bin/no-such-program"), "{error}");
    let error = lab.try_run(&lab.process(&["/no/such"]), &Cancel::new()).unwrap_err();
    assert_eq!(error.shell_code(), 127);
}

#[test]
fn a_file_that_is_no_program() {
    let lab = Lab::new();
    let mut process = lab.process(&["/etc/passwd"]);
    let error = lab.try_run(&process, &Cancel::new()).unwrap_err();
    assert!(matches!(error, SandboxError::NotExecutable { .. }), "{error:?}");
    assert_eq!(error.shell_code(), 126);
    lab.sh("printf 'nonsense' >/x; chmod 755 /x; printf '#!/no/sh\\n' >/y; chmod 755 /y; mkdir /d");
    process.args = vec!["/x".into()];
    let error = lab.try_run(&process, &Cancel::new()).unwrap_err();
    assert!(error.to_string().contains("architecture"), "{error}");
    process.args = vec!["/y".into()];
    let error = lab.try_run(&process, &Cancel::new()).unwrap_err();
    assert!(matches!(error, SandboxError::NoInterpreter { .. }), "{error:?}");
    process.args = vec!["/d".into()];
    let error = lab.try_run(&process, &Cancel::new()).unwrap_err();
    assert!(matches!(error, SandboxError::NotExecutable { .. }), "{error:?}");
}

#[test]
fn a_working_directory_that_is_not_there() {
    let lab = Lab::new();
    let mut process = lab.shell("true");
    process.cwd = "/no/where".into();
    let error = lab.try_run(&process, &Cancel::new()).unwrap_err();
    assert!(error.to_string().contains("/no/where"), "{error}");
    assert!(matches!(error, SandboxError::WorkingDirectory { .. }), "{error:?}");
}

#[test]
fn a_source_or_a_mount_point_that_is_not_there() {
    let lab = Lab::new();
    let mut process = lab.shell("true");
    let kind =
        MountKind::Bind { source: "/no/source".into(), subpath: "".into(), read_only: true, recursive: true };
    process.mounts = vec![Mount { target: "/m".into(), kind }];
    let error = lab.try_run(&process, &Cancel::new()).unwrap_err();
    assert!(error.to_string().starts_with("cannot mount /no/source: "), "{error}");
    let error = lab.run_bare(&lab.shell("true"), &Cancel::new()).unwrap_err();
    assert!(
        error.to_string().contains("proc inside the root") && error.to_string().contains("stub"),
        "{error}"
    );
}

#[test]
fn a_layer_that_is_not_there() {
    let mut lab = Lab::new();
    lab.layers = vec!["/no/layer".into()];
    let error = lab.run_bare(&lab.shell("true"), &Cancel::new()).unwrap_err();
    assert!(error.to_string().contains("/no/layer"), "{error}");
}

#[test]
fn a_user_that_the_namespace_lacks() {
    let lab = Lab::new();
    let mut process = lab.shell("id -u");
    process.user = UserIds { uid: 4_000_000_000, gid: 0, groups: vec![] };
    match lab.try_run(&process, &Cancel::new()) {
        Ok(done) => assert_eq!(done.out(), "4000000000"),
        Err(error) => {
            assert!(galley_sandbox::userns::in_user_namespace(), "{error}");
            assert!(error.to_string().contains("user 4000000000"), "{error}");
            assert!(error.to_string().contains("/etc/subuid"), "{error}");
        }
    }
}

#[test]
fn descriptions_that_make_no_sense() {
    let lab = Lab::new();
    let cancel = Cancel::new();
    let refused = |change: &dyn Fn(&mut galley_sandbox::Process)| {
        let mut process = lab.shell("true");
        change(&mut process);
        let error = lab.run_bare(&process, &cancel).unwrap_err();
        assert!(matches!(error, SandboxError::InvalidProcess { .. }), "{error:?}");
        error.to_string()
    };
    assert!(refused(&|process| process.args.clear()).contains("no program"));
    assert!(refused(&|process| process.cwd = "relative".into()).contains("relative"));
    assert!(refused(&|process| process.args.push("a\0b".into())).contains("NUL"));
    assert!(refused(&|process| process.env.push(("A=B".into(), "c".into()))).contains("A=B"));
    assert!(refused(&|process| process.env.push(("".into(), "c".into()))).contains("variable"));
    assert!(
        refused(&|process| process.root = Root::ReadOnlyOverlay { lowers: vec![], userxattr: false })
            .contains("no lower")
    );
}
