//! Names of the files that an ONNX graph keeps its weights in.
//!
//! The graph is read as the protobuf message that it is, and what is no name is passed over unread: weights are most
//! of it, and this is asked whenever a model is looked for.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

/// The messages of `onnx.proto` on the way to a tensor's `external_data`.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Message {
    Model,
    Graph,
    Function,
    Node,
    Attribute,
    Tensor,
    Entry,
}

/// No name of a file is longer.
const LONGEST: u64 = 1024;
/// Graphs inside graphs; none has as many.
const DEEPEST: usize = 64;

impl Message {
    /// What a field of this number holds, where names may be in it.
    fn inner(self, field: u64) -> Option<Message> {
        Some(match (self, field) {
            (Message::Model, 7) | (Message::Attribute, 6 | 11) => Message::Graph,
            (Message::Model, 25) => Message::Function,
            (Message::Graph, 1) | (Message::Function, 7) => Message::Node,
            (Message::Node, 5) => Message::Attribute,
            (Message::Graph, 5) | (Message::Attribute, 5 | 10) => Message::Tensor,
            (Message::Tensor, 13) => Message::Entry,
            _ => return None,
        })
    }
}

/// The files that a graph names, relative to its folder. What is no graph names none: ONNX Runtime says what is wrong
/// with it.
pub(super) fn external_data(graph: &Path) -> io::Result<BTreeSet<String>> {
    let file = File::open(graph)?;
    let end = file.metadata()?.len();
    let mut reader = Reader {
        file: BufReader::new(file),
        at: 0,
        names: BTreeSet::new(),
    };
    match reader.read(Message::Model, end, DEEPEST) {
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Err(error),
        _ => Ok(reader.names),
    }
}

struct Reader {
    file: BufReader<File>,
    at: u64,
    names: BTreeSet<String>,
}

impl Reader {
    /// Reads one message, which goes as far as `end`.
    fn read(&mut self, message: Message, end: u64, deeper: usize) -> io::Result<()> {
        let mut key = Vec::new();
        while self.at < end {
            let tag = self.varint()?;
            let field = tag >> 3;
            let length = match tag & 7 {
                0 => {
                    self.varint()?;
                    continue;
                }
                1 => 8,
                2 => self.varint()?,
                5 => 4,
                _ => return Err(no_graph()),
            };
            if length > end.saturating_sub(self.at) {
                return Err(no_graph());
            }
            match (message.inner(field), message) {
                (Some(inner), _) if deeper > 0 => {
                    self.read(inner, self.at + length, deeper - 1)?;
                }
                (None, Message::Entry) if length <= LONGEST => {
                    let text = self.bytes(length)?;
                    match field {
                        1 => key = text,
                        2 if key == b"location" => {
                            self.names.extend(String::from_utf8(text).ok());
                        }
                        _ => {}
                    }
                }
                _ => self.pass(length)?,
            }
        }
        Ok(())
    }

    fn varint(&mut self) -> io::Result<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let mut byte = [0];
            self.file.read_exact(&mut byte)?;
            self.at += 1;
            value |= u64::from(byte[0] & 0x7f) << shift;
            if byte[0] < 0x80 {
                return Ok(value);
            }
        }
        Err(no_graph())
    }

    fn bytes(&mut self, length: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let read = (&mut self.file).take(length).read_to_end(&mut bytes)?;
        self.at += read as u64;
        Ok(bytes)
    }

    fn pass(&mut self, length: u64) -> io::Result<()> {
        self.at += length;
        self.file
            .seek_relative(i64::try_from(length).map_err(|_| no_graph())?)
    }
}

fn no_graph() -> io::Error {
    io::ErrorKind::UnexpectedEof.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A field that holds bytes.
    fn field(number: u8, content: &[u8]) -> Vec<u8> {
        let mut bytes = vec![];
        for mut value in [(usize::from(number) << 3) | 2, content.len()] {
            while value >= 0x80 {
                bytes.push((value as u8 & 0x7f) | 0x80);
                value >>= 7;
            }
            bytes.push(value as u8);
        }
        [&bytes, content].concat()
    }

    fn tensor(name: &str) -> Vec<u8> {
        let entry = |key: &str, value: &str| {
            let both = [field(1, key.as_bytes()), field(2, value.as_bytes())];
            field(13, &both.concat())
        };
        let weights = field(9, &vec![0x0a; 100_000]);
        // data_type = FLOAT, then names and numbers.
        [
            vec![0x10, 1],
            weights,
            entry("location", name),
            entry("offset", "4096"),
        ]
        .concat()
    }

    #[test]
    fn names_are_found_wherever_a_tensor_may_be() {
        let constant = |name| field(1, &field(5, &field(5, &tensor(name))));
        let branch = field(1, &field(5, &field(6, &constant("branch"))));
        let graph = [
            constant("Constant_7_attr__value"),
            branch,
            field(5, &tensor("model.onnx_data")),
            field(5, &tensor("model.onnx_data")),
            field(2, b"main"),
        ];
        let function = field(25, &field(7, &field(5, &field(5, &tensor("function")))));
        let model = [vec![0x08, 8], field(7, &graph.concat()), function].concat();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.onnx");
        let names = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            let names = external_data(&path).unwrap().into_iter();
            names.collect::<Vec<_>>()
        };
        let all = [
            "Constant_7_attr__value",
            "branch",
            "function",
            "model.onnx_data",
        ];
        assert_eq!(names(&model), all);
        // What is broken off or is no graph ends, and is no error of the disk.
        for end in [0, 1, 5, 100, 100_100, model.len() - 1] {
            names(&model[..end]);
        }
        assert!(names(b"no graph").is_empty());
        assert!(names(&[0xff; 100]).is_empty());
    }
}
