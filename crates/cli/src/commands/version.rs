//! `calotype --version [--verbose]`.

use engine::{Options, precision_name, store};

/// Prints the version; `verbose` adds commit, instruction set, threads, precision and models.
pub fn run(verbose: bool) {
    println!("calotype {}", env!("CARGO_PKG_VERSION"));
    if !verbose {
        return;
    }
    println!("commit: {}", env!("CALOTYPE_COMMIT"));
    match Options::default().resolve() {
        Ok((cpu, precision)) => {
            println!("instruction set: {} (best of this machine: {})", cpu.isa, simd::Isa::detected());
            println!("threads: {}", cpu.pool.threads());
            println!("precision: {}", precision_name(precision));
        }
        Err(error) => println!("instruction set: {error}"),
    }
    match store::list() {
        Ok(models) if models.is_empty() => println!("built-in model: none"),
        Ok(models) => {
            for (name, info) in models {
                println!("built-in model: {name} ({}, {} px)", info.name, info.image_size);
            }
        }
        Err(error) => println!("built-in model: {error}"),
    }
}
