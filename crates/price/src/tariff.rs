//! An offer and a campaign give a tariff: the curve of its cost, how long it takes and how much energy; or reasons why not.
//!
//! Every billing is brought to pictures: a picture of the campaign is so many of the vendor's units. Where drafts and finals
//! differ, the curve is that of their mix: `n·(d·p_draft + (1−d)·p_final)` with the campaign's share of drafts d, which
//! at n = G is exactly `A·K·c_draft + A·f·c_final`.

use std::fmt;

use jiff::civil::Date;
use serde::{Serialize, Serializer};

use crate::PriceError;
use crate::campaign::{Campaign, Speed, Work};
use crate::catalogue::{Billing, Kind, Offer, Rate, Rounding, Size};
use crate::curve::Curve;
use crate::exact::Exact;
use crate::money::{Currency, Decimal, Money};

/// Why an offer cannot be chosen. In JSON `{"reason": "retired", "message": "…"}`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Reason {
    /// It is no longer sold.
    Retired(Date),
    /// It is not sold yet.
    NotYet(Date),
    /// Its prices are in another currency than the campaign's.
    Currency {
        /// The offer's.
        offer: Currency,
        /// The campaign's.
        campaign: Currency,
    },
    /// It does not draw pictures of this size.
    Size {
        /// What was asked for.
        asked: Size,
        /// What it draws.
        offered: Vec<Size>,
    },
    /// It has none of the qualities that were asked for.
    Quality {
        /// What was asked for.
        asked: String,
        /// What it has.
        offered: Vec<String>,
    },
    /// Nobody measured how fast its machine draws.
    NoSpeed {
        /// The machine.
        device: String,
        /// Size of the picture.
        size: Size,
        /// The preset.
        preset: String,
    },
    /// The row does not say how long a picture takes, which its hours are counted in.
    NoPublishedSpeed,
    /// The row does not say what a reference picture costs.
    NoReferencePrice,
    /// Its quota is smaller than the campaign, and no more is sold.
    Quota {
        /// Pictures in the quota.
        pictures: u64,
        /// Pictures of the campaign.
        needed: u64,
    },
    /// It costs more than the campaign may.
    Budget {
        /// What it costs.
        total: Money,
        /// What it may cost.
        budget: Money,
    },
    /// It takes longer than there is time.
    Deadline {
        /// Hours it takes.
        hours: f64,
        /// Hours there are.
        deadline: Decimal,
    },
    /// Its cost is too large to be counted.
    TooLarge,
}

impl Reason {
    /// A short name for programs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Retired(_) => "retired",
            Self::NotYet(_) => "not_yet",
            Self::Currency { .. } => "currency",
            Self::Size { .. } => "size",
            Self::Quality { .. } => "quality",
            Self::NoSpeed { .. } => "no_speed",
            Self::NoPublishedSpeed => "no_published_speed",
            Self::NoReferencePrice => "no_reference_price",
            Self::Quota { .. } => "quota",
            Self::Budget { .. } => "budget",
            Self::Deadline { .. } => "deadline",
            Self::TooLarge => "too_large",
        }
    }
}

fn joined<T: ToString>(items: &[T]) -> String {
    items.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Retired(day) => write!(f, "no longer sold since {day}"),
            Self::NotYet(day) => write!(f, "not sold before {day}"),
            Self::Currency { offer, campaign } => write!(f, "priced in {offer}, the campaign counts in {campaign}"),
            Self::Size { asked, offered } => write!(f, "does not draw {asked}, only {}", joined(offered)),
            Self::Quality { asked, offered } => write!(f, "has no quality {asked}, only {}", joined(offered)),
            Self::NoSpeed { device, size, preset } => {
                write!(f, "no measured speed of {size} with preset '{preset}' on '{device}': draw some pictures there")
            }
            Self::NoPublishedSpeed => f.write_str("the row has no seconds_per_image, in which its hours are counted"),
            Self::NoReferencePrice => f.write_str("the row has no reference_price"),
            Self::Quota { pictures, needed } => {
                write!(f, "includes {pictures} pictures and sells no more; {needed} are needed")
            }
            Self::Budget { total, budget } => write!(f, "costs {total}, more than the budget of {budget}"),
            Self::Deadline { hours, deadline } => {
                write!(f, "takes {hours:.1} hours, more than the {deadline} there are")
            }
            Self::TooLarge => f.write_str("its cost is too large to be counted"),
        }
    }
}

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Written {
            reason: &'static str,
            message: String,
        }
        Written { reason: self.name(), message: self.to_string() }.serialize(serializer)
    }
}

/// How long pictures take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Pace {
    /// Nobody says.
    Unknown,
    /// Always the same: seconds of a picture, half and 95 % of them, drawn on so many machines.
    Steady { p50: f64, p95: Option<f64>, machines: f64 },
    /// Fast up to so many pictures, then slow, if it is known how slow.
    TwoLanes { fast: f64, included: f64, slow: Option<f64>, machines: f64 },
}

impl Pace {
    /// Seconds until the last of so many pictures is there: T = G·s/(devices·u).
    pub fn seconds(self, pictures: u64) -> Option<f64> {
        let n = pictures as f64;
        match self {
            Self::Unknown => None,
            Self::Steady { p50, machines, .. } => Some(n * p50 / machines),
            Self::TwoLanes { fast, included, slow, machines } => {
                let rest = (n - included).max(0.0);
                let slow = if rest > 0.0 { slow? * rest } else { 0.0 };
                Some((fast * n.min(included) + slow) / machines)
            }
        }
    }

    /// The same if every picture took as long as the slowest 5 %.
    pub fn slow_seconds(self, pictures: u64) -> Option<f64> {
        match self {
            Self::Steady { p95: Some(p95), machines, .. } => Some(pictures as f64 * p95 / machines),
            _ => None,
        }
    }
}

/// An offer at one quality, or with one model, for one campaign.
#[derive(Debug, Clone)]
pub(crate) struct Tariff {
    /// The offer's id, and after a slash what was chosen of it.
    pub id: String,
    pub model: String,
    /// The vendor's quality, or the preset.
    pub quality: Option<String>,
    pub curve: Curve,
    pub pace: Pace,
    /// kWh of a picture, if known.
    pub kwh: Option<f64>,
    /// Pictures that its speed was measured on; 0 = predicted; nothing = the vendor says it, or nobody.
    pub measured: Option<u64>,
}

/// What does not change between the offers of one report.
pub(crate) struct Setting<'a> {
    pub campaign: &'a Campaign,
    pub work: Work,
    /// d.
    pub drafts: Exact,
    pub speeds: &'a [Speed],
    pub today: Date,
}

/// An offer's tariffs, or why it has none.
pub(crate) fn tariffs(offer: &Offer, setting: &Setting<'_>) -> Result<Vec<Tariff>, Vec<Reason>> {
    let mut reasons = Vec::new();
    let campaign = setting.campaign;
    if let Some(day) = offer.retires_on.filter(|_| offer.is_retired(setting.today)) {
        reasons.push(Reason::Retired(day));
    }
    if let Some(day) = offer.starts_on.filter(|_| offer.is_early(setting.today)) {
        reasons.push(Reason::NotYet(day));
    }
    if offer.currency != campaign.currency {
        reasons.push(Reason::Currency { offer: offer.currency, campaign: campaign.currency });
    }
    let sizes = if setting.has_drafts() { vec![campaign.size, setting.draft_size()] } else { vec![campaign.size] };
    if let Some(asked) = sizes.into_iter().find(|size| !offer.sizes.is_empty() && !offer.sizes.contains(size)) {
        reasons.push(Reason::Size { asked, offered: offer.sizes.clone() });
    }
    if campaign.references > 0 && offer.kind == Kind::Api && offer.reference_price.is_none() {
        reasons.push(Reason::NoReferencePrice);
    }
    let builder = Builder { offer, setting };
    match builder.tariffs() {
        Ok(tariffs) if reasons.is_empty() => return Ok(tariffs),
        Ok(_) => {}
        Err(Stop::Reason(reason)) => reasons.push(*reason),
        Err(Stop::TooLarge) => reasons.push(Reason::TooLarge),
    }
    Err(reasons)
}

impl Setting<'_> {
    fn has_drafts(&self) -> bool {
        self.campaign.funnel.is_some()
    }

    fn draft_size(&self) -> Size {
        self.campaign.funnel.as_ref().and_then(|funnel| funnel.draft_size).unwrap_or(self.campaign.size)
    }

    fn speeds_of(&self, device: &str, size: Size, preset: &str) -> Vec<&Speed> {
        let fits = |speed: &&Speed| speed.device == device && speed.size == size && speed.preset == preset;
        self.speeds.iter().filter(fits).collect()
    }

    /// A number of a draft and one of a final, mixed as the campaign mixes them.
    fn mix(&self, draft: Exact, last: Exact) -> Result<Exact, PriceError> {
        let finals = Exact::ONE.less(self.drafts)?;
        self.drafts.mul(draft)?.add(finals.mul(last)?)
    }
}

enum Stop {
    Reason(Box<Reason>),
    TooLarge,
}

impl From<PriceError> for Stop {
    fn from(_: PriceError) -> Self {
        Self::TooLarge
    }
}

impl From<Reason> for Stop {
    fn from(reason: Reason) -> Self {
        Self::Reason(Box::new(reason))
    }
}

/// Seconds of a picture, half and 95 % of them, for the campaign's mix.
struct Measured<'a> {
    model: &'a str,
    /// Median of a draft.
    draft: Exact,
    /// Median of a final.
    last: Exact,
    p50: f64,
    p95: f64,
    /// Pictures that were measured, the fewer of drafts and finals.
    pictures: u64,
}

struct Builder<'a> {
    offer: &'a Offer,
    setting: &'a Setting<'a>,
}

impl Builder<'_> {
    fn tariffs(&self) -> Result<Vec<Tariff>, Stop> {
        let (offer, campaign) = (self.offer, self.setting.campaign);
        let zero = Curve::per_picture(offer.currency, Decimal::ZERO);
        let months = Exact::whole(campaign.months);
        match &offer.billing {
            Billing::Image { price, quality } => {
                if let Some(quality) = quality {
                    self.wanted(&[quality])?;
                }
                let tariff = self.simple(quality.clone(), Exact::price(*price))?;
                // The row has one quality: its id says enough.
                Ok(vec![Tariff { id: offer.id.clone(), ..tariff }])
            }
            Billing::ImageQualitySize { rates } => self.by_quality(rates, |rate| Ok(Exact::price(rate.value))),
            Billing::OutputTokens { per_million_tokens, rates } => {
                let token = Exact::price(*per_million_tokens).div(Exact::whole(1_000_000))?;
                self.by_quality(rates, |rate| token.mul(self.charged(Exact::number(rate.value))?))
            }
            Billing::Megapixel { per_megapixel, next_megapixel, pixels_per_megapixel } => {
                let price = |size: Size| {
                    let area = Exact::whole(size.pixels()).div(Exact::whole(*pixels_per_megapixel))?;
                    let area = self.charged(area)?;
                    match next_megapixel {
                        None => area.mul(Exact::price(*per_megapixel)),
                        Some(next) => {
                            let further = area.less(Exact::ONE)?.mul(Exact::price(*next))?;
                            Exact::price(*per_megapixel).add(further)
                        }
                    }
                };
                let price = self.setting.mix(price(self.setting.draft_size())?, price(campaign.size)?)?;
                Ok(vec![self.simple(None, price)?])
            }
            Billing::Credit { credits_per_image, credit_price, monthly, included_credits } => {
                let credits = self.charged(Exact::number(*credits_per_image))?;
                let included = Exact::number(*included_credits).mul(months)?;
                let price = credit_price.map(|price| credits.mul(Exact::price(price))).transpose()?;
                let curve = Curve { fixed: Exact::price(*monthly).mul(months)?, ..zero };
                Ok(vec![self.tariff(
                    None,
                    None,
                    self.quota(curve, included, credits, price)?,
                    self.published_pace(),
                )?])
            }
            Billing::GpuSecond {
                device,
                price,
                seconds,
                utilisation,
                cold_start_seconds,
                images_per_start,
                load_kw,
                pue,
            } => {
                let second = Exact::price(*price).div(Exact::whole(*seconds))?;
                let start = Exact::number(*cold_start_seconds).mul(second)?.div(Exact::whole(*images_per_start))?;
                let build = |measured: &Measured<'_>| {
                    let seconds = self.setting.mix(self.charged(measured.draft)?, self.charged(measured.last)?)?;
                    let paid = seconds.div(Exact::number(*utilisation))?;
                    let curve = Curve { each: paid.mul(second)?.add(start)?, ..zero };
                    let kw = load_kw.map(|kw| kw.to_f64() * pue.to_f64());
                    self.machine_tariff(measured, curve, *utilisation, kw)
                };
                self.measured(device)?.iter().map(build).collect()
            }
            Billing::GpuHours { monthly, included_hours, extra_hour, slow_lane, slow_seconds_per_image } => {
                let fast = offer.seconds_per_image.ok_or(Reason::NoPublishedSpeed)?;
                let seconds = self.charged(Exact::number(fast))?;
                let included = Exact::number(*included_hours).mul(Exact::whole(3600))?.mul(months)?;
                let price = match (slow_lane, extra_hour) {
                    (true, _) => Some(Exact::ZERO),
                    (false, Some(hour)) => Some(Exact::price(*hour).div(Exact::whole(3600))?.mul(seconds)?),
                    (false, None) => None,
                };
                let curve = Curve { fixed: Exact::price(*monthly).mul(months)?, ..zero };
                let machines = offer.parallel as f64;
                let pace = if *slow_lane {
                    let slow = slow_seconds_per_image.map(Decimal::to_f64);
                    Pace::TwoLanes { fast: fast.to_f64(), included: included.div(seconds)?.to_f64(), slow, machines }
                } else {
                    self.published_pace()
                };
                Ok(vec![self.tariff(None, None, self.quota(curve, included, seconds, price)?, pace)?])
            }
            Billing::Seat { per_seat, included_images, extra_image } => {
                let seats = Exact::whole(campaign.seats).mul(months)?;
                let included = Exact::whole(*included_images).mul(seats)?;
                let curve = Curve { fixed: Exact::price(*per_seat).mul(seats)?, ..zero };
                let curve = self.quota(curve, included, Exact::ONE, extra_image.map(Exact::price))?;
                Ok(vec![self.tariff(None, None, curve, self.published_pace())?])
            }
            Billing::Machine(machine) => {
                let build = |measured: &Measured<'_>| {
                    let seconds = self.setting.mix(measured.draft, measured.last)?;
                    let step = Some((machine.capacity(seconds)?, machine.exact_fixed()?));
                    let curve = Curve { step, each: machine.exact_marginal(seconds)?, ..zero };
                    let kw = machine.load_kw.to_f64() * machine.pue.to_f64();
                    self.machine_tariff(measured, curve, machine.utilisation, Some(kw))
                };
                self.measured(&machine.device)?.iter().map(build).collect()
            }
        }
    }

    /// A price a picture.
    fn simple(&self, quality: Option<String>, price: Exact) -> Result<Tariff, Stop> {
        let curve = Curve { each: price, ..Curve::per_picture(self.offer.currency, Decimal::ZERO) };
        self.tariff(None, quality, curve, self.published_pace())
    }

    /// A tariff for each quality that draws the campaign's size.
    fn by_quality(
        &self,
        rates: &[Rate],
        price: impl Fn(&Rate) -> Result<Exact, PriceError>,
    ) -> Result<Vec<Tariff>, Stop> {
        let campaign = self.setting.campaign;
        let at = |size: Size| rates.iter().filter(move |rate| rate.size == size);
        let no_size = |asked: Size| {
            let mut offered: Vec<Size> = rates.iter().map(|rate| rate.size).collect();
            offered.sort_unstable();
            offered.dedup();
            Reason::Size { asked, offered }
        };
        let finals: Vec<&Rate> = at(campaign.size).collect();
        if finals.is_empty() {
            return Err(no_size(campaign.size).into());
        }
        let names: Vec<&str> = finals.iter().map(|rate| rate.quality.as_str()).collect();
        let wanted = self.wanted(&names)?;
        let draft = match &campaign.funnel {
            None => None,
            Some(funnel) => {
                let size = self.setting.draft_size();
                let drafts: Vec<&Rate> = at(size).collect();
                let chosen = match &funnel.draft_quality {
                    None => drafts.iter().min_by_key(|rate| rate.value),
                    Some(name) => {
                        let found = drafts.iter().find(|rate| rate.quality == *name);
                        let offered = drafts.iter().map(|rate| rate.quality.clone()).collect();
                        if found.is_none() && !drafts.is_empty() {
                            return Err(Reason::Quality { asked: name.clone(), offered }.into());
                        }
                        found
                    }
                };
                Some(price(chosen.ok_or_else(|| no_size(size))?)?)
            }
        };
        let mut tariffs = Vec::new();
        for rate in finals.into_iter().filter(|rate| wanted.contains(&rate.quality.as_str())) {
            let last = price(rate)?;
            tariffs.push(self.simple(Some(rate.quality.clone()), self.setting.mix(draft.unwrap_or(last), last)?)?);
        }
        Ok(tariffs)
    }

    /// Those of the offered qualities that the campaign looks at.
    fn wanted<'n, Q: AsRef<str>>(&self, offered: &'n [Q]) -> Result<Vec<&'n str>, Stop> {
        let asked = &self.setting.campaign.qualities;
        let names = offered.iter().map(AsRef::as_ref);
        let wanted: Vec<&str> = names.filter(|name| asked.is_empty() || asked.iter().any(|one| one == name)).collect();
        if wanted.is_empty() {
            let offered = offered.iter().map(|name| name.as_ref().to_owned()).collect();
            return Err(Reason::Quality { asked: asked.join(", "), offered }.into());
        }
        Ok(wanted)
    }

    /// Units as the vendor charges them.
    fn charged(&self, units: Exact) -> Result<Exact, PriceError> {
        match self.offer.rounding {
            Rounding::None => Ok(units),
            Rounding::Up => Ok(Exact::whole(units.ceil()?)),
        }
    }

    /// A quota in units; pictures beyond it cost `price`, or are not sold.
    fn quota(&self, curve: Curve, included: Exact, units: Exact, price: Option<Exact>) -> Result<Curve, PriceError> {
        if units.is_zero() {
            return Ok(curve);
        }
        let included = included.div(units)?;
        Ok(match price {
            Some(beyond) => Curve { included, beyond, ..curve },
            None => Curve { limit: Some(included.floor()), ..curve },
        })
    }

    fn published_pace(&self) -> Pace {
        let pace =
            |seconds: Decimal| Pace::Steady { p50: seconds.to_f64(), p95: None, machines: self.offer.parallel as f64 };
        self.offer.seconds_per_image.map_or(Pace::Unknown, pace)
    }

    /// What was measured on a machine for the campaign's size and presets, for each model.
    fn measured(&self, device: &str) -> Result<Vec<Measured<'_>>, Stop> {
        let (setting, campaign) = (self.setting, self.setting.campaign);
        let missing =
            |size, preset: &str| Reason::NoSpeed { device: device.to_owned(), size, preset: preset.to_owned() };
        let mut finals = setting.speeds_of(device, campaign.size, &campaign.preset);
        finals.retain(|speed| self.offer.model.as_ref().is_none_or(|model| speed.model == *model));
        if finals.is_empty() {
            return Err(missing(campaign.size, &campaign.preset).into());
        }
        let Some(funnel) = &campaign.funnel else {
            let measured = finals.into_iter().map(|last| {
                let (p50, p95) = (last.p50_seconds, last.p95_seconds);
                let median = last.median()?;
                Ok(Measured { model: &last.model, draft: median, last: median, p50, p95, pictures: last.pictures })
            });
            return measured.collect();
        };
        let (size, preset) = (setting.draft_size(), funnel.draft_preset.as_deref().unwrap_or("draft"));
        let drafts = setting.speeds_of(device, size, preset);
        let share = setting.drafts.to_f64();
        let mix = |draft: f64, last: f64| share * draft + (1.0 - share) * last;
        let mut measured = Vec::new();
        for last in finals {
            let Some(draft) = drafts.iter().find(|draft| draft.model == last.model) else { continue };
            measured.push(Measured {
                model: &last.model,
                draft: draft.median()?,
                last: last.median()?,
                p50: mix(draft.p50_seconds, last.p50_seconds),
                p95: mix(draft.p95_seconds, last.p95_seconds),
                pictures: draft.pictures.min(last.pictures),
            });
        }
        if measured.is_empty() { Err(missing(size, preset).into()) } else { Ok(measured) }
    }

    fn machine_tariff(
        &self,
        measured: &Measured<'_>,
        curve: Curve,
        utilisation: Decimal,
        kw: Option<f64>,
    ) -> Result<Tariff, Stop> {
        let campaign = self.setting.campaign;
        let machines = campaign.devices as f64 * utilisation.to_f64();
        let pace = Pace::Steady { p50: measured.p50, p95: Some(measured.p95), machines };
        let mut tariff = self.tariff(Some(measured.model), Some(campaign.preset.clone()), curve, pace)?;
        tariff.kwh = kw.map(|kw| kw * measured.p50 / 3600.0);
        tariff.measured = Some(measured.pictures);
        Ok(tariff)
    }

    fn tariff(&self, model: Option<&str>, quality: Option<String>, curve: Curve, pace: Pace) -> Result<Tariff, Stop> {
        let offer = self.offer;
        let reference = offer.reference_price.unwrap_or_default();
        let references = Exact::whole(self.setting.campaign.references).mul(Exact::price(reference))?;
        let own_model = offer.model.as_deref();
        let parts = [Some(offer.id.as_str()), model.filter(|_| own_model.is_none()), quality.as_deref()];
        let id: Vec<&str> = parts.into_iter().flatten().collect();
        Ok(Tariff {
            id: id.join("/"),
            model: model.or(own_model).unwrap_or_default().to_owned(),
            quality,
            curve: Curve { each: curve.each.add(references)?, ..curve },
            pace,
            kwh: offer.watt_hours_per_image.map(|wh| wh.to_f64() / 1000.0),
            measured: None,
        })
    }
}
