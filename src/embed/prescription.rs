//! How a model is to be used: as the configuration says, else its own files, else the catalogue; never by a guess.

use super::LoadError;
use super::card::Card;
use crate::catalogue::{Entry, Pooling};
use crate::config::Model;
use crate::language::Phrase;

/// What the configuration, the model's files and the catalogue say together.
#[derive(Debug)]
pub(super) struct Prescription {
    /// What stands before every text.
    pub(super) prompt: String,
    /// The most tokens that are read.
    pub(super) max_tokens: usize,
}

impl Prescription {
    pub(super) fn of(
        config: &Model,
        card: &Card,
        known: Option<&Entry>,
    ) -> Result<Self, LoadError> {
        Ok(Prescription {
            prompt: prompt(config, card, known)?,
            max_tokens: max_tokens(config, card, known)?,
        })
    }
}

/// How tokens' vectors become one. Asked for only where the graph does not pool itself.
pub(super) fn pooling(
    config: &Model,
    card: &Card,
    known: Option<&Entry>,
) -> Result<Vec<Pooling>, LoadError> {
    let configured = config.pooling.map(|pooling| vec![pooling]);
    let known = || known?.pooling.map(|pooling| vec![pooling]);
    configured
        .or_else(|| card.pooling.clone())
        .or_else(known)
        .ok_or_else(|| LoadError::Unknown {
            fact: Phrase::new(
                "怎样把各 token 的向量合成一个（池化）",
                "how the tokens' vectors become one (pooling)",
            ),
            remedy: Phrase::new(
                "按模型作者的说明写 model.pooling：\"cls\"、\"mean\"、\"max\" 或 \"last\"",
                "set model.pooling as the model's makers say: \"cls\", \"mean\", \"max\" or \"last\"",
            ),
        })
}

fn prompt(config: &Model, card: &Card, known: Option<&Entry>) -> Result<String, LoadError> {
    // The catalogue's is chosen for questions that are compared with questions; a model's own default need not be.
    let said = config.prompt.as_ref().or(known.map(|known| &known.prompt));
    let default = || {
        let name = card.default_prompt.as_ref()?;
        let mut named = card.prompts.iter().filter(|(known, _)| known == name);
        named.next().map(|(_, prompt)| prompt)
    };
    if let Some(prompt) = said.or_else(default) {
        return Ok(prompt.clone());
    }
    let offered = card.prompts.iter();
    let offered = offered.filter(|(_, prompt)| !prompt.is_empty());
    let offered: Vec<_> = offered
        .map(|(name, prompt)| format!("{name} = {prompt:?}"))
        .collect();
    if offered.is_empty() {
        return Ok(String::new());
    }
    Err(LoadError::Unknown {
        fact: Phrase::new(
            "每个问题前面放什么（提示语）",
            "what stands before a question (the prompt)",
        ),
        remedy: Phrase::new(
            format!(
                "用 model.prompt 写上其中一个，适合拿问题和问题比较的，或写 \"\"（不放）：{}",
                offered.join("、")
            ),
            format!(
                "set model.prompt to the one that suits questions compared with questions, or to \"\" for none: {}",
                offered.join(", ")
            ),
        ),
    })
}

fn max_tokens(config: &Model, card: &Card, known: Option<&Entry>) -> Result<usize, LoadError> {
    let positions = card.positions.unwrap_or(usize::MAX);
    if let Some(configured) = config.max_tokens {
        if configured.get() > positions {
            return Err(LoadError::Unfit {
                key: "model.max_tokens",
                problem: Phrase::new(
                    format!("写了 {configured}，模型只有 {positions} 个位置"),
                    format!("is {configured}, and the model has {positions} positions"),
                ),
                remedy: Phrase::new(
                    format!("写 {positions} 或更小的数，或去掉这个键"),
                    format!("write {positions} or less, or leave the key out"),
                ),
            });
        }
        return Ok(configured.get());
    }
    let stated = card.max_tokens.or(card.positions);
    let stated = stated.or(known.map(|known| known.max_tokens));
    stated
        .map(|stated| stated.min(positions))
        .ok_or_else(|| LoadError::Unknown {
            fact: Phrase::new("最多读多少个 token", "how many tokens it reads at most"),
            remedy: Phrase::new(
                "按模型作者的说明写 model.max_tokens，如 512",
                "set model.max_tokens as the model's makers say, such as 512",
            ),
        })
}

/// The length that vectors of `length` are cut to.
pub(super) fn dimensions(
    config: &Model,
    length: usize,
    known: Option<&Entry>,
) -> Result<usize, LoadError> {
    let Some(wanted) = config.dimensions else {
        return Ok(length);
    };
    let wanted = wanted.get();
    let problem = if wanted > length {
        Phrase::new(
            format!("写了 {wanted}，模型的向量只有 {length} 个数"),
            format!("is {wanted}, and the model's vectors have {length} numbers"),
        )
    } else if wanted < length && known.is_some_and(|known| !known.matryoshka) {
        Phrase::new(
            format!("写了 {wanted}，但这个模型没有为截短训练，向量应保留全部 {length} 个数"),
            format!(
                "is {wanted}, and the model was not trained for it: its vectors need all {length} numbers"
            ),
        )
    } else {
        return Ok(wanted);
    };
    Err(LoadError::Unfit {
        key: "model.dimensions",
        problem,
        remedy: Phrase::new(
            format!("写 {length}，或去掉这个键"),
            format!("write {length}, or leave the key out"),
        ),
    })
}
