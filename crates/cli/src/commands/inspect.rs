//! `calotype models inspect PATH` for files that other programs made: Stable Diffusion in one file, in shards or in a folder,
//! one part of it, a LoRA.

use std::path::Path;
use std::sync::Arc;

use formats::digest;
use formats::safetensors::{File, TensorSource};
use models::bundle::{Bundle, BundleError, Lora, Part, needs};
use serde_json::{Value, json};

use crate::report::Reporter;

/// Runs the command.
pub fn run(path: &str, reporter: &Reporter) -> anyhow::Result<()> {
    let bundle = match Bundle::open(path) {
        Ok(bundle) => bundle,
        Err(BundleError::Lora { file, lora }) => return inspect_lora(&file, &lora, reporter),
        Err(error) => return Err(error.into()),
    };
    people(path, &bundle, reporter);
    let files = bundle.files();
    let digests = digests(&files, reporter);
    if reporter.is_json() {
        reporter.event("model", programs(path, &bundle, digests));
    }
    for part in &bundle.parts {
        bundle.require(part.role)?;
    }
    Ok(())
}

fn inspect_lora(file: &str, lora: &Lora, reporter: &Reporter) -> anyhow::Result<()> {
    reporter.say(&format!("{file}: {lora}; LoRA files cannot be used yet"));
    let source = TensorSource::open(file)?;
    let files = digests(source.files(), reporter);
    let family = lora.family.map(|family| needs(family).name);
    let fields = json!({ "model": file, "kind": "lora", "family": family, "layers": lora.layers, "rank": lora.rank, "files": files });
    reporter.event("model", fields);
    Ok(())
}

/// Everything but the digests, which take a while.
fn people(path: &str, bundle: &Bundle, reporter: &Reporter) {
    let kind = match bundle.parts.first() {
        _ if bundle.folder => "a folder of diffusers",
        Some(part) if part.source.files().len() > 1 => "in shards",
        _ => "one file",
    };
    reporter.say(&format!("{path}: {}, {kind}", bundle.title()));
    for part in &bundle.parts {
        let fits = if part.report.is_complete() {
            format!("{} tensors, nothing missing, nothing unused", part.report.loaded.len())
        } else {
            part.report.to_string()
        };
        let millions = part.precision.elements() as f64 / 1e6;
        let kind = part.kind().map_or(String::new(), |kind| format!("{kind}, "));
        let (role, names, precision) = (part.role.to_string(), part.names(), &part.precision);
        reporter.say(&format!("  {role:20} {kind}{millions:.1} M parameters, {precision}, {names} names, {fits}"));
    }
    for role in bundle.missing() {
        reporter.say(&format!("  {:20} missing", role.to_string()));
    }
    if let Some(prediction) = bundle.prediction {
        reporter.say(&format!("  prediction: {prediction}"));
    }
    let others = &bundle.others;
    if others.harmless > 0 {
        reporter.say(&format!("  {} other tensors that only training needs", others.harmless));
    }
    if others.unknown_count > 0 {
        let more = if others.unknown_count > others.unknown.len() { ", ..." } else { "" };
        let (count, names) = (others.unknown_count, others.unknown.join(", "));
        reporter.warn(&format!("{count} tensors belong to no known part: {names}{more}"));
    }
}

/// Digest of each file, said and returned.
fn digests(files: &[Arc<File>], reporter: &Reporter) -> Vec<Value> {
    let digest = |file: &Arc<File>| {
        let sha256 = file.sha256();
        let short = digest::short(&sha256);
        let name = Path::new(file.name()).file_name().unwrap_or_default().to_string_lossy();
        reporter.say(&format!("SHA-256 {sha256}, short hash {short}, {name}"));
        json!({ "path": file.name(), "bytes": file.bytes().len(), "sha256": sha256, "short_hash": short })
    };
    files.iter().map(digest).collect()
}

fn programs(path: &str, bundle: &Bundle, files: Vec<Value>) -> Value {
    let missing: Vec<&str> = bundle.missing().into_iter().map(|role| role.name()).collect();
    let others = &bundle.others;
    json!({
        "model": path,
        "kind": if bundle.family.is_some() { "model" } else { "part" },
        "family": bundle.family.map(|family| needs(family).name),
        "title": bundle.title(),
        "complete": bundle.is_complete(),
        "parts": bundle.parts.iter().map(part).collect::<Vec<_>>(),
        "missing_parts": missing,
        "prediction": bundle.prediction,
        "other_tensors": { "harmless": others.harmless, "unknown": others.unknown_count, "names": others.unknown },
        "files": files,
    })
}

fn part(part: &Part) -> Value {
    let report = &part.report;
    let wrong = report.wrong_shape.iter();
    let wrong: Vec<_> = wrong.map(|w| json!({ "name": w.name, "expected": w.expected, "found": w.found })).collect();
    json!({
        "role": part.role.name(),
        "kind": part.kind(),
        "file": part.source.name(),
        "prefix": part.prefix(),
        "names": part.names(),
        "precision": part.precision.to_string(),
        "parameters": part.precision.elements(),
        "loaded": report.loaded.len(),
        "missing": report.missing,
        "unused": report.unused,
        "wrong_shape": wrong,
    })
}
