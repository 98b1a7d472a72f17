//! Registries (the OCI distribution specification), with `ureq`, which is used here only: manifests and blobs
//! by name and digest, tokens, redirects, interrupted transfers. Speaks plain HTTP with this machine alone,
//! and sends credentials to nobody but the registry and the token server that it names.

mod push;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::thread;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use ureq::http::{Request, Response, Uri};

use crate::credentials::{self, Login};
use crate::descriptor::{BlobDigest, DOCUMENT_MAX, Descriptor};
use crate::error::OciError;
use crate::progress::Progress;
use crate::reference::Name;
use crate::select::Source;
use crate::stored::Stored;
use crate::token::{Challenge, Granted, escaped};
use crate::{json, loopback};

/// What manifests are asked for.
const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";

const REDIRECTS_MAX: usize = 8;
const RETRIES: u32 = 4;
/// The pause before the first retry; it doubles with each further one.
const PAUSE: Duration = Duration::from_millis(250);
/// The longest wait for a connection, for the header of a response, and for its next bytes.
const PATIENCE: Duration = Duration::from_secs(30);

type Answer = Response<ureq::Body>;

/// Why an attempt failed, and whether another one may help.
enum Attempt {
    Final(OciError),
    Passing(OciError),
}

impl From<OciError> for Attempt {
    fn from(error: OciError) -> Self {
        Self::Final(error)
    }
}

/// An image in a registry.
pub(crate) struct Registry<'a> {
    name: Name,
    agent: ureq::Agent,
    progress: &'a dyn Progress,
    /// The header that the registry wants, once it has said so.
    authorization: RefCell<Option<String>>,
    /// The document that the tag names, which is known before its digest is.
    root: RefCell<Option<(BlobDigest, Vec<u8>)>>,
}

impl<'a> Registry<'a> {
    pub(crate) fn new(name: Name, progress: &'a dyn Progress) -> Self {
        let here = loopback::is(name.server());
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .user_agent(concat!("unibin/", env!("CARGO_PKG_VERSION")))
            // The server must not compress: sizes and digests are those of the stored file.
            .accept_encoding("identity")
            // Redirects are followed here, since what is sent along depends on where they lead.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(if here { None } else { ureq::Proxy::try_from_env() })
            .timeout_connect(Some(PATIENCE))
            .timeout_recv_response(Some(PATIENCE))
            .timeout_per_read(Some(PATIENCE));
        #[cfg(feature = "https")]
        let config = {
            use ureq::tls::{RootCerts, TlsConfig};
            config.tls_config(TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build())
        };
        let agent = config.build().new_agent();
        Self { name, agent, progress, authorization: RefCell::default(), root: RefCell::default() }
    }

    /// What the name means: the descriptor of an index or a manifest.
    pub(crate) fn root(&self) -> Result<Descriptor, OciError> {
        let wanted = match &self.name.digest {
            Some(digest) => digest.to_string(),
            None => self.name.tag.clone(),
        };
        let url = self.url(&format!("manifests/{wanted}"));
        let (bytes, media_type) = retrying(|| {
            let mut answer = self.get(&url, MANIFESTS, None)?;
            let kind = header(&answer, "content-type");
            let media_type = kind.split(';').next().unwrap_or_default().trim().to_owned();
            Ok((self.all(&mut answer, &url)?, media_type))
        })?;
        let digest = BlobDigest(bundle::Digest(Sha256::digest(&bytes).into()));
        if let Some(expected) = self.name.digest.filter(|expected| *expected != digest) {
            return Err(OciError::damaged(&self.name(), &expected, format!("has the digest {digest}")));
        }
        let size = bytes.len() as u64;
        self.root.replace(Some((digest, bytes)));
        Ok(Descriptor { media_type, digest, size, platform: None, annotations: BTreeMap::default() })
    }

    fn url(&self, path: &str) -> String {
        let server = self.name.server();
        let scheme = if loopback::is(server) { "http" } else { "https" };
        format!("{scheme}://{server}/v2/{}/{path}", self.name.repository)
    }

    fn failed(&self, why: impl Into<String>) -> OciError {
        OciError::Fetch { name: self.name.to_string(), why: why.into() }
    }

    /// Asks for `url` and whatever it redirects to; answers with 200 or 206 alone come back.
    fn get(&self, url: &str, accept: &str, from: Option<u64>) -> Result<Answer, Attempt> {
        let mut at = url.to_owned();
        let mut asked = false;
        for _ in 0..REDIRECTS_MAX {
            let is_own = origin(&at) == origin(url);
            let mut request = self.agent.get(&at).header("Accept", accept);
            if let Some(from) = from {
                request = request.header("Range", format!("bytes={from}-"));
            }
            let authorization = self.authorization.borrow().clone();
            if let Some(authorization) = authorization.filter(|_| is_own) {
                request = request.header("Authorization", authorization);
            }
            let answer = request.call().map_err(|error| Attempt::Passing(self.failed(told(&error))))?;
            match answer.status().as_u16() {
                200 | 206 => return Ok(answer),
                401 if is_own && !asked => {
                    asked = true;
                    self.authorize(&answer)?;
                }
                301 | 302 | 303 | 307 | 308 => at = self.redirected(&at, &answer)?,
                status => return Err(self.refused(status, url)),
            }
        }
        Err(Attempt::Final(self.failed("it redirects in a circle")))
    }

    /// One request as it is, with a body whose length the headers say.
    fn call(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, String)],
        body: Option<&mut dyn Read>,
    ) -> Result<Answer, Attempt> {
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let malformed = |_| Attempt::Final(self.failed("an address is none"));
        let answer = match body {
            Some(body) => self.agent.run(request.body(ureq::SendBody::from_reader(body)).map_err(malformed)?),
            None => self.agent.run(request.body(()).map_err(malformed)?),
        };
        answer.map_err(|error| {
            Attempt::Passing(OciError::Push { name: self.name.to_string(), why: told(&error) })
        })
    }

    /// Where an answer redirects to: never from TLS to none.
    fn redirected(&self, at: &str, answer: &Answer) -> Result<String, OciError> {
        let to = header(answer, "location");
        let (scheme, authority) = origin(at).ok_or_else(|| self.failed("an address is none"))?;
        let to = if to.starts_with('/') && !to.starts_with("//") {
            format!("{scheme}://{authority}{to}")
        } else {
            to
        };
        match origin(&to) {
            Some((new, _)) if new == "https" => Ok(to),
            Some((new, to_host)) if new == "http" && scheme == "http" && loopback::is(&to_host) => Ok(to),
            _ => Err(self.failed(format!("it redirects to `{}`, which is not trusted", to.escape_debug()))),
        }
    }

    fn refused(&self, status: u16, url: &str) -> Attempt {
        let as_user = self.authorization.borrow().is_some();
        let error = match status {
            401 | 403 => {
                let registry = self.name.registry.clone();
                OciError::Refused { registry, name: self.name.to_string(), as_user }
            }
            404 if url.contains("/manifests/") => OciError::NotFound { name: self.name.to_string() },
            404 => self.failed("the registry lacks a part of it"),
            status => self.failed(format!("the registry answers with status {status}")),
        };
        if status == 429 || status >= 500 { Attempt::Passing(error) } else { Attempt::Final(error) }
    }

    /// Gets what the registry asks for.
    fn authorize(&self, answer: &Answer) -> Result<(), Attempt> {
        let headers = answer.headers().get_all("www-authenticate").iter();
        let mut challenges = headers.filter_map(|value| Challenge::parse(value.to_str().ok()?));
        let challenge = challenges.next().ok_or_else(|| self.refused(401, ""))?;
        let login = credentials::find(&self.name)?;
        let header = match challenge {
            Challenge::Basic => login.and_then(|login| login.basic()).ok_or_else(|| self.refused(401, ""))?,
            Challenge::Bearer { realm, service, scope } => {
                let scope = if scope.is_empty() {
                    format!("repository:{}:pull", self.name.repository)
                } else {
                    scope
                };
                format!("Bearer {}", self.token(&realm, &service, &scope, login.as_ref())?)
            }
        };
        self.authorization.replace(Some(header));
        Ok(())
    }

    /// Asks a token server.
    fn token(
        &self,
        realm: &str,
        service: &str,
        scope: &str,
        login: Option<&Login>,
    ) -> Result<String, Attempt> {
        let here = loopback::is(self.name.server());
        let is_trusted = match origin(realm) {
            Some((scheme, _)) if scheme == "https" => true,
            Some((_, host)) => here && loopback::is(&host),
            None => false,
        };
        if !is_trusted {
            let why = format!("it asks for a token of `{}`, which is not trusted", realm.escape_debug());
            return Err(Attempt::Final(self.failed(why)));
        }
        let sent = if let Some(Login::Identity(token)) = login {
            self.agent.post(realm).send_form([
                ("grant_type", "refresh_token"),
                ("service", service),
                ("scope", scope),
                ("client_id", "unibin"),
                ("refresh_token", token.as_str()),
            ])
        } else {
            let separator = if realm.contains('?') { '&' } else { '?' };
            let url = format!("{realm}{separator}service={}&scope={}", escaped(service), escaped(scope));
            let mut request = self.agent.get(&url);
            if let Some(basic) = login.and_then(Login::basic) {
                request = request.header("Authorization", basic);
            }
            request.call()
        };
        let mut answer = sent.map_err(|error| Attempt::Passing(self.failed(told(&error))))?;
        match answer.status().as_u16() {
            200 => {}
            401 | 403 => {
                let (registry, name) = (self.name.registry.clone(), self.name.to_string());
                return Err(Attempt::Final(OciError::Refused { registry, name, as_user: login.is_some() }));
            }
            status => {
                let error = self.failed(format!("its token server answers with status {status}"));
                return Err(if status == 429 || status >= 500 {
                    Attempt::Passing(error)
                } else {
                    Attempt::Final(error)
                });
            }
        }
        let bytes = self.all(&mut answer, realm)?;
        let granted: Granted =
            json::read(&bytes).map_err(|_| self.failed("its token server gave no token"))?;
        Ok(granted.token().ok_or_else(|| self.failed("its token server gave no token"))?)
    }

    /// All of a short answer.
    fn all(&self, answer: &mut Answer, url: &str) -> Result<Vec<u8>, Attempt> {
        let mut bytes = Vec::new();
        let read = answer.body_mut().as_reader().take(DOCUMENT_MAX + 1).read_to_end(&mut bytes);
        read.map_err(|error| Attempt::Passing(self.failed(error.to_string())))?;
        if bytes.len() as u64 > DOCUMENT_MAX {
            return Err(Attempt::Final(self.failed(format!("`{url}` is longer than any document"))));
        }
        Ok(bytes)
    }

    /// One request for what is missing of a blob; `have` bytes are in `file` already.
    fn append(
        &self,
        url: &str,
        descriptor: &Descriptor,
        file: &mut File,
        have: &mut u64,
    ) -> Result<(), Attempt> {
        let mut answer = self.get(url, "*/*", Some(*have).filter(|have| *have > 0))?;
        // Whoever ignores the range, or sends another, sends all of it again.
        let goes_on = answer.status().as_u16() == 206
            && header(&answer, "content-range").starts_with(&format!("bytes {have}-"));
        if !goes_on {
            file.set_len(0).and_then(|()| io::Seek::rewind(file)).map_err(OciError::Temporary)?;
            *have = 0;
            if answer.status().as_u16() == 206 {
                return Err(Attempt::Passing(self.failed("the registry sent another part of it")));
            }
        }
        // One byte more shows that it is too long.
        let mut body = answer.body_mut().as_reader().take(descriptor.size.saturating_add(1) - *have);
        let mut piece = vec![0; 128 * 1024];
        loop {
            match body.read(&mut piece) {
                Ok(0) => break,
                Ok(length) => {
                    file.write_all(&piece[..length]).map_err(OciError::Temporary)?;
                    *have += length as u64;
                    self.progress.advance(length as u64);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Attempt::Passing(self.failed(error.to_string()))),
            }
        }
        if *have < descriptor.size {
            let why = format!("the connection ended after {have} of {} bytes", descriptor.size);
            return Err(Attempt::Passing(self.failed(why)));
        }
        Ok(())
    }
}

impl Source for Registry<'_> {
    fn name(&self) -> String {
        self.name.to_string()
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<Stored, OciError> {
        let url = self.url(&format!("blobs/{}", descriptor.digest));
        let mut file = tempfile::tempfile().map_err(OciError::Temporary)?;
        let mut have = 0;
        self.progress.begin(&descriptor.digest.to_string(), descriptor.size);
        let fetched = retrying(|| self.append(&url, descriptor, &mut file, &mut have));
        self.progress.end();
        fetched?;
        Stored::whole(file).map_err(OciError::Temporary)?.check(&self.name(), descriptor)
    }

    fn document(&self, descriptor: &Descriptor) -> Result<Vec<u8>, OciError> {
        if let Some((digest, bytes)) = &*self.root.borrow()
            && *digest == descriptor.digest
        {
            return Ok(bytes.clone());
        }
        if descriptor.size > DOCUMENT_MAX {
            return Err(OciError::form(&self.name(), format!("a document has {} bytes", descriptor.size)));
        }
        let kind = descriptor.media_type.as_str();
        let is_manifest = kind.contains("manifest") || kind.contains("image.index");
        if !is_manifest {
            return self.blob(descriptor)?.bytes(&self.name());
        }
        let url = self.url(&format!("manifests/{}", descriptor.digest));
        let bytes = retrying(|| {
            let mut answer = self.get(&url, MANIFESTS, None)?;
            self.all(&mut answer, &url)
        })?;
        let (found, length) = (Sha256::digest(&bytes), bytes.len() as u64);
        let found = BlobDigest(bundle::Digest(found.into()));
        if found != descriptor.digest || length != descriptor.size {
            let what = format!("has the digest {found} and {length} bytes");
            return Err(OciError::damaged(&self.name(), &descriptor.digest, what));
        }
        Ok(bytes)
    }
}

/// Repeats `attempt` while it fails for a temporary reason, with growing pauses.
fn retrying<T>(mut attempt: impl FnMut() -> Result<T, Attempt>) -> Result<T, OciError> {
    let mut pause = PAUSE;
    let mut left = RETRIES;
    loop {
        match attempt() {
            Ok(value) => return Ok(value),
            Err(Attempt::Passing(_)) if left > 0 => left -= 1,
            Err(Attempt::Final(error) | Attempt::Passing(error)) => return Err(error),
        }
        thread::sleep(pause);
        pause = pause.saturating_mul(2);
    }
}

/// Scheme and authority of a URL, in lower case and with the port.
fn origin(url: &str) -> Option<(String, String)> {
    let uri: Uri = url.parse().ok()?;
    let scheme = uri.scheme_str()?.to_ascii_lowercase();
    let authority = uri.authority()?;
    // Whoever writes a user into a URL wants it to look like another host.
    if authority.as_str().contains('@') {
        return None;
    }
    let port = authority.port_u16().unwrap_or(if scheme == "https" { 443 } else { 80 });
    Some((scheme, format!("{}:{port}", authority.host().to_ascii_lowercase())))
}

fn header(answer: &Answer, name: &str) -> String {
    let value = answer.headers().get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_owned()
}

/// What went wrong, without addresses, which may hold secrets.
fn told(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Timeout(_) => "no answer arrived in time".to_owned(),
        ureq::Error::HostNotFound => "the host is not known".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        assert_eq!(origin("https://A.example/x"), origin("https://a.example:443/y"));
        assert_ne!(origin("https://a.example"), origin("http://a.example"));
        assert_ne!(origin("https://a.example"), origin("https://a.example:8443"));
        assert_eq!((origin("https://a.example@b.example/"), origin("/x"), origin("")), (None, None, None));
    }
}
