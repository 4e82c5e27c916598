//! Names of the files that an ONNX graph keeps its weights in.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use memchr::memmem;

/// How a tensor's `external_data` names its file, in protobuf's encoding: an entry with the key `location` (field 1)
/// and a value (field 2), whose length comes next.
const LOCATION: &[u8] = b"\x0a\x08location\x12";
/// A name is shorter than this, so that its length is one byte.
const LONGEST: usize = 128;
const CHUNK: usize = 1 << 20;

/// The files that a graph names, relative to its folder. Graphs of gigabytes are read in pieces.
pub(super) fn external_data(graph: &Path) -> io::Result<BTreeSet<String>> {
    let mut file = File::open(graph)?;
    let mut names = BTreeSet::new();
    let (mut window, mut piece) = (Vec::new(), vec![0; CHUNK]);
    loop {
        let read = file.read(&mut piece)?;
        window.extend_from_slice(&piece[..read]);
        collect(&window, &mut names);
        if read == 0 {
            return Ok(names);
        }
        // An entry may lie across the seam.
        let kept = window.len().min(LOCATION.len() + LONGEST);
        window.drain(..window.len() - kept);
    }
}

fn collect(bytes: &[u8], names: &mut BTreeSet<String>) {
    for at in memmem::find_iter(bytes, LOCATION) {
        let value = bytes.get(at + LOCATION.len()..).unwrap_or_default();
        let Some((length, rest)) = value.split_first() else {
            continue;
        };
        let name = rest.get(..usize::from(*length)).map(str::from_utf8);
        if let Some(Ok(name)) = name
            && usize::from(*length) < LONGEST
        {
            names.insert(name.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_across_seams() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.onnx");
        for before in [0, 5, CHUNK - 20, CHUNK - 12, CHUNK - 1, 3 * CHUNK] {
            let mut bytes = vec![7; before];
            bytes.extend_from_slice(b"\x0a\x08location\x12\x0fmodel.onnx_data");
            bytes.extend_from_slice(&[0x1a, 4]);
            std::fs::write(&path, bytes).unwrap();
            let names: Vec<_> = external_data(&path).unwrap().into_iter().collect();
            assert_eq!(names, ["model.onnx_data"], "{before}");
        }
        std::fs::write(&path, "no names").unwrap();
        assert!(external_data(&path).unwrap().is_empty());
    }
}
