//! Sums over vectors, compiled for the vector registers of newer processors too. The order of each sum is the same
//! whatever the registers hold, so every machine finds the same numbers.

use multiversion::multiversion;

/// Sums that go side by side.
const LANES: usize = 16;

/// The dot product of two vectors, as far as both go.
#[multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
pub fn dot(a: &[f32], b: &[f32]) -> f64 {
    let mut sums = [0.0_f32; LANES];
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    f64::from(sums.iter().sum::<f32>() + rest)
}
