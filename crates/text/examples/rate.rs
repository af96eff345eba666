//! Captions encoded a second: `cargo run --release -p text --example rate -- [BATCH] [TOKENS] [THREADS]`.

use std::path::Path;
use std::time::Instant;

use formats::safetensors::File;
use kernels::Cpu;
use text::{Precision, TextEncoder};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut numbers = std::env::args().skip(1).map(|argument| argument.parse::<usize>());
    let mut number = |default| numbers.next().unwrap_or(Ok(default));
    let (batch, tokens, threads) = (number(128)?, number(16)?, number(2)?);
    let cpu = Cpu::detected(threads);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../weights/minilm");
    let tokenizer = std::fs::read(folder.join("tokenizer.json"))?;
    let captions: Vec<String> =
        (0..batch).map(|i| format!("a {} apple on a table, flat illustration", ["red", "small"][i % 2])).collect();
    let captions: Vec<&str> = captions.iter().map(String::as_str).collect();
    for precision in [Precision::F32, Precision::Bf16] {
        let start = Instant::now();
        let encoder = TextEncoder::new(&cpu, File::open(folder.join("model.safetensors"))?, &tokenizer, precision)?;
        let load = start.elapsed().as_secs_f64();
        encoder.encode(&captions, tokens)?;
        let mut times: Vec<f64> = (0..15)
            .map(|_| {
                let start = Instant::now();
                encoder.encode(&captions, tokens).map(|_| start.elapsed().as_secs_f64())
            })
            .collect::<Result<_, _>>()?;
        times.sort_by(f64::total_cmp);
        let rate = |time: f64| batch as f64 / time;
        println!(
            "{precision:?}, batch {batch}, {tokens} tokens, {threads} threads, {}: median {:.0} captions/s, best {:.0}, load {load:.3} s",
            cpu.isa.name(),
            rate(times[times.len() / 2]),
            rate(times[0])
        );
    }
    Ok(())
}
