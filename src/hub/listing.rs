//! What a repository holds, and which of it a model needs.

use serde::Deserialize;

use super::HubError;

/// Larger files of these kinds are none that a loader reads.
const SMALL: u64 = 64 << 20;

/// A repository at one commit.
#[derive(Debug)]
pub(super) struct Listing {
    pub(super) commit: String,
    pub(super) files: Vec<File>,
}

/// One file of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct File {
    /// The path inside the repository; it leads nowhere else.
    pub(super) name: String,
    pub(super) size: u64,
    pub(super) checksum: Checksum,
}

/// What the hub knows a file by; the cache names its blob so.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Checksum {
    /// Of the content.
    Sha256(String),
    /// Git's, of a header and the content.
    Git(String),
}

impl Checksum {
    pub(super) fn as_str(&self) -> &str {
        match self {
            Checksum::Sha256(hex) | Checksum::Git(hex) => hex,
        }
    }
}

#[derive(Deserialize)]
struct Answer {
    sha: String,
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sibling {
    rfilename: String,
    size: Option<u64>,
    blob_id: Option<String>,
    lfs: Option<Lfs>,
}

#[derive(Deserialize)]
struct Lfs {
    sha256: String,
    size: u64,
}

impl Listing {
    /// Reads the hub's answer.
    pub(super) fn parse(url: &str, answer: &[u8]) -> Result<Self, HubError> {
        let bad = |error: String| HubError::BadAnswer {
            url: url.to_owned(),
            error,
        };
        let answer: Answer = serde_json::from_slice(answer).map_err(|e| bad(e.to_string()))?;
        if !is_hex(&answer.sha, 40) {
            return Err(bad(format!("\"{}\" is no commit", answer.sha)));
        }
        let mut files = Vec::with_capacity(answer.siblings.len());
        for sibling in answer.siblings {
            if !stays_inside(&sibling.rfilename) {
                return Err(HubError::UnsafeName {
                    name: sibling.rfilename,
                });
            }
            let name = sibling.rfilename;
            let known = match (sibling.lfs, sibling.blob_id, sibling.size) {
                (Some(lfs), ..) if is_hex(&lfs.sha256, 64) => {
                    (lfs.size, Checksum::Sha256(lfs.sha256))
                }
                (None, Some(blob), Some(size)) if is_hex(&blob, 40) => (size, Checksum::Git(blob)),
                _ => return Err(bad(format!("no size and checksum of {name}"))),
            };
            files.push(File {
                name,
                size: known.0,
                checksum: known.1,
            });
        }
        Ok(Listing {
            commit: answer.sha,
            files,
        })
    }

    pub(super) fn find(&self, name: &str) -> Option<&File> {
        self.files.iter().find(|file| file.name == name)
    }

    /// The files that a model with this graph is read from, the graph first. What a graph keeps beside itself under
    /// an unusual name is found once the graph is here.
    pub(super) fn chosen(&self, graph: &str) -> Vec<&File> {
        let first = self.files.iter().filter(|file| file.name == graph);
        let rest = self.files.iter().filter(|file| file.name != graph);
        let rest = rest.filter(|file| {
            is_data_of(graph, &file.name)
                || file.size <= SMALL && is_read(folder_of(graph), &file.name)
        });
        first.chain(rest).collect()
    }
}

/// The graph to use out of a repository's files: the one named, else a usual name, else the only one.
pub(super) fn graph(
    repository: &str,
    names: &[&str],
    wanted: Option<&str>,
) -> Result<String, HubError> {
    let graphs = names.iter().filter(|name| name.ends_with(".onnx"));
    let graphs: Vec<_> = graphs.map(|name| (*name).to_owned()).collect();
    if let Some(wanted) = wanted {
        return if graphs.iter().any(|graph| graph == wanted) {
            Ok(wanted.to_owned())
        } else {
            Err(HubError::NoFile {
                repository: repository.to_owned(),
                file: wanted.to_owned(),
                graphs,
            })
        };
    }
    for usual in ["onnx/model.onnx", "model.onnx"] {
        if graphs.iter().any(|graph| graph == usual) {
            return Ok(usual.to_owned());
        }
    }
    let repository = repository.to_owned();
    match graphs.as_slice() {
        [only] => Ok(only.clone()),
        [] => Err(HubError::NoGraph { repository }),
        _ => Err(HubError::WhichGraph { repository, graphs }),
    }
}

/// The folder of a file inside the repository, with the `/` behind it; empty for the root.
pub(super) fn folder_of(name: &str) -> &str {
    name.rfind('/')
        .and_then(|end| name.get(..=end))
        .unwrap_or("")
}

/// Whether a name is one of a file in the folder that it is read in.
pub(super) fn stays_inside(name: &str) -> bool {
    let plain = |part: &str| !part.is_empty() && part != "." && part != "..";
    name.split('/').all(plain) && !name.contains('\\') && !name.chars().any(char::is_control)
}

/// Weights that ONNX keeps beside a graph: `model.onnx_data`, `model.onnx_data_1`, `model.onnx.data`.
fn is_data_of(graph: &str, name: &str) -> bool {
    name.strip_prefix(graph)
        .is_some_and(|rest| rest.starts_with("_data") || rest.starts_with(".data"))
}

/// Whether a loader reads the file: what describes the model, its layers of sentence-transformers (`1_Pooling/…`),
/// BGE-M3's head of lexical weights, and the licence.
fn is_read(graph_folder: &str, name: &str) -> bool {
    let folder = folder_of(name);
    let file = name.get(folder.len()..).unwrap_or(name);
    let is_layer = folder.starts_with(|c: char| c.is_ascii_digit()) && folder.contains('_');
    let beside = folder.is_empty() || folder == graph_folder;
    let described = file.ends_with(".json") && (beside || is_layer);
    let layer = is_layer && file.ends_with(".safetensors");
    let head = beside && file.starts_with("sparse_linear");
    let papers = folder.is_empty() && (file.starts_with("LICENSE") || file == "README.md");
    described || layer || head || papers
}

pub(super) fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|b| b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_graph_is_the_one_named_else_a_usual_one_else_the_only_one() {
        let both = ["model.onnx", "onnx/model.onnx", "onnx/model_int8.onnx"];
        for (names, wanted, expected) in [
            (&both[..], None, Some("onnx/model.onnx")),
            (&both[..1], None, Some("model.onnx")),
            (&both[2..], None, Some("onnx/model_int8.onnx")),
            (
                &both[..],
                Some("onnx/model_int8.onnx"),
                Some("onnx/model_int8.onnx"),
            ),
            (&both[..], Some("model_q4.onnx"), None),
            (&["a.onnx", "b.onnx"][..], None, None),
            (&["model.safetensors"][..], None, None),
        ] {
            assert_eq!(graph("a/b", names, wanted).ok().as_deref(), expected);
        }
    }

    #[test]
    fn what_a_loader_reads_is_chosen_and_nothing_else() {
        for (name, chosen) in [
            ("onnx/model.onnx_data", true),
            ("onnx/model.onnx_data_1", true),
            ("onnx/model.onnx.data", true),
            ("onnx/model_int8.onnx", false),
            ("onnx/model_int8.onnx_data", false),
            ("onnx/config.json", true),
            ("tokenizer.json", true),
            ("1_Pooling/config.json", true),
            ("2_Dense/model.safetensors", true),
            ("2_Dense/pytorch_model.bin", false),
            ("sparse_linear.pt", true),
            ("colbert_linear.pt", false),
            ("openvino/config.json", false),
            ("model.safetensors", false),
            ("LICENSE.txt", true),
            ("README.md", true),
            ("imgs/README.md", false),
        ] {
            let graph = "onnx/model.onnx";
            let read = is_data_of(graph, name) || is_read("onnx/", name);
            assert_eq!(read, chosen, "{name}");
        }
    }

    #[test]
    fn a_name_stays_inside() {
        for (name, inside) in [
            ("onnx/model.onnx", true),
            ("..a/b", true),
            ("../a", false),
            ("a/../../b", false),
            ("/etc/passwd", false),
            ("a//b", false),
            ("a\\..\\b", false),
            ("a\0b", false),
            ("", false),
        ] {
            assert_eq!(stays_inside(name), inside, "{name:?}");
        }
    }
}
