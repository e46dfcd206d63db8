//! The configuration, from files in a temporary directory.

use std::path::Path;

use galley_testkit::tree;

use super::*;

const PEM: &str = "-----BEGIN CERTIFICATE-----\\n";

fn load(home: &Path, project: Option<&Path>) -> Result<Config, ConfigError> {
    let home = home.to_str().unwrap();
    let environment = Environment::of(&[("HOME", home), ("SSL_CERT_FILE", &format!("{home}/host.pem"))]);
    Config::load(&Global { store: None, config: None }, project, environment)
}

/// A home with a user's configuration, and a project with its own.
fn fixture(user: &str, project: &str) -> tempfile::TempDir {
    let escape = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    tree::temporary(&format!(
        ".config/\n.config/galley/\n.config/galley/config.toml \"{}\"\n.config/galley/pip.conf \"[global]\\n\"\n\
         host.pem \"host {PEM}\"\nown.pem \"own {PEM}\"\nproject/\nproject/galley.toml \"{}\"\nproject/ca.pem \"project {PEM}\"\n\
         project/link -> ../own.pem\n",
        escape(user),
        escape(project),
    ))
    .unwrap()
}

#[test]
fn the_projects_file_goes_before_the_users() {
    let user = r#"
[store]
path = "/users/store"
[registry."r.example"]
insecure = true
mirrors = ["m.example"]
[site]
ca = "host"
env = { PIP_INDEX_URL = "http://user", A = "user" }
files = [{ source = "pip.conf", target = "/etc/pip.conf" }]
proxy = { http = "http://p:1", no = "localhost" }
"#;
    let project = r#"
[store]
path = "store"
[registry."r.example"]
mirrors = []
[site]
ca = "ca.pem"
env = { A = "project" }
"#;
    let home = fixture(user, project);
    let project = home.path().join("project");
    let config = load(home.path(), Some(&project)).unwrap();
    assert_eq!(config.store().unwrap(), project.join("store"));
    let registry = &config.registries["r.example"];
    assert_eq!((registry.insecure, registry.mirrors.as_deref()), (Some(true), Some(&[][..])));
    let site = config.site(None).unwrap();
    assert!(site.ca.unwrap().starts_with(b"project"));
    let value =
        |name: &str| site.env.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str());
    assert_eq!(value("A"), Some("project"));
    assert_eq!(value("PIP_INDEX_URL"), Some("http://user"));
    assert_eq!((value("http_proxy"), value("HTTP_PROXY")), (Some("http://p:1"), Some("http://p:1")));
    assert_eq!((value("NO_PROXY"), value("https_proxy")), (Some("localhost"), None));
    assert_eq!(site.files.len(), 1);
    assert_eq!(site.files[0].content, b"[global]\n");

    let elsewhere = load(home.path(), None).unwrap();
    assert_eq!(elsewhere.store().unwrap(), Path::new("/users/store"));
    assert!(elsewhere.site(None).unwrap().ca.unwrap().starts_with(b"host"));
}

#[test]
fn the_command_line_goes_before_both() {
    let home = fixture("[store]\npath = \"/users/store\"\n[site]\nca = \"/nowhere\"\n", "");
    let global = Global { store: Some("here".into()), config: None };
    let environment = Environment::of(&[("HOME", home.path().to_str().unwrap())]);
    let config = Config::load(&global, None, environment).unwrap();
    assert_eq!(config.store().unwrap(), Path::new("here"));
    let own = home.path().join("own.pem");
    assert!(config.site(own.to_str()).unwrap().ca.unwrap().starts_with(b"own"));
    assert!(matches!(config.site(None), Err(ConfigError::File { table: "site", .. })));
}

#[test]
fn what_is_not_known_is_an_error_with_its_line() {
    for (text, line, said) in [
        ("[site]\nca = \"host\"\ncaa = 1\n", 3, "caa"),
        ("\n[stroe]\n", 2, "stroe"),
        ("[registry.\"x\"]\ninsecure = \"yes\"\n", 2, "boolean"),
        ("[site\n", 1, ""),
    ] {
        let home = fixture("", text);
        let error = load(home.path(), Some(&home.path().join("project"))).unwrap_err().to_string();
        assert!(error.contains(&format!("galley.toml:{line}: ")) && error.contains(said), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }
}

#[test]
fn a_project_names_files_of_its_own_alone() {
    for source in ["../own.pem", "/etc/passwd", "link"] {
        let text = format!("[site]\nfiles = [{{ source = \"{source}\", target = \"/x\" }}]\n");
        let home = fixture("", &text);
        let config = load(home.path(), Some(&home.path().join("project"))).unwrap();
        let error = config.site(None).unwrap_err();
        assert!(matches!(error, ConfigError::OutsideProject { .. }), "{source}: {error}");
    }
    let home = fixture("[site]\nca = \"../../own.pem\"\n", "");
    assert!(load(home.path(), None).unwrap().site(None).unwrap().ca.unwrap().starts_with(b"own"));
}

#[test]
fn a_bundle_without_certificates_is_refused() {
    let home = fixture("[site]\nca = \"pip.conf\"\n", "");
    assert!(matches!(load(home.path(), None).unwrap().site(None), Err(ConfigError::NotABundle { .. })));
    let relative = "[site]\nfiles = [{ source = \"pip.conf\", target = \"etc/pip.conf\" }]\n";
    let home = fixture(relative, "");
    assert!(matches!(load(home.path(), None).unwrap().site(None), Err(ConfigError::RelativeTarget(_))));
}

#[test]
fn the_epoch_is_a_number_or_an_error() {
    let config = |value: &str| {
        let environment = Environment::of(&[("SOURCE_DATE_EPOCH", value)]);
        Config::load(&Global { store: None, config: None }, None, environment).unwrap()
    };
    assert_eq!(config("1700000000").source_date_epoch(None, false).unwrap(), Some(1_700_000_000));
    assert_eq!(config("").source_date_epoch(None, false).unwrap(), None);
    assert_eq!(config("").source_date_epoch(None, true).unwrap(), Some(0));
    assert_eq!(config("1").source_date_epoch(Some(&"2".into()), true).unwrap(), Some(2));
    assert!(
        config("yesterday").source_date_epoch(None, true).is_err()
            && config("-1").source_date_epoch(None, false).is_err()
    );
}

#[test]
fn a_user_without_a_home_is_told_so() {
    let config = Config::load(
        &Global { store: None, config: None },
        None,
        Environment::of(&[(Caller::MARKER, "1:1:9")]),
    );
    assert!(matches!(config.unwrap().store(), Err(ConfigError::NoHome)));
}
