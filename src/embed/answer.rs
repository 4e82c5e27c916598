//! The JSON of an embeddings API → vectors. The bytes are a stranger's.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};

/// Longer than any model's vector; a longer one is not read to its end.
const LONGEST: usize = 1 << 16;

/// What an answer holds.
#[derive(Debug, PartialEq)]
pub(super) struct Answer {
    /// Unit vectors, in the order of the texts.
    pub(super) vectors: Vec<Box<[f32]>>,
    /// Tokens of all texts; 0 where the API does not say.
    pub(super) tokens: u64,
}

#[derive(Deserialize)]
struct Wire {
    data: Vec<Item>,
    #[serde(default)]
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Item {
    #[serde(default)]
    index: Option<usize>,
    embedding: Vector,
}

#[derive(Deserialize)]
struct Usage {
    #[serde(default)]
    prompt_tokens: Option<u64>,
}

/// Numbers, or their bytes in base64: servers do not all heed `encoding_format`.
struct Vector(Vec<f32>);

impl<'de> Deserialize<'de> for Vector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Numbers)
    }
}

struct Numbers;

impl<'de> Visitor<'de> for Numbers {
    type Value = Vector;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("numbers, or their bytes in base64")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Vector, E> {
        let bytes = STANDARD
            .decode(text)
            .map_err(|_| E::custom("a vector is not base64"))?;
        let (numbers, rest) = bytes.as_chunks::<4>();
        if !rest.is_empty() {
            return Err(E::custom("a vector's bytes are not those of 32-bit floats"));
        }
        Ok(Vector(
            numbers.iter().map(|n| f32::from_le_bytes(*n)).collect(),
        ))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut numbers: A) -> Result<Vector, A::Error> {
        let mut vector = Vec::new();
        while let Some(number) = numbers.next_element::<f32>()? {
            if vector.len() == LONGEST {
                return Err(serde::de::Error::custom("a vector is longer than any"));
            }
            vector.push(number);
        }
        Ok(Vector(vector))
    }
}

/// Reads the answer to a request with `count` texts whose vectors have `dimension` numbers; none where nobody
/// knows yet.
pub(super) fn read(body: &[u8], count: usize, dimension: Option<usize>) -> Result<Answer, String> {
    // serde_json's own words may cite what it read.
    let wire: Wire = serde_json::from_slice(body).map_err(|error| {
        format!(
            "the answer is no list of embeddings (line {}, column {})",
            error.line(),
            error.column()
        )
    })?;
    if wire.data.len() != count {
        let came = wire.data.len();
        return Err(format!("{came} vectors came for {count} texts"));
    }
    let mut vectors = vec![None; count];
    for (place, item) in wire.data.into_iter().enumerate() {
        let index = item.index.unwrap_or(place);
        let vector = unit(item.embedding.0, dimension)?;
        match vectors.get_mut(index) {
            Some(free @ None) => *free = Some(vector),
            _ => return Err(format!("no text, or two vectors, for index {index}")),
        }
    }
    let vectors: Vec<_> = vectors.into_iter().flatten().collect();
    let length = vectors.first().map_or(0, |first| first.len());
    if vectors.iter().any(|vector| vector.len() != length) {
        return Err("the vectors are not of one length".to_owned());
    }
    Ok(Answer {
        vectors,
        tokens: wire.usage.and_then(|u| u.prompt_tokens).unwrap_or(0),
    })
}

/// A vector of length one, in the same direction.
fn unit(mut vector: Vec<f32>, dimension: Option<usize>) -> Result<Box<[f32]>, String> {
    let length = vector.len();
    if let Some(dimension) = dimension.filter(|dimension| *dimension != length) {
        return Err(format!(
            "a vector has {length} numbers where {dimension} are expected; set model.dimensions to what the API gives"
        ));
    }
    let sum: f64 = vector.iter().map(|x| f64::from(*x) * f64::from(*x)).sum();
    let norm = sum.sqrt();
    if !norm.is_finite() || norm <= f64::MIN_POSITIVE {
        return Err("a vector is empty, zero or not finite".to_owned());
    }
    for x in &mut vector {
        *x = (f64::from(*x) / norm) as f32;
    }
    Ok(vector.into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn vectors(answer: &Answer) -> Vec<&[f32]> {
        answer.vectors.iter().map(|vector| &**vector).collect()
    }

    #[test]
    fn vectors_come_in_the_order_of_the_texts_and_of_length_one() {
        // 3.0 and 4.0, little-endian.
        let text = r#"{"object":"list","model":"m","usage":{"prompt_tokens":7,"total_tokens":7},"data":[
            {"object":"embedding","index":1,"embedding":"AABAQAAAgEA="},
            {"object":"embedding","index":0,"embedding":[0, -2e1]}]}"#;
        let answer = read(text.as_bytes(), 2, Some(2)).unwrap();
        assert_eq!(vectors(&answer), [[0.0, -1.0], [0.6, 0.8]]);
        assert_eq!(answer.tokens, 7);

        let bare = r#"{"data":[{"embedding":[1,0]},{"embedding":[0,1]}]}"#;
        let answer = read(bare.as_bytes(), 2, None).unwrap();
        assert_eq!(vectors(&answer), [[1.0, 0.0], [0.0, 1.0]]);
        assert_eq!(answer.tokens, 0);
    }

    #[test]
    fn what_is_no_answer_is_an_error_that_says_why() {
        for (body, why) in [
            ("", "no list"),
            ("<html>", "no list"),
            (r#"{"error":{"message":"no"}}"#, "no list"),
            (r#"{"data":[]}"#, "0 vectors came for 1"),
            (
                r#"{"data":[{"embedding":[1,0]},{"embedding":[1,0]}]}"#,
                "2 vectors came for 1",
            ),
            (r#"{"data":[{"embedding":[1,0],"index":1}]}"#, "index 1"),
            (r#"{"data":[{"embedding":[1,0],"index":-1}]}"#, "no list"),
            (r#"{"data":[{"embedding":[1]}]}"#, "1 numbers where 2"),
            (r#"{"data":[{"embedding":[1,0,0]}]}"#, "model.dimensions"),
            (r#"{"data":[{"embedding":[0,0]}]}"#, "zero"),
            (r#"{"data":[{"embedding":[1e39,0]}]}"#, "not finite"),
            (r#"{"data":[{"embedding":[null,0]}]}"#, "no list"),
            (r#"{"data":[{"embedding":"!"}]}"#, "no list"),
            (r#"{"data":[{"embedding":"AAAA"}]}"#, "no list"),
            // NaN, and 1.0.
            (r#"{"data":[{"embedding":"AADAfwAAgD8="}]}"#, "not finite"),
        ] {
            let error = read(body.as_bytes(), 1, Some(2)).unwrap_err();
            assert!(error.contains(why), "{body}: {error}");
        }
        let twice = r#"{"data":[{"embedding":[1],"index":0},{"embedding":[1],"index":0}]}"#;
        assert!(read(twice.as_bytes(), 2, None).is_err());
        let uneven = r#"{"data":[{"embedding":[1]},{"embedding":[1,0]}]}"#;
        assert!(read(uneven.as_bytes(), 2, None).is_err());
        let endless = format!(
            r#"{{"data":[{{"embedding":[1{}]}}]}}"#,
            ",1".repeat(LONGEST)
        );
        assert!(read(endless.as_bytes(), 1, None).is_err());
    }

    proptest! {
        #[test]
        fn whatever_comes_is_unit_vectors_or_an_error(
            numbers in prop::collection::vec(any::<f32>(), 0..9),
            index in 0..3_usize,
        ) {
            let bytes: Vec<u8> = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
            let text = STANDARD.encode(bytes);
            let body = format!(r#"{{"data":[{{"index":{index},"embedding":"{text}"}}]}}"#);
            if let Ok(answer) = read(body.as_bytes(), 1, None) {
                let vector = &answer.vectors[0];
                let norm: f32 = vector.iter().map(|x| x * x).sum();
                prop_assert_eq!(vector.len(), numbers.len());
                prop_assert!((norm - 1.0).abs() < 1e-4, "{:?}", vector);
            }
        }
    }
}
