//! `calotype verify`: the recipe inside a picture, and whether running it again gives the same pixels.

use engine::Start;
use serde_json::json;

use crate::args::VerifyArgs;
use crate::report::{Reporter, interrupt_token};

/// Runs the command; different pixels are a failure.
pub fn run(args: &VerifyArgs, reporter: &Reporter) -> anyhow::Result<()> {
    // The strength is the recipe's.
    let start = args.vary.as_deref().map(|picture| Start::open(picture, args.mask.as_deref(), 1.0)).transpose()?;
    let outcome =
        engine::verify(&args.image, args.model.as_deref(), start, args.threads, &mut |_| {}, interrupt_token())?;
    let recipe = serde_json::to_value(&outcome.recipe)?;
    reporter.event(
        "verified",
        json!({
            "recipe": recipe,
            "equal": outcome.is_equal(),
            "different_pixels": outcome.different_pixels,
            "pixels": outcome.pixels,
        }),
    );
    reporter.say(&serde_json::to_string_pretty(&outcome.recipe)?);
    anyhow::ensure!(
        outcome.is_equal(),
        "{}: {} of {} pixels differ from what the recipe gives",
        args.image.display(),
        outcome.different_pixels,
        outcome.pixels
    );
    reporter.say(&format!("verified: all {} pixels are what the recipe gives", outcome.pixels));
    Ok(())
}
