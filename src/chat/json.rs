//! JSON as clients really send it.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::names;

/// Reads JSON, and reads it once more with what is no Unicode replaced: a front end that cuts a text inside an
/// emoji sends half of it, which upstreams take.
fn read<T: DeserializeOwned>(body: &[u8]) -> serde_json::Result<T> {
    serde_json::from_slice(body).or_else(|error| {
        let mended = mend_surrogates(&String::from_utf8_lossy(body));
        serde_json::from_str(&mended).map_err(|_| error)
    })
}

/// Reads an object, and nothing but an object: by itself a struct is read from a list, too.
pub(super) fn read_object<T: DeserializeOwned>(body: &[u8]) -> serde_json::Result<T> {
    read::<Fields<T>>(body).map(|fields| fields.0)
}

/// The text that a string of JSON stands for; none for any other value.
pub(super) fn text_of(value: &RawValue) -> Option<String> {
    let is_string = value.get().starts_with('"');
    is_string.then(|| read(value.get().as_bytes()).ok())?
}

/// The fields of an object that a type knows; none for any other value.
pub(super) fn fields_of<'a, T: Deserialize<'a>>(value: &'a RawValue) -> Option<T> {
    let is_object = value.get().starts_with('{');
    is_object.then(|| serde_json::from_str(value.get()).ok())?
}

/// Hands on the elements of a list one by one, none of which is kept; any other value has none.
pub(super) fn elements(value: Option<&RawValue>, each: impl FnMut(&RawValue)) {
    if let Some(list) = value.filter(|value| value.get().starts_with('[')) {
        let mut list = serde_json::Deserializer::from_str(list.get());
        // What was read as a value is a list to its end.
        list.deserialize_seq(Elements(each)).unwrap_or_default();
    }
}

struct Elements<F>(F);

impl<'de, F: FnMut(&RawValue)> Visitor<'de> for Elements<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        while let Some(element) = list.next_element::<&RawValue>()? {
            (self.0)(element);
        }
        Ok(())
    }
}

/// A struct that is read from an object only.
pub(super) struct Fields<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Fields<T> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_map(FieldsVisitor(PhantomData))
    }
}

struct FieldsVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for FieldsVisitor<T> {
    type Value = Fields<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Fields<T>, A::Error> {
        T::deserialize(names::Exactly(object)).map(Fields)
    }
}

/// A type that is read from whatever value stands in its place: what it does not know is skipped without being
/// kept, so that a body costs no more memory than the words in it.
pub(super) trait Skim<'de>: Sized {
    /// From a value of a kind that is not known.
    fn other() -> Self;

    /// From nothing.
    fn null() -> Self {
        Self::other()
    }

    /// From a string.
    fn text(_text: &str) -> Self {
        Self::other()
    }

    /// From a list.
    fn list<A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Self::other())
    }

    /// From an object.
    fn object<A: MapAccess<'de>>(mut object: A) -> Result<Self, A::Error> {
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Self::other())
    }
}

/// Reads a type that can be read from any value.
pub(super) fn skim<'de, D: Deserializer<'de>, T: Skim<'de>>(json: D) -> Result<T, D::Error> {
    json.deserialize_any(Skimmer(PhantomData))
}

struct Skimmer<T>(PhantomData<T>);

impl<'de, T: Skim<'de>> Visitor<'de> for Skimmer<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<T, E> {
        Ok(T::other())
    }

    fn visit_i64<E>(self, _: i64) -> Result<T, E> {
        Ok(T::other())
    }

    fn visit_u64<E>(self, _: u64) -> Result<T, E> {
        Ok(T::other())
    }

    fn visit_f64<E>(self, _: f64) -> Result<T, E> {
        Ok(T::other())
    }

    fn visit_unit<E>(self) -> Result<T, E> {
        Ok(T::null())
    }

    fn visit_str<E>(self, text: &str) -> Result<T, E> {
        Ok(T::text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<T, A::Error> {
        T::list(list)
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<T, A::Error> {
        T::object(object)
    }
}

/// Characters of a name that are kept.
pub(super) const LONGEST_NAME: usize = 256;

/// The first characters of a text.
pub(super) fn beginning(text: &str, characters: usize) -> &str {
    let behind = text.char_indices().nth(characters);
    behind.map_or(text, |(at, _)| &text[..at])
}

/// A string, or none where something else stands in its place.
#[derive(Debug, Default)]
pub(super) struct Word(pub(super) Option<String>);

impl Word {
    pub(super) fn as_str(&self) -> Option<&str> {
        self.0.as_deref()
    }

    /// The name of a model, to be repeated in every event of a reply: no name is longer, and none has control
    /// characters, each of which takes six in JSON.
    pub(super) fn into_model(self) -> String {
        let name = self.into_name().unwrap_or_default();
        name.chars().filter(|c| !c.is_control()).collect()
    }

    /// A name of anything.
    pub(super) fn into_name(self) -> Option<String> {
        let mut name = self.0?;
        name.truncate(beginning(&name, LONGEST_NAME).len());
        (!name.is_empty()).then_some(name)
    }
}

impl Skim<'_> for Word {
    fn other() -> Self {
        Word(None)
    }

    fn text(text: &str) -> Self {
        Word(Some(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        skim(json)
    }
}

/// An object, or none where something else stands in its place.
#[derive(Debug, Default)]
pub(super) struct Object<T>(pub(super) Option<T>);

impl<'de, T: Deserialize<'de>> Skim<'de> for Object<T> {
    fn other() -> Self {
        Object(None)
    }

    fn object<A: MapAccess<'de>>(object: A) -> Result<Self, A::Error> {
        T::deserialize(names::Exactly(object)).map(|object| Object(Some(object)))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        skim(json)
    }
}

/// Whether anything stands there but null.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Given(pub(super) bool);

impl Skim<'_> for Given {
    fn other() -> Self {
        Given(true)
    }

    fn null() -> Self {
        Given(false)
    }
}

impl<'de> Deserialize<'de> for Given {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        skim(json)
    }
}

/// Whether a value holds a text longer than this protocols' servers take where front ends describe their tools: a
/// customer's words may be meant.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Descriptions {
    pub(super) hold_more: bool,
}

/// Characters of a description, as OpenAI bounds them.
const LONGEST_DESCRIPTION: usize = 1_024;

impl<'de> Skim<'de> for Descriptions {
    fn other() -> Self {
        Descriptions::default()
    }

    fn text(text: &str) -> Self {
        Descriptions {
            hold_more: beginning(text, LONGEST_DESCRIPTION).len() < text.len(),
        }
    }

    fn list<A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error> {
        let mut found = Descriptions::default();
        while let Some(element) = list.next_element::<Descriptions>()? {
            found.hold_more |= element.hold_more;
        }
        Ok(found)
    }

    fn object<A: MapAccess<'de>>(mut object: A) -> Result<Self, A::Error> {
        let mut found = Descriptions::default();
        while let Some((name, value)) = object.next_entry::<Descriptions, Descriptions>()? {
            found.hold_more |= name.hold_more | value.hold_more;
        }
        Ok(found)
    }
}

impl<'de> Deserialize<'de> for Descriptions {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        skim(json)
    }
}

/// What a format of output is asked for by.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Format {
    #[serde(default, rename = "type")]
    kind: Word,
}

impl Object<Format> {
    /// Whether the client parses what the model says.
    pub(super) fn is_structured(&self) -> bool {
        let kind = self.0.as_ref().and_then(|format| format.kind.as_str());
        matches!(kind, Some("json_schema" | "json_object"))
    }
}

/// What tools a model may call: whether it has to call one, so that the client waits for a call.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ToolChoice {
    pub(super) forced: bool,
}

impl<'de> Skim<'de> for ToolChoice {
    fn other() -> Self {
        ToolChoice::default()
    }

    fn text(text: &str) -> Self {
        ToolChoice {
            forced: matches!(text, "required" | "any"),
        }
    }

    fn object<A: MapAccess<'de>>(object: A) -> Result<Self, A::Error> {
        let choice = Format::deserialize(names::Exactly(object))?;
        let forced = matches!(
            choice.kind.as_str(),
            Some("function" | "tool" | "any" | "custom")
        );
        Ok(ToolChoice { forced })
    }
}

impl<'de> Deserialize<'de> for ToolChoice {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        skim(json)
    }
}

/// Escaped halves of surrogate pairs without their other half become U+FFFD.
fn mend_surrogates(text: &str) -> String {
    let mut mended = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        mended.push_str(&rest[..at]);
        rest = &rest[at..];
        let (escape, length): (Cow<'_, str>, usize) =
            match (surrogate(rest), rest.get(6..).and_then(surrogate)) {
                (Some(Half::High), Some(Half::Low)) => (rest[..12].into(), 12),
                (Some(_), _) => ("\\ufffd".into(), 6),
                // The character behind a backslash belongs to it, be it another backslash.
                (None, _) => {
                    let length = rest.chars().take(2).map(char::len_utf8).sum();
                    (rest[..length].into(), length)
                }
            };
        mended.push_str(&escape);
        rest = &rest[length..];
    }
    mended.push_str(rest);
    mended
}

#[derive(Clone, Copy)]
enum Half {
    High,
    Low,
}

/// Which half of a pair the escape at the beginning of `text` is.
fn surrogate(text: &str) -> Option<Half> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    match u32::from_str_radix(digits, 16).ok()? {
        0xd800..0xdc00 => Some(Half::High),
        0xdc00..0xe000 => Some(Half::Low),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_an_emoji_is_no_reason_to_refuse() {
        for (json, expected) in [
            (r#""a\ud83d\ude00b""#, "a😀b"),
            (r#""a\ud83d""#, "a\u{fffd}"),
            (r#""\ude00\ud83d\ud83d\ude00""#, "\u{fffd}\u{fffd}😀"),
            (r#""\\ud83d\ud83d\n""#, "\\ud83d\u{fffd}\n"),
            (r#""中\ud83d文""#, "中\u{fffd}文"),
        ] {
            assert_eq!(read::<String>(json.as_bytes()).unwrap(), expected, "{json}");
        }
        assert_eq!(read::<String>(b"\"a\xff\"").unwrap(), "a\u{fffd}");
        assert!(read::<String>(br#""\ud8"#).is_err());
    }
}
