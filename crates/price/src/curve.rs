//! What an offer asks for n pictures, and which of several asks least at each n.
//!
//! ```text
//! C(n) = F + ceil(n / P)·M + n·e + o·max(0, n − Q)
//! ```
//! F is paid at any volume, M for each started block of P pictures (a machine's month), e for every picture, and o for every
//! picture beyond the Q that F includes. The lower envelope of such curves is found exactly: between the volumes where one
//! of them bends all are straight, and where two straight lines cross, the cheaper one changes.

use serde::Serialize;

use crate::PriceError;
use crate::exact::Exact;
use crate::money::{Currency, Decimal, Money, same_currency};

/// Bends that an envelope looks at; beyond them it ends.
const MAX_BENDS: u64 = 1_000;

/// The largest volume that an envelope looks at.
const MAX_PICTURES: u64 = 1_000_000_000_000;

/// What an offer asks for n pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Curve {
    pub(crate) currency: Currency,
    /// F.
    pub(crate) fixed: Exact,
    /// P and M.
    pub(crate) step: Option<(Exact, Exact)>,
    /// e.
    pub(crate) each: Exact,
    /// Q.
    pub(crate) included: Exact,
    /// o.
    pub(crate) beyond: Exact,
    /// Nothing is sold beyond so many pictures.
    pub(crate) limit: Option<u64>,
}

impl Curve {
    /// A price a picture.
    pub fn per_picture(currency: Currency, price: Decimal) -> Self {
        Self {
            currency,
            fixed: Exact::ZERO,
            step: None,
            each: Exact::price(price),
            included: Exact::ZERO,
            beyond: Exact::ZERO,
            limit: None,
        }
    }

    /// A plan that costs `fixed`, includes `included` pictures and asks `overage` for each further one.
    pub fn plan(currency: Currency, fixed: Decimal, included: u64, overage: Decimal) -> Self {
        Self {
            fixed: Exact::price(fixed),
            included: Exact::whole(included),
            beyond: Exact::price(overage),
            ..Self::per_picture(currency, Decimal::ZERO)
        }
    }

    /// A plan of which nothing more can be bought once its pictures are used up.
    pub fn capped(self, limit: u64) -> Self {
        Self { limit: Some(limit), ..self }
    }

    /// Its currency.
    pub fn currency(&self) -> Currency {
        self.currency
    }

    /// The most pictures it sells.
    pub fn limit(&self) -> Option<u64> {
        self.limit
    }

    /// C(n), rounded to the nearest millionth; nothing if so many are not sold.
    pub fn cost(&self, pictures: u64) -> Result<Option<Money>, PriceError> {
        self.at(pictures)?.map(|cost| cost.money(self.currency)).transpose()
    }

    fn at(&self, pictures: u64) -> Result<Option<Exact>, PriceError> {
        if self.limit.is_some_and(|limit| pictures > limit) {
            return Ok(None);
        }
        let n = Exact::whole(pictures);
        let mut cost = self.fixed.add(n.mul(self.each)?)?.add(n.less(self.included)?.mul(self.beyond)?)?;
        if let Some((size, price)) = self.step {
            cost = cost.add(Exact::whole(n.div(size)?.ceil()?).mul(price)?)?;
        }
        Ok(Some(cost))
    }

    /// What one more picture costs between two bends, at the volume `pictures` and above it.
    fn slope(&self, pictures: u64) -> Result<Exact, PriceError> {
        let beyond = Exact::whole(pictures) > self.included;
        if beyond { self.each.add(self.beyond) } else { Ok(self.each) }
    }

    /// The volumes up to `up_to` after which the curve is another line, and how far they were listed.
    pub(crate) fn bends(&self, up_to: u64) -> Result<(Vec<u64>, u64), PriceError> {
        let mut bends = Vec::new();
        let mut seen = up_to;
        if !self.beyond.is_zero() && self.included.floor() < up_to {
            bends.push(self.included.floor());
        }
        if let Some(limit) = self.limit.filter(|limit| *limit < up_to) {
            bends.push(limit);
        }
        if let Some((size, _)) = self.step {
            for block in 1..=MAX_BENDS {
                let end = size.mul(Exact::whole(block))?.floor();
                if end >= up_to {
                    break;
                }
                bends.push(end);
                if block == MAX_BENDS {
                    seen = end;
                }
            }
        }
        Ok((bends, seen))
    }
}

/// Where one curve is the cheapest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Segment {
    /// From this many pictures on.
    pub from: u64,
    /// Up to this many, included.
    pub to: u64,
    /// Which curve, by its place in the list.
    pub curve: usize,
}

/// The cheapest curve at every volume. Volumes at which none sells are in no segment; of equally cheap curves the one that
/// was cheapest before stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Envelope {
    /// In the order of volumes.
    pub segments: Vec<Segment>,
    /// The largest volume that was looked at.
    pub up_to: u64,
}

impl Envelope {
    /// The lower envelope of these curves from 1 to `up_to` pictures; it ends earlier where the curves have more than
    /// a thousand bends. An error if they are of two currencies, or where a cost is too large to be counted.
    pub fn of(curves: &[Curve], up_to: u64) -> Result<Self, PriceError> {
        let up_to = up_to.min(MAX_PICTURES);
        let mut bends = Vec::new();
        let mut end = up_to;
        for curve in curves {
            same_currency(curves[0].currency, curve.currency)?;
            let (own, seen) = curve.bends(up_to)?;
            bends.extend(own);
            end = end.min(seen);
        }
        bends.retain(|bend| (1..end).contains(bend));
        bends.push(end);
        bends.sort_unstable();
        bends.dedup();
        let mut envelope = Self { segments: Vec::new(), up_to: end };
        let mut from = 1;
        for bend in bends {
            envelope.straight(curves, from, bend)?;
            from = bend + 1;
        }
        Ok(envelope)
    }

    /// Adds the part between two bends, `from` and `to` included.
    fn straight(&mut self, curves: &[Curve], from: u64, to: u64) -> Result<(), PriceError> {
        let mut n = from;
        while n <= to {
            let before = self.segments.last().map(|segment| segment.curve);
            let Some((best, cost, slope)) = cheapest(curves, n, before)? else { return Ok(()) };
            // The first volume at which another one costs less.
            let mut next = to + 1;
            for curve in curves {
                let (Some(other), other_slope) = (curve.at(n)?, curve.slope(n)?) else { continue };
                if other_slope < slope {
                    let crossing = other.less(cost)?.div(slope.less(other_slope)?)?.floor();
                    next = next.min(n.saturating_add(crossing).saturating_add(1));
                }
            }
            self.push(Segment { from: n, to: (next - 1).min(to), curve: best });
            if next > to {
                break;
            }
            n = next;
        }
        Ok(())
    }

    fn push(&mut self, segment: Segment) {
        match self.segments.last_mut() {
            Some(last) if last.curve == segment.curve && last.to + 1 == segment.from => last.to = segment.to,
            _ => self.segments.push(segment),
        }
    }

    /// The cheapest curve at this volume, by its place in the list.
    pub fn cheapest(&self, pictures: u64) -> Option<usize> {
        let at = self.segments.partition_point(|segment| segment.to < pictures);
        self.segments.get(at).filter(|segment| segment.from <= pictures).map(|segment| segment.curve)
    }
}

/// The curve that costs least at `n`; of equals the one that was cheapest before, then the one that rises least.
fn cheapest(curves: &[Curve], n: u64, before: Option<usize>) -> Result<Option<(usize, Exact, Exact)>, PriceError> {
    let mut best: Option<(usize, Exact, Exact)> = None;
    for (i, curve) in curves.iter().enumerate() {
        let Some(cost) = curve.at(n)? else { continue };
        let slope = curve.slope(n)?;
        let better = best.is_none_or(|(_, best_cost, best_slope)| {
            cost < best_cost
                || cost == best_cost && (before == Some(i) || before != best.map(|b| b.0) && slope < best_slope)
        });
        if better {
            best = Some((i, cost, slope));
        }
    }
    Ok(best)
}

/// The number of pictures from which `fixed` pays off against `per_picture`, where each costs `marginal` once it is paid:
/// G* = F / (p − e), rounded up to a whole picture. Nothing if it never does.
pub fn break_even(fixed: Money, per_picture: Money, marginal: Money) -> Result<Option<u64>, PriceError> {
    let saved = per_picture.checked_sub(marginal)?;
    same_currency(fixed.currency(), saved.currency())?;
    let (Ok(fixed), Ok(saved)) = (u64::try_from(fixed.micros()), u64::try_from(saved.micros())) else {
        return Ok(None);
    };
    if saved == 0 {
        return Ok(None);
    }
    Ok(Some(fixed.div_ceil(saved)))
}
