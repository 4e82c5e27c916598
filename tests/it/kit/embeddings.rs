//! A fake embeddings API: vectors of what texts are made of, in no order.

use std::hash::{DefaultHasher, Hash, Hasher};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};

/// The length of its vectors where none is asked for.
pub(crate) const LENGTH: usize = 64;
/// It refuses requests with this text in it.
pub(crate) const TOO_LONG: &str = "too long";

/// What it replies to a request's body.
pub(crate) fn answer(body: &[u8]) -> Response<Bytes> {
    let request: Value = serde_json::from_slice(body).unwrap();
    let texts: Vec<_> = request["input"].as_array().unwrap().iter().collect();
    if texts
        .iter()
        .any(|text| text.as_str().unwrap().contains(TOO_LONG))
    {
        return fails(400, "a text is too long");
    }
    let length = request["dimensions"].as_u64();
    let length = length.map_or(LENGTH, |length| length.try_into().unwrap());
    let in_base64 = request["encoding_format"] == "base64";
    let mut data: Vec<_> = texts
        .iter()
        .enumerate()
        .map(|(index, text)| {
            let vector = vector(text.as_str().unwrap(), length);
            let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
            let embedding = match in_base64 {
                true => json!(STANDARD.encode(bytes)),
                false => json!(vector),
            };
            json!({"object": "embedding", "index": index, "embedding": embedding})
        })
        .collect();
    let middle = data.len() / 2;
    data.rotate_left(middle);
    let tokens: usize = texts
        .iter()
        .map(|text| text.as_str().unwrap().chars().count())
        .sum();
    let usage = json!({"prompt_tokens": tokens, "total_tokens": tokens});
    let body = json!({"object": "list", "data": data, "model": request["model"], "usage": usage});
    Response::new(body.to_string().into())
}

/// An error as OpenAI's servers write it.
pub(crate) fn fails(status: u16, message: &str) -> Response<Bytes> {
    let body = json!({"error": {"message": message, "type": "x", "code": null}});
    let response = Response::builder().status(status);
    response.body(body.to_string().into()).unwrap()
}

/// Texts with the same characters and neighbours have vectors near to each other. Its length is not one.
pub(crate) fn vector(text: &str, length: usize) -> Vec<f32> {
    let mut vector = vec![0.01; length];
    let characters: Vec<_> = text.chars().collect();
    for width in 1..=2 {
        for some in characters.windows(width) {
            let mut hasher = DefaultHasher::new();
            some.hash(&mut hasher);
            let place = hasher.finish() as usize % length;
            vector[place] += 1.0;
        }
    }
    vector
}
