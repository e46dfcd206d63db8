//! Options, outputs and sources, from what is typed to what it means.

use std::io::Cursor;
use std::path::{Path, PathBuf};

use galley_build::request::{ContextSource, Destination, NamedContext, OutputFormat};
use galley_testkit::tree;

use super::fields::fields;
use super::source::{Source, read};
use super::{options, output, platform};
use crate::cli::Global;
use crate::config::{Config, Environment};
use crate::error::Error;

fn config(variables: &[(&str, &str)]) -> Config {
    Config::load(&Global { store: None, config: None }, None, Environment::of(variables)).unwrap()
}

fn list(values: &[&str]) -> Vec<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}

#[test]
fn fields_are_read_as_docker_reads_them() {
    let field = |name: &str, value: Option<&str>| (name.to_owned(), value.map(str::to_owned));
    assert_eq!(
        fields("id=a,SRC=b=c,flag").unwrap(),
        [field("id", Some("a")), field("src", Some("b=c")), field("flag", None)]
    );
    assert_eq!(
        fields(r#""dest=a,""b""",x=1"#).unwrap(),
        [field("dest", Some("a,\"b\"")), field("x", Some("1"))]
    );
    assert!(fields("\"open").is_err() && fields("=x").is_err() && fields("").is_err());
}

#[test]
fn a_build_argument_without_a_value_comes_from_the_environment() {
    let config = config(&[("FROM_ENV", "1")]);
    let args = options::build_args(&list(&["A=b=c", "FROM_ENV", "NOT_SET", "EMPTY="]), &config).unwrap();
    let pairs: Vec<(&str, &str)> = args.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(pairs, [("A", "b=c"), ("EMPTY", ""), ("FROM_ENV", "1")]);
    assert!(options::build_args(&list(&["=x"]), &config).is_err());
}

#[test]
fn a_secret_is_a_file_or_a_variable() {
    let directory = tree::temporary("token 0600 \"from file\"\n").unwrap();
    let path = directory.path().join("token");
    let config = config(&[("TOKEN", "from env"), ("same", "by id")]);
    let value = |text: &str| {
        options::secrets(&list(&[text]), &config).map(|mut all| all.pop_first().unwrap().1.value)
    };
    assert_eq!(value(&format!("id=a,src={}", path.display())).unwrap(), b"from file");
    assert_eq!(value(&format!("type=file,id=a,source={}", path.display())).unwrap(), b"from file");
    assert_eq!(value("id=a,env=TOKEN").unwrap(), b"from env");
    assert_eq!(value("id=a,type=env,src=TOKEN").unwrap(), b"from env");
    assert_eq!(value("id=same").unwrap(), b"by id");
    for bad in [
        "src=x",
        "id=a,env=MISSING",
        "id=a,src=x,env=TOKEN",
        "id=a,colour=red",
        "id=a,type=pipe",
        "id=,src=x",
    ] {
        assert!(matches!(value(bad), Err(Error::Option { .. })), "{bad}");
    }
    assert!(matches!(value("id=a,src=/nowhere/at/all"), Err(Error::Io { .. })));
}

#[test]
fn outputs() {
    let one = |text: &str| output::outputs(&list(&[text])).map(|mut all| all.written.remove(0));
    let path = |path: &str| Destination::Path(PathBuf::from(path));
    for (text, format, destination) in [
        ("out", OutputFormat::Local, path("out")),
        ("-", OutputFormat::Tar, Destination::Stdout),
        ("type=oci,dest=a.tar", OutputFormat::Oci, path("a.tar")),
        ("type=oci,dest=dir,tar=false", OutputFormat::OciDirectory, path("dir")),
        ("type=docker", OutputFormat::Docker, Destination::Stdout),
        ("type=tar,dest=-", OutputFormat::Tar, Destination::Stdout),
        ("type=local,dest=x", OutputFormat::Local, path("x")),
    ] {
        let output = one(text).unwrap();
        assert_eq!((output.format, output.destination), (format, destination), "{text}");
    }
    for bad in [
        "type=local",
        "type=oci,tar=false",
        "dest=x",
        "type=registry,dest=x",
        "type=tar,dest=x,tar=false",
        "type=docker,tar=maybe",
        "type=oci,dest=",
        "type=image,push=true",
        "type=image,dest=x",
        "type=local,dest=x,name=y",
    ] {
        assert!(matches!(one(bad), Err(Error::Option { .. })), "{bad}");
    }
    assert!(output::outputs(&list(&["-", "type=oci"])).is_err());
    let image = output::outputs(&list(&["type=image,\"name=a:1,b\",push=false", "x"])).unwrap();
    assert!(image.store_image && image.names == ["a:1", "b"] && image.written.len() == 1);
}

#[test]
fn named_contexts() {
    let directory = tree::temporary("plain/\nwith:colon/\n").unwrap();
    let at = |name: &str| directory.path().join(name).display().to_string();
    let context = |text: String| {
        options::named_contexts(&[format!("n={text}")]).map(|mut all| all.pop_first().unwrap().1)
    };
    assert_eq!(context(at("plain")).unwrap(), NamedContext::Directory(directory.path().join("plain")));
    assert!(matches!(context("docker-image://alpine".into()).unwrap(), NamedContext::Image(_)));
    let layout = |text: String| match context(format!("oci-layout://{text}")) {
        Ok(NamedContext::OciLayout { directory, tag, digest }) => (directory, tag, digest.is_some()),
        other => panic!("{other:?}"),
    };
    let digest = format!("sha256:{}", "0".repeat(64));
    assert_eq!(layout(at("plain")), (at("plain").into(), None, false));
    assert_eq!(layout(format!("{}:v1@{digest}", at("plain"))), (at("plain").into(), Some("v1".into()), true));
    assert_eq!(layout(at("with:colon")), (at("with:colon").into(), None, false));
    for bad in
        ["https://example.com/x.git", "/nowhere/at/all", "docker-image://UPPER", "oci-layout:///nowhere"]
    {
        assert!(context(bad.into()).is_err(), "{bad}");
    }
}

#[test]
fn one_platform_at_a_time() {
    assert_eq!(platform(Some("linux/arm64")).unwrap().to_string(), "linux/arm64");
    assert!(platform(Some("linux/amd64,linux/arm64")).is_err() && platform(Some("linux/")).is_err());
}

fn source(context: &Path, file: Option<&Path>, stdin: &[u8]) -> Result<Source, Error> {
    let mut unpack = |_: Box<dyn std::io::Read>| Ok((PathBuf::from(context), vec!["unpacked".to_owned()]));
    read(context, file, Box::new(Cursor::new(stdin.to_vec())), &mut unpack)
}

#[test]
fn the_dockerfiles_own_ignore_file_comes_first() {
    let directory = tree::temporary(
        "Dockerfile \"FROM a\\n\"\nother \"FROM b\\n\"\n.dockerignore \"all\\n\"\nother.dockerignore \"own\\n\"\n",
    )
    .unwrap();
    let root = directory.path();
    let usual = source(root, None, b"").unwrap();
    assert_eq!(
        (usual.dockerfile.as_slice(), usual.ignore),
        (&b"FROM a\n"[..], Some((".dockerignore".into(), b"all\n".to_vec())))
    );
    let other = source(root, Some(&root.join("other")), b"").unwrap();
    assert_eq!(
        (other.dockerfile.as_slice(), other.ignore),
        (&b"FROM b\n"[..], Some(("other.dockerignore".into(), b"own\n".to_vec())))
    );
    let piped = source(root, Some(Path::new("-")), b"FROM c\n").unwrap();
    assert_eq!((piped.dockerfile.as_slice(), piped.name.as_str()), (&b"FROM c\n"[..], "-"));
    assert_eq!(piped.context, ContextSource::Directory(root.into()));
}

#[test]
fn a_missing_dockerfile_comes_with_what_to_do() {
    let directory =
        tree::temporary("sub/\nsub/x \"FROM a\\n\"\nlower/\nlower/dockerfile \"FROM l\\n\"\n").unwrap();
    let error = source(directory.path(), None, b"").unwrap_err().to_string();
    assert!(error.contains("name it with -f"), "{error}");
    let error = source(&directory.path().join("sub"), Some(Path::new("x")), b"").unwrap_err().to_string();
    assert!(error.contains("-f counts from here") && error.contains("sub/x"), "{error}");
    assert_eq!(source(&directory.path().join("lower"), None, b"").unwrap().dockerfile, b"FROM l\n");
    assert!(source(&directory.path().join("sub/x"), None, b"").is_err());
    assert!(source(Path::new("https://example.com/r.git"), None, b"").is_err());
}

#[test]
fn standard_input_is_a_dockerfile_or_an_archive() {
    let dash = Path::new("-");
    let text = source(dash, None, b"FROM scratch\n").unwrap();
    assert_eq!((text.context, text.dockerfile.as_slice()), (ContextSource::Empty, &b"FROM scratch\n"[..]));
    assert!(matches!(source(dash, Some(dash), b""), Err(Error::Usage(_))));
    assert!(matches!(source(dash, Some(Path::new("x")), b"FROM scratch\n"), Err(Error::Usage(_))));

    let directory = tree::temporary("Dockerfile \"FROM tar\\n\"\nout -> /etc/passwd\n").unwrap();
    let from_tar = |file: Option<&Path>| {
        let mut unpack = |_: Box<dyn std::io::Read>| Ok((directory.path().to_owned(), Vec::new()));
        read(dash, file, Box::new(Cursor::new(b"\x1f\x8b\x08".to_vec())), &mut unpack)
    };
    let tar = from_tar(None).unwrap();
    assert_eq!((tar.dockerfile.as_slice(), tar.shown.as_str()), (&b"FROM tar\n"[..], "Dockerfile"));
    assert!(matches!(from_tar(Some(Path::new("out"))), Err(Error::NoDockerfile { .. })));
    assert!(matches!(from_tar(Some(Path::new("none"))), Err(Error::NoDockerfile { .. })));
}
