//! Lines in, their normal forms out: what the model is shown of rows that it is trained on.

use std::io::{self, BufRead, Write};

use intentgate::text::normalise;

fn main() -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    for line in io::stdin().lock().lines() {
        writeln!(out, "{}", normalise(&line?))?;
    }
    out.flush()
}
