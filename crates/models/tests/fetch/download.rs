//! Downloads from a server on the loopback interface: ordinary, resumed, broken, wrong, refused.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::loopback::{Reply, Server, published_file, sha256, source};
use models::Error;
use models::weights::{
    Announcement, Checksum, DownloadObserver, Downloader, PublishedSize, Receipt, Silent,
    Verification, WeightFormat, WeightSource,
};

const TAG: &str = "\"first\"";

/// Keeps what it is told.
#[derive(Default)]
struct Log {
    started: Vec<(Option<u64>, u64, String)>,
    received: Vec<u64>,
    finished: Vec<Receipt>,
}

impl DownloadObserver for Log {
    fn started(&mut self, announcement: &Announcement<'_>) {
        assert!(self.received.is_empty(), "announced after the first byte");
        let licence = announcement.source.licence.to_string();
        self.started.push((announcement.bytes, announcement.resumed_from, licence));
    }

    fn progress(&mut self, received: u64, _total: Option<u64>) {
        self.received.push(received);
    }

    fn finished(&mut self, receipt: &Receipt) {
        self.finished.push(receipt.clone());
    }
}

fn downloader(attempts: u32) -> Downloader {
    Downloader {
        connect_timeout: Duration::from_secs(5),
        read_timeout: Duration::from_secs(5),
        attempts,
        pause: Duration::ZERO,
    }
}

fn part(destination: &Path) -> PathBuf {
    destination.with_file_name("model.part")
}

/// A folder and the destination in it; the partial file is `model.part`.
fn place() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let destination = folder.path().join("cache/model");
    (folder, destination)
}

fn assert_only_the_file(destination: &Path, file: &[u8]) {
    assert!(fs::read(destination).unwrap() == file);
    assert_eq!(fs::read_dir(destination.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn an_ordinary_download_is_announced_counted_and_checked() {
    let file = published_file();
    let served = file.clone();
    let server = Server::start(move |_, request| Reply::ranged(&served, request, TAG));
    let (_folder, destination) = place();
    let mut log = Log::default();
    let receipt =
        downloader(1).fetch(&source(&server.address, &file), &destination, &mut log).unwrap();

    assert_only_the_file(&destination, &file);
    assert_eq!(log.started, [(Some(file.len() as u64), 0, "CC0".to_owned())]);
    assert!(log.received.is_sorted() && log.received.len() > 3);
    assert_eq!(log.received.last(), Some(&(file.len() as u64)));
    assert_eq!(receipt.verification, Verification::Sha256);
    assert_eq!(receipt.sha256, sha256(&file));
    assert_eq!(log.finished, [receipt]);
}

#[test]
fn a_broken_connection_is_taken_up_where_it_broke() {
    let file = published_file();
    let served = file.clone();
    let server = Server::start(move |before, request| {
        let reply = Reply::ranged(&served, request, TAG);
        if before == 0 { reply.cut_after(150_000) } else { reply }
    });
    let (_folder, destination) = place();
    downloader(2)
        .fetch(&source(&server.address, &file), &destination, &mut Log::default())
        .unwrap();

    assert_only_the_file(&destination, &file);
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0].range_start(), None);
    assert_eq!(requests[1].range_start(), Some(150_000));
    assert_eq!(requests[1].header("if-range"), Some(TAG));
}

#[test]
fn what_arrived_is_kept_for_the_next_run() {
    let file = published_file();
    let served = file.clone();
    let server = Server::start(move |before, request| {
        let reply = Reply::ranged(&served, request, TAG);
        if before == 0 { reply.cut_after(100_000) } else { reply }
    });
    let (_folder, destination) = place();
    let source = source(&server.address, &file);
    let error = downloader(1).fetch(&source, &destination, &mut Silent).unwrap_err();
    assert!(matches!(error, Error::Interrupted { received: 100_000, .. }), "{error}");
    assert!(error.to_string().contains(part(&destination).to_str().unwrap()), "{error}");
    assert!(!destination.exists());

    let mut log = Log::default();
    downloader(1).fetch(&source, &destination, &mut log).unwrap();
    assert_only_the_file(&destination, &file);
    assert_eq!(log.started[0].1, 100_000);
}

#[test]
fn a_server_that_ignores_the_range_starts_again() {
    let file = published_file();
    let served = file.clone();
    let server = Server::start(move |_, _| Reply::new("200 OK", &served));
    let (_folder, destination) = place();
    fs::create_dir_all(destination.parent().unwrap()).unwrap();
    fs::write(part(&destination), &file[..1000]).unwrap();
    downloader(1).fetch(&source(&server.address, &file), &destination, &mut Silent).unwrap();
    assert_eq!(server.requests()[0].range_start(), Some(1000));
    assert_only_the_file(&destination, &file);
}

#[test]
fn a_file_that_changed_on_the_server_starts_again() {
    let file = published_file();
    for honours_if_range in [true, false] {
        let served = file.clone();
        let server = Server::start(move |_, request| {
            if honours_if_range || request.range_start().is_none() {
                Reply::ranged(&served, request, "\"second\"")
            } else {
                let start = request.range_start().unwrap();
                Reply::new("206 Partial Content", &served[start..])
                    .header(format!(
                        "Content-Range: bytes {start}-{}/{}",
                        served.len() - 1,
                        served.len()
                    ))
                    .header("ETag: \"second\"")
            }
        });
        let (_folder, destination) = place();
        fs::create_dir_all(destination.parent().unwrap()).unwrap();
        fs::write(part(&destination), vec![0; 1000]).unwrap();
        fs::write(destination.with_file_name("model.part.etag"), TAG).unwrap();
        downloader(1).fetch(&source(&server.address, &file), &destination, &mut Silent).unwrap();
        assert_only_the_file(&destination, &file);
        assert_eq!(server.requests().len(), if honours_if_range { 1 } else { 2 });
    }
}

#[test]
fn a_range_that_begins_elsewhere_starts_again() {
    let file = published_file();
    let served = file.clone();
    let server = Server::start(move |_, request| match request.range_start() {
        Some(_) => Reply::new("206 Partial Content", &served[10..]).header(format!(
            "Content-Range: bytes 10-{}/{}",
            served.len() - 1,
            served.len()
        )),
        None => Reply::new("200 OK", &served),
    });
    let (_folder, destination) = place();
    fs::create_dir_all(destination.parent().unwrap()).unwrap();
    fs::write(part(&destination), &file[..1000]).unwrap();
    downloader(1).fetch(&source(&server.address, &file), &destination, &mut Silent).unwrap();
    assert_only_the_file(&destination, &file);
}

#[test]
fn a_part_that_is_whole_or_too_long_is_settled() {
    let file = published_file();
    for excess in [0, 5] {
        let served = file.clone();
        let server = Server::start(move |_, request| Reply::ranged(&served, request, TAG));
        let (_folder, destination) = place();
        fs::create_dir_all(destination.parent().unwrap()).unwrap();
        fs::write(part(&destination), [file.as_slice(), &vec![0; excess]].concat()).unwrap();
        downloader(1).fetch(&source(&server.address, &file), &destination, &mut Silent).unwrap();
        assert_only_the_file(&destination, &file);
        assert_eq!(server.requests().len(), if excess == 0 { 1 } else { 2 });
    }
}

#[test]
fn a_wrong_checksum_removes_what_arrived() {
    let file = published_file();
    let mut damaged = file.clone();
    *damaged.last_mut().unwrap() ^= 1;
    let server = Server::start(move |_, request| Reply::ranged(&damaged, request, TAG));
    let digits = sha256(&file);
    for sha256 in
        [Checksum::Full(digits.clone().into()), Checksum::Prefix(digits[..8].to_owned().into())]
    {
        let (_folder, destination) = place();
        let source = WeightSource { sha256, ..source(&server.address, &file) };
        let error = downloader(3).fetch(&source, &destination, &mut Silent).unwrap_err();
        assert!(matches!(error, Error::ChecksumMismatch { .. }), "{error}");
        assert!(error.to_string().contains(&digits[..8]), "{error}");
        assert_eq!(fs::read_dir(destination.parent().unwrap()).unwrap().count(), 0);
    }
}

#[test]
fn a_prefix_is_checked_and_the_lack_of_a_checksum_is_said() {
    let file = published_file();
    let served = file.clone();
    let server = Server::start(move |_, request| Reply::ranged(&served, request, TAG));
    let prefix = Checksum::Prefix(sha256(&file)[..8].to_owned().into());
    for (sha256, verification) in [
        (prefix, Verification::Sha256Prefix),
        (Checksum::Unpublished, Verification::LengthAndFormat),
    ] {
        let (_folder, destination) = place();
        let source = WeightSource { sha256, ..source(&server.address, &file) };
        let receipt = downloader(1).fetch(&source, &destination, &mut Silent).unwrap();
        assert_eq!(receipt.verification, verification);
    }
}

#[test]
fn the_announcement_names_size_licence_address_and_a_missing_checksum() {
    let destination = Path::new("file");
    let source = WeightSource { sha256: Checksum::Unpublished, ..source("http://host", b"") };
    let announcement = Announcement {
        source: &source,
        destination,
        bytes: Some(87_278_522),
        resumed_from: 1_000_000,
    };
    assert_eq!(
        announcement.to_string(),
        "tiny.test.safetensors, 87.3 MB, licence CC0, from http://host/model.safetensors, \
         continuing after 1.0 MB (no checksum is published: only length and format can be checked)"
    );
}

#[test]
fn a_web_page_instead_of_an_unpublished_file_is_refused() {
    for format in [WeightFormat::Safetensors, WeightFormat::Pth] {
        let server = Server::start(|_, _| Reply::new("200 OK", b"<html>Please log in</html>"));
        let (_folder, destination) = place();
        let source = WeightSource {
            format,
            sha256: Checksum::Unpublished,
            size: PublishedSize::About(400_000),
            ..source(&server.address, b"")
        };
        let error = downloader(1).fetch(&source, &destination, &mut Silent).unwrap_err();
        assert!(matches!(error, Error::CorruptWeights { .. }), "{error}");
        assert_eq!(fs::read_dir(destination.parent().unwrap()).unwrap().count(), 0);
    }
}

#[test]
fn pieces_are_joined_without_checksum_only_under_one_tag() {
    let file = published_file();
    let served = file.clone();
    let server = Server::start(move |_, _| Reply::new("200 OK", &served));
    let (_folder, destination) = place();
    fs::create_dir_all(destination.parent().unwrap()).unwrap();
    fs::write(part(&destination), &file[..1000]).unwrap();
    let source = WeightSource { sha256: Checksum::Unpublished, ..source(&server.address, &file) };
    downloader(1).fetch(&source, &destination, &mut Silent).unwrap();
    assert_eq!(server.requests()[0].range_start(), None);
    assert_only_the_file(&destination, &file);
}

#[test]
fn a_file_of_another_length_is_refused_before_it_is_fetched() {
    let file = published_file();
    let served = file[1..].to_vec();
    let server = Server::start(move |_, _| Reply::new("200 OK", &served));
    let (_folder, destination) = place();
    let mut log = Log::default();
    let error =
        downloader(1).fetch(&source(&server.address, &file), &destination, &mut log).unwrap_err();
    assert!(matches!(error, Error::WrongLength { .. }), "{error}");
    assert!(log.received.is_empty() && !destination.exists());
}

#[test]
fn a_redirect_is_followed_with_the_range() {
    let file = published_file();
    let served = file.clone();
    let server = Server::start(move |_, request| match request.path.as_str() {
        "/model.safetensors" => Reply::new("302 Found", b"").header("Location: /elsewhere"),
        _ => Reply::ranged(&served, request, TAG),
    });
    let (_folder, destination) = place();
    fs::create_dir_all(destination.parent().unwrap()).unwrap();
    fs::write(part(&destination), &file[..1000]).unwrap();
    downloader(1).fetch(&source(&server.address, &file), &destination, &mut Silent).unwrap();
    assert_eq!(server.requests()[1].range_start(), Some(1000));
    assert_only_the_file(&destination, &file);
}

#[test]
fn failures_have_their_own_errors() {
    let file = published_file();
    let server = Server::start(|_, _| Reply::new("404 Not Found", b"gone"));
    let (_folder, destination) = place();
    let error = downloader(3)
        .fetch(&source(&server.address, &file), &destination, &mut Silent)
        .unwrap_err();
    assert!(matches!(error, Error::HttpStatus { status: 404, .. }), "{error}");
    assert_eq!(server.requests().len(), 1);
    assert!(!destination.exists());

    // A port that was free a moment ago refuses the connection.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let source = source(&format!("http://{closed}"), &file);
    let error = downloader(1).fetch(&source, &destination, &mut Silent).unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
}

#[test]
fn a_silent_server_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (_folder, destination) = place();
    let impatient = Downloader { read_timeout: Duration::from_millis(200), ..downloader(1) };
    let error = impatient.fetch(&source(&address, b""), &destination, &mut Silent).unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
}

#[test]
fn two_downloads_never_share_a_part() {
    let file = published_file();
    let (_folder, destination) = place();
    fs::create_dir_all(destination.parent().unwrap()).unwrap();
    let other = fs::File::create(part(&destination)).unwrap();
    other.lock().unwrap();
    let error = downloader(1)
        .fetch(&source("http://127.0.0.1:1", &file), &destination, &mut Silent)
        .unwrap_err();
    assert!(matches!(error, Error::DownloadInProgress { .. }), "{error}");
}
