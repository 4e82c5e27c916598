//! `intentgate eval`: figures that were counted by hand, what is said of a wrong file, and the report.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::commands::{Ended, Run, SMALL, intentgate, jsonl, number, snapshot};
use crate::kit::intents::{self, GIFT, GIFT_REJECTED, GREETING, POEM, REFUND};

/// Six on-topic, three off-topic; one of each kind of mistake.
const QUESTIONS: &str = "tests/files/questions/small.jsonl";

/// The document that a run prints.
fn document(arguments: &[&str]) -> Value {
    let run = intentgate(&[&["eval", "--json"], arguments].concat()).output();
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
    serde_json::from_str(&run.stdout).unwrap()
}

fn share(value: &Value) -> (u64, u64) {
    let count = |key: &str| value[key].as_u64().unwrap();
    (count("count"), count("of"))
}

fn lines_of(rows: &Value) -> Vec<u64> {
    let rows = rows.as_array().unwrap().iter();
    rows.map(|row| row["line"].as_u64().unwrap()).collect()
}

#[test]
fn figures_are_those_counted_by_hand() {
    let document = document(&[QUESTIONS, "--intents", SMALL]);
    assert_eq!(document["questions"], 9);
    assert_eq!(
        (&document["on_topic"], &document["off_topic"]),
        (&json!(6), &json!(3))
    );
    assert!(document["compare"].is_null());
    let figures = &document["figures"];
    for (key, expected) in [
        ("on_topic_rejected", (1, 6)),
        ("on_topic_answered", (2, 6)),
        ("wrongly_answered", (1, 2)),
        ("off_topic_rejected", (2, 3)),
        ("intent_right", (4, 6)),
    ] {
        assert_eq!(share(&figures[key]), expected, "{key}");
    }
    let rejected = &figures["on_topic_rejected"];
    assert!((number(&rejected["share"]) - 1.0 / 6.0).abs() < 1e-12);
    assert!(
        (number(&rejected["low"]) - 0.004_211).abs() < 1e-5,
        "{rejected}"
    );
    assert!(
        (number(&rejected["high"]) - 0.641_235).abs() < 1e-5,
        "{rejected}"
    );

    let per_intent: Vec<_> = figures["per_intent"].as_array().unwrap().iter().collect();
    let names: Vec<_> = per_intent
        .iter()
        .map(|of| of["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["chitchat", "delivery", "human", "refund"]);
    let refund = json!({
        "name": "refund", "questions": 3, "right": 1, "rejected": 0,
        "confused_with": [{"name": "delivery", "count": 1}, {"name": "human", "count": 1}],
    });
    assert_eq!(per_intent[3], &refund);

    let mistakes = &figures["mistakes"];
    assert_eq!(lines_of(&mistakes["rejected"]), [7]);
    assert_eq!(lines_of(&mistakes["passed"]), [8]);
    assert_eq!(lines_of(&mistakes["wrongly_answered"]), [9]);
    let passed = &mistakes["passed"][0];
    assert_eq!(passed["text"], "refund my order please");
    assert_eq!(passed["outcome"]["decision"], "forward");
    assert_eq!(passed["outcome"]["likeliest"]["name"], "refund");
}

#[test]
fn ranking_is_that_of_the_log_odds_that_ask_writes() {
    let text = fs::read_to_string(QUESTIONS).unwrap();
    let lines = text.lines().filter(|line| !line.is_empty());
    let questions: Vec<Value> = lines
        .map(|line| {
            let mut question: Value = serde_json::from_str(line).unwrap();
            let question_only = question.as_object_mut().unwrap();
            question_only.retain(|key, _| ["text", "messages"].contains(&key.as_str()));
            question
        })
        .collect();
    let verdicts = jsonl(&["--intents", SMALL], &questions);
    let scores: Vec<_> = verdicts.iter().map(|v| number(&v["log_odds"])).collect();
    let on_topic = [true, true, true, false, true, true, false, true, false];
    let side = |of: bool| -> Vec<f64> {
        let rows = scores.iter().zip(on_topic);
        rows.filter(|(_, on)| *on == of)
            .map(|(score, _)| *score)
            .collect()
    };
    let (on, off) = (side(true), side(false));
    let won = on
        .iter()
        .flat_map(|a| off.iter().filter(move |b| a > *b))
        .count();
    let lowest = on.iter().copied().fold(f64::INFINITY, f64::min);
    let passed = off.iter().filter(|score| **score >= lowest).count();

    let figures = &document(&[QUESTIONS, "--intents", SMALL])["figures"];
    assert!((number(&figures["auroc"]) - won as f64 / 18.0).abs() < 1e-12);
    // 95 in 100 of six are all six.
    assert!((number(&figures["fpr95"]) - passed as f64 / 3.0).abs() < 1e-12);
}

#[test]
fn people_read_figures_and_mistakes() {
    let run = intentgate(&["eval", QUESTIONS, "--intents", SMALL]).output();
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
    for part in [
        "small.jsonl: 9 questions, 6 on-topic, 3 off-topic\n",
        "has no intent \"weather\"; lines so labelled count as on-topic or off-topic only: 1\n",
        "which flatters the figures: 8\n",
        "  on-topic questions rejected       16.7 % (1 of 6; 0.4–64.1 %)\n",
        "  off-topic questions rejected      66.7 % (2 of 3; 9.4–99.2 %)\n",
        "  refund            3      1         0  delivery 1, human 1\n",
        "\nOn-topic, but rejected (1)\n  line 7  tell me a joke <script>",
        "    reject  -",
        "the log-odds are below the threshold",
        "\nOff-topic, but not rejected (1)\n  line 8  refund my order please  off-topic\n",
        "\nAnswered for a wrong intent (1)\n  line 9  我要人工客服  on-topic · refund\n",
    ] {
        assert!(run.stdout.contains(part), "{part:?} in {}", run.stdout);
    }
    assert!(!run.stdout.contains('\x1b'), "{run:?}");
    let chinese = intentgate(&["eval", QUESTIONS, "--intents", SMALL])
        .env("INTENTGATE_LANG", "zh")
        .output();
    for part in [
        "9 个问题，店里的事 6 个，无关的 3 个\n",
        "16.7 %（6 个里有 1 个；0.4–64.1 %）\n",
        "\n店里的事，却被婉拒 (1)\n  第 7 行  tell me a joke",
    ] {
        assert!(
            chinese.stdout.contains(part),
            "{part:?} in {}",
            chinese.stdout
        );
    }
}

/// Two shops that differ in gift wrapping, and questions that tell them apart.
struct Shops {
    present: TempDir,
    changed: TempDir,
    questions: String,
}

impl Shops {
    fn new() -> Self {
        let (present, changed) = (intents::folder(), intents::folder());
        intents::write(changed.path(), "gift", GIFT_REJECTED);
        let rows = [
            json!({"text": REFUND, "intent": "refund"}),
            json!({"text": GIFT, "intent": "gift"}),
            json!({"text": GREETING, "intent": "greeting"}),
            json!({"text": POEM, "intent": "poem"}),
        ];
        let rows: String = rows.iter().map(|row| format!("{row}\n")).collect();
        let questions = present.path().join("questions.jsonl");
        fs::write(&questions, rows).unwrap();
        Shops {
            questions: text(&questions),
            present,
            changed,
        }
    }

    fn arguments(&self) -> [String; 5] {
        [
            self.questions.clone(),
            "--intents".to_owned(),
            text(self.present.path()),
            "--compare".to_owned(),
            text(self.changed.path()),
        ]
    }
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_changed_folder_shows_whose_decision_flips() {
    let shops = Shops::new();
    let arguments = shops.arguments();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let document = document(&arguments);
    assert_eq!(share(&document["figures"]["on_topic_rejected"]), (0, 3));
    let compare = &document["compare"];
    assert_eq!(share(&compare["figures"]["on_topic_rejected"]), (1, 3));
    let [change] = &compare["decisions"].as_array().unwrap()[..] else {
        panic!("{compare}");
    };
    assert_eq!(
        (&change["line"], &change["text"]),
        (&json!(2), &json!(GIFT))
    );
    assert_eq!(change["effect"], "worse");
    assert_eq!(change["before"]["decision"], "forward");
    assert_eq!(change["after"]["decision"], "reject");
    let notes = document["notes"].to_string();
    assert!(
        notes.contains("one folder rejects gift, the other does not"),
        "{notes}"
    );

    let run = intentgate(&[&["eval"], &arguments[..]].concat()).output();
    let said = "\nthe decision changes: 1, for the better 0, for the worse 1\n";
    let (_, changes) = run
        .stdout
        .split_once(said)
        .unwrap_or_else(|| panic!("{run:?}"));
    let mut lines = changes.lines();
    assert_eq!(
        lines.next(),
        Some(&*format!("  line 2  {GIFT}  on-topic · gift"))
    );
    let flip = lines.next().unwrap();
    assert!(
        flip.starts_with("    forward  ") && flip.contains(" → reject  "),
        "{flip}"
    );
    assert!(flip.ends_with("  worse"), "{flip}");
}

#[test]
fn the_report_needs_nothing_but_a_browser() {
    let folder = TempDir::new().unwrap();
    for (language, heading) in [
        ("en", "On-topic, but rejected (1)"),
        ("zh", "店里的事，却被婉拒 (1)"),
    ] {
        let path = text(&folder.path().join(language));
        let run = intentgate(&["eval", QUESTIONS, "--intents", SMALL, "--html", &path])
            .env("INTENTGATE_LANG", language)
            .output();
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
        let page = fs::read_to_string(&path).unwrap();
        for part in [
            "<!DOCTYPE html>",
            &format!("<html lang=\"{language}\">"),
            "prefers-color-scheme: dark",
            "tell me a joke &lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;more&quot;",
            &format!("<h3>{heading}</h3>"),
            "16.7 %",
        ] {
            assert!(page.contains(part), "{part:?} in {page}");
        }
        assert_eq!(page.matches("<svg").count(), 2, "{page}");
        // No script, and no address to fetch anything from.
        for part in [
            "<script", "http:", "https:", "//", "src=", "href=", "url(", "@import",
        ] {
            assert!(!page.contains(part), "{part:?} in {page}");
        }
        closed(&page);
    }
}

#[test]
fn the_report_of_a_comparison_has_both_folders_and_the_flip() {
    let shops = Shops::new();
    let arguments = shops.arguments();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let path = text(&shops.present.path().join("report.html"));
    let run = intentgate(&[&["eval"], &arguments[..], &["--html", &path]].concat()).output();
    assert_eq!(run.code, 0, "{run:?}");
    let page = fs::read_to_string(&path).unwrap();
    for part in [
        &text(shops.present.path()),
        &text(shops.changed.path()),
        GIFT,
        "the decision changes: 1, for the better 0, for the worse 1",
        "<td class=\"worse\">worse</td>",
    ] {
        assert!(page.contains(part), "{part:?} in {page}");
    }
    // One picture of both curves, and each folder's scores.
    assert_eq!(page.matches("<svg").count(), 3);
    closed(&page);
}

/// Every element that is opened is closed, in order.
pub(crate) fn closed(page: &str) {
    let mut open: Vec<&str> = Vec::new();
    for tag in page.split('<').skip(1).filter(|tag| !tag.starts_with('!')) {
        let (tag, _) = tag.split_once('>').unwrap();
        let name = tag
            .trim_start_matches('/')
            .split([' ', '\n', '/'])
            .next()
            .unwrap();
        if ["meta", "br"].contains(&name) || tag.ends_with('/') {
            continue;
        }
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "in {open:?}");
        } else {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn every_problem_of_a_file_is_said_at_once() {
    said(
        "eval_bad_lines",
        &["tests/files/questions/bad.jsonl", "--intents", SMALL],
        "",
    );
    let folder = TempDir::new().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        text(&path)
    };
    let root = text(folder.path());
    let empty = file("empty.jsonl", b"\n\n");
    said("eval_empty", &[&empty, "--intents", SMALL], &root);
    let gbk = file(
        "gbk.jsonl",
        b"{\"text\": \"\xcd\xcb\xbf\xee\", \"on_topic\": true}\n",
    );
    said("eval_gbk", &[&gbk, "--intents", SMALL], &root);
    let missing = format!("{root}/missing.jsonl");
    said("eval_missing", &[&missing, "--intents", SMALL], &root);
}

// The names of labels cannot be held against folders that cannot be read.
#[test]
fn problems_of_both_folders_and_of_the_file_come_together() {
    let folder = TempDir::new().unwrap();
    let questions = folder.path().join("questions.jsonl");
    fs::write(
        &questions,
        "{\"text\": \"a\", \"intent\": \"no_such\"}\n{\"text\": \"a\"}\n",
    )
    .unwrap();
    let arguments = [
        &*text(&questions),
        "--intents",
        "tests/files/intents/bad/empty_reply",
        "--compare",
        "tests/files/intents/bad/duplicates_within",
    ];
    said("eval_bad_folders", &arguments, &text(folder.path()));
    let arguments = [QUESTIONS, "--intents", SMALL, "--compare", "/nowhere"];
    said("eval_missing_folder", &arguments, "");
}

#[test]
fn whoever_has_read_enough_may_stop_reading() {
    let mut run = intentgate(&["eval", QUESTIONS, "--intents", SMALL]);
    let mut child = run.0.spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(output.stderr, b"", "{output:?}");
}

#[test]
fn a_report_that_cannot_be_written_ends_with_1_after_the_figures() {
    let path = "/nowhere/report.html";
    let run = intentgate(&["eval", QUESTIONS, "--intents", SMALL, "--html", path]).output();
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stdout.contains("AUROC"), "{run:?}");
    assert!(
        run.stderr.contains("name another place with --html"),
        "{run:?}"
    );
}

/// Snapshots what a run that ends with 3 says in both languages, `folder`'s name left out.
fn said(name: &str, arguments: &[&str], folder: &str) {
    let run = |language: &str| -> Ended {
        let run: Run = intentgate(&[&["eval"], arguments].concat());
        let run = run.env("INTENTGATE_LANG", language).output();
        assert_eq!((run.code, run.stdout.as_str()), (3, ""), "{run:?}");
        run
    };
    let both = format!("{}\n{}", run("zh").stderr, run("en").stderr);
    let both = if folder.is_empty() {
        both
    } else {
        both.replace(folder, "FOLDER")
    };
    snapshot(name, both.trim_end());
}
