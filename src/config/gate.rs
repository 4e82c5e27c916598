//! `[gate]`: the intents, and how careful the gate is.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::{Shop, root, units, wording};
use crate::language::{Localized, Phrase};
use crate::wrapping::Template;

/// What decides.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Gate {
    /// Whether decisions are acted upon.
    pub mode: Mode,
    /// The share of would-be rejections that is forwarded all the same, drawn at random: what becomes of them
    /// says without bias how many rejections are wrong.
    #[serde(deserialize_with = "units::share")]
    pub audit_share: f64,
    /// How long a request may wait for its decision.
    #[serde(deserialize_with = "units::duration")]
    pub budget: Duration,
    /// What is done about a question that cannot be judged: too many wait, it takes too long, the model fails.
    pub on_failure: OnFailure,
    /// What is done about a turn that may hold words in a shape that the gateway does not read.
    pub unknown_shape: UnknownShape,
    /// The folder of intent files. None: `intents` of the working directory, else the shipped ones.
    pub intents: Option<PathBuf>,
    /// The share of real questions that may be rejected: the threshold is fitted to it.
    #[serde(deserialize_with = "units::share")]
    pub false_reject_target: f64,
    /// Whether questions are also held against the background that is compiled in.
    pub background: bool,
    /// What is done about a question that is neither clearly business nor clearly off-topic.
    pub grey: Grey,
    /// What is done about a question of which a part is off-topic.
    pub mixed: Mixed,
    /// How far questions are embedded.
    pub stages: Stages,
    /// Where the customer's words stand in what front ends send, beside the wrappings that are known.
    pub question: Vec<Template>,
    /// Whether the customer's words are looked for within a message.
    pub unwrap: bool,
    /// Whether what many messages of one front end share is learned, and then no longer judged.
    pub learn_wrappings: bool,
    /// The reply of reject intents that have none of their own, and of the background.
    pub reject_reply: Localized,
}

/// Whether decisions are acted upon.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// They are.
    #[default]
    Enforce,
    /// They are only recorded; the client notices nothing.
    Shadow,
    /// Nothing is judged.
    Off,
}

/// What is done about a question that cannot be judged.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// The upstream LLM answers.
    #[default]
    Forward,
    /// The client gets an error.
    Reject,
}

/// What is done about a turn in a shape that the gateway does not read.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum UnknownShape {
    /// The upstream LLM answers.
    #[default]
    Pass,
    /// The client gets an error.
    Refuse,
}

/// What is done about a question between the two thresholds.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Grey {
    /// The upstream LLM answers.
    #[default]
    Forward,
    /// The gateway asks which of the two likeliest intents is meant.
    Clarify,
    /// It is rejected.
    Reject,
}

/// What is done about a question of which a part is off-topic.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Mixed {
    /// The upstream LLM answers, and is told.
    #[default]
    Forward,
    /// It is rejected.
    Reject,
}

/// How far questions are embedded.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Stages {
    /// As far as it takes to be beyond doubt.
    #[default]
    Auto,
    /// Always through the encoder.
    Full,
}

impl Mode {
    /// Each of them.
    pub const ALL: [Mode; 3] = [Mode::Enforce, Mode::Shadow, Mode::Off];

    /// The word in the file and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Enforce => "enforce",
            Mode::Shadow => "shadow",
            Mode::Off => "off",
        }
    }
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
            mode: Mode::default(),
            audit_share: 0.0,
            budget: Duration::from_millis(500),
            on_failure: OnFailure::default(),
            unknown_shape: UnknownShape::default(),
            intents: None,
            false_reject_target: 0.02,
            background: true,
            grey: Grey::default(),
            mixed: Mixed::default(),
            stages: Stages::default(),
            question: Vec::new(),
            unwrap: true,
            learn_wrappings: true,
            reject_reply: wording::rejection(),
        }
    }
}
