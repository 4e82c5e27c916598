//! The names of fields, in the case that the protocol has. There are servers that take `Messages` for `messages`, and
//! of both the last: what is judged would not be what is answered.

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{DeserializeSeed, Error, MapAccess, Visitor};
use serde::{Deserializer, forward_to_deserialize_any};

/// An object that is read as a struct, and refused where it has one of the struct's names in another case.
pub(super) struct Exactly<A>(pub(super) A);

impl<'de, A: MapAccess<'de>> Deserializer<'de> for Exactly<A> {
    type Error = A::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, A::Error> {
        visitor.visit_map(self.0)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        visitor.visit_map(Named {
            object: self.0,
            names,
        })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

struct Named<A> {
    object: A,
    names: &'static [&'static str],
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Named<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        self.object.next_key_seed(Name {
            seed,
            names: self.names,
        })
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.object.next_value_seed(seed)
    }
}

struct Name<K> {
    seed: K,
    names: &'static [&'static str],
}

impl<'de, K: DeserializeSeed<'de>> DeserializeSeed<'de> for Name<K> {
    type Value = K::Value;

    fn deserialize<D: Deserializer<'de>>(self, name: D) -> Result<K::Value, D::Error> {
        name.deserialize_str(self)
    }
}

impl<'de, K: DeserializeSeed<'de>> Visitor<'de> for Name<K> {
    type Value = K::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_str<F: Error>(self, name: &str) -> Result<K::Value, F> {
        ensure(name, self.names.iter().copied())?;
        self.seed.deserialize(StrDeserializer::new(name))
    }
}

/// That a name is none of the `known` ones in another case.
pub(super) fn ensure<E: Error>(
    name: &str,
    mut known: impl Iterator<Item = &'static str>,
) -> Result<(), E> {
    let meant = known.find(|known| *known != name && are_alike(known, name));
    meant.map_or(Ok(()), |meant| {
        Err(E::custom(format!("the field `{meant}` in another case")))
    })
}

/// Whether two names differ in case alone, as Go's servers compare them: there are letters beyond ASCII whose lower
/// case is `k` and whose upper case is `S`.
fn are_alike(known: &str, name: &str) -> bool {
    let folded = |c: char| match c {
        '\u{212a}' => 'k',
        '\u{17f}' => 's',
        c => c.to_ascii_lowercase(),
    };
    known.chars().map(folded).eq(name.chars().map(folded))
}

#[cfg(test)]
mod tests {
    use super::super::Protocol;

    #[test]
    fn a_field_in_another_case_is_refused() {
        let said = r#"{"role": "user", "content": "a"}"#;
        for (protocol, body) in [
            (Protocol::ChatCompletions, format!(r#"{{"messages": [], "Messages": [{said}]}}"#)),
            (Protocol::ChatCompletions, format!(r#"{{"messages": [], "me\u017f\u017fages": [{said}]}}"#)),
            (Protocol::ChatCompletions, r#"{"messages": [{"role": "user", "content": "a", "Content": "b"}]}"#.to_owned()),
            (Protocol::ChatCompletions, r#"{"messages": [{"role": "system", "ROLE": "user", "content": "a"}]}"#.to_owned()),
            (Protocol::ChatCompletions, r#"{"messages": [{"role": "user", "content": [{"type": "text", "text": "a", "Text": "b"}]}]}"#.to_owned()),
            (Protocol::Messages, format!(r#"{{"messages": [], "MESSAGES": [{said}]}}"#)),
            (Protocol::Completions, r#"{"prompt": "a", "Prompt": "b"}"#.to_owned()),
            (Protocol::Responses, r#"{"input": "a", "Input": "b"}"#.to_owned()),
            (Protocol::Responses, r#"{"input": [{"role": "user", "content": "a", "Content": "b"}]}"#.to_owned()),
        ] {
            let error = protocol.prompt(body.as_bytes()).unwrap_err();
            assert!(error.0.contains("in another case"), "{body}: {error}");
        }
        let other = r#"{"messages": [], "User-Id": 1, "Kind": 2}"#;
        assert!(Protocol::ChatCompletions.prompt(other.as_bytes()).is_ok());
    }
}
