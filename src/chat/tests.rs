//! Usages as servers tell them, whole, in streams, compressed and cut anywhere.

use std::io::Write;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use serde_json::json;

use super::*;

/// Bytes that are kept of a compressed reply.
const MAX_PACKED: usize = 1 << 20;
const JSON: &str = "application/json";
const STREAM: &str = "Text/Event-Stream; charset=utf-8";

fn reader(protocol: Protocol, kind: &'static str, coding: &'static str) -> UsageReader {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    if !coding.is_empty() {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding));
    }
    UsageReader::new(protocol, &headers, false)
}

/// With a request of 1,000 tokens, and a token a byte.
fn heard(mut reader: UsageReader, pieces: &[&[u8]]) -> Option<Usage> {
    pieces.iter().for_each(|piece| reader.look(piece));
    let count = |text: &str| u64::try_from(text.len()).unwrap_or(u64::MAX);
    reader.finish().usage(|| 1_000, &count)
}

fn told(prompt: u64, cached: u64, completion: u64) -> Option<Usage> {
    let source = UsageSource::Told;
    Some(Usage {
        prompt,
        cached,
        completion,
        source,
    })
}

fn counted(completion: u64) -> Option<Usage> {
    let (prompt, cached, source) = (1_000, 0, UsageSource::Counted);
    Some(Usage {
        prompt,
        cached,
        completion,
        source,
    })
}

/// Replies as servers send them, and what they were billed for.
fn replies() -> Vec<(Protocol, &'static str, String, Option<Usage>)> {
    let chat = |fields: Value| json!({"choices": [], "usage": fields}).to_string();
    let data = |data: &Value| format!("data: {data}\n\n");
    let chunk =
        |delta: Value| data(&json!({"choices": [{"index": 0, "delta": delta}], "usage": null}));
    let said =
        chunk(json!({"role": "assistant", "content": ""})) + &chunk(json!({"content": "您好"}));
    let end = data(&json!({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 3}}));
    let so_far =
        data(&json!({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 1}}));
    let call = chunk(json!({"tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}));
    let thought = chunk(json!({"reasoning_content": "abc", "content": null}));
    let second = data(&json!({"choices": [{"index": 1, "delta": {"content": "hi"}}]}));
    let text = data(&json!({"choices": [{"index": 0, "text": "\"usage\":{\"prompt_tokens\":1}"}]}));
    let event = |data: Value| {
        format!(
            "event: {}\ndata: {data}\n\n",
            data["type"].as_str().unwrap_or_default()
        )
    };
    let created = event(json!({"type": "response.created", "response": {"usage": null}}));
    let responses = json!({"input_tokens": 9, "input_tokens_details": {"cached_tokens": 4}, "output_tokens": 3});
    let large = "i".repeat(200_000);
    let completed = json!({"type": "response.completed", "response": {"instructions": large, "usage": responses}});
    let incomplete =
        json!({"type": "response.incomplete", "response": {"usage": responses, "text": {}}});
    let started = json!({"input_tokens": 9, "cache_creation_input_tokens": 5, "cache_read_input_tokens": 4, "output_tokens": 1});
    let start = event(json!({"type": "message_start", "message": {"usage": started}}));
    let delta = event(json!({"type": "message_delta", "delta": {}, "usage": {"output_tokens": 7}}));
    let multiple = "data: {\"usage\":\r\ndata: {\"prompt_tokens\": 9,\r\ndata:\"completion_tokens\": 3}}\r\n\r\n";
    let lines = "data: {\"choices\":\r\ndata: [{\"delta\": {\"content\": \"hi\"}}]}\r\n\r\n";
    let (older, responses_api) = (Protocol::ChatCompletions, Protocol::Responses);
    vec![
        (
            older,
            JSON,
            chat(json!({"prompt_tokens": 9, "completion_tokens": 3})),
            told(9, 0, 3),
        ),
        (
            older,
            JSON,
            chat(
                json!({"prompt_tokens": 9, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 4}}),
            ),
            told(9, 4, 3),
        ),
        (
            older,
            JSON,
            chat(
                json!({"prompt_tokens": 9, "completion_tokens": 3, "prompt_tokens_details": null, "prompt_cache_hit_tokens": 5}),
            ),
            told(9, 5, 3),
        ),
        (
            older,
            JSON,
            chat(json!({"prompt_tokens": 9, "completion_tokens": 3, "cache_read_input_tokens": 4})),
            told(9, 0, 3),
        ),
        (
            older,
            JSON,
            chat(json!({"prompt_tokens": 9, "prompt_cache_hit_tokens": 50})),
            told(9, 9, 0),
        ),
        (older, JSON, chat(json!({"prompt_tokens": "9"})), None),
        (older, JSON, chat(json!([9, 3])), None),
        (
            older,
            JSON,
            json!({"error": {"message": "no"}}).to_string(),
            None,
        ),
        (
            older,
            STREAM,
            said.clone() + &end + "data: [DONE]\n\n",
            told(9, 0, 3),
        ),
        (
            older,
            STREAM,
            so_far.clone() + &said + &so_far + &end,
            told(9, 0, 3),
        ),
        (older, STREAM, said.clone() + "data: [DONE]\n\n", counted(6)),
        (older, STREAM, said.replace('\n', "\r\n"), counted(6)),
        (older, STREAM, said.replace('\n', "\r"), counted(6)),
        (
            older,
            STREAM,
            said.clone() + &thought + &call + &second,
            counted(6 + 3 + 3 + 2),
        ),
        (
            older,
            STREAM,
            said.clone() + "data: {\"choices\": [{\"delta\": {\"con",
            counted(6),
        ),
        (older, STREAM, lines.to_owned(), counted(2)),
        (
            older,
            STREAM,
            data(&json!({"error": {"message": "no"}})),
            None,
        ),
        (older, STREAM, multiple.to_owned(), told(9, 0, 3)),
        (older, JSON, said, None),
        (Protocol::Completions, STREAM, text.clone(), counted(27)),
        (Protocol::Completions, STREAM, text + &end, told(9, 0, 3)),
        (
            Protocol::Completions,
            JSON,
            chat(json!({"prompt_tokens": 9, "completion_tokens": 3})),
            told(9, 0, 3),
        ),
        (
            responses_api,
            JSON,
            json!({"usage": responses}).to_string(),
            told(9, 4, 3),
        ),
        (
            responses_api,
            STREAM,
            created.clone() + &event(completed),
            told(9, 4, 3),
        ),
        (
            responses_api,
            STREAM,
            created.clone() + &event(incomplete),
            told(9, 4, 3),
        ),
        (responses_api, STREAM, created, None),
        (
            Protocol::Messages,
            JSON,
            json!({"usage": started}).to_string(),
            told(18, 4, 1),
        ),
        (
            Protocol::Messages,
            STREAM,
            start.clone() + &delta,
            told(18, 4, 7),
        ),
        (Protocol::Messages, STREAM, start, told(18, 4, 1)),
    ]
}

#[test]
fn every_servers_way_of_telling_is_read_however_it_is_cut() {
    for (protocol, kind, reply, expected) in replies() {
        let shown = &reply[..reply.floor_char_boundary(300)];
        let reply = reply.as_bytes();
        assert_eq!(
            heard(reader(protocol, kind, ""), &[reply]),
            expected,
            "{shown}"
        );
        let single: Vec<_> = reply.chunks(1).collect();
        assert_eq!(
            heard(reader(protocol, kind, ""), &single),
            expected,
            "{shown}"
        );
        for at in (0..reply.len()).take(1_500) {
            let (before, behind) = reply.split_at(at);
            let found = heard(reader(protocol, kind, ""), &[before, behind]);
            assert_eq!(found, expected, "{shown} at {at}");
        }
    }
}

#[test]
fn compressed_replies_are_read_as_far_as_they_go() {
    for (protocol, kind, reply, expected) in replies() {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(reply.as_bytes()).unwrap();
        gzip.flush().unwrap();
        let cut = gzip.get_ref().clone();
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
        zlib.write_all(reply.as_bytes()).unwrap();
        for (coding, packed) in [
            ("gzip", gzip.finish().unwrap()),
            ("GZIP", cut),
            ("deflate", zlib.finish().unwrap()),
            (
                "zstd",
                compress_to_vec(reply.as_bytes(), CompressionLevel::Fastest),
            ),
            ("identity", reply.clone().into_bytes()),
        ] {
            let (before, behind) = packed.split_at(packed.len() / 2);
            let found = heard(reader(protocol, kind, coding), &[before, behind]);
            assert_eq!(found, expected, "{coding}: {:.300}", reply);
        }
    }
    let brotli = b"\x1b\x3b\x00\xf8\x8d\xd4b\xcd\x19\xee\x04\xb1<\xf2\xe7\xa4$\xc3$\x19\xec\xd6m\xb3\xae\xd0\xe9C4\x81g \x5d\x02'\xb9\x18\xe3\x9a\x95\xa0\x08r4u\xcf\xae\x1fE<\x5c\x18A\x9b\x01";
    let chat = Protocol::ChatCompletions;
    assert_eq!(heard(reader(chat, JSON, "br"), &[brotli]), told(7, 0, 2));
    for coding in ["br", "gzip", "deflate", "zstd", "gzip, br", "snappy"] {
        assert_eq!(
            heard(reader(chat, JSON, coding), &[b"\x00\xff no", b""]),
            None,
            "{coding}"
        );
    }
}

#[test]
fn a_bomb_is_not_unpacked_to_its_end() {
    let mut bomb = GzEncoder::new(Vec::new(), Compression::fast());
    bomb.write_all(br#"{"usage": {"prompt_tokens": 9}, "x": ""#)
        .unwrap();
    for _ in 0..100 {
        bomb.write_all(&[b' '; 1 << 20]).unwrap();
    }
    bomb.write_all(br#"", "usage": {"prompt_tokens": 7}}"#)
        .unwrap();
    let bomb = bomb.finish().unwrap();
    assert!(bomb.len() < MAX_PACKED);
    let chat = Protocol::ChatCompletions;
    assert_eq!(heard(reader(chat, JSON, "gzip"), &[&bomb]), told(9, 0, 0));
    let large = vec![0; MAX_PACKED];
    assert_eq!(heard(reader(chat, JSON, "gzip"), &[&bomb, &large]), None);
}

#[test]
fn words_are_kept_up_to_a_bound() {
    let chunk = |text: &str| {
        format!(
            "data: {}\n\n",
            json!({"choices": [{"delta": {"content": text}}]})
        )
    };
    let (piece, long) = (chunk(&"a".repeat(1_000)), chunk(&"a".repeat(100_000)));
    let pieces = vec![piece.as_bytes(); 1_000];
    let found = heard(reader(Protocol::ChatCompletions, STREAM, ""), &pieces);
    assert_eq!(found, counted((256 << 10) / 1_000 * 1_000));
    let found = heard(
        reader(Protocol::ChatCompletions, STREAM, ""),
        &[long.as_bytes(), piece.as_bytes()],
    );
    assert_eq!(found, counted(1_000));
}

/// Tokens of a stream that tells its usage at the end anyway are not counted twice.
#[test]
fn a_stream_that_was_asked_for_its_usage_is_not_read_for_words() {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(STREAM));
    let reader = UsageReader::new(Protocol::ChatCompletions, &headers, true);
    let chunk = "data: {\"choices\": [{\"delta\": {\"content\": \"a\"}}]}\n\n";
    assert_eq!(heard(reader, &[chunk.as_bytes()]), None);
}

proptest! {
    #[test]
    fn what_is_heard_does_not_depend_on_the_cuts(
        words in prop::collection::vec(prop::sample::select(&[
            "\"usage\"", ":", "{", "}", "\"prompt_tokens\"", "1", "\"", "\\", "data:", " ", "\n", "\r", "null", "us", "age\"",
            "{\"choices\":[{\"delta\":{\"content\":\"a\"}}]}", ",", "\"output_tokens\":7", "啊",
        ][..]), 0..40),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let reply = words.concat();
        let mut ends: Vec<_> = cuts.iter().map(|cut| cut.index(reply.len() + 1)).chain([0, reply.len()]).collect();
        ends.sort_unstable();
        let pieces: Vec<_> = ends.windows(2).map(|ends| &reply.as_bytes()[ends[0]..ends[1]]).collect();
        let read = || reader(Protocol::ChatCompletions, STREAM, "");
        prop_assert_eq!(heard(read(), &pieces), heard(read(), &[reply.as_bytes()]));
    }
}

#[test]
fn a_reply_speaks_the_language_of_the_turn_else_of_what_was_said_before() {
    let reply = Localized::from([("zh", "中"), ("en", "e"), ("ja", "日"), ("fr", "f")]);
    let bilingual = Localized::from([("zh", "中"), ("en", "e")]);
    for (said, in_four, in_two) in [
        (&["où est mon colis"][..], "fr", "en"),
        (&["注文はどこですか"], "ja", "en"),
        (&["我的快递到哪了"], "zh", "zh"),
        (&["dónde está mi pedido"], "en", "en"),
        (&["👍"], "en", "en"),
        (&["où est mon colis", "👍"], "fr", "en"),
        (&["où est mon colis", "ok"], "fr", "en"),
        (&["où est mon colis", "20240501001"], "fr", "en"),
        (&["où est mon colis", "👍", "ok"], "fr", "en"),
        (&["我的快递到哪了", "ok"], "zh", "zh"),
        (&["我的快递到哪了", "SF1234567890"], "zh", "zh"),
        (&["我的快递到哪了", "where is it"], "en", "en"),
        (&["where is my parcel", "好的"], "zh", "zh"),
        (&["注文はどこですか", "écris un poème"], "fr", "en"),
    ] {
        let messages: Vec<_> = said
            .iter()
            .flat_map(|said| {
                let assistant = json!({"role": "assistant", "content": "…"});
                [assistant, json!({"role": "user", "content": said})]
            })
            .collect();
        let body = json!({"model": "m", "messages": messages}).to_string();
        let prompt = Protocol::ChatCompletions.prompt(body.as_bytes()).unwrap();
        let language = |reply| prompt.language(reply).as_str();
        assert_eq!(language(&reply), in_four, "{said:?}");
        assert_eq!(language(&bilingual), in_two, "{said:?}");
        assert_eq!(language(&Localized::same("x")), "en");
    }
}
