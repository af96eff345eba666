//! `calotype train CONFIG.toml [--resume]`: a training run, resumable bit for bit.

use engine::Options;
use train::run::Event;

use crate::args::TrainArgs;
use crate::report::{Reporter, interrupt_token};

/// Runs the command. An interruption writes a checkpoint first.
pub fn run(args: &TrainArgs, reporter: &Reporter) -> anyhow::Result<()> {
    let (cpu, _) = Options { threads: args.threads, ..Options::default() }.resolve()?;
    let config = train::TrainConfig::open(&args.config)?;
    let stop = interrupt_token();
    let bar = reporter.bar(config.pictures, "training");
    let result = train::run::run(&cpu, &config, args.resume, &|| stop.is_cancelled(), &mut |event| {
        if reporter.is_json() {
            if let Ok(serde_json::Value::Object(mut fields)) = serde_json::to_value(event) {
                let name = fields.remove("event").and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default();
                reporter.event(&name, fields.into());
            }
            return;
        }
        match event {
            Event::Started { name, parameters, records, pictures, total } => bar.suspend(|| {
                reporter.say(&format!(
                    "{name}: {:.1} M parameters, {records} pictures, {pictures} of {total} examples seen",
                    *parameters as f64 / 1e6
                ));
            }),
            Event::Progress { step, pictures, loss, pictures_per_second, .. } => {
                bar.set_position(*pictures);
                bar.set_message(format!("step {step}, loss {loss:.4}, {pictures_per_second:.1} pictures/s"));
            }
            Event::Checkpoint { path } => bar.suspend(|| reporter.say(&format!("checkpoint: {}", path.display()))),
            Event::Samples { path } => bar.suspend(|| reporter.say(&format!("samples: {}", path.display()))),
            Event::Warning { message } => bar.suspend(|| reporter.warn(message)),
            Event::Done { complete, pictures, model } => bar.suspend(|| {
                let end = if *complete { "complete" } else { "stopped; --resume goes on" };
                reporter.say(&format!("{end} after {pictures} examples: {}", model.display()));
            }),
        }
    });
    bar.finish_and_clear();
    result?;
    if stop.is_cancelled() {
        return Err(engine::EngineError::Cancelled.into());
    }
    Ok(())
}
