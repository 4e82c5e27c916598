//! The objects that stand under one key of JSON which goes by in pieces, wherever they stand in it.

use memchr::memmem::Finder;

/// Bytes of the longest object that is read.
const LONGEST: usize = 4 << 10;
/// What a line of an event begins with. No line of JSON does.
const FIELD: &[u8] = b"data:";

/// Searches for one key.
#[derive(Debug)]
pub(super) struct Keyed {
    /// The key in its quotes.
    finder: Finder<'static>,
    /// The end of what was searched, shorter than the key.
    tail: Vec<u8>,
    at: At,
}

#[derive(Debug)]
enum At {
    /// Before the key.
    Before,
    /// Behind it.
    Key { colon: bool, line: Line },
    /// In the object.
    Object {
        text: Vec<u8>,
        line: Line,
        nesting: Nesting,
    },
}

/// How much of [`FIELD`] the present line of an event has shown; none where it is behind it.
#[derive(Clone, Copy, Debug, Default)]
struct Line(Option<usize>);

#[derive(Clone, Copy, Debug, Default)]
struct Nesting {
    depth: usize,
    quoted: bool,
    escaped: bool,
}

impl Keyed {
    pub(super) fn new(key: &str) -> Self {
        Keyed {
            finder: Finder::new(&format!("\"{key}\"")).into_owned(),
            tail: Vec::new(),
            at: At::Before,
        }
    }

    /// The next bytes; each object that ends in them is handed on, without the framing of a stream.
    pub(super) fn look(&mut self, mut data: &[u8], mut found: impl FnMut(&[u8])) {
        while !data.is_empty() {
            let read = match &mut self.at {
                At::Before => self.search(data),
                At::Key { .. } => self.open(data),
                At::Object { .. } => self.gather(data, &mut found),
            };
            data = &data[read..];
        }
    }

    /// Looks for the key. How many bytes were read, as with the next two.
    fn search(&mut self, data: &[u8]) -> usize {
        let key = self.finder.needle().len();
        let before = self.tail.len();
        // It may have begun in the bytes before.
        self.tail.extend(data.iter().take(key - 1));
        let behind = match self.finder.find(&self.tail) {
            Some(at) => Some(at + key - before),
            None => self.finder.find(data).map(|at| at + key),
        };
        if behind.is_some() {
            self.tail.clear();
            let (colon, line) = (false, Line::default());
            self.at = At::Key { colon, line };
        } else {
            if data.len() >= key {
                self.tail.clear();
                self.tail.extend(&data[data.len() - (key - 1)..]);
            }
            let old = self.tail.len().saturating_sub(key - 1);
            self.tail.drain(..old);
        }
        behind.unwrap_or(data.len())
    }

    /// Looks for the colon and the brace behind it. What is no object is searched like the rest.
    fn open(&mut self, data: &[u8]) -> usize {
        let At::Key { colon, line } = &mut self.at else {
            return 0;
        };
        for (read, byte) in data.iter().enumerate() {
            match byte {
                byte if line.frames(*byte) => {}
                b' ' | b'\t' => {}
                b':' if !*colon => *colon = true,
                b'{' if *colon => {
                    let (text, line, nesting) = (Vec::new(), *line, Nesting::default());
                    self.at = At::Object {
                        text,
                        line,
                        nesting,
                    };
                    return read;
                }
                _ => {
                    self.at = At::Before;
                    return read;
                }
            }
        }
        data.len()
    }

    fn gather(&mut self, data: &[u8], found: &mut impl FnMut(&[u8])) -> usize {
        let At::Object {
            text,
            line,
            nesting,
        } = &mut self.at
        else {
            return 0;
        };
        for (read, byte) in (1..).zip(data) {
            if line.frames(*byte) {
                continue;
            }
            text.push(*byte);
            let ended = nesting.ends(*byte);
            if ended {
                found(text);
            }
            if ended || text.len() == LONGEST {
                self.at = At::Before;
                return read;
            }
        }
        data.len()
    }
}

impl Line {
    /// Whether a byte outside the strings of JSON belongs to the framing of a stream: the end of a line, or the
    /// name of the field in the next one. No string holds the end of a line.
    fn frames(&mut self, byte: u8) -> bool {
        if matches!(byte, b'\r' | b'\n') {
            *self = Line(Some(0));
            return true;
        }
        let shown = self.0.take();
        let next = shown.filter(|shown| FIELD[*shown] == byte);
        self.0 = next
            .map(|shown| shown + 1)
            .filter(|shown| *shown < FIELD.len());
        next.is_some()
    }
}

impl Nesting {
    /// Whether an object ends with this byte.
    fn ends(&mut self, byte: u8) -> bool {
        match byte {
            _ if self.escaped => self.escaped = false,
            b'\\' if self.quoted => self.escaped = true,
            b'"' => self.quoted = !self.quoted,
            _ if self.quoted => {}
            b'{' => self.depth += 1,
            b'}' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        self.depth == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects(pieces: &[&[u8]]) -> Vec<String> {
        let (mut keyed, mut objects) = (Keyed::new("usage"), Vec::new());
        for piece in pieces {
            keyed.look(piece, |object| {
                objects.push(String::from_utf8_lossy(object).into_owned());
            });
        }
        objects
    }

    #[test]
    fn each_object_is_found_however_the_bytes_are_cut() {
        let long = format!(r#""usage":{{"a":"{}"}},"usage":{{}}"#, "a".repeat(LONGEST));
        for (text, expected) in [
            (r#"{"usage":{"a":1}}"#, &[r#"{"a":1}"#][..]),
            (
                r#"{"usage" : {"a":{"b":2},"c":"}\"{"}, "d":3}"#,
                &[r#"{"a":{"b":2},"c":"}\"{"}"#],
            ),
            (r#"{"usage":null} {"usage":{}}"#, &["{}"]),
            (r#"{"a":"usage","usage":{}}"#, &["{}"]),
            (r#"{"a":"\"usage\":{}"}"#, &[]),
            (r#""usage""usage":{}"#, &["{}"]),
            (r#""usag"usage":{}"#, &["{}"]),
            (
                "data: {\"usage\":\r\ndata: {\"a\":\r\ndata:1}}\r\n\r\n",
                &["{\"a\":1}"],
            ),
            (
                "{\n  \"usage\": {\n    \"data\": 1\n  }\n}",
                &["{    \"data\": 1  }"],
            ),
            ("\"usage\":\n\ndata: x \"usage\":{}", &["{}"]),
            ("\"usage\":{\"a\"", &[]),
            (&long, &["{}"]),
        ] {
            let expected: Vec<_> = expected.iter().map(|object| (*object).to_owned()).collect();
            assert_eq!(objects(&[text.as_bytes()]), expected, "{text}");
            let single: Vec<_> = text.as_bytes().chunks(1).collect();
            assert_eq!(objects(&single), expected, "{text}");
            for at in 0..text.len().min(200) {
                let (before, behind) = text.as_bytes().split_at(at);
                assert_eq!(objects(&[before, behind]), expected, "{text} at {at}");
            }
        }
    }
}
