//! `calotype --version [--verbose]`.

use std::io::{Result, Write};

use engine::{Options, precision_name, store};

/// Writes the version; `verbose` adds commit, instruction set, threads, precision and models.
pub fn run(verbose: bool, out: &mut impl Write) -> Result<()> {
    writeln!(out, "calotype {}", env!("CARGO_PKG_VERSION"))?;
    if !verbose {
        return Ok(());
    }
    writeln!(out, "commit: {}", env!("CALOTYPE_COMMIT"))?;
    match Options::default().resolve() {
        Ok((cpu, precision)) => {
            writeln!(out, "instruction set: {} (best of this machine: {})", cpu.isa, simd::Isa::detected())?;
            writeln!(out, "threads: {}", cpu.pool.threads())?;
            writeln!(out, "precision: {}", precision_name(precision))?;
        }
        Err(error) => writeln!(out, "instruction set: {error}")?,
    }
    match store::list() {
        Ok(models) if models.is_empty() => writeln!(out, "built-in model: none")?,
        Ok(models) => {
            for (name, info) in models {
                writeln!(out, "built-in model: {name} ({}, {} px)", info.name, info.image_size)?;
            }
        }
        Err(error) => writeln!(out, "built-in model: {error}")?,
    }
    Ok(())
}
