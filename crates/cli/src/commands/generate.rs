//! `calotype generate`: pictures from a prompt, each a PNG with its recipe inside.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use engine::stable_diffusion::{Checkpoint, Pipeline};
use engine::{CancelToken, Engine, EngineError, Event, Image, PictureRecipe, store};
use serde_json::json;

use crate::args::GenerateArgs;
use crate::report::{Reporter, UsageError, interrupt_token};

/// Runs the command.
pub fn run(args: &GenerateArgs, reporter: &Reporter) -> anyhow::Result<()> {
    if args.job.is_stable_diffusion() {
        let own = &args.job.stable_diffusion;
        let checkpoint = Checkpoint::open(Path::new(&args.job.model), own.vae.as_deref())?;
        let request = args.job.stable_diffusion_request(&checkpoint.architecture, args.preview.is_some())?;
        request.validate()?;
        let options = args.job.run.options()?;
        prepare(args)?;
        request.size_for(&checkpoint.architecture)?;
        let mut pipeline = Pipeline::new(checkpoint, own.taesd.as_deref(), &options)?;
        return draw(args, reporter, |on_event, cancel| pipeline.generate(&request, on_event, cancel));
    }
    let request = args.job.request()?;
    request.validate()?;
    let options = args.job.run.options()?;
    prepare(args)?;
    let model = store::open(&args.job.model)?;
    let mut engine = Engine::new(&model, &options)?;
    draw(args, reporter, |on_event, cancel| engine.generate(&request, on_event, cancel))
}

/// Finds out whether the pictures can be written, before the work begins.
fn prepare(args: &GenerateArgs) -> anyhow::Result<()> {
    if !is_standard_output(&args.output) {
        check_output(&args.output)?;
    } else if args.job.count > 1 || args.job.run.json {
        let with = if args.job.run.json { "the events of --json" } else { "more than one picture" };
        return Err(UsageError(format!("output: standard output has no room for {with}")).into());
    }
    if let Some(folder) = &args.preview {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("preview: cannot make the folder {}", folder.display()))?;
    }
    interrupt_token();
    Ok(())
}

/// Runs a job and says what it says.
fn draw<R: PictureRecipe>(
    args: &GenerateArgs,
    reporter: &Reporter,
    job: impl FnOnce(&mut dyn FnMut(Event<'_, R>), &CancelToken) -> Result<Vec<Image<R>>, EngineError>,
) -> anyhow::Result<()> {
    let cancel = interrupt_token();
    let bar = reporter.bar(0, "drawing");
    // The first failure inside an event ends the job; it is reported in place of the cancellation.
    let mut failure = None;
    let stop = CancelToken::new();
    let result = job(
        &mut |event| {
            if let Err(error) = on_event(args, reporter, &bar, event) {
                failure.get_or_insert(error);
                stop.cancel();
            }
            if cancel.is_cancelled() {
                stop.cancel();
            }
        },
        &stop,
    );
    bar.finish_and_clear();
    match failure {
        Some(error) => Err(error),
        None => Ok(result.map(drop)?),
    }
}

fn on_event<R: PictureRecipe>(
    args: &GenerateArgs,
    reporter: &Reporter,
    bar: &indicatif::ProgressBar,
    event: Event<'_, R>,
) -> anyhow::Result<()> {
    match event {
        Event::Started { images, steps, size, prompt_cut } => {
            bar.set_length(u64::from(images) * u64::from(steps));
            reporter.event(
                "started",
                json!({ "images": images, "steps": steps, "size": size.to_string(), "seed": args.job.seed }),
            );
            if prompt_cut {
                reporter.warn("the prompt is longer than the model reads; its end was cut off");
            }
        }
        Event::Progress { image, step, steps, seconds, preview } => {
            bar.inc(1);
            reporter.event("progress", json!({ "image": image, "step": step, "steps": steps, "seconds": seconds }));
            if let Some(folder) = &args.preview {
                let path = folder.join(format!("image-{image}-step-{step:03}.png"));
                let size = preview.size;
                formats::picture::write(&path, size.width, size.height, &preview.pixels(), &[]).context("preview")?;
                reporter.event("preview", json!({ "image": image, "step": step, "path": path }));
            }
        }
        Event::Image { index, image } => {
            if is_standard_output(&args.output) {
                let mut out = std::io::stdout().lock();
                return out.write_all(&image.png()?).and_then(|()| out.flush()).context("output: standard output");
            }
            let path = numbered(&args.output, index, args.job.count);
            formats::atomic::write_bytes_atomic(&path, &image.png()?)?;
            bar.suspend(|| reporter.say(&path.display().to_string()));
            reporter.event("image", json!({ "index": index, "path": path, "seed": image.recipe.seed() }));
        }
        Event::Done { images, seconds } => {
            reporter.event("done", json!({ "images": images, "seconds": seconds }));
        }
    }
    Ok(())
}

fn is_standard_output(output: &Path) -> bool {
    output == Path::new("-")
}

/// `out.png` for one picture; `out-0.png`, `out-1.png`, ... for several.
fn numbered(output: &Path, index: u32, count: u32) -> PathBuf {
    if count == 1 {
        return output.to_owned();
    }
    let stem = output.file_stem().unwrap_or_default().to_string_lossy();
    output.with_file_name(format!("{stem}-{index}.png"))
}

/// Finds out before the work begins whether the pictures can be written.
pub fn check_output(output: &Path) -> anyhow::Result<()> {
    let is_png = output.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png"));
    if !is_png {
        return Err(UsageError(format!("output: {} must end in .png", output.display())).into());
    }
    let folder = match output.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    anyhow::ensure!(folder.is_dir(), "output: there is no folder {}", folder.display());
    anyhow::ensure!(!output.is_dir(), "output: {} is a folder", output.display());
    let read_only = std::fs::metadata(folder).is_ok_and(|meta| meta.permissions().readonly());
    anyhow::ensure!(!read_only, "output: the folder {} cannot be written to", folder.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_several_pictures() {
        assert_eq!(numbered(Path::new("a/out.png"), 0, 1), Path::new("a/out.png"));
        assert_eq!(numbered(Path::new("a/out.png"), 11, 12), Path::new("a/out-11.png"));
        assert_eq!(numbered(Path::new("b.c.png"), 0, 2), Path::new("b.c-0.png"));
    }

    #[test]
    fn impossible_outputs() {
        for bad in ["out.jpg", "out", "/no/such/folder/out.png", ""] {
            assert!(check_output(Path::new(bad)).is_err(), "{bad}");
        }
    }
}
