//! `calotype prices plan`: what a campaign costs with every offer, own hardware at the speed that is measured now.

use std::time::Instant;

use engine::{CancelToken, Engine, Request, Size, store};
use price::{Campaign, Extras, Funnel, MeasuredSpeed, Money};

use crate::args::PricesPlanArgs;
use crate::report::Reporter;

/// Pictures of each preset that are drawn to know the speed, after one that does not count.
const PICTURES: usize = 5;
/// The device that the catalogue calls this machine.
const LOCAL: &str = "local";
const DRAFT: &str = "draft";
const FINAL: &str = "final";

/// Runs the command.
pub fn run(args: &PricesPlanArgs, reporter: &Reporter) -> anyhow::Result<()> {
    let campaign = Campaign {
        currency: args.currency,
        assets: args.assets,
        candidates: args.candidates,
        retries: args.retries,
        ratios: args.ratios,
        funnel: args.drafts.then(Funnel::default),
        size: args.size,
        preset: FINAL.into(),
        budget: args.budget.as_deref().map(|budget| Money::parse(budget, args.currency)).transpose()?,
        extras: Extras { reviewer_minutes: args.review, reviewer_wage: args.wage, ..Extras::default() },
        ..Campaign::default()
    };
    let catalogue = super::prices::open(args.catalogue.as_deref())?;
    let speeds = if args.no_measuring { Vec::new() } else { measure(args, reporter)? };
    let report = price::report(&catalogue, &campaign, &speeds, args.today.unwrap_or_else(price::today))?;
    reporter.event("prices", serde_json::to_value(&report)?);
    reporter.say(&report.table());
    Ok(())
}

/// Seconds a picture of the built-in model on this machine, as drafts and as finals.
fn measure(args: &PricesPlanArgs, reporter: &Reporter) -> anyhow::Result<Vec<MeasuredSpeed>> {
    reporter.say("measuring this machine: twelve pictures of the built-in model; --no-measuring leaves that out");
    let mut engine = Engine::new(&store::open(store::DEFAULT_MODEL)?, &args.run.options()?)?;
    let size = Size { width: args.size.width, height: args.size.height };
    let mut speeds = Vec::new();
    for (preset, steps) in [(DRAFT, 4), (FINAL, 25)] {
        let request = Request { prompt: "a red house".into(), steps, size: Some(size), ..Request::default() };
        let mut seconds = Vec::with_capacity(PICTURES + 1);
        for _ in 0..=PICTURES {
            let begin = Instant::now();
            engine.generate(&request, &mut |_| {}, &CancelToken::new())?;
            seconds.push(begin.elapsed().as_secs_f64());
        }
        // The first one plans the graphs.
        let mut seconds = seconds.split_off(1);
        seconds.sort_by(f64::total_cmp);
        speeds.push(MeasuredSpeed {
            device: LOCAL.into(),
            model: store::DEFAULT_MODEL.into(),
            size: args.size,
            preset: preset.into(),
            p50_seconds: seconds[PICTURES / 2],
            p95_seconds: seconds[PICTURES - 1],
            pictures: PICTURES as u64,
        });
    }
    reporter.event("speeds", serde_json::to_value(&speeds)?);
    Ok(speeds)
}
