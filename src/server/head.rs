//! The heads of HTTP/1 requests, held to what strict servers ask: lines that end in CR LF, and one way to tell where
//! the body ends. hyper reads more kindly, and a proxy in front of the gateway may read otherwise than it.

/// Follows what a connection sends through the head of a request.
#[derive(Debug, Default)]
pub(super) struct Head {
    at: At,
    /// The line so far, as much as tells its name.
    line: Vec<u8>,
    after_return: bool,
    has_length: bool,
    has_coding: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    #[default]
    Head,
    /// Behind it; what comes is a body, as long as the request is answered.
    Behind,
    /// Another version of HTTP is spoken.
    Other,
}

/// What the preface of HTTP/2 begins with.
const PREFACE: &[u8] = b"PRI * HTTP/2.0";
/// Longer than the names that are looked for.
const KEPT: usize = 24;

impl Head {
    /// What is read next begins a request, where one was behind its head before.
    pub(super) fn next(&mut self) {
        if self.at == At::Behind {
            *self = Head::default();
        }
    }

    /// Whether `bytes`, read next, may go on.
    pub(super) fn takes(&mut self, bytes: &[u8]) -> bool {
        bytes
            .iter()
            .all(|byte| self.at != At::Head || self.take(*byte))
    }

    fn take(&mut self, byte: u8) -> bool {
        let after_return = std::mem::replace(&mut self.after_return, byte == b'\r');
        match byte {
            b'\n' if !after_return => return false,
            b'\n' => self.end_line(),
            b'\r' => {}
            _ if self.line.len() < KEPT => self.line.push(byte),
            _ => {}
        }
        !(self.has_length && self.has_coding)
    }

    fn end_line(&mut self) {
        if self.line.starts_with(PREFACE) {
            self.at = At::Other;
        } else if self.line.is_empty() {
            self.at = At::Behind;
        }
        let name = self.line.split(|byte| *byte == b':').next();
        let name = name.unwrap_or_default().to_ascii_lowercase();
        self.has_length |= name == b"content-length";
        self.has_coding |= name == b"transfer-encoding";
        self.line.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_that_may_be_read_in_two_ways_goes_no_further() {
        for (head, goes_on) in [
            (
                "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n\n\n",
                true,
            ),
            (
                "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                true,
            ),
            ("POST / HTTP/1.1\nHost: x\r\n\r\n", false),
            ("POST / HTTP/1.1\r\nHost: x\n\r\n", false),
            ("POST / HTTP/1.1\r\nHost: x\r\n\n", false),
            (
                "POST / HTTP/1.1\r\nContent-Length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
                false,
            ),
            (
                "POST / HTTP/1.1\r\nTRANSFER-ENCODING: chunked\r\ncontent-length: 1\r\n\r\n",
                false,
            ),
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\n\n", true),
        ] {
            assert_eq!(Head::default().takes(head.as_bytes()), goes_on, "{head:?}");
            let mut slowly = Head::default();
            let bytes = head.bytes().all(|byte| slowly.takes(&[byte]));
            assert_eq!(bytes, goes_on, "{head:?}");
        }
    }
}
