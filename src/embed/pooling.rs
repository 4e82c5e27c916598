//! Tokens' vectors → one unit vector: pooling, and the dense layers that some models have behind it.

use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::Deserialize;

use super::{LoadError, card};
use crate::catalogue::Pooling;
use crate::language::Phrase;

/// One vector of a text's tokens, `width` numbers each, of which `mask` leaves out the padding.
pub(super) fn pool(mode: Pooling, tokens: &[f32], mask: &[i64], width: usize) -> Vec<f32> {
    let mut read = tokens
        .chunks_exact(width)
        .zip(mask)
        .filter(|(_, mask)| **mask != 0)
        .map(|(token, _)| token);
    match mode {
        Pooling::Cls => read.next().map(<[f32]>::to_vec),
        Pooling::Last => read.next_back().map(<[f32]>::to_vec),
        Pooling::Mean => {
            let count = mask
                .iter()
                .filter(|mask| **mask != 0)
                .fold(0.0, |n, _| n + 1.0);
            let sum = merge(read, |sum, x| sum + x);
            sum.map(|sum| sum.into_iter().map(|x| x / count).collect())
        }
        Pooling::Max => merge(read, f32::max),
    }
    .unwrap_or_else(|| vec![0.0; width])
}

fn merge<'t>(
    mut tokens: impl Iterator<Item = &'t [f32]>,
    merge: impl Fn(f32, f32) -> f32,
) -> Option<Vec<f32>> {
    let mut merged = tokens.next()?.to_vec();
    for token in tokens {
        for (merged, x) in merged.iter_mut().zip(token) {
            *merged = merge(*merged, *x);
        }
    }
    Some(merged)
}

/// Brings a vector to length one; one of zeros stays.
pub(super) fn unit(vector: &mut [f32]) {
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    if length > 0.0 {
        for x in vector {
            *x /= length;
        }
    }
}

/// A dense layer.
#[derive(Debug)]
pub(super) struct Dense {
    weight: Vec<f32>,
    bias: Vec<f32>,
    /// How many numbers it takes.
    pub(super) takes: usize,
    tanh: bool,
    /// Its files.
    pub(super) read: [PathBuf; 2],
}

#[derive(Deserialize)]
struct Config {
    activation_function: Option<String>,
    #[serde(default)]
    use_residual: bool,
}

impl Dense {
    /// Reads the layer in `folder`.
    pub(super) fn load(folder: &Path) -> Result<Self, LoadError> {
        let path = folder.join("config.json");
        let Some(config) = card::json::<Config>(&path)? else {
            return Err(LoadError::NoFile { path });
        };
        // What sentence-transformers takes where none is written.
        let activation = config.activation_function.as_deref().unwrap_or("Tanh");
        let tanh = match activation.rsplit('.').next() {
            Some("Tanh") => true,
            Some("Identity") => false,
            _ => {
                return Err(unsupported(
                    path,
                    &format!("activation_function {activation}"),
                ));
            }
        };
        if config.use_residual {
            return Err(unsupported(path, "use_residual"));
        }
        let weights = folder.join("model.safetensors");
        let pickled = folder.join("pytorch_model.bin");
        if pickled.is_file() && !weights.is_file() {
            return Err(LoadError::Unsupported {
                path: pickled,
                problem: Phrase::new(
                    "这种格式可以带程序，本程序不读",
                    "files of its kind may hold code and are not read",
                ),
                remedy: Phrase::new(
                    "在旁边放上 model.safetensors；用 sentence-transformers 打开再保存模型就会得到它",
                    "put model.safetensors beside it; sentence-transformers writes it when it loads and saves the model",
                ),
            });
        }
        let layer = Linear::load(&weights)?;
        Ok(Dense {
            takes: layer.takes,
            weight: layer.weight,
            bias: layer.bias,
            tanh,
            read: [path, weights],
        })
    }

    pub(super) fn apply(&self, vector: &[f32]) -> Vec<f32> {
        let mut given = linear(&self.weight, &self.bias, vector);
        if self.tanh {
            for x in &mut given {
                *x = x.tanh();
            }
        }
        given
    }
}

fn unsupported(path: PathBuf, what: &str) -> LoadError {
    LoadError::Unsupported {
        path,
        problem: Phrase::new(
            format!("全连接层用了 {what}，不支持"),
            format!("the dense layer has {what}, which is not known"),
        ),
        remedy: Phrase::new(
            "支持 Tanh 和 Identity、不带 use_residual 的层；换一个模型，或用 model.url 接它的服务",
            "layers of Tanh or Identity without use_residual are; take another model, or reach this one by model.url",
        ),
    }
}

/// The numbers of a linear layer.
#[derive(Debug)]
pub(super) struct Linear {
    /// One row a number that it gives.
    pub(super) weight: Vec<f32>,
    /// One a number that it gives.
    pub(super) bias: Vec<f32>,
    pub(super) takes: usize,
    pub(super) gives: usize,
}

impl Linear {
    /// Reads the one layer in a safetensors file.
    pub(super) fn load(path: &Path) -> Result<Self, LoadError> {
        if !path.is_file() {
            return Err(LoadError::NoFile {
                path: path.to_path_buf(),
            });
        }
        let wrong = |error: String| LoadError::WrongFile {
            path: path.to_path_buf(),
            error,
        };
        let bytes = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
        let file = SafeTensors::deserialize(&bytes).map_err(|error| wrong(error.to_string()))?;
        let tensors = file.tensors();
        let ending = |end: &str| tensors.iter().find(|(name, _)| name.ends_with(end));
        let numbers = |tensor: &TensorView<'_>| {
            floats(tensor.dtype(), tensor.data())
                .ok_or_else(|| wrong(format!("{:?} are no numbers", tensor.dtype())))
        };
        let Some((_, weight)) = ending("weight") else {
            return Err(wrong("it holds no weight".to_owned()));
        };
        let [gives, takes] = weight.shape() else {
            return Err(wrong("its weight is no matrix".to_owned()));
        };
        let bias = match ending("bias") {
            Some((_, bias)) => numbers(bias)?,
            None => vec![0.0; *gives],
        };
        if bias.len() != *gives {
            return Err(wrong("its bias does not fit its weight".to_owned()));
        }
        Ok(Linear {
            weight: numbers(weight)?,
            bias,
            takes: *takes,
            gives: *gives,
        })
    }
}

/// Little-endian numbers; none of a kind that is no number of a layer.
pub(super) fn floats(kind: Dtype, data: &[u8]) -> Option<Vec<f32>> {
    let pairs = || data.as_chunks::<2>().0.iter();
    Some(match kind {
        Dtype::F32 => {
            let (numbers, _) = data.as_chunks::<4>();
            numbers.iter().map(|b| f32::from_le_bytes(*b)).collect()
        }
        Dtype::F16 => pairs()
            .map(|b| half::f16::from_le_bytes(*b).to_f32())
            .collect(),
        Dtype::BF16 => pairs()
            .map(|b| half::bf16::from_le_bytes(*b).to_f32())
            .collect(),
        _ => return None,
    })
}

/// The layer's numbers for a vector.
pub(super) fn linear(weight: &[f32], bias: &[f32], vector: &[f32]) -> Vec<f32> {
    let rows = weight.chunks_exact(vector.len().max(1)).zip(bias);
    rows.map(|(row, bias)| row.iter().zip(vector).map(|(w, x)| w * x).sum::<f32>() + bias)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_counts_for_nothing_on_either_side() {
        let padding = [9.0, 9.0];
        let read = [1.0, -4.0, 3.0, 2.0];
        let expected = [
            (Pooling::Cls, [1.0, -4.0]),
            (Pooling::Last, [3.0, 2.0]),
            (Pooling::Mean, [2.0, -1.0]),
            (Pooling::Max, [3.0, 2.0]),
        ];
        for (mode, expected) in expected {
            let left = [&padding[..], &read].concat();
            let right = [&read[..], &padding].concat();
            assert_eq!(pool(mode, &left, &[0, 1, 1], 2), expected, "{mode:?}");
            assert_eq!(pool(mode, &right, &[1, 1, 0], 2), expected, "{mode:?}");
        }
    }
}
