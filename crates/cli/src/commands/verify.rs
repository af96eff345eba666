//! `calotype verify`: the recipe inside a picture, and whether running it again gives the same pixels.

use std::path::Path;

use engine::Start;
use engine::stable_diffusion::{self as sd, Checkpoint};
use serde_json::json;

use crate::args::VerifyArgs;
use crate::report::{Reporter, UsageError, interrupt_token};

/// Runs the command; different pixels are a failure.
pub fn run(args: &VerifyArgs, reporter: &Reporter) -> anyhow::Result<()> {
    // The strength is the recipe's.
    let start = args.vary.as_deref().map(|picture| Start::open(picture, args.mask.as_deref(), 1.0)).transpose()?;
    let picture = formats::picture::read(&args.image)?;
    if sd::Recipe::is_inside(&picture) {
        return stable_diffusion(args, start, reporter);
    }
    let outcome =
        engine::verify(&args.image, args.model.as_deref(), start, args.threads, &mut |_| {}, interrupt_token())?;
    report(args, reporter, &serde_json::to_value(&outcome.recipe)?, outcome.different_pixels, outcome.pixels)
}

/// The same for a picture of a Stable Diffusion checkpoint, which must be named.
fn stable_diffusion(args: &VerifyArgs, start: Option<Start>, reporter: &Reporter) -> anyhow::Result<()> {
    let Some(model) = &args.model else {
        let message = "made by a Stable Diffusion checkpoint: name it with --model PATH".to_owned();
        return Err(UsageError(format!("{}: {message}", args.image.display())).into());
    };
    let checkpoint = Checkpoint::open(Path::new(model), args.vae.as_deref())?;
    let outcome = sd::verify(&args.image, checkpoint, start, args.threads, &mut |_| {}, interrupt_token())?;
    report(args, reporter, &serde_json::to_value(&outcome.recipe)?, outcome.different_pixels, outcome.pixels)
}

fn report(
    args: &VerifyArgs,
    reporter: &Reporter,
    recipe: &serde_json::Value,
    different: usize,
    pixels: usize,
) -> anyhow::Result<()> {
    reporter.event(
        "verified",
        json!({ "recipe": recipe, "equal": different == 0, "different_pixels": different, "pixels": pixels }),
    );
    reporter.say(&serde_json::to_string_pretty(recipe)?);
    anyhow::ensure!(
        different == 0,
        "{}: {different} of {pixels} pixels differ from what the recipe gives",
        args.image.display()
    );
    reporter.say(&format!("verified: all {pixels} pixels are what the recipe gives"));
    Ok(())
}
