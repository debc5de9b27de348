//! Clients of the HTTP library as a cluster's configuration wants them: proxy, headers, certificates.

use crate::config::{Cluster, reason};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Certificate, Client, ClientBuilder, Identity, redirect};
use secrecy::{ExposeSecret as _, SecretString};
use std::net::SocketAddr;
use std::sync::Arc;
use url::Url;

/// Makes a client for what is at `url`, at this one of its addresses where one is given, and returns the URL as it is to be asked.
pub(super) fn build_client(
    cluster: &Cluster,
    url: &Url,
    address: Option<SocketAddr>,
) -> Result<(Url, Client), String> {
    let (base, builder) = client_builder(cluster, url)?;
    let builder = match (address, base.host_str()) {
        (Some(address), Some(name)) => builder.resolve(name, address),
        _ => builder,
    };
    Ok((base, build(builder)?))
}

/// Makes the client.
pub(super) fn build(builder: ClientBuilder) -> Result<Client, String> {
    builder.build().map_err(|e| format!("cannot set up the HTTP client: {e}"))
}

/// Begins a client for what is at `url`, and returns the URL as it is to be asked. Nothing is sent twice by itself: the order of
/// requests is their sender's business.
pub(super) fn client_builder(cluster: &Cluster, url: &Url) -> Result<(Url, ClientBuilder), String> {
    // reqwest panics without a provider; a second installation is refused, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = Client::builder()
        .user_agent(concat!("iaasmon/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .connect_timeout(cluster.timeout)
        .default_headers(headers(&cluster.headers)?);
    builder = match &cluster.http_proxy {
        Some(proxy) => builder.proxy(reqwest::Proxy::all(proxy.as_str()).map_err(|e| e.to_string())?),
        None => builder.no_proxy(),
    };
    let mut base = url.clone();
    if url.scheme() == "https" {
        if let Some(ca) = &cluster.tls.ca {
            builder = builder.tls_certs_only(
                Certificate::from_pem_bundle(&read(ca)?).map_err(|e| format!("{}: {e}", ca.display()))?,
            );
        }
        if let (Some(cert), Some(key)) = (&cluster.tls.cert, &cluster.tls.key) {
            let mut pem = read(cert)?;
            pem.push(b'\n');
            pem.extend(read(key)?);
            builder =
                builder.identity(Identity::from_pem(&pem).map_err(|e| format!("{}: {e}", cert.display()))?);
        }
        if let Some(name) = &cluster.tls.server_name {
            builder =
                builder.dns_resolver(Arc::new(Rename { real: url.host_str().unwrap_or_default().into() }));
            base.set_host(Some(name)).map_err(|e| format!("server_name {name}: {e}"))?;
        }
    } else {
        // Loading the system's certificates takes longer than asking; plain HTTP needs none.
        builder = builder.tls_certs_only([]);
    }
    Ok((base, builder))
}

/// Resolves every name to the real host: the URL carries the certificate's name instead.
struct Rename {
    real: String,
}

impl reqwest::dns::Resolve for Rename {
    fn resolve(&self, _: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let host = self.real.trim_matches(['[', ']']).to_owned();
        Box::pin(async move {
            let addresses: Vec<_> = tokio::net::lookup_host((host, 0)).await?.collect();
            Ok(Box::new(addresses.into_iter()) as reqwest::dns::Addrs)
        })
    }
}

fn headers(list: &[(String, SecretString)]) -> Result<HeaderMap, String> {
    let mut map = HeaderMap::new();
    for (name, value) in list {
        let key: HeaderName = name.parse().map_err(|_| format!("`{name}` is not a header name"))?;
        let mut value: HeaderValue = value
            .expose_secret()
            .parse()
            .map_err(|_| format!("header {name}: the value has characters that a header cannot carry"))?;
        value.set_sensitive(true);
        map.insert(key, value);
    }
    Ok(map)
}

fn read(path: &std::path::Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|e| format!("cannot read {}: {}", path.display(), reason(&e)))
}
