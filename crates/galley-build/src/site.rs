//! What RUN steps need to work on this site (`[site]` of the configuration): the CA bundle of a proxy that signs TLS anew, variables
//! and files for package managers. It is mounted and set while a step runs and enters no layer, key or image configuration.

/// The site's settings with every file already read: nothing is looked up behind this type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Site {
    /// The CA bundle, PEM: mounted read-only at [`CA_TARGET`].
    pub ca: Option<Vec<u8>>,
    /// Variables for package managers and proxies, in order. They are set over those of the image.
    pub env: Vec<(String, String)>,
    /// Files to mount read-only.
    pub files: Vec<SiteFile>,
}

/// A file that RUN steps see and layers never hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteFile {
    /// Absolute path inside the step's root.
    pub target: String,
    /// The bytes.
    pub content: Vec<u8>,
}

/// Where the CA bundle is mounted. Under `/run`, because a mount over the image's own bundle breaks the installation of
/// `ca-certificates`.
pub const CA_TARGET: &str = "/run/galley/site/ca.crt";

/// Where apt's settings are mounted: it reads no variable that names a bundle, but one that names a file of settings.
pub const APT_TARGET: &str = "/run/galley/site/apt.conf";

/// Where wget's settings are mounted, for the same reason.
pub const WGET_TARGET: &str = "/run/galley/site/wgetrc";

/// The variables that tell programs where the CA bundle is, with who reads them. `docs/site.md` has the same table.
pub const CA_VARIABLES: [(&str, &str); 9] = [
    // Node.js: npm, yarn, pnpm. It adds to the authorities that Node.js has built in.
    ("NODE_EXTRA_CA_CERTS", CA_TARGET),
    // pip.
    ("PIP_CERT", CA_TARGET),
    // OpenSSL and what is linked with it (Python's `ssl`, Ruby, PHP), Go, rustls with the system's authorities.
    ("SSL_CERT_FILE", CA_TARGET),
    // cargo.
    ("CARGO_HTTP_CAINFO", CA_TARGET),
    // Python's requests.
    ("REQUESTS_CA_BUNDLE", CA_TARGET),
    // curl, the program.
    ("CURL_CA_BUNDLE", CA_TARGET),
    // git.
    ("GIT_SSL_CAINFO", CA_TARGET),
    // apt.
    ("APT_CONFIG", APT_TARGET),
    // wget, in place of the ~/.wgetrc that steps do not have.
    ("WGETRC", WGET_TARGET),
];

impl Site {
    /// Whether steps run as they would anywhere.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ca.is_none() && self.env.is_empty() && self.files.is_empty()
    }

    /// Every variable of a step: those that point to the CA bundle, where there is one and [`Site::env`] does not name them, then
    /// [`Site::env`].
    #[must_use]
    pub fn variables(&self) -> Vec<(String, String)> {
        let named = |name: &str| self.env.iter().any(|(own, _)| own == name);
        let bundle = self.ca.iter().flat_map(|_| CA_VARIABLES).filter(|(name, _)| !named(name));
        let bundle = bundle.map(|(name, value)| (name.to_owned(), value.to_owned()));
        bundle.chain(self.env.iter().cloned()).collect()
    }

    /// Every file of a step, the CA bundle first.
    #[must_use]
    pub fn mounts(&self) -> Vec<SiteFile> {
        let file = |target: &str, content: &[u8]| SiteFile { target: target.into(), content: content.into() };
        let apt = format!("Acquire::https::CaInfo \"{CA_TARGET}\";\n");
        let wget = format!("ca_certificate = {CA_TARGET}\n");
        let settings = [file(APT_TARGET, apt.as_bytes()), file(WGET_TARGET, wget.as_bytes())];
        let bundle = |ca: &Vec<u8>| std::iter::once(file(CA_TARGET, ca)).chain(settings.clone());
        self.ca.iter().flat_map(bundle).chain(self.files.iter().cloned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bundle_is_named_to_every_tool_unless_the_site_says_otherwise() {
        let mut site = Site { ca: Some(b"PEM".to_vec()), ..Site::default() };
        assert_eq!(site.variables().len(), CA_VARIABLES.len());
        site.env = vec![("PIP_CERT".into(), "/elsewhere".into()), ("http_proxy".into(), "http://p:1".into())];
        let variables = site.variables();
        let pip: Vec<_> = variables.iter().filter(|(name, _)| name == "PIP_CERT").collect();
        assert_eq!(pip, [&("PIP_CERT".to_owned(), "/elsewhere".to_owned())]);
        let mounts = site.mounts();
        assert_eq!(mounts[0], SiteFile { target: CA_TARGET.into(), content: b"PEM".to_vec() });
        // Whatever a variable points to is there.
        for (name, target) in CA_VARIABLES {
            assert!(mounts.iter().any(|file| file.target == target), "{name}");
        }
    }

    #[test]
    fn without_a_bundle_nothing_points_to_one() {
        let site = Site { env: vec![("A".into(), "b".into())], ..Site::default() };
        assert_eq!(site.variables(), [("A".to_owned(), "b".to_owned())]);
        assert!(site.mounts().is_empty() && !site.is_empty() && Site::default().is_empty());
    }
}
