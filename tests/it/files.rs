//! Folders of good and bad files: the good ones load, and what is said of the bad ones is a snapshot each.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use intentgate::config::{Config, Store};
use intentgate::intent::file::{self, Context};
use intentgate::intent::{Action, Intent};
use intentgate::language::{Code, Language, Localized, tell};
use intentgate::problem::Problems;
use intentgate::tokenizer::Choice;

const NO_VARIABLES: [(String, String); 0] = [];

#[test]
fn every_good_configuration_loads() {
    for path in entries("tests/files/config/good") {
        let loaded = Config::load(Some(path.clone()), None, NO_VARIABLES.into_iter());
        loaded.unwrap_or_else(|problems| panic!("{}", problems.render(Language::En)));
    }
}

#[test]
fn every_bad_configuration_says_what_is_wrong() {
    for path in entries("tests/files/config/bad") {
        match Config::load(Some(path.clone()), None, NO_VARIABLES.into_iter()) {
            Ok(config) => panic!("{} loads: {config:#?}", path.display()),
            Err(problems) => said(&format!("config_{}", stem(&path)), &problems),
        }
    }
}

#[test]
fn values_are_what_the_file_says() {
    let path = Path::new("tests/files/config/good/everything.toml");
    let config = Config::load(Some(path.to_owned()), None, NO_VARIABLES.into_iter()).unwrap();
    let folder = Path::new("tests/files/config/good");
    assert_eq!(config.server.listen.to_string(), "[::]:8080");
    assert_eq!(config.server.grace.as_secs(), 90);
    let url = config.upstream.url.as_ref().unwrap().to_string();
    assert_eq!(url, "https://api.example.com/v1");
    assert_eq!(
        config.upstream.api_key.as_ref().unwrap().reveal(),
        "sk-from-a-file"
    );
    assert_eq!(config.upstream.connect_timeout.as_millis(), 250);
    assert_eq!(config.upstream.idle_timeout.as_secs(), 120);
    assert_eq!(config.upstream.pass_through, [""; 0]);
    let endpoints = config.upstream.endpoints();
    let names: Vec<_> = endpoints.iter().map(|e| e.name.as_str()).collect();
    assert_eq!(names, ["primary", "fallback-1", "last"]);
    let [first, second, last] = &endpoints[..] else {
        panic!("{endpoints:#?}");
    };
    assert_eq!(second.api_key.as_ref().unwrap().reveal(), "sk-from-a-file");
    assert_eq!(second.idle_timeout.as_secs(), 1);
    assert_eq!(last.idle_timeout, first.idle_timeout);
    assert_eq!(last.connect_timeout, first.connect_timeout);
    assert_eq!(last.api_key, None, "a key goes to its own upstream only");
    assert_eq!(config.model.path, Some(folder.join("model")));
    assert_eq!(config.model.cache, Some(folder.join("../cache")));
    let runtime = PathBuf::from("/opt/onnxruntime/libonnxruntime.so");
    assert_eq!(config.model.runtime, Some(runtime));
    assert_eq!(config.gate.intents, Some(folder.join("intents")));
    assert!((config.gate.false_reject_target - 1.0).abs() < f64::EPSILON);
    assert_eq!(config.gate.reject_reply.text(Code::ZH), "不行。");
    assert_eq!(config.limits.body, 512 << 10);
    assert_eq!(config.limits.body_timeout.as_secs(), 3600);
    assert_eq!(config.limits.per_key.unwrap().interval().as_millis(), 100);
    assert_eq!(config.journal.path, Some(folder.join("../journal.sqlite")));
    assert!(config.journal.questions);
    assert_eq!(config.journal.max_size, 16 << 20);
    assert_eq!(config.journal.keep.as_secs(), 24 * 3600);
    assert_eq!(config.journal.handoff_intents, [""; 0]);
    let certificate = folder.join("tls/chain.pem");
    assert_eq!(config.server.tls_certificate, Some(certificate));
    assert_eq!(config.admin.token.unwrap().reveal(), "sk-from-a-file");
    let names: Vec<_> = config.access.keys.iter().map(|k| k.name.as_str()).collect();
    assert_eq!(names, ["web", "前端", "old"]);
    let prices = &config.prices;
    assert_eq!(prices.currency, "USD");
    let file = folder.join("qwen/tokenizer.json");
    assert_eq!(prices.tokenizer, Choice::File(file));
    let input = |model: &str| prices.price_of(model)?.input;
    assert_eq!(input("gpt-5-mini"), Some(0.25));
    assert_eq!(input("gpt-5-mini-2"), Some(1.25));
    assert_eq!(input("gpt-4"), None);
    let target = "https://collector.example:4318/otlp/v1/traces";
    assert_eq!(config.traces.target().as_deref(), Some(target));
    assert!((config.traces.sample - 0.1).abs() < f64::EPSILON);
    let headers = config.traces.header_map();
    assert_eq!(headers["authorization"], "Bearer sk-of-the-collector");
    assert_eq!(headers["x-tenant"], "shop");
}

// People write it so, and what they want must not depend on what else is set.
#[test]
fn the_journal_is_turned_off_in_either_way() {
    let off = |text: &str, variables: &[(&str, &str)]| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        fs::write(&path, text).unwrap();
        let config = Config::load(Some(path), None, owned(variables)).unwrap();
        config.journal.store == Store::Off
    };
    let path = ("INTENTGATE_JOURNAL__PATH", "/x");
    assert!(off("journal = 'off'\n", &[]));
    assert!(off("journal = 'off'\n[server]\n", &[path]));
    assert!(off("[journal]\nstore = 'off'\n", &[path]));
    assert!(off(
        "[journal]\nkeep = '1h'\n",
        &[("INTENTGATE_JOURNAL", "off")]
    ));
    assert!(off(
        "journal.path = '/x'\n",
        &[("INTENTGATE_JOURNAL__STORE", "off")]
    ));
    assert!(!off(
        "journal = 'off'\n",
        &[("INTENTGATE_JOURNAL", "sqlite")]
    ));
    assert!(!off("journal.path = '/x'\n", &[]));
}

#[test]
fn an_empty_url_means_the_demo() {
    let path = Path::new("tests/files/config/good/demo_upstream.toml");
    let config = Config::load(Some(path.to_owned()), None, NO_VARIABLES.into_iter()).unwrap();
    assert_eq!(config.upstream.url, None);
}

#[test]
fn the_environment_goes_over_the_file() {
    let path = Path::new("tests/files/config/good/everything.toml");
    let variables = [
        ("INTENTGATE_SERVER__LISTEN", "127.0.0.1:1"),
        ("INTENTGATE_SERVER__LOG", "debug"),
        ("INTENTGATE_MODEL__THREADS", "3"),
        ("INTENTGATE_GATE__FALSE_REJECT_TARGET", "0.5"),
        ("INTENTGATE_UPSTREAM__PASS_THROUGH", "[\"/v1/audio\"]"),
        ("INTENTGATE_SHOP__NAME", "42"),
        ("INTENTGATE_TRACES__HEADERS__AUTHORIZATION", "Bearer sk-2"),
        // A text is one for both languages; only a file can give one a language.
        ("INTENTGATE_SHOP__PHONE", "电话"),
        // Neither a key nor ours.
        ("INTENTGATE_LANG", "zh"),
        ("SERVER__LISTEN", "nothing"),
    ];
    let config = Config::load(Some(path.to_owned()), None, owned(&variables)).unwrap();
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:1");
    assert_eq!(config.server.log, "debug");
    assert_eq!(config.model.threads.get(), 3);
    assert!((config.gate.false_reject_target - 0.5).abs() < f64::EPSILON);
    assert_eq!(config.upstream.pass_through, ["/v1/audio"]);
    let headers = config.traces.header_map();
    assert_eq!(headers["authorization"], "Bearer sk-2");
    assert_eq!(headers["x-tenant"], "shop", "the file's others stay");
    let reply = Localized::same("{{name}} {{phone}}");
    let filled = config.shop.fill(&reply).unwrap();
    assert_eq!(filled, Localized::same("42 电话"));
}

#[test]
fn a_bad_variable_is_named() {
    let cases: [(&str, &[(&str, &str)]); 6] = [
        (
            "environment_wrong_type",
            &[
                ("INTENTGATE_MODEL__THREADS", "many"),
                ("INTENTGATE_SERVER__GRACE", "30"),
                ("INTENTGATE_GATE__FALSE_REJECT_TARGET", "1.5"),
                ("INTENTGATE_UPSTREAM__PASS_THROUGH", "/v1/models"),
            ],
        ),
        (
            "environment_unknown_key",
            &[
                ("INTENTGATE_SERVER__LISTN", "127.0.0.1:80"),
                ("INTENTGATE_SEVER__LISTEN", "127.0.0.1:80"),
                ("INTENTGATE_SERVER__LISTEN__PORT", "80"),
            ],
        ),
        (
            "environment_key_file_missing",
            &[("INTENTGATE_UPSTREAM__API_KEY_FILE", "/nowhere/key")],
        ),
        (
            "environment_key_spaces",
            &[("INTENTGATE_UPSTREAM__API_KEY", "sk-1 sk-2")],
        ),
        (
            "environment_pass_through",
            &[("INTENTGATE_UPSTREAM__PASS_THROUGH", "['v1']")],
        ),
        (
            "environment_list_of_numbers",
            &[("INTENTGATE_UPSTREAM__PASS_THROUGH", "['/v1', 7]")],
        ),
    ];
    for (name, variables) in cases {
        let path = Path::new("tests/files/config/good/empty.toml");
        let problems = Config::load(Some(path.to_owned()), None, owned(variables)).unwrap_err();
        said(name, &problems);
    }
}

// Problems are written to terminals and logs, which are no place for a key.
#[test]
fn no_problem_shows_a_key() {
    for value in [
        "[\"sk-secret\"]",
        "{ key = \"sk-secret\" }",
        "\"sk-secret sk-secret\"",
        "sk-secret",
        "\"sk-secret",
    ] {
        let text = format!("[upstream]\napi_key = {value}\n");
        let problems = Config::parse("x", &text, Path::new(""), Vec::new()).unwrap_err();
        let said = problems.render(Language::En);
        assert!(!said.contains("sk-secret"), "{said}");
    }
}

#[test]
fn a_configuration_that_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    let load = || Config::load(Some(path.clone()), None, NO_VARIABLES.into_iter()).unwrap_err();
    said_in("config_missing", &load(), folder.path());
    fs::write(&path, gbk_after("[shop]\n")).unwrap();
    said_in("config_gbk", &load(), folder.path());
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    said_in("config_is_a_folder", &load(), folder.path());
}

#[test]
fn every_line_commented_out_in_the_shipped_configuration_is_the_default() {
    let shipped = Shipped::read();
    let defaults: Vec<_> = shipped.keys.iter().filter(|key| !key.example).collect();
    assert!(defaults.len() > 15, "{}", defaults.len());
    let text = shipped.uncommented(|key| !key.example);
    let config = Config::parse("config.toml", &text, Path::new(""), Vec::new());
    let config = config.unwrap_or_else(|problems| panic!("{}", problems.render(Language::En)));
    assert_eq!(config, Config::default());
}

#[test]
fn every_example_in_the_shipped_configuration_is_accepted() {
    // A model is in one place, and keys belong to one place or another.
    for others in [
        &["hub", "revision", "url", "api_key"][..],
        &["path", "name", "url", "api_key"],
        &["path", "hub", "revision", "file", "pooling", "max_tokens"],
    ] {
        // A file that is not there is a problem, and so is a key beside it.
        let text = Shipped::read().uncommented(|key| {
            let of_another = key.section == "[model]" && others.contains(&key.name.as_str());
            !is_read_at_once(key) && !of_another
        });
        let config = Config::parse("config.toml", &text, Path::new(""), Vec::new());
        let config = config.unwrap_or_else(|problems| panic!("{}", problems.render(Language::En)));
        assert!(config.upstream.url.is_some());
        assert_eq!(config.access.keys[0].name, "web");
    }
}

#[test]
fn the_shipped_configuration_loads_and_names_every_key_there_is() {
    let text = fs::read_to_string("config.toml").unwrap();
    let config = Config::parse("config.toml", &text, Path::new(""), Vec::new());
    assert_eq!(config.unwrap(), Config::default());

    let shipped = Shipped::read();
    let sections = accepted("no_such_section = 1\n");
    for section in &sections {
        let keys = match section.as_str() {
            // Its keys are the operator's own.
            "shop" => vec!["name".to_owned(), "human".to_owned()],
            section => accepted(&format!("[{section}]\nno_such_key = 1\n")),
        };
        for key in keys {
            let found = shipped.count(&format!("[{section}]"), &key);
            let list = format!("[[{section}.{key}]]");
            if found == 0 && shipped.keys.iter().any(|k| k.section == list) {
                for key in accepted(&format!("{list}\nno_such_key = 1\n")) {
                    assert_eq!(shipped.count(&list, &key), 1, "{list} {key} in config.toml");
                }
                continue;
            }
            assert_eq!(found, 1, "{section}.{key} in config.toml");
        }
    }
    assert!(sections.len() >= 7, "{sections:?}");
}

#[test]
fn every_good_folder_of_intents_loads() {
    for folder in entries("tests/files/intents/good") {
        let intents = read_intents(&folder);
        assert!(
            intents.is_ok(),
            "{}",
            intents.unwrap_err().render(Language::En)
        );
    }
}

#[test]
fn every_bad_folder_of_intents_says_what_is_wrong() {
    for folder in entries("tests/files/intents/bad") {
        match read_intents(&folder) {
            Ok(intents) => panic!("{} loads: {intents:#?}", folder.display()),
            Err(problems) => said(&format!("intents_{}", stem(&folder)), &problems),
        }
    }
}

#[test]
fn a_folder_of_intents_that_cannot_be_read_is_named() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("intents");
    let load = || read_intents(&folder).unwrap_err();
    said_in("intents_missing_folder", &load(), parent.path());
    fs::create_dir(&folder).unwrap();
    said_in("intents_empty_folder", &load(), parent.path());
    // Every unreadable file is named, not the first alone.
    fs::write(folder.join("refund.toml"), gbk_after("examples = [\n")).unwrap();
    fs::write(folder.join("hours.toml"), gbk_after("")).unwrap();
    fs::write(folder.join("joke.toml"), "examples = 1\n").unwrap();
    said_in("intents_gbk", &load(), parent.path());
}

#[test]
fn an_example_knows_its_line() {
    let cases: [(&str, &[(usize, &str)]); 7] = [
        (
            "one_a_line",
            &[(5, "我要退款"), (7, "怎么退钱"), (9, "where is my refund")],
        ),
        ("same_line", &[(1, "我要退款"), (2, "怎么退钱")]),
        (
            "list",
            &[
                (3, "我要退款"),
                (3, "怎么退钱"),
                (5, "#1 order refund"),
                (7, "where is my refund"),
            ],
        ),
        (
            // Escapes make other lines than the file has, so the key's line stands for all.
            "escapes",
            &[(2, "我要"), (2, "退款"), (2, "怀么退钱")],
        ),
        ("literal", &[(2, "我要\"退款\""), (3, "C:\\refund")]),
        ("windows_lines", &[(3, "我要退款"), (5, "怎么退钱")]),
        ("other_files", &[(1, "我要退款")]),
    ];
    for (case, expected) in cases {
        let folder = Path::new("tests/files/intents/good").join(case);
        let intents = read_intents(&folder).unwrap();
        assert_eq!(intents.len(), 1, "{case}");
        assert_eq!(lines(&intents[0]), expected, "{case}");
    }
    let intents = read_intents(Path::new("tests/files/intents/good/one_text")).unwrap();
    assert_eq!(lines(&intents[0]), [(1, "几")]);
    assert_eq!(lines(&intents[1]), [(1, "我要退款")]);
}

// What Windows' editor puts before the text is neither content nor a reason to count otherwise.
#[test]
fn a_byte_order_mark_changes_nothing() {
    for text in [
        "title = \"退款\"\nexamples = \"\"\"\n我要退款\n怎么退钱\n\"\"\"\n",
        "examples = \"\"\"我要退款\n怎么退钱\"\"\"\n",
        "examples = \"我要退款\"\n",
        "action = \"answer\"\nreply = \"好\"\nexamples = [\"我要退款\",\n\"怎么退钱\"]\n",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("refund.toml");
        fs::write(&path, text).unwrap();
        let without = read_intents(folder.path()).unwrap();
        fs::write(&path, format!("\u{feff}{text}")).unwrap();
        let with = read_intents(folder.path()).unwrap();
        assert_eq!(with, without, "{text}");
    }
}

#[test]
fn titles_and_replies_are_there_in_both_languages() {
    let intents = read_intents(Path::new("tests/files/intents/good/replies")).unwrap();
    let [hours, joke, refund, weather] = &intents[..] else {
        panic!("{intents:#?}");
    };
    let shop = Config::default();
    let human = shop.shop.fill(&Localized::same("{{human}}"));
    let human = human.unwrap();
    let reply = hours.reply.as_ref().unwrap();
    assert_eq!(hours.title.text(Language::Zh), "营业时间");
    assert_eq!(hours.title.text(Language::En), "Opening hours");
    let opens = format!("本店九点开门。{}", human.text(Code::ZH));
    assert_eq!(reply.text(Code::ZH), opens);
    assert_eq!(reply.text(Code::EN), "our shop opens at 9.");
    // The gate's own, where the intent has none.
    let fallback = shop.shop.fill(&shop.gate.reject_reply).unwrap();
    assert_eq!(joke.reply.as_ref(), Some(&fallback));
    assert_eq!(
        (refund.action, refund.reply.as_ref()),
        (Action::Forward, None)
    );
    assert_eq!(refund.title.text(Language::Zh), "refund");
    assert_eq!(
        weather.reply.as_ref().unwrap().text(Code::EN),
        "只聊购物，{名字} {{"
    );
}

#[test]
fn a_reply_may_be_written_in_any_language_in_one_line_or_one_a_line() {
    let intents = read_intents(Path::new("tests/files/intents/good/languages")).unwrap();
    let expected = Localized::from([
        ("zh", "本店九点开门。"),
        ("en", "our shop opens at 9."),
        ("ja", "当店は9時開店です。"),
        ("fr", "notre boutique ouvre à 9 h."),
    ]);
    assert_eq!(intents.len(), 3);
    for intent in intents {
        assert_eq!(intent.reply, Some(expected.clone()), "{}", intent.name);
    }
}

#[test]
fn what_the_gate_says_by_itself_is_in_each_of_its_languages() {
    let config = Config::default();
    let human = Localized::same("{{human}}");
    for reply in [&human, &config.gate.reject_reply] {
        let reply = config.shop.fill(reply).unwrap();
        let codes: Vec<_> = reply.codes().collect();
        assert_eq!(codes.len(), 13);
        for code in &codes {
            assert_eq!(tell(reply.text(*code), &codes), Some(*code), "{reply:?}");
        }
    }
}

#[test]
fn the_shipped_intents_are_enough_to_start_a_shop_with() {
    let intents = read_intents(Path::new("intents"));
    let intents = intents.unwrap_or_else(|problems| panic!("{}", problems.render(Language::En)));
    let of = |action| intents.iter().filter(move |i| i.action == action);
    let chinese = |text: &&str| Language::of_text(text) == Language::Zh;

    assert!(of(Action::Forward).count() >= 14);
    assert!(of(Action::Answer).count() >= 3);
    assert!(of(Action::Reject).count() >= 5);
    for intent in &intents {
        let texts: Vec<_> = intent.examples.iter().map(|e| e.text.as_str()).collect();
        let zh = texts.iter().filter(|text| chinese(text)).count();
        let name = &intent.name;
        assert!(zh >= 5, "{name} has {zh} Chinese examples");
        assert!(
            texts.len() - zh >= 5,
            "{name} has {zh} Chinese examples only"
        );
        if intent.action == Action::Forward {
            assert!(texts.len() >= 40, "{name} has {} examples", texts.len());
        }
        assert_eq!(Language::of_text(&intent.title.zh), Language::Zh, "{name}");
        assert_eq!(Language::of_text(&intent.title.en), Language::En, "{name}");
    }
    let fallback = &Config::default();
    let fallback = fallback.shop.fill(&fallback.gate.reject_reply).unwrap();
    for intent in of(Action::Answer).chain(of(Action::Reject)) {
        let (name, reply) = (&intent.name, intent.reply.as_ref().unwrap());
        assert_ne!(reply, &fallback, "{name} has no reply of its own");
        let codes: Vec<_> = fallback.codes().collect();
        for code in reply.codes() {
            assert_eq!(tell(reply.text(code), &codes), Some(code), "{name}");
        }
        assert!(reply.codes().count() >= 2, "{name}");
    }
}

fn read_intents(folder: &Path) -> Result<Vec<Intent>, Problems> {
    let config = Config::default();
    let context = Context {
        shop: &config.shop,
        reject_reply: &config.gate.reject_reply,
    };
    file::parse(folder, &file::read_folder(folder)?, context)
}

fn lines(intent: &Intent) -> Vec<(usize, &str)> {
    let examples = intent.examples.iter();
    examples.map(|e| (e.line, e.text.as_str())).collect()
}

/// Whether the key names a file that must be there.
fn is_read_at_once(key: &Key) -> bool {
    key.name.ends_with("_file") || key.name == "tls_roots"
}

/// Snapshots both languages of what is said.
fn said(name: &str, problems: &Problems) {
    let mut both = String::new();
    for language in [Language::Zh, Language::En] {
        writeln!(both, "{}\n", problems.render(language)).unwrap();
    }
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(name, both.trim_end());
    });
}

/// The same, with `folder`'s name, which differs each time, left out.
fn said_in(name: &str, problems: &Problems, folder: &Path) {
    let folder = folder.display().to_string();
    let mut problems = problems.clone();
    for problem in &mut problems.0 {
        problem.file = problem.file.replace(&folder, "FOLDER");
        problem.message = problem.message.map(|text| text.replace(&folder, "FOLDER"));
    }
    said(name, &problems);
}

/// What a folder holds, by name.
fn entries(folder: &str) -> Vec<PathBuf> {
    let mut entries: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    assert!(!entries.is_empty(), "{folder} is empty");
    entries
}

fn stem(path: &Path) -> &str {
    path.file_stem().unwrap().to_str().unwrap()
}

fn owned(variables: &[(&str, &str)]) -> impl Iterator<Item = (String, String)> {
    let owned: Vec<_> = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    owned.into_iter()
}

/// `text` and then 退款 as a Chinese Windows saves it.
fn gbk_after(text: &str) -> Vec<u8> {
    [text.as_bytes(), b"\"\xcd\xcb\xbf\xee\"\n"].concat()
}

/// The keys that are accepted where `text` has one that is not.
fn accepted(text: &str) -> Vec<String> {
    let problems = Config::parse("x", text, Path::new(""), Vec::new()).unwrap_err();
    let said = problems.render(Language::En);
    let (_, keys) = said.split_once("accepted: ").unwrap();
    keys.split(", ").map(str::to_owned).collect()
}

/// `config.toml` as it is shipped: every key commented out.
struct Shipped {
    keys: Vec<Key>,
}

struct Key {
    /// Its heading: `[upstream]`, or `[[upstream.fallback]]`, which stands commented out.
    section: String,
    name: String,
    line: String,
    /// Marked as an example, so no default.
    example: bool,
}

impl Shipped {
    fn read() -> Self {
        let text = fs::read_to_string("config.toml").unwrap();
        let mut keys = Vec::new();
        let (mut section, mut before) = (String::new(), "");
        for line in text.lines() {
            let heading = line.starts_with('[') || line.starts_with("# [[");
            let line = line.trim_start_matches("# ");
            if heading {
                section = line.to_owned();
            }
            let key = line.split_once(" = ").map(|(name, _)| name);
            let in_key = |c: char| c.is_ascii_lowercase() || c == '_' || c == '.';
            let is_key = |name: &&str| name.chars().all(in_key);
            if let Some(name) = key.filter(is_key) {
                keys.push(Key {
                    section: section.clone(),
                    name: name.to_owned(),
                    line: line.to_owned(),
                    example: before.contains("example:"),
                });
            }
            before = line;
        }
        Shipped { keys }
    }

    fn count(&self, section: &str, name: &str) -> usize {
        // One language a line, or all in one.
        let by_language = format!("{name}.zh");
        let is_it = |key: &Key| key.name == name || key.name == by_language;
        let named = |key: &&Key| key.section == section && is_it(key);
        self.keys.iter().filter(named).count()
    }

    /// The file with these keys switched on.
    fn uncommented(&self, wanted: impl Fn(&Key) -> bool) -> String {
        let mut text = String::new();
        let mut section = "";
        for key in self.keys.iter().filter(|key| wanted(key)) {
            if key.section != section {
                section = &key.section;
                writeln!(text, "{section}").unwrap();
            }
            writeln!(text, "{}", key.line).unwrap();
        }
        text
    }
}
