//! `[gate]`: the intents, and how careful the gate is.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Shop, root, units};
use crate::language::Phrase;

/// What decides.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Gate {
    /// The folder of intent files. None: `intents` of the working directory, else the shipped ones.
    pub intents: Option<PathBuf>,
    /// The share of real questions that may be rejected: the threshold is fitted to it.
    #[serde(deserialize_with = "units::share")]
    pub false_reject_target: f64,
    /// The reply of reject intents that have none of their own.
    pub reject_reply: Phrase,
}

impl Gate {
    pub(super) fn root_paths(&mut self, folder: &Path) {
        root(&mut self.intents, folder);
    }

    /// What serde cannot see: the key of the problem, and what is wrong.
    pub(super) fn check(&self, shop: &Shop) -> Option<(&'static str, Phrase)> {
        let unknown = shop.fill(&self.reject_reply).err()?;
        Some(("gate.reject_reply", unknown.explain()))
    }
}

impl Default for Gate {
    fn default() -> Self {
        Gate {
            intents: None,
            false_reject_target: 0.02,
            reject_reply: Phrase::new(
                "抱歉，我是{{name}}的购物助手，只能回答订单、配送、退换货和商品方面的问题。",
                "Sorry, I am the shopping assistant of {{name}} and can only help with orders, delivery, returns and products.",
            ),
        }
    }
}
