//! `calotype prices plan`: what a campaign costs with every offer, own hardware at the speed that is measured now or
//! that the studio of a data folder measured.

use std::fs::File;
use std::io::Read;
use std::time::Instant;

use anyhow::Context;
use engine::{CancelToken, Engine, Request, Size, store};
use price::{Campaign, Extras, Funnel, Money, Speed};
use serde_json::json;
use server::PriceRequest;

use super::campaign::{open_folder, refused, runtime};
use crate::args::{PricesPlanArgs, RunArgs};
use crate::report::{Reporter, UsageError};

/// Pictures of each preset that are drawn to know the speed, after one that does not count.
const PICTURES: usize = 5;
/// The device that the catalogue calls this machine.
const LOCAL: &str = "local";
const DRAFT: &str = "draft";
const FINAL: &str = "final";
/// Longest question in bytes.
const MAX_REQUEST: u64 = 1 << 20;

/// Runs the command.
pub fn run(args: &PricesPlanArgs, reporter: &Reporter) -> anyhow::Result<()> {
    let request = request(args)?;
    let (report, speeds) = match &args.data {
        Some(data) => {
            let studio = open_folder(Some(data), None, &args.run)?;
            let answer = runtime()?.block_on(studio.prices(request)).map_err(refused)?;
            (answer.report, answer.speeds)
        }
        None => {
            let today = request.today.unwrap_or_else(price::today);
            let mut catalogue = super::prices::open(args.catalogue.as_deref())?;
            if let Some(figures) = &request.machine {
                catalogue = catalogue.with_own(figures, request.campaign.currency, today)?;
            }
            let speeds =
                if args.no_measuring { Vec::new() } else { measure(request.campaign.size, &args.run, reporter)? };
            (price::report(&catalogue, &request.campaign, &speeds, today)?, speeds)
        }
    };
    if !speeds.is_empty() {
        reporter.event("speeds", json!({ "speeds": speeds }));
    }
    reporter.event("prices", serde_json::to_value(&report)?);
    reporter.say(&report.table());
    Ok(())
}

/// The question of the options or of the file; a day or model of the options wins.
fn request(args: &PricesPlanArgs) -> anyhow::Result<PriceRequest> {
    let mut request = match &args.request {
        Some(path) => {
            let mut text = String::new();
            let file = File::open(path).with_context(|| path.display().to_string())?;
            file.take(MAX_REQUEST).read_to_string(&mut text).with_context(|| path.display().to_string())?;
            serde_json::from_str(&text).map_err(|error| UsageError(format!("{}: {error}", path.display())))?
        }
        None => PriceRequest { campaign: campaign(args)?, ..PriceRequest::default() },
    };
    request.today = args.today.or(request.today);
    request.predict = args.predict.clone().or(request.predict);
    if request.predict.is_some() && args.data.is_none() {
        return Err(UsageError("predict: needs --data DIR; without it this machine is measured".into()).into());
    }
    Ok(request)
}

fn campaign(args: &PricesPlanArgs) -> anyhow::Result<Campaign> {
    Ok(Campaign {
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
    })
}

/// Seconds a picture of the built-in model on this machine, as drafts and as finals.
fn measure(asked: price::Size, run: &RunArgs, reporter: &Reporter) -> anyhow::Result<Vec<Speed>> {
    reporter.say("measuring this machine: twelve pictures of the built-in model; --no-measuring leaves that out");
    let mut engine = Engine::new(&store::open(store::DEFAULT_MODEL)?, &run.options()?)?;
    let size = Size { width: asked.width, height: asked.height };
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
        speeds.push(Speed {
            device: LOCAL.into(),
            model: store::DEFAULT_MODEL.into(),
            size: asked,
            preset: preset.into(),
            p50_seconds: seconds[PICTURES / 2],
            p95_seconds: seconds[PICTURES - 1],
            pictures: PICTURES as u64,
        });
    }
    Ok(speeds)
}
