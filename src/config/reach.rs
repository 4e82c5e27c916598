//! What an upstream is reached by: its URL, key and roots, checked the same way for each of them.

use std::path::Path;

use url::Url;

use super::key;
use crate::language::Phrase;
use crate::secret::Secret;

/// These keys of one section.
pub(super) struct Reach<'a> {
    /// `upstream` or `upstream.fallback[0]`.
    pub(super) section: String,
    pub(super) url: Option<&'a Url>,
    pub(super) api_key: &'a mut Option<Secret>,
    pub(super) api_key_file: Option<&'a Path>,
    pub(super) tls_roots: Option<&'a Path>,
    /// Where the content of `tls_roots` goes.
    pub(super) roots_pem: &'a mut Vec<u8>,
}

impl Reach<'_> {
    /// Reads the files, and says what is wrong: the key of the problem first.
    pub(super) fn check(mut self) -> Vec<(String, Phrase)> {
        let problems = [
            ("url", self.check_url()),
            ("api_key_file", self.read_key()),
            ("api_key", self.check_key()),
            ("tls_roots", self.read_roots()),
        ];
        let section = &self.section;
        let found = problems
            .into_iter()
            .filter_map(|(key, problem)| Some((format!("{section}.{key}"), problem?)));
        found.collect()
    }

    /// A URL is written to logs, which are no place for a password.
    fn check_url(&self) -> Option<Phrase> {
        let url = self.url?;
        let bare = url.username().is_empty() && url.password().is_none();
        (!bare).then(|| {
            Phrase::new(
                "地址里有用户名或密码，会被写进日志；请去掉，密钥写在 api_key",
                "holds a user or a password, which logs would show; leave it out and set api_key",
            )
        })
    }

    fn read_key(&mut self) -> Option<Phrase> {
        let name = format!("{}.api_key", self.section);
        key::read(self.api_key, self.api_key_file, &name)
    }

    fn check_key(&self) -> Option<Phrase> {
        let key = self.api_key.as_ref()?;
        (!key::is_usable(key)).then(|| {
            Phrase::new(
                "是空的，或含有空格、非 ASCII 字符；密钥只能是可见的 ASCII 字符",
                "is empty, or holds spaces or characters outside ASCII; a key is visible ASCII",
            )
        })
    }

    fn read_roots(&mut self) -> Option<Phrase> {
        let path = self.tls_roots?;
        match std::fs::read(path) {
            Ok(pem) => *self.roots_pem = pem,
            Err(error) => return Some(key::unreadable(path, &error)),
        }
        let found = reqwest::Certificate::from_pem_bundle(self.roots_pem);
        let usable = found.is_ok_and(|roots| !roots.is_empty());
        let path = path.display();
        (!usable).then(|| {
            Phrase::new(
                format!("{path}：里面没有 PEM 证书；请给出 -----BEGIN CERTIFICATE----- 那样的文件"),
                format!("{path} holds no PEM certificate; give a file with -----BEGIN CERTIFICATE----- in it"),
            )
        })
    }
}
