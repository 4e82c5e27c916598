//! Pulls from a stand-in for the hub: its routes, and everything that can go wrong on them.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, ETAG, LOCATION, RANGE};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use intentgate::catalogue::entries;
use intentgate::config::Model;
use intentgate::hub::{Hub, HubError};
use intentgate::language::Language;
use intentgate::secret::Secret;
use serde_json::json;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::{JoinSet, block_in_place};

use crate::kit::nobody;

use crate::commands::{Ended, intentgate, snapshot};

const REPOSITORY: &str = "shop/embedder";
const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const GRAPH: &str = "onnx/model.onnx";
const TOKEN: &str = "hf_secret";

/// A hub with one repository, and a second host that it sends to for large files.
struct StandIn {
    hub: SocketAddr,
    state: Arc<Mutex<State>>,
    _serving: JoinSet<()>,
}

#[derive(Default)]
struct State {
    files: BTreeMap<String, Bytes>,
    /// What happens instead, by file; the listing's are those of the empty name.
    faults: BTreeMap<String, VecDeque<Fault>>,
    requests: Vec<Asked>,
    listing: Option<String>,
    other: String,
}

#[derive(Clone, Debug)]
enum Fault {
    /// A status, and the hub's word for why.
    Status(u16, Option<&'static str>),
    /// The reply ends before this byte of the file.
    CutAt(usize),
    /// Nothing comes behind this byte, and the reply does not end.
    StallAt(usize),
    /// The right length, the wrong bytes.
    Corrupt,
    /// One byte more than was said.
    Longer,
    /// Ranges are not understood.
    Whole,
}

/// One request.
#[derive(Clone, Debug, PartialEq)]
struct Asked {
    /// The file; empty for the listing.
    file: String,
    /// Whether it came to the hub itself.
    at_hub: bool,
    range: Option<String>,
    with_token: bool,
}

type Body = BoxBody<Bytes, io::Error>;

impl StandIn {
    async fn start() -> StandIn {
        let state = Arc::new(Mutex::new(State {
            files: files(),
            ..State::default()
        }));
        let mut serving = JoinSet::new();
        let mut addresses = Vec::new();
        for at_hub in [true, false] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            addresses.push(listener.local_addr().unwrap());
            serving.spawn(accept(listener, state.clone(), at_hub));
        }
        state.lock().unwrap().other = format!("http://{}", addresses[1]);
        StandIn {
            hub: addresses[0],
            state,
            _serving: serving,
        }
    }

    fn at(&self, folder: &Path) -> Hub {
        Hub {
            endpoint: format!("http://{}", self.hub),
            token: Some(Secret::new(TOKEN)),
            cache: Some(folder.to_owned()),
            offline: false,
            patience: Duration::from_secs(10),
            pause: Duration::from_millis(1),
        }
    }

    fn fail(&self, file: &str, faults: &[Fault]) {
        let faults = faults.iter().cloned().collect();
        let mut state = self.state.lock().unwrap();
        state.faults.insert(file.to_owned(), faults);
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
    }

    /// What was asked since this was last called.
    fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.state.lock().unwrap().requests)
    }

    /// The ranges that were asked of a file, where its bytes are.
    fn ranges(&self, file: &str) -> Vec<Option<String>> {
        let asked = self.asked().into_iter();
        asked
            .filter(|asked| asked.file == file && asked.at_hub != is_large(file))
            .map(|asked| asked.range)
            .collect()
    }
}

/// Larger than one write, so that a reply can break off inside.
fn files() -> BTreeMap<String, Bytes> {
    let graph: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    [
        (GRAPH, graph),
        ("onnx/model.onnx_data", vec![7; 100_000]),
        ("onnx/model_int8.onnx", b"another graph".to_vec()),
        ("config.json", b"{\"model_type\": \"bert\"}".to_vec()),
        ("tokenizer.json", b"{}".to_vec()),
        ("1_Pooling/config.json", b"{}".to_vec()),
        ("model.safetensors", vec![1; 5000]),
        ("README.md", b"# A model".to_vec()),
        ("empty.json", Vec::new()),
    ]
    .map(|(name, bytes)| (name.to_owned(), Bytes::from(bytes)))
    .into()
}

fn is_large(file: &str) -> bool {
    file.ends_with(".onnx") || file.ends_with("_data") || file.ends_with(".bin")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    })
}

fn git(content: &[u8]) -> String {
    let header = format!("blob {}\0", content.len());
    hex(&Sha1::digest([header.as_bytes(), content].concat()))
}

async fn accept(listener: TcpListener, state: Arc<Mutex<State>>, at_hub: bool) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let state = state.clone();
        let answer = service_fn(move |request| {
            let answer = answer(&state, &request, at_hub);
            async { Ok::<_, io::Error>(answer) }
        });
        connections.spawn(async move {
            let server = auto::Builder::new(TokioExecutor::new());
            // A client that has seen enough is no fault.
            server
                .serve_connection(TokioIo::new(stream), answer)
                .await
                .ok();
        });
    }
}

fn answer(state: &Mutex<State>, request: &Request<Incoming>, at_hub: bool) -> Response<Body> {
    let mut state = state.lock().unwrap();
    let path = request.uri().path();
    let listing = format!("/api/models/{REPOSITORY}/revision/");
    let resolved = format!("/{REPOSITORY}/resolve/{COMMIT}/");
    let file = path.strip_prefix(&resolved).unwrap_or_default().to_owned();
    let header = |name| request.headers().get(name)?.to_str().ok();
    let range = header(RANGE).map(str::to_owned);
    state.requests.push(Asked {
        file: file.clone(),
        at_hub,
        range: range.clone(),
        with_token: header(AUTHORIZATION) == Some(&format!("Bearer {TOKEN}")),
    });
    if at_hub && is_large(&file) {
        let to = format!("{}{path}", state.other);
        let response = Response::builder().status(302).header(LOCATION, to);
        return response.body(body(Bytes::new(), None)).unwrap();
    }
    let fault = state.faults.get_mut(&file).and_then(VecDeque::pop_front);
    if let Some(Fault::Status(status, reason)) = fault {
        let mut response = Response::builder().status(status);
        if let Some(reason) = reason {
            response = response.header("x-error-code", reason);
        }
        return response.body(body(Bytes::new(), None)).unwrap();
    }
    if path.starts_with(&listing) {
        assert_eq!(request.uri().query(), Some("blobs=true"));
        let text = state.listing.clone();
        let text = text.unwrap_or_else(|| listed(&state.files).to_string());
        return Response::new(body(text.into(), None));
    }
    match state.files.get(&file) {
        Some(content) => content_of(content.clone(), range.as_deref(), fault),
        None => Response::builder()
            .status(404)
            .body(body(Bytes::new(), None))
            .unwrap(),
    }
}

/// As the hub lists them.
fn listed(files: &BTreeMap<String, Bytes>) -> serde_json::Value {
    let siblings = files.iter().map(|(name, content)| {
        let mut file = json!({"rfilename": name, "size": content.len(), "blobId": git(content)});
        if is_large(name) {
            let sha256 = hex(&Sha256::digest(content));
            file["lfs"] = json!({"sha256": sha256, "size": content.len(), "pointerSize": 134});
        }
        file
    });
    json!({"id": REPOSITORY, "sha": COMMIT, "siblings": siblings.collect::<Vec<_>>()})
}

fn content_of(content: Bytes, range: Option<&str>, fault: Option<Fault>) -> Response<Body> {
    let size = content.len();
    let from = range.and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-'));
    let from: usize = from.map_or(0, |from| from.parse().unwrap());
    let from = match fault {
        Some(Fault::Whole) => 0,
        _ => from,
    };
    let mut response = Response::builder().header(ETAG, "\"of the other host\"");
    if from > 0 && from >= size {
        return response.status(416).body(body(Bytes::new(), None)).unwrap();
    }
    if from > 0 {
        let range = format!("bytes {from}-{}/{size}", size - 1);
        response = response.status(206).header(CONTENT_RANGE, range);
    }
    let rest = content.slice(from..);
    let (bytes, end) = match fault {
        Some(Fault::CutAt(at)) => (content.slice(from..at.max(from)), Some(End::Break)),
        Some(Fault::StallAt(at)) => (content.slice(from..at.max(from)), Some(End::Stall)),
        Some(Fault::Corrupt) => (vec![b'x'; rest.len()].into(), None),
        Some(Fault::Longer) => {
            let longer = [&rest[..], b"x"].concat();
            response = response.header(CONTENT_LENGTH, longer.len());
            return response.body(body(longer.into(), None)).unwrap();
        }
        _ => (rest.clone(), None),
    };
    let response = response.header(CONTENT_LENGTH, rest.len());
    response.body(body(bytes, end)).unwrap()
}

/// How a reply ends that does not end well.
enum End {
    Break,
    Stall,
}

fn body(bytes: Bytes, end: Option<End>) -> Body {
    let pieces: Vec<_> = bytes.chunks(16 << 10).map(Bytes::copy_from_slice).collect();
    let pieces = stream::iter(pieces).map(|piece| Ok(Frame::data(piece)));
    match end {
        None => BodyExt::boxed(StreamBody::new(pieces)),
        Some(End::Break) => {
            let broken = stream::once(async {
                // What was written before is to be on its way.
                tokio::time::sleep(Duration::from_millis(20)).await;
                Err(io::Error::other("broken off"))
            });
            BodyExt::boxed(StreamBody::new(pieces.chain(broken)))
        }
        Some(End::Stall) => BodyExt::boxed(StreamBody::new(pieces.chain(stream::pending()))),
    }
}

fn wanted() -> Model {
    Model {
        hub: Some(REPOSITORY.to_owned()),
        ..Model::default()
    }
}

async fn pull(hub: &Hub) -> Result<std::path::PathBuf, HubError> {
    hub.pull(&wanted(), None, |_, _| {}).await
}

/// Everything below a folder: a file's size, a link's target.
fn tree(folder: &Path) -> String {
    let (mut lines, mut open) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(inside) = open.pop() {
        for entry in fs::read_dir(&inside).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(folder).unwrap().display().to_string();
            match fs::read_link(&path) {
                Ok(target) => lines.push(format!("{name} → {}", target.display())),
                Err(_) if path.is_dir() => open.push(path),
                Err(_) => lines.push(format!("{name} {}", path.metadata().unwrap().len())),
            }
        }
    }
    lines.sort();
    lines.join("\n")
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[tokio::test]
async fn a_model_comes_into_the_cache_as_the_ecosystem_lays_it_out() {
    let (stand_in, folder) = (StandIn::start().await, folder());
    let hub = stand_in.at(folder.path());
    assert_eq!(hub.found(&wanted(), None), None);
    let seen = Mutex::new(Vec::new());
    let progress = |done, all| seen.lock().unwrap().push((done, all));
    let pulled = hub.pull(&wanted(), None, progress).await.unwrap();

    snapshot("hub_cache", &tree(folder.path()));
    assert_eq!(hub.found(&wanted(), None).as_ref(), Some(&pulled));
    for (name, content) in files() {
        let read = name != "model.safetensors" && name != "onnx/model_int8.onnx";
        assert_eq!(
            fs::read(pulled.join(&name)).ok(),
            read.then(|| content.to_vec()),
            "{name}"
        );
    }
    let seen = seen.into_inner().unwrap();
    assert!(seen.is_sorted(), "{seen:?}");
    let last = seen.last().unwrap();
    assert_eq!(last.0, last.1);

    // The token is for the hub.
    for asked in stand_in.asked() {
        assert_eq!(asked.with_token, asked.at_hub, "{asked:?}");
        assert!(asked.at_hub || is_large(&asked.file), "{asked:?}");
    }
    // What is here is not fetched again.
    assert_eq!(pull(&hub).await.unwrap(), pulled);
    let asked = stand_in.asked();
    assert!(asked.iter().all(|asked| asked.file.is_empty()), "{asked:?}");
    // Nor is anybody asked where that is not wanted.
    let hub = Hub {
        offline: true,
        ..hub
    };
    assert_eq!(pull(&hub).await.unwrap(), pulled);
    assert_eq!(stand_in.asked(), []);
    let by_commit = Model {
        revision: Some(COMMIT.to_owned()),
        ..wanted()
    };
    assert_eq!(hub.found(&by_commit, None), Some(pulled));
    let other = Model {
        revision: Some("v2".to_owned()),
        ..wanted()
    };
    assert_eq!(hub.found(&other, None), None);
}

#[tokio::test]
async fn every_fault_is_explained_leaves_nothing_that_passes_for_whole_and_is_mended_by_a_second_pull()
 {
    let again = |status| vec![Fault::Status(status, None); 5];
    let once = |status, reason| vec![Fault::Status(status, reason)];
    let mut said = String::new();
    for (name, file, faults) in [
        ("401", "", once(401, Some("RepoNotFound"))),
        ("401 gated", "", once(401, Some("GatedRepo"))),
        ("403 gated", "config.json", once(403, Some("GatedRepo"))),
        ("403", "", once(403, None)),
        ("404", "", once(404, Some("RevisionNotFound"))),
        ("500", "", again(500)),
        ("503 of the other host", GRAPH, again(503)),
        ("403 of the other host", GRAPH, once(403, None)),
        ("429", "", again(429)),
        ("truncated", GRAPH, vec![Fault::CutAt(200_000); 6]),
        ("truncated at once", "README.md", vec![Fault::CutAt(0); 5]),
        ("corrupt", GRAPH, vec![Fault::Corrupt]),
        ("corrupt small file", "config.json", vec![Fault::Corrupt]),
        ("longer", GRAPH, vec![Fault::Longer]),
    ] {
        let (stand_in, folder) = (StandIn::start().await, folder());
        let hub = stand_in.at(folder.path());
        stand_in.fail(file, &faults);
        let error = pull(&hub).await.unwrap_err();
        said.push_str(&explained(name, &error, &stand_in, folder.path()));
        assert_eq!(hub.found(&wanted(), None), None, "{name}");

        stand_in.fail(file, &[]);
        let pulled = pull(&hub).await;
        let pulled = pulled.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(hub.found(&wanted(), None).as_ref(), Some(&pulled));
        let graph = fs::read(pulled.join(GRAPH)).unwrap();
        assert_eq!(graph, files()[GRAPH], "{name}");
    }
    snapshot("hub_faults", &said);
}

#[tokio::test]
async fn what_a_repository_lacks_or_should_not_have_is_explained() {
    let lists = |listing: String| move |state: &mut State| state.listing = Some(listing);
    let without = |names: &'static [&str]| {
        move |state: &mut State| {
            state
                .files
                .retain(|name, _| !names.iter().any(|n| name.contains(n)));
        }
    };
    let mut other = listed(&files());
    other["siblings"][0]["rfilename"] = json!("../../../../.bashrc");
    let unsafe_name = other.to_string();
    let mut other = listed(&files());
    other["sha"] = json!("../../x");
    let unsafe_commit = other.to_string();
    let mut other = listed(&files());
    other["siblings"][0]["blobId"] = json!("../x");
    let unsafe_blob = other.to_string();
    let two = |state: &mut State| {
        let graph = state.files.remove(GRAPH).unwrap();
        state.files.insert("onnx/model_q4.onnx".to_owned(), graph);
    };
    type Change = Box<dyn FnOnce(&mut State)>;
    let cases: Vec<(&str, Change, Option<&str>)> = vec![
        ("no graph", Box::new(without(&["onnx"])), None),
        ("several graphs", Box::new(two), None),
        ("not this graph", Box::new(|_| {}), Some("model_fp16.onnx")),
        ("no tokenizer", Box::new(without(&["tokenizer"])), None),
        ("a name that leads out", Box::new(lists(unsafe_name)), None),
        ("no commit", Box::new(lists(unsafe_commit)), None),
        ("no checksum", Box::new(lists(unsafe_blob)), None),
        ("no listing", Box::new(lists("<html>".to_owned())), None),
    ];
    let mut said = String::new();
    for (name, change, file) in cases {
        let (stand_in, folder) = (StandIn::start().await, folder());
        stand_in.change(change);
        let hub = stand_in.at(folder.path());
        let model = Model {
            file: file.map(str::to_owned),
            ..wanted()
        };
        let error = hub.pull(&model, None, |_, _| {}).await.unwrap_err();
        said.push_str(&explained(name, &error, &stand_in, folder.path()));
        assert_eq!(tree(folder.path()), "", "{name}");
    }
    snapshot("hub_repositories", &said);
}

#[tokio::test]
async fn what_the_machine_lacks_is_explained() {
    let (stand_in, folder) = (StandIn::start().await, folder());
    let hub = stand_in.at(folder.path());
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let closed = nobody();
    let mut said = String::new();
    for (name, hub) in [
        (
            "offline",
            Hub {
                offline: true,
                ..hub.clone()
            },
        ),
        (
            "no address",
            Hub {
                endpoint: "hub.example.com".to_owned(),
                ..hub.clone()
            },
        ),
        (
            "no answer",
            Hub {
                endpoint: format!("http://{closed}"),
                ..hub.clone()
            },
        ),
        (
            "no folder",
            Hub {
                cache: None,
                ..hub.clone()
            },
        ),
        (
            "a file for a folder",
            Hub {
                cache: Some(file),
                ..hub.clone()
            },
        ),
    ] {
        let error = pull(&hub).await.unwrap_err();
        let explained = explained(name, &error, &stand_in, folder.path());
        said.push_str(&explained.replace(&closed.to_string(), "CLOSED"));
        assert_eq!(hub.found(&wanted(), None), None, "{name}");
    }
    snapshot("hub_machine", &said);
}

#[tokio::test]
async fn a_download_goes_on_where_it_ended() {
    let (stand_in, folder) = (StandIn::start().await, folder());
    let hub = stand_in.at(folder.path());
    // Within one pull.
    stand_in.fail(GRAPH, &[Fault::CutAt(200_000), Fault::CutAt(700_000)]);
    pull(&hub).await.unwrap();
    let ranges = stand_in.ranges(GRAPH);
    let expected = [None, Some("bytes=200000-"), Some("bytes=700000-")];
    assert_eq!(ranges, expected.map(|range| range.map(str::to_owned)));

    // From one pull to the next.
    let other = tempfile::tempdir().unwrap();
    let hub = stand_in.at(other.path());
    stand_in.fail(GRAPH, &vec![Fault::CutAt(200_000); 6]);
    let error = pull(&hub).await.unwrap_err();
    assert!(
        matches!(error, HubError::Truncated { have: 200_000, .. }),
        "{error}"
    );
    stand_in.asked();
    stand_in.fail(GRAPH, &[]);
    let pulled = pull(&hub).await.unwrap();
    assert_eq!(stand_in.ranges(GRAPH), [Some("bytes=200000-".to_owned())]);
    assert_eq!(fs::read(pulled.join(GRAPH)).unwrap(), files()[GRAPH]);
}

#[tokio::test]
async fn what_cannot_be_gone_on_with_begins_anew() {
    let whole = files()[GRAPH].clone();
    let size = whole.len();
    for (name, left, faults, ranges) in [
        // The server knows no ranges.
        (
            "whole",
            whole[..9].to_vec(),
            vec![Fault::Whole],
            vec![Some(9)],
        ),
        // What is there is not of this file.
        ("garbage", vec![b'x'; 9], vec![], vec![Some(9), None]),
        ("too much", vec![b'x'; size + 1], vec![], vec![None]),
        ("all of it", whole.to_vec(), vec![], vec![]),
        ("all, wrong", vec![b'x'; size], vec![], vec![None]),
        (
            "no such range",
            whole[..9].to_vec(),
            vec![Fault::Status(416, None)],
            vec![Some(9), None],
        ),
    ] {
        let (stand_in, folder) = (StandIn::start().await, folder());
        let hub = stand_in.at(folder.path());
        let blob = hex(&Sha256::digest(&whole));
        let blobs = folder.path().join("models--shop--embedder/blobs");
        fs::create_dir_all(&blobs).unwrap();
        fs::write(blobs.join(format!("{blob}.incomplete")), left).unwrap();
        stand_in.fail(GRAPH, &faults);
        let pulled = pull(&hub).await;
        let pulled = pulled.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(fs::read(pulled.join(GRAPH)).unwrap(), whole, "{name}");
        let ranges: Vec<_> = ranges
            .into_iter()
            .map(|from: Option<u32>| from.map(|from| format!("bytes={from}-")))
            .collect();
        assert_eq!(stand_in.ranges(GRAPH), ranges, "{name}");
    }
}

#[tokio::test]
async fn passing_faults_are_waited_out() {
    let (stand_in, folder) = (StandIn::start().await, folder());
    let hub = Hub {
        patience: Duration::from_millis(500),
        ..stand_in.at(folder.path())
    };
    stand_in.fail("", &[Fault::Status(503, None), Fault::Status(429, None)]);
    stand_in.fail(GRAPH, &[Fault::Status(502, None), Fault::StallAt(200_000)]);
    let pulled = pull(&hub).await.unwrap();
    assert_eq!(fs::read(pulled.join(GRAPH)).unwrap(), files()[GRAPH]);
}

#[tokio::test]
async fn two_pulls_at_once_fetch_each_file_once() {
    let (stand_in, folder) = (StandIn::start().await, folder());
    let hub = stand_in.at(folder.path());
    let (one, other) = tokio::join!(pull(&hub), pull(&hub));
    assert_eq!(one.unwrap(), other.unwrap());
    let asked = stand_in.asked();
    let fetched = asked
        .iter()
        .filter(|asked| asked.file == GRAPH && !asked.at_hub);
    assert_eq!(fetched.count(), 1, "{asked:?}");
}

// The names of a graph's data are the exporter's to choose.
#[tokio::test]
async fn data_that_a_graph_names_comes_with_it() {
    let (stand_in, folder) = (StandIn::start().await, folder());
    let hub = stand_in.at(folder.path());
    // ModelProto.graph > GraphProto.initializer > TensorProto.external_data > { location: weights.bin }.
    let graph = b"\x3a\x1b\x2a\x19\x6a\x17\x0a\x08location\x12\x0bweights.bin";
    stand_in.change(|state| {
        state
            .files
            .insert(GRAPH.to_owned(), Bytes::from_static(graph));
        let data = Bytes::from_static(b"data");
        state.files.insert("onnx/weights.bin".to_owned(), data);
    });
    let pulled = pull(&hub).await.unwrap();
    assert!(pulled.join("onnx/weights.bin").is_file());
    assert!(hub.found(&wanted(), None).is_some());
    fs::remove_file(pulled.join("onnx/weights.bin")).unwrap();
    assert_eq!(hub.found(&wanted(), None), None);

    stand_in.change(|state| {
        let _ = state.files.remove("onnx/weights.bin");
    });
    let error = pull(&hub).await.unwrap_err();
    assert!(error.explain().en.contains("onnx/weights.bin"), "{error}");
}

// Other tools fetch single files, and name the commit before they have any.
#[tokio::test]
async fn half_of_a_model_is_none() {
    let (stand_in, folder) = (StandIn::start().await, folder());
    let hub = stand_in.at(folder.path());
    let pulled = pull(&hub).await.unwrap();
    for name in ["tokenizer.json", GRAPH] {
        let content = fs::canonicalize(pulled.join(name)).unwrap();
        fs::remove_file(content).unwrap();
        assert_eq!(hub.found(&wanted(), None), None, "{name}");
        pull(&hub).await.unwrap();
        assert!(hub.found(&wanted(), None).is_some(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_pulls_and_says_how_the_model_is_used() {
    let (stand_in, folder) = (StandIn::start().await, folder());
    let run = |arguments: &[&str]| -> Ended {
        let run = intentgate(&[&["model"], arguments].concat())
            .env("HF_HOME", folder.path())
            .env("HF_ENDPOINT", format!("http://{}", stand_in.hub));
        block_in_place(|| run.output())
    };
    let mut said = String::new();
    for (arguments, code) in [
        (&["pull"][..], 1),
        (&["pull", "embedder"], 3),
        (&["pull", "shop/embedder", "--revision", "../x"], 3),
        (&["pull", "shop/embedder", "--file", "../x"], 3),
        (&["pull", "shop/embedder"], 0),
        (
            &["pull", "shop/embedder", "--file", "onnx/model_int8.onnx"],
            0,
        ),
        (&["pull", "shop/other"], 4),
    ] {
        let ended = run(arguments);
        assert_eq!(ended.code, code, "{arguments:?}: {ended:?}");
        let both = format!("{}{}", ended.stdout, ended.stderr);
        let both = both.replace(folder.path().to_str().unwrap(), "FOLDER");
        let both = both.replace(&stand_in.hub.to_string(), "HUB");
        writeln!(said, "$ intentgate model {}\n{both}", arguments.join(" ")).unwrap();
    }
    snapshot("hub_command", &said);
    let list = run(&["list"]);
    assert_eq!((list.code, list.stderr.as_str()), (0, ""), "{list:?}");
    assert!(list.stdout.contains("moka-ai/m3e-small"), "{list:?}");
}

// A start is the time when a model is missed; the pull comes first, and its failure is what is said.
#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_is_configured_and_not_here_is_pulled() {
    let (stand_in, folder) = (StandIn::start().await, folder());
    let config = folder.path().join("config.toml");
    fs::write(&config, format!("[model]\nhub = \"{REPOSITORY}\"\n")).unwrap();
    let run = |offline: &str| {
        let run = intentgate(&["--config", config.to_str().unwrap(), "ask", "hello"])
            .env("HF_HOME", folder.path())
            .env("HF_HUB_OFFLINE", offline)
            .env("HF_ENDPOINT", format!("http://{}", stand_in.hub));
        block_in_place(|| run.output())
    };
    let ended = run("1");
    assert_eq!(ended.code, 4, "{ended:?}");
    assert!(ended.stderr.contains("HF_HUB_OFFLINE"), "{ended:?}");
    assert_eq!(stand_in.asked(), []);
    // The graph is none that could be run.
    let ended = run("0");
    assert_eq!(ended.code, 4, "{ended:?}");
    let hub = stand_in.at(&folder.path().join("hub"));
    assert!(hub.found(&wanted(), None).is_some());
}

#[test]
fn the_documentation_names_every_model_of_the_catalogue() {
    for file in ["docs/models.md", "docs/models.zh-CN.md"] {
        let text = fs::read_to_string(file).unwrap();
        for entry in entries() {
            let row = format!("| {} | {}", entry.name, entry.dimension);
            let row = text.lines().find(|line| line.starts_with(&row));
            let row = row.unwrap_or_else(|| panic!("{file}: no row of {}", entry.name));
            assert!(row.contains(&format!("| {} |", entry.max_tokens)), "{row}");
            assert_eq!(row.contains('✂'), entry.matryoshka, "{file}: {row}");
        }
    }
}

/// Both languages of an error, without what differs each time.
fn explained(name: &str, error: &HubError, stand_in: &StandIn, folder: &Path) -> String {
    let phrase = error.explain();
    let both = [Language::Zh, Language::En].map(|language| phrase.text(language).to_owned());
    let both = both.join("\n");
    let both = both.replace(folder.to_str().unwrap(), "FOLDER");
    let both = both.replace(&stand_in.hub.to_string(), "HUB");
    format!("[{name}]\n{both}\n\n")
}
