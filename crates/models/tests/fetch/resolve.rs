//! The way from a wish to a file: a path, the cache folder, a download, and what is said when there is none.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use crate::loopback::{Reply, Server, published_file, source};
use models::weights::{
    Downloader, Origin, Silent, WeightFormat, WeightSource, cached_weights, weights_path,
};
use models::{Arch, Architecture, Error, StateDict, WeightsRequest};

fn request(sources: Vec<WeightSource>, cache: &Path) -> WeightsRequest {
    WeightsRequest {
        cache_dir: Some(cache.to_owned()),
        downloader: Downloader { attempts: 1, ..Downloader::default() },
        ..WeightsRequest::new(Architecture {
            name: "tiny".into(),
            sources: sources.into(),
            ..Arch::ResNet18.into()
        })
    }
}

#[test]
fn a_download_fills_the_cache_and_the_cache_saves_the_next() {
    let file = published_file();
    let served = file.clone();
    let server = Server::start(move |_, request| Reply::ranged(&served, request, "\"tag\""));
    let cache = tempfile::tempdir().unwrap();
    let request = request(vec![source(&server.address, &file)], cache.path());

    let first = request.resolve(&mut Silent).unwrap();
    assert_eq!(first.origin, Origin::Download);
    assert_eq!(first.path, weights_path(cache.path(), "tiny.test").unwrap());
    StateDict::read(&first.path).unwrap();
    let second = request.resolve(&mut Silent).unwrap();
    assert_eq!((second.origin, second.path), (Origin::Cache, first.path));
    assert_eq!(server.requests().len(), 1);
    assert_eq!(cached_weights(cache.path()), ["tiny.test"]);
}

#[test]
fn a_path_comes_first_and_must_exist() {
    let cache = tempfile::tempdir().unwrap();
    let mine = cache.path().join("mine.safetensors");
    let mut request = request(vec![source("http://127.0.0.1:1", b"")], cache.path());
    request.path = Some(mine.clone());
    let error = request.resolve(&mut Silent).unwrap_err();
    assert!(matches!(&error, Error::ReadFile { path, .. } if *path == mine), "{error}");
    fs::write(&mine, b"").unwrap();
    let found = request.resolve(&mut Silent).unwrap();
    assert_eq!((found.path, found.origin), (mine, Origin::Path));
}

#[test]
fn a_name_is_looked_up_in_the_cache_only() {
    let cache = tempfile::tempdir().unwrap();
    let mut request = request(vec![], cache.path());
    request.name = Some("quickstart".into());
    let message = request.resolve(&mut Silent).unwrap_err().to_string();
    assert!(message.contains("quickstart") && message.contains("present are: none"), "{message}");

    StateDict::new().write(weights_path(cache.path(), "other").unwrap()).unwrap();
    let message = request.resolve(&mut Silent).unwrap_err().to_string();
    assert!(message.contains("present are: other"), "{message}");

    let path = weights_path(cache.path(), "quickstart").unwrap();
    StateDict::new().write(&path).unwrap();
    assert_eq!(request.resolve(&mut Silent).unwrap().path, path);
}

#[test]
fn without_network_three_remedies_are_named() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let cache = tempfile::tempdir().unwrap();
    let request = request(vec![source(&format!("http://{closed}"), b"")], cache.path());
    let error = request.resolve(&mut Silent).unwrap_err();
    let message = error.to_string();
    let name = weights_path(cache.path(), "tiny.test").unwrap();
    for part in [
        "no weights for tiny",
        "cannot reach",
        "1. give a file you have: --weights PATH",
        "2. put that file into the cache folder under exactly this name",
        name.to_str().unwrap(),
        "3. run once on a machine with network",
        "--weights quickstart",
        "--weights none",
    ] {
        assert!(message.contains(part), "{part}: {message}");
    }
    assert!(matches!(error, Error::NoWeights { download: Some(_), .. }));
}

#[test]
fn without_a_source_the_name_of_a_file_is_told() {
    let cache = tempfile::tempdir().unwrap();
    let message = request(vec![], cache.path()).resolve(&mut Silent).unwrap_err().to_string();
    assert!(
        message.contains("none are published") && message.contains("tiny.safetensors"),
        "{message}"
    );
}

/// Someone put torchvision's own file into the cache folder: nothing has to be fetched.
#[test]
fn any_published_file_in_the_cache_will_do() {
    let cache = tempfile::tempdir().unwrap();
    let preferred = source("http://127.0.0.1:1", b"");
    let pth = WeightSource {
        format: WeightFormat::Pth,
        file_name: "tiny-0123abcd.pth".into(),
        ..preferred.clone()
    };
    let request = request(vec![preferred, pth], cache.path());
    assert!(request.resolve(&mut Silent).is_err());
    let path = weights_path(cache.path(), "tiny-0123abcd.pth").unwrap();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, b"").unwrap();
    let found = request.resolve(&mut Silent).unwrap();
    assert_eq!((found.path, found.origin), (path, Origin::Cache));
    assert_eq!(cached_weights(cache.path()), ["tiny-0123abcd.pth"]);
}

#[test]
fn a_word_is_a_name_and_anything_like_a_file_is_a_path() {
    let request = request(vec![], Path::new("cache"));
    let chosen = request.clone().choosing("quickstart");
    assert_eq!((chosen.name.as_deref(), chosen.path), (Some("quickstart"), None));
    for text in ["mine.safetensors", "folder/mine", "./mine", "/mine", "resnet18.pth"] {
        let chosen = request.clone().choosing(text);
        assert_eq!((chosen.name, chosen.path.as_deref()), (None, Some(Path::new(text))), "{text}");
    }
}
