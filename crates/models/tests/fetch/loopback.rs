//! A tiny HTTP server on the loopback interface, and the published file it serves.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use models::weights::{Checksum, PublishedSize, WeightFormat, WeightSource};
use models::{StateDict, WeightTensor};
use sha2::{Digest, Sha256};

/// What a client asked for: path and lower-case header lines.
#[derive(Debug, Clone)]
pub struct Request {
    pub path: String,
    headers: Vec<(String, String)>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The first byte of the range asked for.
    pub fn range_start(&self) -> Option<usize> {
        self.header("range")?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
    }
}

/// An answer. `content_length` is always that of `body`, of which only `sent` bytes go out.
pub struct Reply {
    pub status: &'static str,
    pub headers: Vec<String>,
    pub body: Vec<u8>,
    pub sent: usize,
}

impl Reply {
    pub fn new(status: &'static str, body: &[u8]) -> Self {
        Self { status, headers: Vec::new(), body: body.to_vec(), sent: body.len() }
    }

    pub fn header(mut self, line: impl Into<String>) -> Self {
        self.headers.push(line.into());
        self
    }

    /// Closes the connection after so many bytes of the body.
    pub fn cut_after(mut self, bytes: usize) -> Self {
        self.sent = bytes;
        self
    }

    /// Serves `file` with ranges, as a good server does.
    pub fn ranged(file: &[u8], request: &Request, tag: &str) -> Self {
        let fresh = request.header("if-range").is_none_or(|asked| asked == tag);
        let reply = match request.range_start().filter(|_| fresh) {
            Some(start) if start >= file.len() => Self::new("416 Range Not Satisfiable", b"")
                .header(format!("Content-Range: bytes */{}", file.len())),
            Some(start) => Self::new("206 Partial Content", &file[start..]).header(format!(
                "Content-Range: bytes {start}-{}/{}",
                file.len() - 1,
                file.len()
            )),
            None => Self::new("200 OK", file),
        };
        reply.header(format!("ETag: {tag}"))
    }
}

/// A running server; it ends with the test process.
pub struct Server {
    pub address: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// Answers each request with `reply(number of requests before, request)`.
    pub fn start(reply: impl Fn(usize, &Request) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let request = read_request(&stream);
                let before = seen.lock().unwrap().len();
                seen.lock().unwrap().push(request.clone());
                // A client may hang up early; that is its right.
                let _ = answer(stream, reply(before, &request));
            }
        });
        Self { address, requests }
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

fn read_request(stream: &TcpStream) -> Request {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let path =
        lines.next().and_then(|line| line.split(' ').nth(1).map(str::to_owned)).unwrap_or_default();
    let headers = lines
        .take_while(|line| !line.is_empty())
        .filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_lowercase(), value.trim().to_owned()))
        })
        .collect();
    Request { path, headers }
}

fn answer(mut stream: TcpStream, reply: Reply) -> std::io::Result<()> {
    write!(
        stream,
        "HTTP/1.1 {}\r\nContent-Length: {}\r\nConnection: close\r\n",
        reply.status,
        reply.body.len()
    )?;
    for header in &reply.headers {
        write!(stream, "{header}\r\n")?;
    }
    write!(stream, "\r\n")?;
    stream.write_all(&reply.body[..reply.sent])?;
    stream.flush()
}

/// A safetensors file of about 400 kB, many times the size of one read.
pub fn published_file() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.safetensors");
    let values = (0..100_000_u32).map(|i| i.wrapping_mul(2_654_435_761) as f32).collect();
    let mut state = StateDict::new();
    state.insert("conv1.weight", WeightTensor::new(vec![100_000], values).unwrap()).unwrap();
    state.write(&path).unwrap();
    std::fs::read(path).unwrap()
}

pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A source for `file` at `address` with its full checksum.
pub fn source(address: &str, file: &[u8]) -> WeightSource {
    WeightSource {
        weights: "TEST_V1".into(),
        address: format!("{address}/model.safetensors").into(),
        file_name: "tiny.test.safetensors".into(),
        format: WeightFormat::Safetensors,
        sha256: Checksum::Full(sha256(file).into()),
        size: PublishedSize::Exact(file.len() as u64),
        licence: "CC0".into(),
        notes: "".into(),
    }
}
