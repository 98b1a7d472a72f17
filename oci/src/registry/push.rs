//! Pushes images to a registry: only what it lacks, each part before whatever names it, and the name last of
//! all. So a name always leads to a whole image, the new one or the one before. The digest that the registry
//! reports must be that of what was sent.

use std::io::{self, Read};

use super::{Answer, Attempt, Registry, header, origin, retrying};
use crate::error::OciError;
use crate::new_blob::NewBlob;
use crate::new_image::NewIndex;
use crate::progress::Progress;
use crate::pushing::{PushOptions, Pushed};

/// The length of a piece where the registry does not take a blob as a whole.
const PIECE: u64 = 32 << 20;

impl Registry<'_> {
    /// Sends `index` and all that it names; the tag of this registry's name then leads to it.
    pub(crate) fn push(&self, index: &NewIndex, options: &PushOptions<'_>) -> Result<Pushed, OciError> {
        let mut pushed = Pushed { name: self.name.to_string(), sent: 0, there: 0 };
        for blob in &index.blobs {
            let url = self.url(&format!("blobs/{}", blob.digest()));
            if retrying(|| self.has(&url))? {
                pushed.there += blob.length();
                continue;
            }
            self.progress.begin(&blob.digest().to_string(), blob.length());
            let mut piece = options.piece;
            let sent = retrying(|| self.upload(blob, &mut piece));
            self.progress.end();
            sent?;
            pushed.sent += blob.length();
        }
        let manifests = index.manifests.iter().map(|manifest| &manifest.blob);
        for (blob, wanted) in manifests
            .map(|blob| (blob, blob.digest().to_string()))
            .chain([(&index.index, self.name.tag.clone())])
        {
            let url = self.url(&format!("manifests/{wanted}"));
            retrying(|| {
                let kind = [("Content-Type", blob.media_type().to_owned())];
                let answer = self.send("PUT", &url, &kind, blob, (0, blob.length()))?;
                self.check(&answer, blob)
            })?;
            pushed.sent += blob.length();
        }
        Ok(pushed)
    }

    /// Whether the registry has the blob at `url`.
    fn has(&self, url: &str) -> Result<bool, Attempt> {
        let answer = self.answer("HEAD", url, &[], None)?;
        match answer.status().as_u16() {
            // Where it is kept is of no interest.
            200..=399 => Ok(true),
            404 => Ok(false),
            status => Err(self.not_taken(status)),
        }
    }

    /// Sends one blob, in pieces of `piece` bytes if that is set, or has to be.
    fn upload(&self, blob: &NewBlob, piece: &mut Option<u64>) -> Result<(), Attempt> {
        let begin = self.url("blobs/uploads/");
        let answer = self.send("POST", &begin, &[], blob, (0, 0))?;
        let least = header(&answer, "oci-chunk-min-length").parse().unwrap_or(1);
        let mut to = self.redirected(&begin, &answer)?;
        let length = piece.map_or(u64::MAX, |piece| piece.max(least));
        let mut at = 0;
        while at < blob.length() {
            let end = at.saturating_add(length).min(blob.length());
            let mut headers = vec![("Content-Type", "application/octet-stream".to_owned())];
            if piece.is_some() {
                // Without a unit: the distribution specification, "Pushing a blob in chunks".
                headers.push(("Content-Range", format!("{at}-{}", end - 1)));
            }
            let answer = match self.send("PATCH", &to, &headers, blob, (at, end)) {
                Err(Attempt::Final(OciError::TooLarge { name })) if piece.is_none() => {
                    *piece = Some(PIECE);
                    return Err(Attempt::Passing(OciError::TooLarge { name }));
                }
                other => other?,
            };
            to = self.redirected(&to, &answer)?;
            at = end;
        }
        let separator = if to.contains('?') { '&' } else { '?' };
        let url = format!("{to}{separator}digest={}", blob.digest());
        let answer = self.send("PUT", &url, &[], blob, (0, 0))?;
        self.check(&answer, blob)
    }

    /// Compares the digest that the registry has computed, where it says it.
    fn check(&self, answer: &Answer, blob: &NewBlob) -> Result<(), Attempt> {
        let (said, sent) = (header(answer, "docker-content-digest"), blob.digest().to_string());
        if said.is_empty() || said == sent {
            return Ok(());
        }
        let what = format!("arrived with the digest {}", said.escape_debug());
        Err(Attempt::Final(OciError::damaged(&self.name.to_string(), &sent, what)))
    }

    /// A request with a part of `blob` as its body, which only an answer of success comes back from.
    fn send(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, String)],
        blob: &NewBlob,
        part: (u64, u64),
    ) -> Result<Answer, Attempt> {
        let answer = self.answer(method, url, headers, Some((blob, part)))?;
        match answer.status().as_u16() {
            200..=299 => Ok(answer),
            status => Err(self.not_taken(status)),
        }
    }

    fn not_taken(&self, status: u16) -> Attempt {
        let name = self.name.to_string();
        match status {
            401 | 403 => Attempt::Final(OciError::PushRefused {
                registry: self.name.registry.clone(),
                name,
                as_user: self.authorization.borrow().is_some(),
            }),
            413 => Attempt::Final(OciError::TooLarge { name }),
            _ => {
                let error =
                    OciError::Push { name, why: format!("the registry answers with status {status}") };
                let passes = status == 429 || status >= 500;
                if passes { Attempt::Passing(error) } else { Attempt::Final(error) }
            }
        }
    }

    /// What is answered once the registry knows who asks.
    fn answer(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, String)],
        body: Option<(&NewBlob, (u64, u64))>,
    ) -> Result<Answer, Attempt> {
        let mut asked = false;
        loop {
            let mut headers = headers.to_vec();
            // What the registry has told about itself is for it alone.
            let is_own = origin(url) == origin(&self.url(""));
            let authorization = self.authorization.borrow().clone();
            if let Some(authorization) = authorization.filter(|_| is_own) {
                headers.push(("Authorization", authorization));
            }
            let answer = match body {
                Some((blob, (start, end))) => {
                    headers.push(("Content-Length", (end - start).to_string()));
                    let mut body = Watched { from: blob.part(start, end - start), progress: self.progress };
                    self.call(method, url, &headers, Some(&mut body))?
                }
                None => self.call(method, url, &headers, None)?,
            };
            if answer.status() != 401 || !is_own || asked {
                return Ok(answer);
            }
            asked = true;
            self.authorize(&answer)?;
        }
    }
}

/// Reports what has been read from it.
struct Watched<'p> {
    from: Box<dyn Read>,
    progress: &'p dyn Progress,
}

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.from.read(buffer)?;
        self.progress.advance(length as u64);
        Ok(length)
    }
}
