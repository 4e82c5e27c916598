//! `[admin]`: metrics and health, on a listener of their own.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{key, root, units};
use crate::language::Phrase;
use crate::secret::Secret;

/// The operators' side.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Admin {
    /// Where Prometheus and probes connect. Anything but loopback needs a token.
    #[serde(deserialize_with = "units::address")]
    pub listen: SocketAddr,
    /// What Prometheus presents as `Authorization: Bearer …`; probes need none. None: metrics are open.
    pub token: Option<Secret>,
    /// A file that holds the token, such as a mounted secret.
    pub token_file: Option<PathBuf>,
}

impl Admin {
    pub(super) fn root_paths(&mut self, folder: &Path) {
        root(&mut self.token_file, folder);
    }

    /// What serde cannot see: the key of the problem, and what is wrong.
    pub(super) fn check(&mut self) -> Vec<(&'static str, Phrase)> {
        let mut problems = Vec::new();
        let wrong = key::read(&mut self.token, self.token_file.as_deref(), "admin.token");
        problems.extend(wrong.map(|wrong| ("admin.token_file", wrong)));
        match &self.token {
            Some(token) if !key::is_usable(token) => problems.push((
                "admin.token",
                Phrase::new(
                    "是空的，或含有空格、非 ASCII 字符；令牌只能是可见的 ASCII 字符",
                    "is empty, or holds spaces or characters outside ASCII; a token is visible ASCII",
                ),
            )),
            None if problems.is_empty() && !self.listen.ip().to_canonical().is_loopback() => {
                problems.push(("admin.token", self.open_to_others()));
            }
            _ => {}
        }
        problems
    }

    fn open_to_others(&self) -> Phrase {
        let listen = self.listen;
        Phrase::new(
            format!(
                "没有写，而 admin.listen 是 {listen}，别的机器也能连上；请写上令牌（可由 openssl rand -hex 32 生成），或改回 127.0.0.1"
            ),
            format!(
                "is not there, and others can reach admin.listen, {listen}; write a token, such as openssl rand -hex 32 prints, or listen on 127.0.0.1"
            ),
        )
    }
}

impl Default for Admin {
    fn default() -> Self {
        Admin {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8081)),
            token: None,
            token_file: None,
        }
    }
}
