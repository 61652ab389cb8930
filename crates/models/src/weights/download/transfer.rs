//! One file over HTTP: the request, the decision to continue or begin again, and the copying.

use std::io::{self, Read};
use std::path::Path;

use ureq::http::{HeaderMap, Response, StatusCode, header};
use ureq::{Agent, Body};

use super::part::Part;
use super::{Announcement, DownloadObserver, Downloader, check_length};
use crate::error::{Error, Result};
use crate::weights::{Checksum, WeightSource};

/// A download in progress, over one or several connections.
pub(super) struct Transfer<'a> {
    agent: Agent,
    source: &'a WeightSource,
    destination: &'a Path,
    observer: &'a mut dyn DownloadObserver,
    announced: bool,
}

/// What the server's answer means for the partial file.
enum Answer {
    /// The body begins at the file's beginning; the file has this length and entity tag.
    Whole(Option<u64>, Option<String>),
    /// The body continues the partial file, which will have this length.
    Rest(u64),
    /// The partial file has been whole already.
    Nothing,
    /// The partial file belongs to something else.
    Mismatch,
}

impl<'a> Transfer<'a> {
    pub(super) fn new(
        downloader: &Downloader,
        source: &'a WeightSource,
        destination: &'a Path,
        observer: &'a mut dyn DownloadObserver,
    ) -> Self {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_resolve(Some(downloader.connect_timeout))
            .timeout_connect(Some(downloader.connect_timeout))
            .timeout_recv_response(Some(downloader.read_timeout))
            .timeout_per_read(Some(downloader.read_timeout))
            .user_agent(concat!("fastlearn/", env!("CARGO_PKG_VERSION")))
            .build()
            .new_agent();
        Self { agent, source, destination, observer, announced: false }
    }

    /// Brings the partial file to its full length, continuing where it ends if that is safe.
    pub(super) fn run(&mut self, part: &mut Part) -> Result<()> {
        let tag = part.tag();
        // Without a tag or a checksum nothing would notice that the pieces are of two different files.
        if tag.is_none() && self.source.sha256 == Checksum::Unpublished {
            part.restart(None)?;
        }
        let mut response = self.request(part, tag.as_deref())?;
        let mut answer = classify(&response, part.length(), tag.as_deref());
        if matches!(answer, Answer::Mismatch) {
            part.restart(None)?;
            response = self.request(part, None)?;
            answer = classify(&response, 0, None);
        }
        let total = match answer {
            Answer::Whole(total, tag) => {
                check_length(self.source, total)?;
                part.restart(tag.as_deref())?;
                total
            }
            Answer::Rest(total) => {
                check_length(self.source, Some(total))?;
                Some(total)
            }
            Answer::Nothing => return Ok(()),
            Answer::Mismatch => {
                return Err(Error::HttpStatus {
                    address: self.source.address.to_string(),
                    status: response.status().as_u16(),
                });
            }
        };
        self.announce(part.length(), total);
        self.copy(response.into_body(), part, total)
    }

    fn request(&self, part: &Part, tag: Option<&str>) -> Result<Response<Body>> {
        let mut request = self.agent.get(&*self.source.address);
        if part.length() > 0 {
            request = request.header(header::RANGE, format!("bytes={}-", part.length()));
            if let Some(tag) = tag {
                request = request.header(header::IF_RANGE, tag);
            }
        }
        let response = request.call().map_err(|error| Error::Unreachable {
            address: self.source.address.to_string(),
            reason: error.to_string(),
        })?;
        match response.status() {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {
                Ok(response)
            }
            status => Err(Error::HttpStatus {
                address: self.source.address.to_string(),
                status: status.as_u16(),
            }),
        }
    }

    fn announce(&mut self, resumed_from: u64, total: Option<u64>) {
        if !self.announced {
            self.announced = true;
            self.observer.started(&Announcement {
                source: self.source,
                destination: self.destination,
                bytes: total.or(self.source.size.bytes()),
                resumed_from,
            });
        }
    }

    fn copy(&mut self, body: Body, part: &mut Part, total: Option<u64>) -> Result<()> {
        let mut reader = body.into_reader();
        let mut piece = vec![0; 1 << 16];
        loop {
            match reader.read(&mut piece) {
                Ok(0) => break,
                Ok(read) => part.append(&piece[..read])?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.interrupted(part, total, error.to_string())),
            }
            self.observer.progress(part.length(), total);
        }
        match total {
            Some(total) if part.length() != total => {
                Err(self.interrupted(part, Some(total), "the connection was closed".to_owned()))
            }
            _ => Ok(()),
        }
    }

    fn interrupted(&self, part: &Part, total: Option<u64>, reason: String) -> Error {
        Error::Interrupted {
            address: self.source.address.to_string(),
            received: part.length(),
            total,
            reason,
            part: part.path().to_owned(),
        }
    }
}

/// Decides from status and headers what to do with a partial file of `have` bytes and entity tag `tag`.
fn classify(response: &Response<Body>, have: u64, tag: Option<&str>) -> Answer {
    let headers = response.headers();
    match response.status() {
        StatusCode::OK => Answer::Whole(response.body().content_length(), strong_tag(headers)),
        StatusCode::PARTIAL_CONTENT => match content_range(headers) {
            Some((Some(start), total)) if start == have && same_file(tag, headers) => {
                Answer::Rest(total)
            }
            _ => Answer::Mismatch,
        },
        // The range begins at or behind the file's end: everything is there, or too much is.
        _ => match content_range(headers) {
            Some((None, total)) if have > 0 && total == have && same_file(tag, headers) => {
                Answer::Nothing
            }
            _ => Answer::Mismatch,
        },
    }
}

/// Whether the answer may be about the same file: a server that gave a tag once gives it with every range.
fn same_file(tag: Option<&str>, headers: &HeaderMap) -> bool {
    match (tag, strong_tag(headers)) {
        (Some(before), Some(now)) => before == now,
        _ => true,
    }
}

/// The entity tag, unless it is a weak one, which says nothing about bytes.
fn strong_tag(headers: &HeaderMap) -> Option<String> {
    let tag = headers.get(header::ETAG)?.to_str().ok()?;
    (!tag.starts_with("W/")).then(|| tag.to_owned())
}

/// First byte (none for `*`) and total length from `Content-Range: bytes FIRST-LAST/TOTAL` or `bytes */TOTAL`.
fn content_range(headers: &HeaderMap) -> Option<(Option<u64>, u64)> {
    let text = headers.get(header::CONTENT_RANGE)?.to_str().ok()?;
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let total = total.trim().parse().ok()?;
    if range.trim() == "*" {
        return Some((None, total));
    }
    let (first, _) = range.split_once('-')?;
    Some((Some(first.trim().parse().ok()?), total))
}
