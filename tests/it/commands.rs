//! The binary as people and programs run it: what it prints, and how it ends.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_intentgate");

/// A run of the binary that takes nothing from the environment the tests are run in.
pub(crate) struct Run(pub(crate) Command, Vec<u8>);

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The binary with these arguments, in English, and without the background: thousands of rows take long to
/// embed and to fit. Tests that are about them turn it on.
pub(crate) fn intentgate(arguments: &[&str]) -> Run {
    intentgate_by(Command::new(BINARY), arguments)
}

/// The same, started by `command`.
pub(crate) fn intentgate_by(mut command: Command, arguments: &[&str]) -> Run {
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("INTENTGATE_") || name.starts_with("LC_") || name == "ORT_DYLIB_PATH" {
            command.env_remove(&*name);
        }
    }
    command
        .args(arguments)
        .env_remove("CACHE_DIRECTORY")
        .env_remove("STATE_DIRECTORY")
        .env("INTENTGATE_GATE__BACKGROUND", "false")
        .env("LANG", "C.UTF-8")
        .env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"))
        .env("XDG_STATE_HOME", env!("CARGO_TARGET_TMPDIR"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    Run(command, Vec::new())
}

impl Run {
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.0.env(name, value);
        self
    }

    pub(crate) fn args(mut self, arguments: &[&str]) -> Self {
        self.0.args(arguments);
        self
    }

    fn within(mut self, folder: &Path) -> Self {
        self.0.current_dir(folder);
        self
    }

    pub(crate) fn stdin(mut self, text: impl Into<Vec<u8>>) -> Self {
        self.1 = text.into();
        self
    }

    pub(crate) fn output(mut self) -> Ended {
        let mut child = self.0.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // A run that ends early has no use for the rest.
        let feed = std::thread::scope(|scope| {
            scope.spawn(move || stdin.write_all(&self.1).ok());
            child.wait_with_output()
        });
        let output = feed.unwrap();
        Ended {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Four intents, two of them forwarded: quick to fit.
pub(crate) const SMALL: &str = "tests/files/intents/good/small";

#[test]
fn help_and_version_are_what_people_read() {
    for (name, arguments) in [
        ("help", vec!["--help"]),
        ("help_serve", vec!["help", "serve"]),
        ("help_check", vec!["help", "check"]),
        ("help_ask", vec!["help", "ask"]),
        ("help_eval", vec!["help", "eval"]),
        ("help_report", vec!["help", "report"]),
        ("help_review", vec!["help", "review"]),
        ("help_find", vec!["help", "find"]),
        ("help_forget", vec!["help", "forget"]),
        ("help_wrappings", vec!["help", "wrappings"]),
        ("help_model", vec!["help", "model"]),
        ("help_model_pull", vec!["help", "model", "pull"]),
        ("version", vec!["--version"]),
    ] {
        let run = intentgate(&arguments).output();
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
        snapshot(name, &run.stdout);
    }
}

#[test]
fn a_wrong_command_line_ends_with_2() {
    for arguments in [
        &[][..],
        &["sreve"],
        &["ask"],
        &["ask", "--jsonl", "text"],
        &["ask", "two", "texts"],
        &["eval"],
        &["eval", "a.jsonl", "b.jsonl"],
        &["serve", "--port", "80"],
        &["check", "--intents", "a", "--intents", "b"],
    ] {
        let run = intentgate(arguments).output();
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{arguments:?}");
        assert!(run.stderr.contains("Usage: intentgate"), "{run:?}");
    }
}

#[test]
fn bad_files_end_with_3_and_every_problem() {
    let config = "tests/files/config/bad/several.toml";
    let intents = "tests/files/intents/bad/several";
    for command in [
        &["check"][..],
        &["ask", "退款"],
        &["ask", "--jsonl"],
        &["eval", "tests/files/questions/small.jsonl"],
        &["serve"],
    ] {
        let ports = |run: Run| {
            run.env("INTENTGATE_SERVER__LISTEN", "127.0.0.1:0")
                .env("INTENTGATE_ADMIN__LISTEN", "127.0.0.1:0")
        };
        let run = ports(intentgate(&[&["--config", config], command].concat())).output();
        assert_eq!((run.code, run.stdout.as_str()), (3, ""), "{run:?}");
        assert_eq!(run.stderr.lines().count(), 7, "{}", run.stderr);

        let run = ports(intentgate(&[&["--intents", intents], command].concat())).output();
        assert_eq!((run.code, run.stdout.as_str()), (3, ""), "{run:?}");
        assert_eq!(run.stderr.lines().count(), 8, "{}", run.stderr);
    }
    let run = intentgate(&["check", "--config", "/nowhere/c.toml"]).output();
    assert_eq!(run.code, 3, "{run:?}");
    let run = intentgate(&["check", "--intents", "/nowhere"]).output();
    assert_eq!(run.code, 3, "{run:?}");
    assert!(run.stderr.contains("--intents or gate.intents"), "{run:?}");
}

#[test]
fn a_port_in_use_ends_with_1_and_names_the_key() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (variable, other, key) in [
        ("SERVER__LISTEN", "ADMIN__LISTEN", "server.listen"),
        ("ADMIN__LISTEN", "SERVER__LISTEN", "admin.listen"),
    ] {
        let run = intentgate(&["serve", "--intents", SMALL])
            .env(&format!("INTENTGATE_{variable}"), &address)
            .env(&format!("INTENTGATE_{other}"), "127.0.0.1:0")
            .output();
        assert_eq!(run.code, 1, "{run:?}");
        for part in [key, &address, "choose another port"] {
            assert!(run.stderr.contains(part), "{part} in {run:?}");
        }
    }
}

#[test]
fn serve_says_where_it_is_and_ends_with_0_when_told_to_stop() {
    let Run(mut command, _) = intentgate(&["serve", "--intents", SMALL])
        .env("INTENTGATE_SERVER__LISTEN", "127.0.0.1:0")
        .env("INTENTGATE_ADMIN__LISTEN", "127.0.0.1:0");
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    for said in [
        "base URL  http://127.0.0.1:",
        "admin     http://",
        "NOT a real LLM",
    ] {
        let found = lines.any(|line| line.unwrap().contains(said));
        assert!(found, "{said}");
    }
    let pid = child.id().to_string();
    let killed = Command::new("kill").args(["-TERM", &pid]).status().unwrap();
    assert!(killed.success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn check_says_what_the_shipped_intents_hold() {
    let (zh, en) = (
        intentgate(&["check"]).env("INTENTGATE_LANG", "zh").output(),
        intentgate(&["check"]).output(),
    );
    assert_eq!((zh.code, en.code), (0, 0), "{zh:?} {en:?}");
    let count = std::fs::read_dir("intents").unwrap().count();
    assert!(en.stdout.starts_with("No errors.\n"), "{}", en.stdout);
    assert!(
        en.stdout.contains(&format!("{count} intents")),
        "{}",
        en.stdout
    );
    assert!(zh.stdout.starts_with("没有错误。\n"), "{}", zh.stdout);
    assert!(
        zh.stdout.contains(&format!("{count} 个意图")),
        "{}",
        zh.stdout
    );
    plain(&zh);
    plain(&en);
}

#[test]
fn the_locale_chooses_the_language() {
    for (name, value, chinese) in [
        ("LANG", "zh_CN.UTF-8", true),
        ("LC_ALL", "zh_TW.UTF-8", true),
        ("LANG", "de_DE.UTF-8", false),
        ("INTENTGATE_LANG", "en", false),
    ] {
        let run = intentgate(&["check", "--intents", SMALL]).env(name, value);
        let run = run.output();
        assert_eq!(run.stdout.contains("没有错误"), chinese, "{name}={value}");
    }
}

#[test]
fn a_variable_in_another_encoding_is_no_reason_to_fail() {
    use std::os::unix::ffi::OsStrExt;
    let gbk = std::ffi::OsStr::from_bytes(b"\xcd\xcb\xbf\xee");
    let run = intentgate(&["check", "--intents", SMALL]).env("SHOP", gbk);
    let run = run.output();
    assert_eq!(run.code, 0, "{}", run.stderr);
}

#[test]
fn ask_explains_a_verdict() {
    let forwarded = intentgate(&["--intents", SMALL, "ask", "我要退款"]).output();
    assert_eq!(forwarded.code, 0, "{forwarded:?}");
    plain(&forwarded);
    let out = &forwarded.stdout;
    assert!(out.starts_with("forward  Refund (refund)\n"), "{out}");
    for part in [
        "the shop's business",
        "log-odds +",
        "\nlikeliest intents\n",
        "%  refund  Refund\n",
        "\nnearest examples\n  1.000  我要退款  refund.toml:3\n",
        "6 tokens: static stage ",
    ] {
        assert!(out.contains(part), "{part:?} in {out}");
    }

    let rejected = intentgate(&["--intents", SMALL, "ask", "讲个笑话"])
        .env("INTENTGATE_LANG", "zh")
        .output();
    let out = &rejected.stdout;
    assert!(out.starts_with("婉拒  闲聊 (chitchat)\n"), "{out}");
    for part in [
        "答复：",
        "我只懂购物。\n",
        "\n最像的例句\n  1.000  讲个笑话  chitchat.toml:5\n",
    ] {
        assert!(out.contains(part), "{part:?} in {out}");
    }

    let answered = intentgate(&["--intents", SMALL, "ask", "talk to a human"]).output();
    let out = &answered.stdout;
    assert!(
        out.starts_with("answer  Talk to a person (human)\n"),
        "{out}"
    );
    assert!(out.contains("reply: A person will be with you.\n"), "{out}");
}

#[test]
fn ask_says_when_a_text_was_too_long() {
    // What is said twice in a row is read once.
    let long: String = (0..300).map(|n| format!("我的快递 {n} 到哪了 ")).collect();
    let run = intentgate(&["--intents", SMALL, "ask", &long]).output();
    assert_eq!(run.code, 0, "{run:?}");
    let said = "bytes were not read.\n";
    assert!(run.stdout.ends_with(said), "{}", run.stdout);
}

#[test]
fn shipped_intents_decide_what_everybody_would() {
    let questions = [
        ("我要退款", "forward", "refund"),
        ("我的快递到哪了", "forward", "delivery_tracking"),
        ("转人工", "answer", "human"),
        ("讲个笑话", "reject", "chitchat"),
        ("今天天气怎么样", "reject", "weather_news"),
        ("write a quicksort in Python", "reject", "coding"),
    ];
    let lines: Vec<_> = questions
        .iter()
        .map(|(text, ..)| json!({"text": text}))
        .collect();
    let verdicts = jsonl(&[], &lines);
    for ((text, decision, intent), verdict) in questions.iter().zip(verdicts) {
        assert_eq!(verdict["decision"], *decision, "{text}: {verdict}");
        assert_eq!(verdict["intent"], *intent, "{text}: {verdict}");
        assert_eq!(verdict["intents"][0]["name"], *intent, "{text}: {verdict}");
    }
}

// What other programs rely on: design.md, part 5.
#[test]
fn a_verdict_is_a_line_of_the_promised_shape() {
    let texts = [
        "我要退款",
        "讲个笑话",
        "talk to a human",
        "where is my parcel",
    ];
    let lines = texts.map(|text| json!({"text": text}));
    for verdict in jsonl(&["--intents", SMALL], &lines) {
        let mut keys: Vec<_> = verdict.as_object().unwrap().keys().cloned().collect();
        keys.sort();
        let promised = [
            "decision",
            "intent",
            "intents",
            "left_out",
            "log_odds",
            "micros",
            "mixed",
            "on_topic",
            "reason",
            "stage",
            "truncated",
        ];
        assert_eq!(keys, promised);
        let word = |key: &str| verdict[key].as_str().unwrap().to_owned();
        assert!(["forward", "answer", "reject"].contains(&&*word("decision")));
        assert!(["cache", "static", "encoder"].contains(&&*word("stage")));
        assert!(!word("reason").is_empty() && !word("intent").is_empty());
        assert!(verdict["mixed"].is_boolean() && verdict["micros"].as_u64().unwrap() > 0);

        let (log_odds, on_topic) = (number(&verdict["log_odds"]), number(&verdict["on_topic"]));
        let logistic = 1.0 / (1.0 + (-log_odds).exp());
        assert!((on_topic - logistic).abs() < 1e-12, "{verdict}");
        // Ranking needs every digit: a value of few would be a rounded one.
        assert!(log_odds.to_string().len() > 8, "{log_odds}");

        let intents = verdict["intents"].as_array().unwrap();
        let likely: Vec<_> = intents.iter().map(|i| number(&i["probability"])).collect();
        assert!(likely.is_sorted_by(|a, b| a >= b), "{likely:?}");
        // Five at most, and none of the background.
        assert!(
            likely.iter().sum::<f64>() < 1.0 + 1e-6 && likely.iter().all(|p| *p >= 0.0),
            "{likely:?}"
        );
        assert!(intents.iter().all(|i| i["name"].is_string()));
    }
}

#[test]
fn verdicts_come_in_the_order_of_the_questions() {
    let mut lines: Vec<_> = (0..200)
        .map(|n| json!({"text": format!("{} {n}", if n % 7 == 0 { "讲个笑话" } else { "我的订单" })}))
        .collect();
    let forth = timeless(jsonl(&["--intents", SMALL], &lines));
    lines.reverse();
    let mut back = timeless(jsonl(&["--intents", SMALL], &lines));
    back.reverse();
    assert_eq!(forth.len(), 200);
    assert_eq!(forth, back);
    let values: std::collections::BTreeSet<_> =
        forth.iter().map(|v| v["log_odds"].to_string()).collect();
    assert!(values.len() > 190, "{} are told apart", values.len());
}

#[test]
fn a_text_and_a_conversation_of_it_alone_get_one_verdict() {
    let lines = [
        json!({"text": "我要退款"}),
        json!({"messages": [{"role": "user", "content": "我要退款"}]}),
        json!({"messages": [
            {"role": "system", "content": "You sell shoes."},
            {"role": "user", "content": [{"type": "text", "text": "我要退款"}]},
        ]}),
    ];
    let verdicts = timeless(jsonl(&["--intents", SMALL], &lines));
    assert_eq!(verdicts[0], verdicts[1]);
    assert_eq!(verdicts[0], verdicts[2]);
}

#[test]
fn what_holds_no_text_is_forwarded_unjudged() {
    let lines = [json!({"text": ""}), json!({"messages": []})];
    for verdict in jsonl(&["--intents", SMALL], &lines) {
        assert_eq!(verdict["decision"], "forward");
        assert_eq!(verdict["reason"], "there is no text to judge");
        for key in ["intent", "log_odds", "on_topic", "stage", "micros"] {
            assert!(verdict[key].is_null(), "{key} in {verdict}");
        }
    }
}

// Verdicts before the bad line are there, blank lines count.
#[test]
fn a_bad_line_is_named_and_ends_with_1() {
    let bad: [&[u8]; 7] = [
        b"no json",
        b"[1]",
        b"{\"txt\": \"a\"}",
        b"{\"text\": 1}",
        b"{\"messages\": \"a\"}",
        b"{\"text\": \"a\"} {\"text\": \"b\"}",
        b"{\"text\": \"\xcd\xcb\"}",
    ];
    for line in bad {
        let input = [
            b"{\"text\": \"\xe9\x80\x80\xe6\xac\xbe\"}\n\n".as_slice(),
            line,
            b"\n",
        ]
        .concat();
        let run = intentgate(&["--intents", SMALL, "ask", "--jsonl"]).stdin(input);
        let run = run.output();
        assert_eq!(run.code, 1, "{run:?}");
        assert_eq!(run.stdout.lines().count(), 1, "{run:?}");
        assert!(
            run.stderr.starts_with("line 3 of standard input: "),
            "{run:?}"
        );
    }
}

// A program that asks one question and waits for its verdict would otherwise wait for ever.
#[test]
fn a_verdict_does_not_wait_for_the_next_question() {
    let Run(mut command, _) = intentgate(&["--intents", SMALL, "ask", "--jsonl"]);
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let (heard, hears) = std::sync::mpsc::channel();
    let first = std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut line = String::new();
            stdout.read_line(&mut line).unwrap();
            heard.send(line).ok();
        });
        stdin.write_all(b"{\"text\": \"refund\"}\n").unwrap();
        let first = hears.recv_timeout(Duration::from_secs(15));
        // Ends the listener where it waits for nothing.
        drop(stdin);
        first
    });
    child.wait().unwrap();
    assert!(first.is_ok(), "no verdict before the input's end");
}

#[test]
fn the_runtime_that_the_environment_names_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = folder.path().join("libonnxruntime.so");
    let library = std::fs::canonicalize("runtime/libonnxruntime.so").unwrap();
    std::os::unix::fs::symlink(library, &elsewhere).unwrap();
    let run = intentgate(&["check", "--intents", SMALL]).env("ORT_DYLIB_PATH", &elsewhere);
    assert_eq!(run.output().code, 0);
    // The configuration goes over it.
    let run = intentgate(&["check", "--intents", SMALL])
        .env("ORT_DYLIB_PATH", "/nowhere/libonnxruntime.so")
        .env("INTENTGATE_MODEL__RUNTIME", &elsewhere);
    assert_eq!(run.output().code, 0);
}

// The build's folder lies in the project's, so the model, the intents and the runtime are found from there.
#[test]
fn defaults_are_found_from_another_folder() {
    let folder = tempfile::tempdir().unwrap();
    let run = intentgate(&["check"]).within(folder.path()).output();
    assert_eq!(run.code, 0, "{run:?}");
    let root = std::fs::canonicalize(".").unwrap();
    let intents = root.join("intents").display().to_string();
    assert!(run.stdout.contains(&intents), "{run:?}");
}

#[test]
fn paths_in_a_configuration_start_at_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let intents = folder.path().join("mine");
    std::fs::create_dir(&intents).unwrap();
    std::fs::write(intents.join("refund.toml"), "examples = [\"我要退款\"]\n").unwrap();
    let config = folder.path().join("c.toml");
    std::fs::write(
        &config,
        "[gate]\nintents = \"mine\"\n[model]\ncache = \"kept\"\n",
    )
    .unwrap();
    let run = intentgate(&["check", "--config", config.to_str().unwrap()]).output();
    assert_eq!(run.code, 0, "{run:?}");
    assert!(
        run.stdout.contains("mine: 1 intents, 1 examples"),
        "{run:?}"
    );
    assert!(
        run.stdout.contains("Intents with fewer than 5 examples"),
        "{run:?}"
    );
    assert!(folder.path().join("kept/examples.sqlite").is_file());
    // The flag goes over the file, and starts at the working directory.
    let flag = [
        "check",
        "--config",
        config.to_str().unwrap(),
        "--intents",
        SMALL,
    ];
    let run = intentgate(&flag).output();
    assert!(
        run.stdout.contains(&format!("{SMALL}: 4 intents")),
        "{run:?}"
    );
}

/// The verdicts on these lines of standard input.
pub(crate) fn jsonl(arguments: &[&str], lines: &[Value]) -> Vec<Value> {
    let input: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let run = intentgate(&[arguments, &["ask", "--jsonl"]].concat()).stdin(input);
    let run = run.output();
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
    let verdicts = run.stdout.lines();
    let verdicts: Vec<Value> = verdicts
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(verdicts.len(), lines.len());
    verdicts
}

/// Verdicts without the time they took, and without the stage: both depend on what was asked before.
fn timeless(mut verdicts: Vec<Value>) -> Vec<Value> {
    for verdict in &mut verdicts {
        for key in ["micros", "stage"] {
            verdict.as_object_mut().unwrap().remove(key).unwrap();
        }
    }
    verdicts
}

pub(crate) fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

/// Nobody sees colours in a pipe.
fn plain(run: &Ended) {
    assert!(
        !run.stdout.contains('\x1b') && !run.stderr.contains('\x1b'),
        "{run:?}"
    );
}

pub(crate) fn snapshot(name: &str, text: &str) {
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(name, text);
    });
}
