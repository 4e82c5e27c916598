//! What has to be true of every parser that reads strangers' bytes, whatever they are. Each check is a function
//! of bytes: the integration tests feed it some thousand of them, `scripts/fuzz.sh` as many as there is time for.

use std::cell::Cell;
use std::path::Path;
use std::sync::LazyLock;

use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use intentgate::bare::is_bare;
use intentgate::chat::line::Line;
use intentgate::chat::{
    EndMark, JsonEnd, Prompt, Protocol, Text, Usage, UsageReader, UsageSource, WholeEvents,
};
use intentgate::clause::clauses;
use intentgate::embed::{Manifest, Tokenizer};
use intentgate::language::{Code, Localized, tell};
use intentgate::text::{Vocabulary, normalise, second_reading};
use intentgate::wrapping::{Known, Replies, Sender, Sketch, Wrapping, is_harness, is_task, unwrap};
use serde_json::{Value, json};

/// A check, by the name of its fuzz target.
pub type Check = (&'static str, fn(&[u8]));

/// Those of what a client sends for JSON.
pub const OF_BODIES: [Check; 6] = [
    ("chat_completions", chat_completions),
    ("responses", responses),
    ("completions", completions),
    ("messages", messages),
    ("line", line),
    ("billed", billed),
];

/// Those of what an upstream replies.
pub const OF_REPLIES: [Check; 2] = [("usage", usage), ("broken", broken)];

/// Those of what a customer types.
pub const OF_TEXTS: [Check; 8] = [
    ("wrapping", wrapping),
    ("strings", strings),
    ("normal_form", normal_form),
    ("meant", meant),
    ("clause", clause),
    ("bare", bare),
    ("told", told),
    ("tokens", tokens),
];

/// Characters of a message that the context keeps.
const CONTEXT_CHARS: usize = 2_000;
/// Characters of a model's name that a reply repeats.
const MODEL_CHARS: usize = 256;
/// Bytes of other fields that a reply repeats.
const ECHO_BYTES: usize = 32 << 10;
/// Replies that a request may ask for.
const CHOICES: usize = 1_024;
/// Clauses of one text.
const CLAUSES: usize = 16;
/// Bytes of a text that is too short not to settle.
const SETTLING: usize = 128;
/// What NFKC may make of a byte: U+FDFA has three and becomes 33.
const GROWTH: usize = 11;
/// What a word in Latin letters may become: of two letters, four characters of three bytes.
const MEANT_GROWTH: usize = 6;

/// A reply that would end a line, a string, an event or a header, were it not escaped.
const REPLY: &str = "您好\r\n\"\\\u{0}\u{85}\u{2028}\n\ndata: [DONE]\n\nevent: a😀";

pub fn chat_completions(body: &[u8]) {
    protocol(Protocol::ChatCompletions, body);
}

pub fn responses(body: &[u8]) {
    protocol(Protocol::Responses, body);
}

pub fn completions(body: &[u8]) {
    protocol(Protocol::Completions, body);
}

pub fn messages(body: &[u8]) {
    protocol(Protocol::Messages, body);
}

/// That no more is billed than was sent, whatever it is.
pub fn billed(body: &[u8]) {
    let counted = Cell::new(0);
    let count = |text: &str| {
        counted.set(counted.get() + text.len() as u64);
        text.len() as u64
    };
    // Each byte that is no Unicode becomes a character of three, and "{}," is billed as a message.
    let most = 3 * body.len() as u64 + 16;
    for protocol in Protocol::ALL {
        let tokens = protocol.billed(body, &count).tokens;
        let fixed = tokens - counted.take();
        assert!(tokens <= 2 * most && fixed <= most, "{tokens}");
    }
}

/// That what is heard of a reply does not depend on how it is cut, compressed or not.
pub fn usage(reply: &[u8]) {
    for (kind, coding) in [
        ("text/event-stream", None),
        ("application/json", None),
        ("text/event-stream", Some("gzip")),
        ("text/event-stream", Some("deflate")),
        ("application/json", Some("br")),
        ("application/json", Some("zstd")),
    ] {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        if let Some(coding) = coding {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding));
        }
        for protocol in Protocol::ALL {
            let heard = |pieces: &[&[u8]]| {
                let mut reader = UsageReader::new(protocol, &headers, false);
                pieces.iter().for_each(|piece| reader.look(piece));
                reader.finish().usage(|| 1, &|text| text.len() as u64)
            };
            let whole = heard(&[reply]);
            let (before, behind) = reply.split_at(reply.len() / 2);
            assert_eq!(heard(&[before, behind]), whole);
            let single: Vec<_> = reply.chunks(1).collect();
            assert_eq!(heard(&single), whole);
            if let Some(Usage {
                source: UsageSource::Counted,
                completion,
                ..
            }) = whole
            {
                assert!(coding.is_some() || completion <= 3 * reply.len() as u64);
            }
        }
    }
}

/// That a reply goes on byte for byte, and that where it ends does not depend on how it is cut.
pub fn broken(reply: &[u8]) {
    let went_on = |size| {
        let mut events = WholeEvents::default();
        let pieces = reply
            .chunks(size)
            .map(|piece| events.pass(piece.to_vec().into()).concat());
        let went_on = pieces.collect::<Vec<_>>().concat();
        assert_eq!([&went_on, events.held()].concat(), reply);
        went_on.len()
    };
    let is_whole = |size| {
        let mut json = JsonEnd::default();
        reply.chunks(size).for_each(|piece| json.look(piece));
        let marks = Protocol::ALL.map(|protocol| {
            let mut mark = EndMark::of(protocol);
            reply.chunks(size).for_each(|piece| mark.look(piece));
            mark.is_whole(b"")
        });
        (json.is_whole(), marks)
    };
    let all = reply.len().max(1);
    for size in [1, 2, 7] {
        // Comments that come in pieces wait for the event behind them.
        assert!(went_on(size) <= went_on(all));
        assert_eq!(is_whole(size), is_whole(all));
    }
    let read: Result<Value, _> = serde_json::from_slice(reply);
    assert!(read.is_err() || is_whole(all).0);
}

fn protocol(protocol: Protocol, body: &[u8]) {
    let Ok(prompt) = protocol.prompt(body) else {
        return;
    };
    is_bounded(&prompt, body.len());
    let with_field = protocol.prompt(&with_unknown_field(body)).unwrap();
    assert_eq!(with_field, prompt, "an unknown field");
    if let Ok(request) = serde_json::from_slice::<Value>(body) {
        is_read(protocol, &prompt, request);
    }
    is_replied_to(protocol, prompt);
}

fn is_bounded(prompt: &Prompt, body: usize) {
    let Prompt {
        text,
        context,
        reply,
        ..
    } = prompt;
    if let Text::Question(text) = text {
        assert!(!text.is_empty() && text.trim() == text, "{text:?}");
        // Each byte that is no Unicode becomes a character of three.
        assert!(text.len() <= 3 * body);
    } else {
        assert_eq!(*context, Default::default());
    }
    for said in [&context.user, &context.assistant].into_iter().flatten() {
        assert!((1..=CONTEXT_CHARS).contains(&said.chars().count()));
    }
    assert!(reply.model.chars().count() <= MODEL_CHARS);
    let echo: usize = reply.echo.values().map(|v| v.to_string().len()).sum();
    assert!(echo <= ECHO_BYTES, "{echo} bytes are echoed");
    assert!((1..=CHOICES).contains(&reply.choices));
    let replies = Localized::from([("zh", ""), ("en", ""), ("fr", ""), ("ru", ""), ("uk", "")]);
    assert!(
        replies
            .codes()
            .any(|code| code == prompt.language(&replies))
    );
}

/// An object with one more field.
fn with_unknown_field(body: &[u8]) -> Vec<u8> {
    let open = body.iter().position(|b| *b == b'{').unwrap();
    let (before, fields) = body.split_at(open + 1);
    let is_empty = fields.trim_ascii_start().starts_with(b"}");
    let comma: &[u8] = if is_empty { b"" } else { b"," };
    let field = br#""x_unknown":[{"role":"user","content":"x"},1e999]"#;
    [before, field, comma, fields].concat()
}

/// That a plain text is the question, and stays it beside a part that nobody knows.
fn is_read(protocol: Protocol, prompt: &Prompt, mut request: Value) {
    let Some(content) = plain(protocol, &mut request) else {
        return;
    };
    let text = content.as_str().unwrap_or_default().to_owned();
    let question = (!text.trim().is_empty()).then(|| Text::Question(text.trim().to_owned()));
    let found = (prompt.text != Text::UnknownShape).then(|| prompt.text.clone());
    // A template or a suffix may hold words as well.
    let joined = |question: &Text| match (question, &prompt.text) {
        // What was sent right before it belongs to it.
        (Text::Question(question), Text::Question(found)) => {
            found.ends_with(&format!("\n{question}"))
        }
        _ => false,
    };
    let is_found = question == found || question.as_ref().is_some_and(joined);
    assert!(question.is_none() || is_found, "{prompt:?}");
    *content = match protocol {
        Protocol::Completions => json!([text, [1]]),
        _ => json!([{"type": "text", "text": text}, {"type": "x_unknown", "text": "x"}]),
    };
    if protocol == Protocol::Responses && request["input"][0]["role"].is_null() {
        request["input"] = json!([{"role": "user", "content": request["input"]}]);
    }
    let with_part = protocol.prompt(request.to_string().as_bytes()).unwrap();
    let expected = match &prompt.text {
        Text::Question(_) => prompt.text.clone(),
        _ => Text::UnknownShape,
    };
    assert_eq!((with_part.text, with_part.unread), (expected, true));
}

/// Where the words of the last user message stand, if they are a plain string and no turn but the assistant's and
/// the operator's comes behind them.
fn plain(protocol: Protocol, request: &mut Value) -> Option<&mut Value> {
    let content = match protocol {
        Protocol::Completions => request.get_mut("prompt")?,
        Protocol::Responses => match request.get_mut("input")? {
            Value::Array(items) => last_content(items)?,
            text => text,
        },
        _ => last_content(request.get_mut("messages")?.as_array_mut()?)?,
    };
    content.is_string().then_some(content)
}

fn last_content(messages: &mut [Value]) -> Option<&mut Value> {
    let passed = |message: &&mut Value| {
        let role = message["role"].as_str();
        message.get("type").is_none() && role.is_some_and(|r| ["assistant", "system"].contains(&r))
    };
    let last = messages.iter_mut().rev().find(|message| !passed(message))?;
    let is_user = last["role"] == "user" && last.get("type").is_none();
    last.get_mut("content").filter(|_| is_user)
}

/// That whoever parses a reply finds its text, and nothing breaks out of it.
fn is_replied_to(protocol: Protocol, mut prompt: Prompt) {
    let asked = match &prompt.text {
        Text::Question(text) => text.chars().take(16).collect(),
        _ => String::new(),
    };
    let text = format!("{REPLY}{asked}");
    // Each is like the first.
    prompt.reply.choices = 1;
    for stream in [false, true] {
        prompt.reply.stream = stream;
        let reply = protocol.reply(&prompt, &text, "1", 0);
        assert!(
            reply
                .content_type
                .bytes()
                .all(|b| (b' '..=b'~').contains(&b))
        );
        let body = reply.body.whole();
        let body = std::str::from_utf8(&body).unwrap();
        let said: String = match stream {
            false => said(&serde_json::from_str(body).unwrap()).unwrap(),
            true => events(body).iter().filter_map(said).collect(),
        };
        assert_eq!(said, text, "{body}");
    }
}

/// The data of a stream of events. A line of it ends where it was meant to.
fn events(stream: &str) -> Vec<Value> {
    assert!(!stream.contains(|c| c < ' ' && c != '\n'), "{stream:?}");
    let events = stream.strip_suffix("\n\n").unwrap().split("\n\n");
    let data = events.filter_map(|event| {
        let (name, data) = match event.split_once('\n') {
            Some((name, data)) => (Some(name.strip_prefix("event: ").unwrap()), data),
            None => (None, event),
        };
        let data = data.strip_prefix("data: ").unwrap();
        assert!(!data.contains('\n'));
        let data: Value = match data {
            "[DONE]" => return None,
            json => serde_json::from_str(json).unwrap(),
        };
        assert_eq!(name, name.and(data["type"].as_str()));
        Some(data)
    });
    data.collect()
}

/// What a reply or an event says.
fn said(reply: &Value) -> Option<String> {
    let places = [
        "/choices/0/message/content",
        "/choices/0/message/refusal",
        "/choices/0/delta/content",
        "/choices/0/delta/refusal",
        "/choices/0/text",
        "/output/0/content/0/text",
        "/output/0/content/0/refusal",
        "/content/0/text",
        "/stop_details/explanation",
        "/delta",
        "/delta/text",
        "/delta/stop_details/explanation",
    ];
    let text = |place: &&str| reply.pointer(place).and_then(Value::as_str);
    places.iter().find_map(text).map(str::to_owned)
}

/// A line of a file of questions.
pub fn line(bytes: &[u8]) {
    let is_said = |phrase: &intentgate::language::Phrase| {
        for text in [&phrase.zh, &phrase.en] {
            assert!(!text.is_empty() && text.chars().count() < 400, "{text}");
        }
    };
    let Ok(line) = serde_json::from_slice::<Line>(bytes) else {
        if let Ok(value) = serde_json::from_slice(bytes) {
            is_said(&Line::refused(&value));
        }
        return;
    };
    let text = line.text.clone();
    match (line.prompt(), text) {
        (Ok(prompt), Some(text)) if !text.trim().is_empty() => {
            assert_eq!(prompt.text, Text::Question(text.trim().to_owned()));
        }
        (Ok(prompt), _) => is_bounded(&prompt, bytes.len()),
        (Err(phrase), _) => is_said(&phrase),
    }
}

/// Strings of JSON as clients send them, held against a reader of its own: halves of surrogate pairs and what is
/// no Unicode become U+FFFD, each in its place.
pub fn strings(inside: &[u8]) {
    let body = [&b"{\"prompt\":\""[..], inside, b"\"}"].concat();
    let Some(text) = decoded(&String::from_utf8_lossy(inside)) else {
        completions(&body);
        return;
    };
    let broken = body.utf8_chunks().filter(|part| !part.invalid().is_empty());
    let read = Protocol::Completions.prompt(&body);
    // A slip is mended; what is broken all over is another encoding.
    if broken.count() > 2 {
        assert!(read.is_err());
        return;
    }
    let prompt = read.unwrap();
    match text.trim() {
        "" => assert_eq!(prompt.text, Text::None),
        text => assert_eq!(prompt.text, Text::Question(text.to_owned())),
    }
}

/// What stands between the quotes of a string; none where it is not the inside of one.
fn decoded(inside: &str) -> Option<String> {
    let mut units = Vec::new();
    let mut rest = inside.chars();
    while let Some(c) = rest.next() {
        let unit = match c {
            '"' | '\0'..='\u{1f}' => return None,
            '\\' => match rest.next()? {
                c @ ('"' | '\\' | '/') => c as u16,
                'b' => 8,
                'f' => 12,
                'n' => 10,
                'r' => 13,
                't' => 9,
                'u' => {
                    let mut digits = (0..4).map(|_| rest.next()?.to_digit(16));
                    digits.try_fold(0, |unit, digit| Some(unit << 4 | digit? as u16))?
                }
                _ => return None,
            },
            c => {
                units.extend_from_slice(c.encode_utf16(&mut [0; 2]));
                continue;
            }
        };
        units.push(unit);
    }
    Some(String::from_utf16_lossy(&units))
}

/// The one spelling of a text.
pub fn normal_form(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let normal = normalise(&text);
    // Faces drawn inside faces take a pass for every few; some twenty deep, that is more than are made.
    if text.len() <= SETTLING {
        assert_eq!(normalise(&normal), normal, "{text:?}");
    }
    assert_eq!(normal.is_empty(), text.is_empty());
    assert!(normal.len() <= GROWTH * text.len());
    // A text without words stays as it is.
    let with_words = format!("退款 {text}");
    let normal = normalise(&with_words);
    assert!(normal.starts_with("退"), "{normal:?}");
    assert!(!normal.contains(char::is_control), "{normal:?}");
}

/// What the writer of a text may have meant.
pub fn meant(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Some(meant) = second_reading(&text) {
        let normal = normalise(&text);
        assert_ne!(meant, normal);
        assert!(!meant.is_empty());
        if text.len() <= SETTLING {
            assert_eq!(normalise(&meant), meant, "{text:?}");
        }
        assert!(meant.len() <= MEANT_GROWTH * normal.len());
    }
    let normal = normalise(&text);
    let words = Vocabulary::of(["lantian speakers", &normal].into_iter());
    let mended = words.mended("where is my pacakge", &text);
    assert_eq!(mended.as_deref(), Some("where is my package"));
    // Each word may become two letters longer.
    if let Some(mended) = words.mended(&format!("where is the {normal}"), &text) {
        assert!(mended.len() <= "where is the ".len() + 2 * normal.len());
    }
}

/// The clauses of a text.
pub fn clause(bytes: &[u8]) {
    const POEM: &str = "另外帮我写一首关于秋天的诗";
    let text = String::from_utf8_lossy(bytes);
    are_clauses(&text);
    // Nothing hides what is asked for behind it. Where there is nothing but a number, the text is one clause.
    let with_poem = format!("{text}。{POEM}");
    let clauses = are_clauses(&with_poem);
    let is_one = clauses.is_empty() && !text.contains(char::is_alphabetic);
    let is_last = clauses.last().is_some_and(|c| c.ends_with(POEM));
    assert!(is_one || is_last, "{clauses:?} of {text:?}");
}

/// That clauses are parts of the text, in order, without the space around them.
fn are_clauses(text: &str) -> Vec<&str> {
    let clauses = clauses(text);
    assert!(clauses.len() <= CLAUSES);
    let mut end = text.as_ptr().addr();
    for clause in &clauses {
        assert!(!clause.is_empty() && clause.trim() == *clause, "{clause:?}");
        assert!(clause.as_ptr().addr() >= end, "{clause:?} of {text:?}");
        end = clause.as_ptr().addr() + clause.len();
    }
    assert!(end <= text.as_ptr().addr() + text.len());
    clauses
}

/// What stands around a customer's words. They are no more than the message, and a message that is taken for what a
/// front end asks is so however often it is read.
pub fn wrapping(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let found = unwrap(&text, Known::default());
    assert_eq!(found, unwrap(&text, Known::default()));
    // One text teaches nothing, and who quotes all of a reply says nothing beside it.
    assert_eq!(Sketch::default().observe(&text, Sender::default()), None);
    let replies = Replies::of([(&*text, true)].into_iter());
    let known = Known {
        replies: Some(&replies),
        ..Known::default()
    };
    let quoted = unwrap(&text, known).filter(|found| found.wrapping == Wrapping::Quote);
    assert_eq!(quoted, None);
    if let Some(found) = found {
        assert!(found.words.trim() == found.words, "{found:?} of {text:?}");
    }
    let _ = (is_task(&text), is_harness(&text));
}

/// Whether a text says nothing by itself. One that names a topic does, whatever stands beside it.
pub fn bare(bytes: &[u8]) {
    const TOPIC: &str = "讲个笑话";
    let text = String::from_utf8_lossy(bytes);
    assert!(!is_bare(&format!("{text} {TOPIC}")), "{text:?}");
    assert!(!is_bare(&format!("{TOPIC} {text}")), "{text:?}");
    assert_eq!(is_bare(&format!("  {text}\n")), is_bare(&text), "{text:?}");
}

/// The language of a text: one that is offered, where any is told.
pub fn told(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let offered = "zh en ja es fr ru uk ar fa hi mr".split(' ');
    let offered: Vec<_> = offered.filter_map(Code::new).collect();
    let told = tell(&text, &offered);
    assert!(told.is_none_or(|code| offered.contains(&code)), "{text:?}");
    // English is what is left.
    assert_ne!(tell(&text, &[]), Some(Code::ZH), "{text:?}");
}

static MODEL: LazyLock<(Manifest, Tokenizer)> = LazyLock::new(|| {
    let folder = Path::new("models/multilingual-e5-small");
    let manifest = std::fs::read(folder.join("manifest.json")).unwrap();
    let manifest: Manifest = serde_json::from_slice(&manifest).unwrap();
    let tokenizer = Tokenizer::load(folder, &manifest.prefix, manifest.max_tokens).unwrap();
    (manifest, tokenizer)
});

/// The tokens of a text: bounded, between their marks, and no mark among them.
pub fn tokens(bytes: &[u8]) {
    let (manifest, tokenizer) = &*MODEL;
    let text = String::from_utf8_lossy(bytes);
    let tokens = tokenizer.encode(&text);
    let [0, ids @ .., 2] = &tokens.ids[..] else {
        panic!("no marks around {text:?}");
    };
    assert!(tokens.ids.len() <= manifest.max_tokens);
    assert!(ids.iter().all(|id| *id > 2), "{text:?}: {ids:?}");
    let unknown = ids.iter().filter(|id| **id == 3);
    assert_eq!(tokens.unknown, unknown.count());
    // What fits once fits with the space around it gone.
    let trimmed = tokenizer.encode(text.trim());
    assert!(tokens.truncated || !trimmed.truncated, "{text:?}");
}
