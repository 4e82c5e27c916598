//! Where defaults are found: the working directory first, then the executable's own folders.

use std::path::{Path, PathBuf};

/// The file name of ONNX Runtime's shared library on this platform.
pub const RUNTIME_LIBRARY: &str = if cfg!(target_os = "windows") {
    "onnxruntime.dll"
} else if cfg!(target_os = "macos") {
    "libonnxruntime.dylib"
} else {
    "libonnxruntime.so"
};

/// The first of these that exists: `name` in the working directory, in the executable's folder, in the two
/// folders above it (a build stands in `target/release`), in `share/intentgate` and `lib/intentgate` beside its
/// `bin`.
pub fn find_default(name: &str) -> Option<PathBuf> {
    let executable = std::env::current_exe().and_then(|path| path.canonicalize());
    let folder = executable
        .ok()
        .and_then(|path| path.parent().map(Path::to_path_buf));
    std::iter::once(PathBuf::from(name))
        .chain(folder.iter().flat_map(|folder| beside(folder, name)))
        .find(|path| path.exists())
}

fn beside(folder: &Path, name: &str) -> Vec<PathBuf> {
    let built = folder.ancestors().take(3).map(Path::to_path_buf);
    let prefix = folder.parent().into_iter();
    let installed =
        prefix.flat_map(|prefix| ["share", "lib"].map(|kind| prefix.join(kind).join("intentgate")));
    built
        .chain(installed)
        .map(|place| place.join(name))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_folder_finds_the_project_and_an_installed_one_its_share() {
        let places = beside(Path::new("/p/target/release"), "models");
        assert!(places.contains(&PathBuf::from("/p/models")), "{places:?}");
        let places = beside(Path::new("/usr/bin"), "models");
        assert!(places.contains(&PathBuf::from("/usr/share/intentgate/models")));
        assert!(places.contains(&PathBuf::from("/usr/lib/intentgate/models")));
    }
}
