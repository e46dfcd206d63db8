//! Addresses of hosts, looked up once a minute. ureq asks before every request, also where it has a connection already: eight downloads side by side are
//! then a burst of questions, and a name server that drops one of them costs five seconds.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// Name servers may answer otherwise then, as those of large mirrors do.
const FRESH: Duration = Duration::from_secs(60);

/// The default resolver, with a memory.
#[derive(Debug, Default)]
pub(super) struct Remembering {
    resolver: DefaultResolver,
    hosts: Mutex<HashMap<String, Arc<Mutex<Option<Known>>>>>,
}

#[derive(Debug)]
struct Known {
    addresses: Vec<SocketAddr>,
    since: Instant,
}

impl Resolver for Remembering {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        // The scheme decides the port where none is written.
        let host = format!(
            "{}://{}",
            uri.scheme_str().unwrap_or_default(),
            uri.authority().map_or("", |authority| authority.as_str())
        );
        let slot =
            Arc::clone(self.hosts.lock().unwrap_or_else(PoisonError::into_inner).entry(host).or_default());
        // Whoever asks for the same host meanwhile waits here, instead of asking, too.
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = slot.as_ref().filter(|known| known.since.elapsed() < FRESH) {
            let mut addresses = self.empty();
            for address in &known.addresses {
                addresses.push(*address);
            }
            return Ok(addresses);
        }
        let addresses = self.resolver.resolve(uri, config, timeout)?;
        *slot = Some(Known { addresses: addresses.iter().copied().collect(), since: Instant::now() });
        Ok(addresses)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn an_address_is_looked_up_once() {
        let resolver = Remembering::default();
        let (config, uri) = (ureq::Agent::config_builder().build(), "http://127.0.0.1:81/x".parse().unwrap());
        let ask = |uri: &Uri| resolver.resolve(uri, &config, NextTimeout::default()).unwrap().to_vec();
        assert_eq!(ask(&uri), ["127.0.0.1:81".parse().unwrap()]);
        // What is remembered is what is answered.
        let other: SocketAddr = "127.0.0.2:81".parse().unwrap();
        let slot = Arc::clone(&resolver.hosts.lock().unwrap()["http://127.0.0.1:81"]);
        slot.lock().unwrap().as_mut().unwrap().addresses = vec![other];
        assert_eq!(ask(&uri), [other]);
        assert_eq!(ask(&"http://127.0.0.1:82/".parse().unwrap()), ["127.0.0.1:82".parse().unwrap()]);
    }
}
