//! The report: what a campaign costs with each offer, which is cheapest, and the curves for plots. The command line, the
//! JSON interface and the page all show this one, so they say the same numbers.

use std::collections::HashSet;

use jiff::civil::Date;
use serde::Serialize;

use crate::PriceError;
use crate::campaign::{Campaign, Speed, Work};
use crate::catalogue::{Catalogue, Confidence, Kind, Offer};
use crate::curve::{Curve, Envelope};
use crate::exact::Exact;
use crate::money::Money;
use crate::tariff::{Reason, Setting, Tariff, tariffs};

/// Bends of one curve that a plot shows.
const MAX_BENDS_PLOTTED: usize = 64;

/// The largest volume of a plot, in pictures.
const MAX_PLOTTED: u64 = 1_000_000_000_000;

/// What a campaign costs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The catalogue's name.
    pub catalogue: String,
    /// The day for which it was made.
    pub today: Date,
    /// What was asked for.
    pub campaign: Campaign,
    /// How many pictures that is.
    pub work: Work,
    /// What comes to drawing, whichever offer is chosen.
    pub extras: ExtraCosts,
    /// Offers that can be chosen, the cheapest first.
    pub offers: Vec<Line>,
    /// Offers that cannot, and why.
    pub excluded: Vec<Excluded>,
    /// Id of the cheapest offer for this campaign.
    pub cheapest: Option<String>,
    /// Which offer is the cheapest here, and from which volume another one is, in one sentence.
    pub summary: String,
    /// The cheapest offer at every volume: from so many pictures on.
    pub break_points: Vec<BreakPoint>,
    /// From which volume an own machine pays off against an offer by the picture.
    pub break_even: Vec<BreakEven>,
    /// The largest volume of the curves and break points, in pictures.
    pub plotted_up_to: u64,
    /// Cost, time and energy against volume.
    pub series: Vec<Series>,
}

/// What comes to drawing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ExtraCosts {
    /// Enlarging.
    pub upscales: Money,
    /// Keeping every generation.
    pub storage: Money,
    /// A reviewer's time.
    pub review: Money,
    /// All three.
    pub total: Money,
}

/// An offer that can be chosen.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// The offer's id, and after a slash the model, quality or preset.
    pub id: String,
    /// The row of the catalogue.
    pub offer: String,
    /// Who offers it.
    pub vendor: String,
    /// Who runs the model, and how it is paid.
    pub kind: Kind,
    /// In which unit.
    pub billing: &'static str,
    /// The model.
    pub model: String,
    /// The vendor's quality, or the preset.
    pub quality: Option<String>,
    /// Drawing all generations.
    pub cost: Money,
    /// A generation; nothing if there is none.
    pub per_picture: Option<Money>,
    /// With upscales, storage and review.
    pub total: Money,
    /// **The number to show**: the total for each approved asset; nothing if there is none.
    pub per_asset: Option<Money>,
    /// Seconds until the last picture is there; nothing if nobody says how fast it is.
    pub seconds: Option<f64>,
    /// The same if every picture took as long as the slowest 5 %.
    pub seconds_p95: Option<f64>,
    /// Energy in kWh; nothing if nobody says.
    pub kwh: Option<f64>,
    /// Pictures that the speed was measured on; 0 = the engine predicts it; nothing = the vendor states it, or nobody does.
    pub measured: Option<u64>,
    /// The price was looked up more than 90 days ago.
    pub stale: bool,
    /// Where.
    pub source: String,
    /// When.
    pub checked_on: Date,
    /// How sure that is.
    pub confidence: Confidence,
    /// What may be done with the pictures.
    pub rights: String,
    /// What the vendor puts into them.
    pub marks: String,
    /// Anything else the row says.
    pub notes: Option<String>,
}

/// An offer that cannot be chosen.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Excluded {
    /// The offer's id, and after a slash the model, quality or preset, where it came so far.
    pub id: String,
    /// Who offers it.
    pub vendor: String,
    /// Why, at least one.
    pub reasons: Vec<Reason>,
    /// What it would cost, if that is known.
    pub cost: Option<Money>,
}

/// Where another offer becomes the cheapest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BreakPoint {
    /// From this many pictures on.
    pub from: u64,
    /// Up to this many, included.
    pub to: u64,
    /// The cheapest offer there.
    pub id: String,
    /// What it costs at `from`.
    pub cost: Money,
}

/// Where an own machine pays off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BreakEven {
    /// The own machine.
    pub own: String,
    /// The offer it is compared with.
    pub against: String,
    /// The first number of pictures that costs less on the own machine; nothing if there is none up to `plotted_up_to`.
    pub pictures: Option<u64>,
}

/// One offer against volume.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Series {
    /// The offer.
    pub id: String,
    /// In the order of volumes; the line between two points is straight, or a step of an own machine.
    pub points: Vec<Point>,
}

/// A point of a series.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Point {
    /// The volume.
    pub pictures: u64,
    /// Drawing them.
    pub cost: Money,
    /// Seconds until the last one is there.
    pub seconds: Option<f64>,
    /// Energy in kWh.
    pub kwh: Option<f64>,
}

/// What a campaign costs with each offer of a catalogue, on a day, given how fast own and rented machines were seen to draw.
/// An error if an input is out of its range; an offer that does not fit is in [`Report::excluded`] instead.
pub fn report(catalogue: &Catalogue, campaign: &Campaign, speeds: &[Speed], today: Date) -> Result<Report, PriceError> {
    let work = campaign.work()?;
    check_speeds(speeds)?;
    let setting = Setting { campaign, work, drafts: work.draft_share()?, speeds, today };
    let extras = extras(campaign, work)?;
    let usual = work.generations.saturating_mul(10).max(1_000);
    let up_to = campaign.plot_up_to.unwrap_or(usual).clamp(1, MAX_PLOTTED);
    let mut chosen: Vec<(Line, Tariff)> = Vec::new();
    let mut excluded = Vec::new();
    for offer in &catalogue.offers {
        let refuse =
            |id: &str, reasons, cost| Excluded { id: id.to_owned(), vendor: offer.vendor.clone(), reasons, cost };
        match tariffs(offer, &setting) {
            Err(reasons) => excluded.push(refuse(&offer.id, reasons, None)),
            Ok(tariffs) => {
                for tariff in tariffs {
                    match line(offer, &tariff, &setting, &extras, up_to) {
                        Ok(line) => chosen.push((line, tariff)),
                        Err((reasons, cost)) => excluded.push(refuse(&tariff.id, reasons, cost)),
                    }
                }
            }
        }
    }
    chosen.sort_by(|(a, _), (b, _)| (a.cost.micros(), &a.id).cmp(&(b.cost.micros(), &b.id)));
    let curves: Vec<Curve> = chosen.iter().map(|(_, tariff)| tariff.curve).collect();
    let envelope = Envelope::of(&curves, up_to)?;
    let break_points = envelope.segments.iter().map(|segment| {
        let cost = curves[segment.curve].cost(segment.from)?.unwrap_or(Money::zero(campaign.currency));
        Ok(BreakPoint { from: segment.from, to: segment.to, id: chosen[segment.curve].0.id.clone(), cost })
    });
    let break_points = break_points.collect::<Result<Vec<_>, PriceError>>()?;
    let series = chosen.iter().map(|(_, tariff)| series(tariff, work.generations, &envelope));
    let series = series.collect::<Result<_, PriceError>>()?;
    let break_even = break_even(&chosen, envelope.up_to)?;
    let offers: Vec<Line> = chosen.into_iter().map(|(line, _)| line).collect();
    let summary = summary(offers.first(), &break_points, work.generations, excluded.len());
    Ok(Report {
        summary,
        catalogue: catalogue.name.clone(),
        today,
        campaign: campaign.clone(),
        work,
        extras,
        cheapest: offers.first().map(|line| line.id.clone()),
        offers,
        excluded,
        break_points,
        break_even,
        plotted_up_to: envelope.up_to,
        series,
    })
}

/// The answer in one sentence.
fn summary(cheapest: Option<&Line>, points: &[BreakPoint], generations: u64, excluded: usize) -> String {
    let Some(line) = cheapest else {
        return format!("No offer can be chosen for this campaign: all {excluded} are left out, each with its reason.");
    };
    let each = line.per_asset.map_or(String::new(), |money| format!(", {} an approved asset", money.short()));
    let pictures = counted(generations);
    let mut text = format!("For {pictures} pictures {} costs least: {}{each}", line.id, line.total);
    // At the campaign's own volume the cheapest of the plot is this one, or one that costs the same.
    let next = points.iter().find(|point| point.from > generations && point.id != line.id);
    match next {
        Some(point) => text += &format!("; from {} pictures on {} does.", counted(point.from), point.id),
        None => text += "; no other does up to the end of the plot.",
    }
    text
}

/// A number with commas between its thousands.
fn counted(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Each must be a measurement, and the only one of its kind.
fn check_speeds(speeds: &[Speed]) -> Result<(), PriceError> {
    let mut seen = HashSet::new();
    for speed in speeds {
        speed.check()?;
        if !seen.insert((&speed.device, &speed.model, speed.size, &speed.preset)) {
            let (device, model, size, preset) = (&speed.device, &speed.model, speed.size, &speed.preset);
            let message = format!("there are two of {model} at {size} with preset {preset} on {device}");
            return Err(PriceError::field("speeds", message));
        }
    }
    Ok(())
}

fn extras(campaign: &Campaign, work: Work) -> Result<ExtraCosts, PriceError> {
    let parts = campaign.extras.of(campaign.assets, work.generations)?;
    let money = |part: Exact| part.money(campaign.currency);
    let [upscales, storage, review] = [money(parts[0])?, money(parts[1])?, money(parts[2])?];
    let total = upscales.checked_add(storage)?.checked_add(review)?;
    Ok(ExtraCosts { upscales, storage, review, total })
}

type Refusal = (Vec<Reason>, Option<Money>);

fn line(
    offer: &Offer,
    tariff: &Tariff,
    setting: &Setting<'_>,
    extras: &ExtraCosts,
    up_to: u64,
) -> Result<Line, Refusal> {
    let (campaign, generations) = (setting.campaign, setting.work.generations);
    let too_large = |_: PriceError| (vec![Reason::TooLarge], None);
    let Some(cost) = tariff.curve.cost(generations).map_err(too_large)? else {
        let pictures = tariff.curve.limit().unwrap_or_default();
        return Err((vec![Reason::Quota { pictures, needed: generations }], None));
    };
    // The plot must be countable too.
    tariff.curve.cost(up_to).map_err(too_large)?;
    let total = cost.checked_add(extras.total).map_err(too_large)?;
    let queue = campaign.queue_seconds.to_f64();
    let seconds = tariff.pace.seconds(generations).map(|seconds| seconds + queue);
    let mut reasons = Vec::new();
    if let Some(budget) = campaign.budget.filter(|budget| total.micros() > budget.micros()) {
        reasons.push(Reason::Budget { total, budget });
    }
    let hours = seconds.map(|seconds| seconds / 3600.0);
    if let Some((hours, deadline)) = hours.zip(campaign.deadline_hours).filter(|(h, limit)| *h > limit.to_f64()) {
        reasons.push(Reason::Deadline { hours, deadline });
    }
    if !reasons.is_empty() {
        return Err((reasons, Some(cost)));
    }
    Ok(Line {
        id: tariff.id.clone(),
        offer: offer.id.clone(),
        vendor: offer.vendor.clone(),
        kind: offer.kind,
        billing: offer.billing.name(),
        model: tariff.model.clone(),
        quality: tariff.quality.clone(),
        cost,
        per_picture: share(cost, generations).map_err(too_large)?,
        total,
        per_asset: share(total, campaign.assets).map_err(too_large)?,
        seconds,
        seconds_p95: tariff.pace.slow_seconds(generations).map(|seconds| seconds + queue),
        kwh: tariff.kwh.map(|kwh| kwh * generations as f64),
        measured: tariff.measured,
        stale: offer.is_stale(setting.today),
        source: offer.source.clone(),
        checked_on: offer.checked_on,
        confidence: offer.confidence,
        rights: offer.rights.clone(),
        marks: offer.marks.clone(),
        notes: offer.notes.clone(),
    })
}

/// An amount for each of so many, rounded to the millionth; costs are never below zero.
fn share(amount: Money, parts: u64) -> Result<Option<Money>, PriceError> {
    if parts == 0 {
        return Ok(None);
    }
    let amount_micros = Exact::whole(amount.micros().unsigned_abs());
    amount_micros.div(Exact::whole(parts))?.money(amount.currency()).map(Some)
}

/// The volumes of a plot: 1, 2, 3, 5, 7 and their tens, the campaign's own, and both sides of every bend and break point.
fn volumes(curve: &Curve, campaign: u64, envelope: &Envelope) -> Result<Vec<u64>, PriceError> {
    let up_to = envelope.up_to;
    let tens = std::iter::successors(Some(1_u64), |ten| ten.checked_mul(10)).take_while(|ten| *ten <= up_to);
    let mut volumes: Vec<u64> = tens.flat_map(|ten| [1, 2, 3, 5, 7].map(|times| ten.saturating_mul(times))).collect();
    let (bends, _) = curve.bends(up_to)?;
    volumes.extend(bends.into_iter().take(MAX_BENDS_PLOTTED).flat_map(|bend| [bend, bend.saturating_add(1)]));
    volumes.extend(envelope.segments.iter().flat_map(|segment| [segment.from, segment.to]));
    volumes.extend([0, campaign, up_to]);
    volumes.retain(|volume| *volume <= up_to);
    volumes.sort_unstable();
    volumes.dedup();
    Ok(volumes)
}

fn series(tariff: &Tariff, campaign: u64, envelope: &Envelope) -> Result<Series, PriceError> {
    let mut points = Vec::new();
    for pictures in volumes(&tariff.curve, campaign, envelope)? {
        let Some(cost) = tariff.curve.cost(pictures)? else { break };
        let kwh = tariff.kwh.map(|kwh| kwh * pictures as f64);
        points.push(Point { pictures, cost, seconds: tariff.pace.seconds(pictures), kwh });
    }
    Ok(Series { id: tariff.id.clone(), points })
}

/// Every own machine against every offer by the picture.
fn break_even(chosen: &[(Line, Tariff)], up_to: u64) -> Result<Vec<BreakEven>, PriceError> {
    let mut found = Vec::new();
    for (own, own_tariff) in chosen.iter().filter(|(line, _)| line.kind == Kind::OwnHw) {
        for (other, other_tariff) in chosen.iter().filter(|(line, _)| matches!(line.kind, Kind::Api | Kind::GpuRent)) {
            let pair = Envelope::of(&[other_tariff.curve, own_tariff.curve], up_to)?;
            let pictures = pair.segments.iter().find(|segment| segment.curve == 1).map(|segment| segment.from);
            found.push(BreakEven { own: own.id.clone(), against: other.id.clone(), pictures });
        }
    }
    Ok(found)
}
