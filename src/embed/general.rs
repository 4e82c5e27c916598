//! The general evidence: what any shop is asked and what none is, whatever the shop. Two small networks over the
//! bundled model's vectors, one for the static vector alone, learned offline from written rows; and rows of the
//! kinds that were held out when they learned, for a shop's judge to be fitted beside. `models/build/general.py`
//! makes the file.

use std::path::Path;

use safetensors::tensor::Dtype;

use super::LoadError;
use super::tensors::{Tensor, Tensors};
use crate::vector::dot;
use crate::verdict::Stage;

/// The file in the model's folder.
pub(super) const GENERAL: &str = "general.safetensors";
/// What a network says: business, follow-up, small talk, another language than Chinese or English.
const OUTPUTS: usize = 4;
/// Fewer rows of another language were learned from, and shops have few examples in it that would set a mistake right:
/// so many nats of doubt are decided for the customer.
const BENEFIT: f64 = 2.0;

/// What is known of any shop.
#[derive(Debug)]
pub struct General {
    first: Network,
    full: Network,
    references: Vec<(Known, String)>,
    /// `[references, numbers]`, f16.
    vectors: Tensor,
}

/// What the general evidence says of a text, in log-odds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Opinion {
    /// That it is what shops are asked.
    pub business: f64,
    /// That it may be said in a conversation about a shop's business.
    pub follow_up: f64,
    /// That it says nothing but a greeting, thanks, a remark.
    pub small_talk: f64,
}

/// What a reference is known to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// What no shop is asked.
    OffTopic,
    /// What any shop is asked.
    Business,
    /// What is clear only from what was said before it in a conversation about business.
    Continuing,
}

impl General {
    pub(super) fn load(folder: &Path) -> Result<Self, LoadError> {
        let file = Tensors::open(folder, GENERAL)?;
        let full = Network::load(&file, "full")?;
        let (vectors, [count, numbers]) = file.tensor("reference.vectors", Dtype::F16)?;
        let (known, _) = file.tensor::<1>("reference.known", Dtype::U8)?;
        let (texts, _) = file.tensor::<1>("reference.texts", Dtype::U8)?;
        let texts = String::from_utf8_lossy(texts.bytes()).into_owned();
        let known = known.bytes().iter().map(|known| match known {
            0 => Known::OffTopic,
            1 => Known::Business,
            _ => Known::Continuing,
        });
        let references: Vec<_> = known.zip(texts.lines().map(str::to_owned)).collect();
        if references.len() != count || numbers != full.inputs {
            return Err(file.wrong("its references are not whole"));
        }
        Ok(General {
            first: Network::load(&file, "static")?,
            full,
            references,
            vectors,
        })
    }

    /// What it says of a text by the vectors that begin with the bundled model's: the static one alone, or both.
    pub fn opinion(&self, stage: Stage, vectors: &[f32]) -> Opinion {
        let network = match stage {
            Stage::Cache | Stage::Static => &self.first,
            Stage::Encoder => &self.full,
        };
        network.opinion(vectors)
    }

    /// The texts of the references, and what they are.
    pub fn references(&self) -> &[(Known, String)] {
        &self.references
    }

    /// A reference's vectors by the bundled model.
    pub fn vectors(&self, reference: usize) -> Box<[f32]> {
        self.vectors.halves(reference).collect()
    }
}

/// One hidden layer of rectified units (Goodfellow, Bengio and Courville 2016, "Deep Learning", 6).
#[derive(Debug)]
struct Network {
    inputs: usize,
    /// A row a hidden unit.
    hidden: Vec<f32>,
    hidden_bias: Vec<f32>,
    /// A row an output.
    out: Vec<f32>,
    out_bias: Vec<f32>,
}

impl Network {
    fn load(file: &Tensors, name: &str) -> Result<Self, LoadError> {
        let (hidden, [units, inputs]) = file.tensor(&format!("{name}.hidden"), Dtype::F32)?;
        let (hidden_bias, bias) = file.tensor(&format!("{name}.hidden_bias"), Dtype::F32)?;
        let (out, shape) = file.tensor(&format!("{name}.out"), Dtype::F32)?;
        let (out_bias, out_shape) = file.tensor(&format!("{name}.out_bias"), Dtype::F32)?;
        if inputs == 0 || bias != [units] || shape != [OUTPUTS, units] || out_shape != [OUTPUTS] {
            return Err(file.wrong(format!("the network {name} does not fit together")));
        }
        let numbers = |tensor: &Tensor| {
            tensor
                .rows()
                .iter()
                .map(|x| f32::from_le_bytes(*x))
                .collect()
        };
        Ok(Network {
            inputs,
            hidden: numbers(&hidden),
            hidden_bias: numbers(&hidden_bias),
            out: numbers(&out),
            out_bias: numbers(&out_bias),
        })
    }

    fn opinion(&self, vectors: &[f32]) -> Opinion {
        let input = &vectors[..self.inputs.min(vectors.len())];
        let rows = self.hidden.chunks_exact(self.inputs);
        let hidden = rows.zip(&self.hidden_bias);
        let hidden: Vec<_> = hidden
            .map(|(row, bias)| (dot(row, input) as f32 + bias).max(0.0))
            .collect();
        let rows = self.out.chunks_exact(self.hidden_bias.len());
        let mut out = rows.zip(&self.out_bias);
        let mut next = || {
            let (row, bias) = out.next()?;
            Some(dot(row, &hidden) + f64::from(*bias))
        };
        let mut next = || next().unwrap_or_default();
        let (business, follow_up, small_talk, other_language) = (next(), next(), next(), next());
        let benefit = BENEFIT / (1.0 + (-other_language).exp());
        Opinion {
            business: business + benefit,
            follow_up: follow_up + benefit,
            small_talk,
        }
    }
}
