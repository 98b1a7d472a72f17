//! Parts of a remote file, read one after another. Not verified here: that is up to the caller.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use super::{Counted, Fetcher, part_start, read_body, status_error, to_usize, unreadable};
use crate::fetch_error::FetchError;
use crate::location::Location;
use crate::progress::Running;

/// The parts of one file that are read one after another.
pub struct Parts<'f> {
    fetcher: &'f Fetcher<'f>,
    url: &'f str,
    running: Running<'f>,
}

impl Parts<'_> {
    /// The URL or path of the file.
    pub fn url(&self) -> &str {
        self.url
    }

    /// The bytes of `range`: exactly that many, else an error. `RangesIgnored` when the server sends whole
    /// files only. Nothing is verified here.
    pub fn fetch(&self, range: Range<u64>) -> Result<Vec<u8>, FetchError> {
        let Self { fetcher, running, .. } = self;
        let url = self.url;
        let length = range.end.saturating_sub(range.start);
        match fetcher.locate(url)? {
            Location::File(path) => {
                let mut bytes = vec![0; to_usize(length, url)?];
                let file = File::open(&path).map_err(|error| unreadable(&path, error))?;
                file.read_exact_at(&mut bytes, range.start).map_err(|error| match file.metadata() {
                    Ok(whole) if whole.len() < range.end => {
                        let location = url.to_owned();
                        FetchError::ShortBody { location, expected: range.end, received: whole.len() }
                    }
                    _ => unreadable(&path, error),
                })?;
                running.advance(length);
                Ok(bytes)
            }
            Location::Http(_) if length == 0 => Ok(Vec::new()),
            Location::Http(_) => fetcher.retrying(|| {
                let mut response = fetcher.get(url, Some((range.start, Some(range.end - 1))))?;
                match response.status().as_u16() {
                    206 if part_start(&response) == Some(range.start) => {}
                    200 | 206 => return Err(FetchError::RangesIgnored { location: url.to_owned() }.into()),
                    status => return Err(status_error(url, status)),
                }
                let body = Counted { reader: response.body_mut().as_reader(), running };
                read_body(body, url, length, Some(length))
            }),
        }
    }
}

impl Fetcher<'_> {
    /// Reads parts of `url`, reported as one transfer of unknown length.
    pub fn parts<'f>(&'f self, url: &'f str) -> Parts<'f> {
        let running = Running::begin(self.progress, url.rsplit('/').next().unwrap_or(url), None);
        Parts { fetcher: self, url, running }
    }
}
