//! What the cases work with: a registry with a base image in it, and that base as an archive.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use galley_testkit::machine::has_programs;
use galley_testkit::registry::DockerRegistry;

/// Programs that the cases use besides coreutils.
const TOOLS: [&str; 9] =
    ["docker-registry", "skopeo", "umoci", "xz", "zstd", "bzip2", "setpriv", "python3", "/bin/busybox"];

/// The one user of the registry that asks for a password, which is `secret` (htpasswd's bcrypt form).
const USER: &str = "ana:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n";

/// The base: busybox.
const DOCKERFILE: &str = r#"FROM scratch
COPY busybox /bin/busybox
RUN ["/bin/busybox", "--install", "-s", "/bin"]
RUN mkdir -p /etc /root && mkdir -m 1777 /tmp && echo root:x:0:0:root:/root:/bin/sh > /etc/passwd
CMD ["sh"]
"#;

/// Two registries and a base; all end with it.
pub struct Lab {
    pub registry: DockerRegistry,
    /// Asks for a password.
    locked: DockerRegistry,
    directory: tempfile::TempDir,
}

impl Lab {
    /// A lab; `None` where this machine has not what it needs, which has been said then.
    pub fn start() -> Option<Self> {
        if !has_programs(&TOOLS) {
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let users = directory.path().join("users");
        fs::write(&users, USER).unwrap();
        let auth = format!("auth:\n  htpasswd:\n    realm: lab\n    path: {}\n", users.display());
        let (registry, locked) = (DockerRegistry::start("").unwrap(), DockerRegistry::start(&auth).unwrap());
        let lab = Self { registry, locked, directory };
        let context = lab.directory.path().join("base");
        fs::create_dir(&context).unwrap();
        fs::copy("/bin/busybox", context.join("busybox")).unwrap();
        fs::write(context.join("Dockerfile"), DOCKERFILE).unwrap();
        lab.sh(
            "galley --store s build -q -t base:1 -o type=docker,dest=base.tar -o type=oci,dest=layout,tar=false base
             copy() { skopeo copy -q --dest-tls-verify=false \"$@\"; }
             copy oci:layout:1 docker://$REGISTRY/base:1
             copy --dest-creds ana:secret oci:layout:1 docker://$LOCKED/base:1",
        );
        lab.push_index();
        Some(lab)
    }

    /// An index with the base for this machine, and with the same layers under the name of another.
    fn push_index(&self) {
        self.sh(
            r#"other() { sed "s/\"architecture\":\"[a-z0-9]*\"/\"architecture\":\"$1\"/"; }
               blobs=layout/blobs/sha256
               manifest=$(sed 's/.*"digest":"sha256:\([0-9a-f]*\)".*/\1/' layout/index.json)
               config=$(sed 's/.*"config":{[^}]*"digest":"sha256:\([0-9a-f]*\)".*/\1/' $blobs/$manifest)
               here=$(sed 's/.*"architecture":"\([a-z0-9]*\)".*/\1/' $blobs/$config)
               other s390x < $blobs/$config > c && digest=$(sha256sum < c | cut -d' ' -f1) && mv c $blobs/$digest
               size=$(wc -c < $blobs/$digest)
               sed "s/\(\"config\":{[^}]*\)$config\",\"size\":[0-9]*/\1$digest\",\"size\":$size/" $blobs/$manifest > m
               foreign=$(sha256sum < m | cut -d' ' -f1) && mv m $blobs/$foreign
               type=application/vnd.oci.image.manifest.v1+json
               entry() { printf '{"mediaType":"%s","digest":"sha256:%s","size":%s,"platform":{"os":"linux","architecture":"%s"}}' $type $1 $(wc -c < $blobs/$1) $2; }
               printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[%s,%s]}' "$(entry $foreign s390x)" "$(entry $manifest $here)" > i
               index=$(sha256sum < i | cut -d' ' -f1) && cp i $blobs/$index
               printf '{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.index.v1+json","digest":"sha256:%s","size":%s,"annotations":{"org.opencontainers.image.ref.name":"many"}}]}' $index $(wc -c < i) > layout/index.json
               skopeo copy -q --all --dest-tls-verify=false oci:layout:many docker://$REGISTRY/base:many"#,
        );
    }

    fn sh(&self, script: &str) {
        let output = Command::new("sh")
            .args(["-ec", script])
            .current_dir(self.directory.path())
            .envs(self.environment())
            .env("PATH", std::env::join_paths(self.path().into_iter().chain(search_path())).unwrap())
            .env("HOME", self.directory.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "the lab cannot be set up: {said}");
    }

    /// Where the program under test is.
    pub fn path(&self) -> Vec<PathBuf> {
        Path::new(env!("CARGO_BIN_EXE_galley")).parent().map(Path::to_owned).into_iter().collect()
    }

    /// The environment of the commands.
    pub fn environment(&self) -> Vec<(OsString, OsString)> {
        let base = self.directory.path().join("base.tar");
        vec![
            ("LC_ALL".into(), "C.UTF-8".into()),
            ("REGISTRY".into(), self.registry.address().into()),
            ("LOCKED".into(), self.locked.address().into()),
            ("BASE".into(), base.into()),
            ("BLOBS".into(), self.registry.blobs().into()),
        ]
    }
}

fn search_path() -> Vec<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect()
}
