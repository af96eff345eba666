//! `calotype enlarge`: a picture with more pixels, from the built-in enlarger.

use std::time::Instant;

use engine::{Enlarger, read_picture};
use serde_json::json;

use crate::args::EnlargeArgs;
use crate::commands::generate::check_output;
use crate::report::Reporter;

/// Runs the command.
pub fn run(args: &EnlargeArgs, reporter: &Reporter) -> anyhow::Result<()> {
    let (cpu, precision) = args.run.options()?.resolve()?;
    check_output(&args.output)?;
    let (size, pixels) = read_picture("picture", &args.picture)?;
    let begin = Instant::now();
    let (mut enlarger, _) = Enlarger::built_in(&cpu, precision)?;
    let large = enlarger.enlarge_pixels(size, args.times, &pixels)?;
    let (width, height) = (args.times * size.width, args.times * size.height);
    formats::picture::write(&args.output, width, height, &large, &[])?;
    let seconds = begin.elapsed().as_secs_f64();
    reporter.event(
        "enlarged",
        json!({ "path": args.output, "width": width, "height": height, "times": args.times, "seconds": seconds }),
    );
    reporter.say(&format!("{}: {width}x{height} pixels in {seconds:.1} s", args.output.display()));
    Ok(())
}
