//! The report and the catalogue as plain text for a terminal.

use std::fmt::Write as _;

use jiff::civil::Date;

use crate::catalogue::Catalogue;
use crate::money::Money;
use crate::report::{Line, Report};

/// Rows of equally wide cells; the first column is to the left, those in `right` to the right.
fn aligned(rows: &[Vec<String>], right: &[usize]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let cell_width = |row: &Vec<String>, column: usize| row.get(column).map_or(0, |cell| cell.chars().count());
    let widths: Vec<usize> =
        (0..columns).map(|column| rows.iter().map(|row| cell_width(row, column)).max().unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| {
            if right.contains(&column) { format!("{cell:>width$}") } else { format!("{cell:width$}") }
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// A duration as people say it.
fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.1} h", s / 3600.0),
        s => format!("{:.1} days", s / 86_400.0),
    }
}

/// An amount without its currency: with two digits, with four below 1.
fn amount(money: Money) -> String {
    let small = money.micros().unsigned_abs() < 1_000_000;
    money.rounded(if small { 4 } else { money.currency().digits() })
}

fn or_dash<T>(value: Option<T>, show: impl Fn(T) -> String) -> String {
    value.map_or_else(|| "-".into(), show)
}

impl Report {
    /// The report for a terminal, at most about 120 columns.
    pub fn table(&self) -> String {
        let (work, currency) = (&self.work, self.campaign.currency);
        let mut text = String::new();
        let drafts =
            if work.drafts > 0 { format!(" ({} drafts, {} finals)", work.drafts, work.finals) } else { String::new() };
        let _ = writeln!(
            text,
            "{} approved assets at {} candidates, {} retries and {} ratios: {} generations{drafts} of {}",
            self.campaign.assets,
            self.campaign.candidates,
            self.campaign.retries,
            self.campaign.ratios,
            work.generations,
            self.campaign.size
        );
        if self.extras.total.micros() > 0 {
            let extras = &self.extras;
            let (upscales, storage) = (amount(extras.upscales), amount(extras.storage));
            let _ = writeln!(
                text,
                "besides: upscales {upscales}, storage {storage}, review {} {currency}",
                amount(extras.review)
            );
        }
        text.push('\n');
        let head = ["offer", "cost", "per asset", "per picture", "time", "kWh", "checked"].map(String::from);
        let mut head = head.to_vec();
        head[1] = format!("cost {currency}");
        let mut rows = vec![head];
        rows.extend(self.offers.iter().map(row));
        text.push_str(&aligned(&rows, &[1, 2, 3, 4, 5]));
        if self.offers.iter().any(|line| line.stale) {
            text.push_str("* looked up more than 90 days ago: look again before buying\n");
        }
        let _ = writeln!(text, "\n{}", self.summary);
        if !self.break_points.is_empty() {
            let _ = writeln!(text, "\ncheapest by volume, up to {} pictures:", self.plotted_up_to);
            let points = self.break_points.iter().map(|point| {
                vec![format!("  from {}", point.from), point.id.clone(), format!("{} {currency}", amount(point.cost))]
            });
            text.push_str(&aligned(&points.collect::<Vec<_>>(), &[2]));
        }
        let paid: Vec<Vec<String>> = self
            .break_even
            .iter()
            .filter_map(|even| Some(vec![format!("  {}", even.own), even.against.clone(), even.pictures?.to_string()]))
            .collect();
        if !paid.is_empty() {
            text.push_str("\nown machine pays off, from so many pictures a month:\n");
            text.push_str(&aligned(&paid, &[2]));
        }
        if !self.excluded.is_empty() {
            text.push_str("\nnot to be chosen:\n");
            let rows = self.excluded.iter().map(|excluded| {
                let reasons: Vec<String> = excluded.reasons.iter().map(ToString::to_string).collect();
                vec![format!("  {}", excluded.id), reasons.join("; ")]
            });
            text.push_str(&aligned(&rows.collect::<Vec<_>>(), &[]));
        }
        text
    }
}

fn row(line: &Line) -> Vec<String> {
    vec![
        line.id.clone(),
        amount(line.cost),
        or_dash(line.per_asset, amount),
        or_dash(line.per_picture, amount),
        or_dash(line.seconds, duration),
        or_dash(line.kwh, |kwh| format!("{kwh:.2}")),
        format!("{}{}", line.checked_on, if line.stale { " *" } else { "" }),
    ]
}

impl Catalogue {
    /// The rows for a terminal.
    pub fn table(&self, today: Date) -> String {
        let head = ["id", "kind", "billing", "currency", "prices", "checked", "confidence"].map(String::from).to_vec();
        let mut rows = vec![head];
        rows.extend(self.offers.iter().map(|offer| {
            let state = match () {
                () if offer.is_retired(today) => " retired",
                () if offer.is_early(today) => " not yet",
                () if offer.is_stale(today) => " stale",
                () => "",
            };
            vec![
                offer.id.clone(),
                offer.kind.to_string(),
                offer.billing.name().to_owned(),
                offer.currency.to_string(),
                offer.price_summary(),
                format!("{}{state}", offer.checked_on),
                offer.confidence.to_string(),
            ]
        }));
        aligned(&rows, &[])
    }
}
