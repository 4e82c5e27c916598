//! The documents: links lead somewhere, and both languages say the same.

use std::fs;
use std::path::{Path, PathBuf};

/// The READMEs, what stands beside them, and the pages of `docs`.
fn documents() -> Vec<PathBuf> {
    let pages = |folder: &str| {
        let files = fs::read_dir(folder).unwrap();
        files.map(|file| file.unwrap().path())
    };
    let all = pages(".").chain(pages("docs"));
    let documents: Vec<_> = all
        .filter(|path| path.extension().is_some_and(|end| end == "md"))
        .collect();
    assert!(documents.len() >= 16, "{documents:?}");
    documents
}

/// The lines of headings, without those of code.
fn headings(text: &str) -> Vec<&str> {
    let mut is_code = false;
    let lines = text.lines().filter(|line| {
        is_code ^= line.starts_with("```");
        !is_code && line.starts_with('#')
    });
    lines.collect()
}

/// What a heading is called in a link.
fn anchor(heading: &str) -> String {
    let name = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = name
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().replace(' ', "-")
}

#[test]
fn links_lead_somewhere() {
    let mut broken = Vec::new();
    for page in documents() {
        let text = fs::read_to_string(&page).unwrap();
        let links = text.split("](").skip(1);
        let links = links.filter_map(|rest| rest.split_once(')').map(|(link, _)| link));
        for link in links.filter(|link| !link.starts_with("http")) {
            let (path, name) = link.split_once('#').unwrap_or((link, ""));
            let target = match path {
                "" => page.clone(),
                path => page.parent().unwrap_or(Path::new("")).join(path),
            };
            let leads = match (target.exists(), name) {
                (true, "") => true,
                (true, name) => {
                    let text = fs::read_to_string(&target).unwrap();
                    headings(&text)
                        .iter()
                        .any(|heading| anchor(heading) == name)
                }
                (false, _) => false,
            };
            if !leads {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn both_languages_have_the_same_parts() {
    let mut pairs = 0;
    for page in documents() {
        let name = page.to_string_lossy().replace(".md", ".zh-CN.md");
        let Ok(chinese) = fs::read_to_string(&name) else {
            continue;
        };
        let english = fs::read_to_string(&page).unwrap();
        let depths = |text: &str| -> Vec<usize> {
            let headings = headings(text).into_iter();
            headings
                .map(|heading| heading.chars().take_while(|c| *c == '#').count())
                .collect()
        };
        assert_eq!(depths(&english), depths(&chinese), "{name}");
        pairs += 1;
    }
    assert!(pairs >= 8, "{pairs}");
}

// What a newcomer needs in five minutes.
#[test]
fn the_readmes_stay_short() {
    for page in ["README.md", "README.zh-CN.md"] {
        let length = fs::metadata(page).unwrap().len();
        assert!(length <= 10_000, "{page}: {length} bytes");
    }
}
