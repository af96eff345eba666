//! `calotype models`: the models that can be used; `models inspect PATH`: what a file is and lacks; `models blend A B`: their mean.

use std::path::Path;

use engine::{ModelInfo, store};
use formats::digest;
use formats::safetensors::TensorSource;
use models::ParameterSpec;
use models::bundle::Precision;
use serde_json::json;

use super::inspect;
use crate::args::{ModelsArgs, ModelsCommand};
use crate::report::Reporter;

/// Runs the command.
pub fn run(args: &ModelsArgs, reporter: &Reporter) -> anyhow::Result<()> {
    match &args.command {
        None | Some(ModelsCommand::List) => list(reporter),
        Some(ModelsCommand::Inspect { path }) if is_own(path) => inspect_own(path, reporter),
        Some(ModelsCommand::Inspect { path }) => inspect::run(path, reporter),
        Some(ModelsCommand::Blend { first, second, share, output }) => blend(first, second, *share, output, reporter),
    }
}

fn blend(first: &str, second: &str, share: f32, output: &Path, reporter: &Reporter) -> anyhow::Result<()> {
    let sha256 = engine::blend(first, second, share, output)?;
    reporter.event("model", json!({ "file": output, "sha256": sha256 }));
    reporter.say(&format!("{}\nSHA-256 {sha256}", output.display()));
    Ok(())
}

fn list(reporter: &Reporter) -> anyhow::Result<()> {
    let models = store::list()?;
    if models.is_empty() {
        reporter.say("this build has no built-in model; use --model PATH with a model file or folder");
    }
    for (name, info) in models {
        reporter.event("model", describe(name, &info));
        reporter.say(&format!("{name}\t{}", summary(&info)));
    }
    Ok(())
}

/// Whether a name or path is a model of ours, which says so in its notes; or nothing at all, which the store says best.
fn is_own(name: &str) -> bool {
    let path = Path::new(name);
    name == store::DEFAULT_MODEL
        || !path.exists()
        || !path.join("model_index.json").exists()
            && TensorSource::open(path).is_ok_and(|source| source.note("family").is_some())
}

fn inspect_own(path: &str, reporter: &Reporter) -> anyhow::Result<()> {
    let (info, report) = store::inspect(path)?;
    let file = store::open_file(path)?;
    let sha256 = file.sha256();
    let precision = Precision::of(&file.into(), &report.loaded).to_string();
    let mut fields = describe(path, &info);
    let wrong: Vec<_> = report
        .wrong_shape
        .iter()
        .map(|w| json!({ "name": w.name, "expected": w.expected, "found": w.found }))
        .collect();
    fields["complete"] = report.is_complete().into();
    fields["loaded"] = report.loaded.len().into();
    fields["missing"] = json!(report.missing);
    fields["unused"] = json!(report.unused);
    fields["wrong_shape"] = json!(wrong);
    fields["precision"] = json!(precision);
    fields["sha256"] = json!(sha256);
    fields["short_hash"] = json!(digest::short(&sha256));
    reporter.event("model", fields);
    reporter.say(&format!("{}: {}", info.name, summary(&info)));
    let c = &info.config;
    reporter.say(&format!(
        "width {}, blocks {}, heads {}, hidden {}, patch {}, stem {}, text width {}, refiner blocks {}, detail width {}, finisher width {}{}",
        c.width, c.blocks, c.heads, c.hidden, c.patch, c.stem, c.text_width, c.refiner_blocks, c.detail_width, c.finish_width,
        if c.early { ", early expert" } else { "" }
    ));
    reporter.say(&format!("weights: {precision}, {report}"));
    reporter.say(&format!("SHA-256 {sha256}, short hash {}", digest::short(&sha256)));
    anyhow::ensure!(report.is_complete(), "{path}: the weights do not fit the model: {report}");
    Ok(())
}

fn parameter_count(info: &ModelInfo) -> usize {
    models::jit::parameters(&info.config).iter().map(ParameterSpec::len).sum()
}

fn summary(info: &ModelInfo) -> String {
    format!(
        "{}, {:.1} M parameters, {} px, captions of {} tokens, {} training pictures seen",
        models::jit::FAMILY,
        parameter_count(info) as f64 / 1e6,
        info.image_size,
        info.text_tokens,
        info.pictures_seen
    )
}

fn describe(name: &str, info: &ModelInfo) -> serde_json::Value {
    json!({
        "model": name,
        "name": info.name,
        "family": models::jit::FAMILY,
        "parameters": parameter_count(info),
        "image_size": info.image_size,
        "text_tokens": info.text_tokens,
        "pictures_seen": info.pictures_seen,
        "shifts": info.shifts,
        "config": info.config,
    })
}
