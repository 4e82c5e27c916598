//! `intentgate report`: how it is told, and what is said where there is nothing to tell.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::commands::{intentgate, snapshot};
use crate::eval::closed;
use crate::kit::journal::{PERIOD, Shop, entries};
use crate::report_figures::near;

#[test]
fn people_read_it_in_both_languages() {
    let shop = Shop::of(entries(400));
    for language in ["en", "zh"] {
        let run = shop.run(&[&["report"], &PERIOD[..]].concat(), language, "");
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
        assert!(!run.stdout.contains('\x1b'), "{run:?}");
        snapshot(&format!("report_{language}"), &shop.plain(&run.stdout));
    }
}

#[test]
fn the_page_needs_nothing_but_a_browser() {
    let shop = Shop::of(entries(400));
    let path = shop.folder.path().join("report.html");
    for language in ["en", "zh"] {
        let page = ["report", "--html", path.to_str().unwrap()];
        let run = shop.run(&[&page, &PERIOD[..]].concat(), language, "");
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
        let page = fs::read_to_string(&path).unwrap();
        for part in [
            "<!DOCTYPE html>",
            &format!("<html lang=\"{language}\">"),
            "prefers-color-scheme: dark",
            "&lt;b&gt;今天天气&lt;/b&gt;",
            "CNY",
            "11-21",
        ] {
            assert!(page.contains(part), "{part:?} in {page}");
        }
        assert_eq!(page.matches("<svg").count(), 4, "{page}");
        for part in [
            "<script", "http:", "https:", "//", "src=", "href=", "url(", "@import",
        ] {
            assert!(!page.contains(part), "{part:?} in {page}");
        }
        closed(&page);
    }
}

#[test]
fn rows_of_the_sheet_add_up_to_the_document() {
    let shop = Shop::of(entries(3000));
    let document = shop.document(&PERIOD);
    let run = shop.report(&[&["--csv"], &PERIOD[..]].concat());
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
    let text = run.stdout.strip_prefix('\u{feff}').unwrap();
    assert!(text.lines().count() > 10 && text.matches("\r\n").count() == text.lines().count());
    let mut sheet = csv::Reader::from_reader(text.as_bytes());
    let heads = sheet.headers().unwrap().clone();
    let rows: Vec<_> = sheet.records().map(Result::unwrap).collect();
    let column = |name: &str| -> f64 {
        let place = heads.iter().position(|head| head == name).unwrap();
        rows.iter()
            .map(|row| row[place].parse::<f64>().unwrap())
            .sum()
    };
    for (name, pointer) in [
        ("requests", "/traffic/requests"),
        ("forwarded", "/traffic/forwarded"),
        ("answered", "/traffic/answered"),
        ("rejected", "/traffic/rejected"),
        ("would_be_rejected", "/traffic/would_be_rejected"),
        ("refused", "/traffic/refused"),
        ("client_left", "/traffic/left"),
        ("errors", "/traffic/errors"),
        ("cut", "/traffic/cut"),
        ("repeats", "/traffic/repeats"),
        ("saved_calls", "/savings/calls"),
        ("saved_prompt_tokens", "/savings/prompt_tokens"),
        (
            "saved_completion_tokens",
            "/savings/completion_tokens/as_recorded",
        ),
        ("saved_unpriced", "/savings/unpriced"),
        ("saved_CNY", "/savings/money/CNY"),
        ("billed_prompt_tokens", "/billed/prompt_tokens"),
        ("billed_completion_tokens", "/billed/completion_tokens"),
        ("billed_unpriced", "/billed/unpriced"),
        ("billed_CNY", "/billed/money/CNY"),
    ] {
        near(document.pointer(pointer).unwrap(), column(name), 1e-9);
    }
    let days: BTreeSet<_> = rows.iter().map(|row| row[0].to_owned()).collect();
    assert_eq!(
        days.into_iter().collect::<Vec<_>>(),
        ["2026-11-20", "2026-11-21", "2026-11-22"]
    );
}

#[test]
fn short_periods_go_by_the_hour_of_the_clock_on_the_wall() {
    let shop = Shop::of(entries(400));
    let path = shop.path();
    let run = intentgate(&["report", "--json", "--journal", path.to_str().unwrap()])
        .env("TZ", "<+0530>-05:30")
        .args(&[
            "--since",
            "2026-11-21T01:00",
            "--until",
            "2026-11-20T21:30:00Z",
        ])
        .output();
    assert_eq!(run.code, 0, "{run:?}");
    let document: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(document["from"], "2026-11-21T01:00:00+05:30");
    let hours = document["traffic"]["by_time"].as_array().unwrap();
    let begins: Vec<_> = hours.iter().map(|hour| &hour["begin"]).collect();
    assert_eq!(begins, ["2026-11-21 01:00", "2026-11-21 02:00"]);
}

// What a journal does not hold cannot be shown, but how much of it there is.
#[test]
fn without_questions_there_are_counts_and_the_way_to_keep_them() {
    let mut entries = entries(400);
    entries.iter_mut().for_each(|entry| entry.question = None);
    let shop = Shop::of(entries);
    let run = shop.report(&PERIOD);
    for part in [
        "\nQuestions worth a look\n  The journal keeps no questions, only how many: ",
        "set questions = true under [journal]",
        "  request-00",
    ] {
        assert!(run.stdout.contains(part), "{part:?} in {}", run.stdout);
    }
    let document = shop.document(&PERIOD);
    assert!(document["questions"]["groups"].is_null());
    assert_eq!(document["questions"]["near_threshold"], json!([]));
    let run = shop.run(&[&["review", "--list"], &PERIOD[..]].concat(), "en", "");
    assert!(
        run.stdout
            .contains("\nThe journal keeps no questions, only the ids"),
        "{run:?}"
    );
}

#[test]
fn what_is_not_there_is_said_and_ends_with_5() {
    let folder = TempDir::new().unwrap();
    let missing = folder.path().join("journal.sqlite");
    for command in ["report", "review"] {
        let run = intentgate(&[command, "--journal", missing.to_str().unwrap()]).output();
        assert_eq!((run.code, run.stdout.as_str()), (5, ""), "{run:?}");
        assert!(run.stderr.contains("holds no journal yet"), "{run:?}");
    }
    assert!(!missing.exists());

    let empty = Shop::of(Vec::new());
    drop(intentgate::journal::open_for_writing(&empty.path()).unwrap());
    let run = empty.report(&[]);
    assert_eq!((run.code, run.stdout.as_str()), (5, ""), "{run:?}");
    assert!(run.stderr.contains("holds no requests yet"), "{run:?}");

    let shop = Shop::of(entries(400));
    let run = shop.report(&["--since", "2020-01-01", "--until", "2020-02-01"]);
    assert_eq!((run.code, run.stdout.as_str()), (5, ""), "{run:?}");
    let said = "no requests from 2020-01-01 00:00 to 2020-02-01 00:00; the journal holds those from 2026-11-20 00:00 to 2026-11-23 23:";
    assert!(run.stderr.starts_with(said), "{run:?}");
    // A program still reads a document of zeros, and a sheet of no rows.
    let run = shop.report(&["--json", "--since", "2020-01-01", "--until", "2020-02-01"]);
    let document: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((run.code, &document["traffic"]["requests"]), (5, &json!(0)));
    let run = shop.report(&["--csv", "--since", "2020-01-01", "--until", "2020-02-01"]);
    assert_eq!((run.code, run.stdout.lines().count()), (5, 1));
}

#[test]
fn a_journal_that_cannot_be_read_ends_with_1_and_the_next_step() {
    let shop = Shop::of(entries(20));
    let newer = intentgate::journal::open_for_writing(&shop.path()).unwrap();
    newer.pragma_update(None, "user_version", 99).unwrap();
    drop(newer);
    let run = shop.report(&[]);
    assert_eq!((run.code, run.stdout.as_str()), (1, ""), "{run:?}");
    assert!(run.stderr.contains("is of version 99"), "{run:?}");

    let folder = TempDir::new().unwrap();
    let foreign = folder.path().join("notes.txt");
    fs::write(&foreign, "not a database, surely".repeat(99)).unwrap();
    let run = intentgate(&["report", "--journal", foreign.to_str().unwrap()]).output();
    assert_eq!(run.code, 1, "{run:?}");
    assert!(
        run.stderr.contains("is no journal of intentgate"),
        "{run:?}"
    );

    let off = intentgate(&["report"])
        .env("INTENTGATE_JOURNAL__STORE", "off")
        .output();
    assert_eq!(off.code, 1, "{off:?}");
    assert!(off.stderr.contains("name a file with --journal"), "{off:?}");
}

#[test]
fn a_report_says_when_questions_cannot_be_grouped() {
    let shop = Shop::of(entries(100));
    let path = shop.path();
    let run = intentgate(&["report", "--journal", path.to_str().unwrap()])
        .args(&PERIOD)
        .env("INTENTGATE_MODEL__RUNTIME", "/nowhere")
        .output();
    assert_eq!(run.code, 0, "{run:?}");
    assert!(
        run.stdout.contains("\n  Questions are not grouped: "),
        "{run:?}"
    );
    assert!(
        run.stdout.contains("Rejections nearest to the threshold"),
        "{run:?}"
    );
}

#[test]
fn a_wrong_option_ends_with_2() {
    for arguments in [
        &["report", "--since", "yesterday"][..],
        &["report", "--json", "--csv"],
        &["report", "--until", "7"],
        &["review", "--mark", "id"],
        &["review", "--mark", "=wrong"],
        &["review", "--mark", "id=maybe"],
        &["review", "--mark", "id=wrong", "--list"],
    ] {
        let run = intentgate(arguments).output();
        assert_eq!(
            (run.code, run.stdout.as_str()),
            (2, ""),
            "{arguments:?} {run:?}"
        );
    }
    let run = intentgate(&[
        "report",
        "--journal",
        "/nowhere/journal.sqlite",
        "--since",
        "1d",
        "--until",
        "2d",
    ])
    .output();
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stderr.contains("write an earlier --since"), "{run:?}");
}
