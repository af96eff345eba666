//! Reading the file: every row, every problem.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::fields::{Fields, Lines, flatten};
use super::{Billing, Catalogue, Kind, Machine, Offer, Rate, Size};
use crate::money::{Decimal, MICRO};

/// The names of the billings.
const BILLINGS: [&str; 9] = [
    "image",
    "image_quality_size",
    "output_tokens",
    "megapixel",
    "credit",
    "gpu_second",
    "gpu_hours",
    "seat",
    "machine",
];

/// A catalogue is at most this long; the starter has about 20 kB.
const MAX_BYTES: u64 = 16 << 20;

/// The longest time of a picture, in millionths of a second: a month.
const MAX_SECONDS: u64 = 2_678_400 * MICRO;

/// What is wrong with a field of a row.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    /// The row's id, or `#3` for the third one if it has none.
    pub row: String,
    /// The field.
    pub field: String,
    /// The line of the file, from 1.
    pub line: Option<usize>,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        for part in [&self.row, &self.field] {
            if !part.is_empty() {
                write!(f, "{part}: ")?;
            }
        }
        f.write_str(&self.message)
    }
}

/// A catalogue that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogueError {
    /// The file cannot be read.
    #[error("{file}: {source}")]
    File {
        /// The file.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// The file is too large to be a catalogue.
    #[error("{file}: has {found} bytes, a catalogue at most {MAX_BYTES}")]
    Size {
        /// The file.
        file: String,
        /// Its bytes.
        found: u64,
    },
    /// Some rows are wrong.
    #[error("{file}: {}", list(problems))]
    Rows {
        /// The file.
        file: String,
        /// All of them, in the order of the file.
        problems: Vec<Problem>,
    },
}

fn list(problems: &[Problem]) -> String {
    let shown: Vec<String> = problems.iter().take(5).map(ToString::to_string).collect();
    let more = problems.len().saturating_sub(shown.len());
    shown.join("; ") + &if more > 0 { format!("; and {more} more") } else { String::new() }
}

impl Catalogue {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, CatalogueError> {
        let file = path.display().to_string();
        let text = read_text(path)?;
        Self::parse(&file, &text)
    }

    /// Reads a text; `name` is what messages call it. An error names every problem, not only the first.
    pub fn parse(name: &str, text: &str) -> Result<Self, CatalogueError> {
        let (offers, problems) = rows(text);
        if problems.is_empty() {
            return Ok(Self { name: name.to_owned(), offers });
        }
        Err(CatalogueError::Rows { file: name.to_owned(), problems })
    }
}

/// The text of a file of a sensible size.
pub(super) fn read_text(path: &Path) -> Result<String, CatalogueError> {
    let file = path.display().to_string();
    let failed = |source| CatalogueError::File { file: file.clone(), source };
    let found = std::fs::metadata(path).map_err(failed)?.len();
    if found > MAX_BYTES {
        return Err(CatalogueError::Size { file, found });
    }
    std::fs::read_to_string(path).map_err(failed)
}

/// The sound rows, and what is wrong with the others.
pub(super) fn rows(text: &str) -> (Vec<Offer>, Vec<Problem>) {
    let lines = Lines::new(text);
    let whole_file =
        |field: &str, line, message: String| Problem { row: String::new(), field: field.into(), line, message };
    let table = match DeTable::parse(text) {
        Ok(table) => table,
        Err(error) => {
            let line = error.span().map(|span| lines.at(span.start));
            return (Vec::new(), vec![whole_file("", line, error.message().to_owned())]);
        }
    };
    let mut problems = Vec::new();
    for key in table.get_ref().keys().filter(|key| key.get_ref() != "offer") {
        problems.push(whole_file(key.get_ref(), Some(lines.at(key.span().start)), "unknown key".into()));
    }
    let items = table.get_ref().get("offer").and_then(|value| value.get_ref().as_array());
    let Some(items) = items.filter(|items| !items.is_empty()) else {
        problems.push(whole_file("offer", None, "there is no row [[offer]]".into()));
        return (Vec::new(), problems);
    };
    let mut offers = Vec::new();
    for (i, item) in items.iter().enumerate() {
        let number = format!("#{}", i + 1);
        let line = lines.at(item.span().start);
        let DeValue::Table(inner) = item.get_ref() else {
            problems.push(Problem {
                row: number,
                field: String::new(),
                line: Some(line),
                message: "is not a table".into(),
            });
            continue;
        };
        let id = inner.get("id").and_then(|id| id.get_ref().as_str());
        let row = id.map_or(number, |id| id.chars().take(64).collect());
        let mut fields = Fields::new(inner, line, &lines, row, String::new());
        let offer = offer(&mut fields, flatten(inner));
        let billing = inner.get("billing").and_then(|name| name.get_ref().as_str()).unwrap_or_default();
        let sound = fields.is_sound();
        // Which keys a row may have follows from its billing.
        let context = BILLINGS.contains(&billing).then(|| format!(" for billing '{billing}'"));
        let found = fields.finish(context.as_deref());
        match offer {
            Some(offer) if sound && found.is_empty() => offers.push(offer),
            _ => problems.extend(found),
        }
    }
    duplicates(&offers, &mut problems);
    problems.sort_by_key(|problem| problem.line);
    (offers, problems)
}

/// Two rows of one name, or two prices for one picture at one time.
fn duplicates(offers: &[Offer], problems: &mut Vec<Problem>) {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for offer in offers {
        if let Some(first) = seen.insert(&offer.id, offer.line) {
            let message = format!("is also the id of the row at line {first}");
            problems.push(Problem { row: offer.id.clone(), field: "id".into(), line: Some(offer.line), message });
        }
    }
    let mut keys: BTreeMap<(&str, &str, String, String), Vec<&Offer>> = BTreeMap::new();
    for offer in offers.iter().filter(|offer| offer.kind == Kind::Api) {
        for (size, quality) in pictures(offer) {
            let key = (offer.vendor.as_str(), offer.model.as_deref().unwrap_or_default(), size, quality);
            let others = keys.entry(key.clone()).or_default();
            if let Some(other) = others.iter().find(|other| overlap(offer, other)) {
                let (_, model, size, quality) = key;
                let message = format!("({model}, {size}, {quality}) has a price at line {} already", other.line);
                problems.push(Problem {
                    row: offer.id.clone(),
                    field: "model".into(),
                    line: Some(offer.line),
                    message,
                });
            }
            others.push(offer);
        }
    }
}

/// The pictures that a row has a price for.
fn pictures(offer: &Offer) -> Vec<(String, String)> {
    match &offer.billing {
        Billing::ImageQualitySize { rates } | Billing::OutputTokens { rates, .. } => {
            rates.iter().map(|rate| (rate.size.to_string(), rate.quality.clone())).collect()
        }
        billing => {
            let quality = match billing {
                Billing::Image { quality: Some(quality), .. } => quality.clone(),
                _ => "any quality".into(),
            };
            let any = offer.sizes.is_empty().then(|| "any size".to_owned());
            let sizes = offer.sizes.iter().map(Size::to_string).chain(any);
            sizes.map(|size| (size, quality.clone())).collect()
        }
    }
}

fn overlap(a: &Offer, b: &Offer) -> bool {
    let before = |x: &Offer, y: &Offer| x.retires_on.zip(y.starts_on).is_some_and(|(end, start)| end <= start);
    !before(a, b) && !before(b, a)
}

fn offer(fields: &mut Fields<'_>, written: BTreeMap<String, String>) -> Option<Offer> {
    let id = fields.text("id");
    if id.as_ref().is_some_and(|id| !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))) {
        fields.problem("id", "has other characters than letters, digits, dots, hyphens and underscores");
    }
    let vendor = fields.text("vendor");
    let kind: Option<Kind> = fields.required("kind");
    let billing = billing(fields, kind);
    let model: Option<String> = match kind {
        Some(Kind::Api | Kind::Plan) => fields.text("model"),
        _ => fields.maybe("model"),
    };
    let currency = fields.required("currency");
    let rounding = fields.required("rounding");
    let sizes: Vec<Size> = fields.list("sizes");
    let (starts_on, retires_on) = (fields.date("starts_on"), fields.date("retires_on"));
    if starts_on.zip(retires_on).is_some_and(|(start, end)| end <= start) {
        fields.problem("retires_on", "is not after starts_on");
    }
    let source = fields.text("source");
    let public = source.as_ref().is_some_and(|source| source.starts_with("https://") || source.starts_with("http://"));
    if source.is_some() && !public && kind.is_some_and(|kind| kind != Kind::OwnHw) {
        fields.problem("source", "is not an address that begins with https://");
    }
    let checked_on = fields.date("checked_on");
    if !written.contains_key("checked_on") {
        fields.problem("checked_on", "is missing");
    }
    let confidence = fields.required("confidence");
    let (rights, marks) = (fields.text("rights"), fields.text("marks"));
    let notes = fields.maybe("notes");
    let reference_price = fields.maybe("reference_price");
    let seconds_per_image = seconds(fields, "seconds_per_image");
    let parallel = if written.contains_key("parallel") { fields.positive("parallel") } else { Some(1) };
    let watt_hours_per_image = fields.maybe("watt_hours_per_image");
    Some(Offer {
        id: id?,
        vendor: vendor?,
        kind: kind?,
        billing: billing?,
        model,
        currency: currency?,
        rounding: rounding?,
        sizes,
        starts_on,
        retires_on,
        source: source?,
        checked_on: checked_on?,
        confidence: confidence?,
        rights: rights?,
        marks: marks?,
        notes,
        reference_price,
        seconds_per_image,
        parallel: parallel?,
        watt_hours_per_image,
        line: fields.line(),
        written,
    })
}

fn seconds(fields: &mut Fields<'_>, field: &'static str) -> Option<Decimal> {
    let seconds: Decimal = fields.maybe(field)?;
    if seconds == Decimal::ZERO || seconds.micros() > MAX_SECONDS {
        fields.problem(field, format!("{seconds} is not above 0 and at most a month"));
        return None;
    }
    Some(seconds)
}

fn billing(fields: &mut Fields<'_>, kind: Option<Kind>) -> Option<Billing> {
    let name = fields.text("billing")?;
    let kinds: &[Kind] = match name.as_str() {
        "image" | "image_quality_size" | "output_tokens" | "megapixel" => &[Kind::Api],
        "credit" => &[Kind::Api, Kind::Plan],
        "gpu_second" => &[Kind::GpuRent],
        "gpu_hours" | "seat" => &[Kind::Plan],
        "machine" => &[Kind::OwnHw],
        _ => {
            let known =
                "image, image_quality_size, output_tokens, megapixel, credit, gpu_second, gpu_hours, seat, machine";
            fields.problem("billing", format!("is not one of {known}"));
            return None;
        }
    };
    if let Some(kind) = kind.filter(|kind| !kinds.contains(kind)) {
        let kinds: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
        fields.problem("billing", format!("'{name}' goes with kind {}, not {kind}", kinds.join(" or ")));
    }
    match name.as_str() {
        "image" => {
            let (price, quality) = (fields.required("price"), fields.maybe("quality"));
            Some(Billing::Image { price: price?, quality })
        }
        "image_quality_size" => Some(Billing::ImageQualitySize { rates: rates(fields, "price")? }),
        "output_tokens" => {
            let (price, rates) = (fields.required("per_million_tokens"), rates(fields, "tokens"));
            Some(Billing::OutputTokens { per_million_tokens: price?, rates: rates? })
        }
        "megapixel" => {
            let (price, next) = (fields.required("per_megapixel"), fields.maybe("next_megapixel"));
            let pixels = fields.positive("pixels_per_megapixel");
            Some(Billing::Megapixel { per_megapixel: price?, next_megapixel: next, pixels_per_megapixel: pixels? })
        }
        "credit" => credit(fields, kind),
        "gpu_second" => gpu_second(fields),
        "gpu_hours" => {
            let (monthly, hours) = (fields.required("monthly"), fields.required("included_hours"));
            let (extra, slow) = (fields.maybe("extra_hour"), fields.required("slow_lane"));
            let slow_seconds = seconds(fields, "slow_seconds_per_image");
            Some(Billing::GpuHours {
                monthly: monthly?,
                included_hours: hours?,
                extra_hour: extra,
                slow_lane: slow?,
                slow_seconds_per_image: slow_seconds,
            })
        }
        "seat" => {
            let (seat, included) = (fields.required("per_seat"), fields.required("included_images"));
            let extra = fields.maybe("extra_image");
            Some(Billing::Seat { per_seat: seat?, included_images: included?, extra_image: extra })
        }
        _ => machine(fields),
    }
}

fn rates(fields: &mut Fields<'_>, value: &'static str) -> Option<Vec<Rate>> {
    let tables = fields.tables("rate");
    if tables.is_empty() {
        fields.problem("rate", "has no [[offer.rate]]");
    }
    let mut rates: Vec<Rate> = Vec::new();
    for mut table in tables {
        let (size, quality) = (table.required("size"), table.text("quality"));
        let found = table.required(value);
        if let (Some(size), Some(quality), Some(value)) = (size, quality, found) {
            if rates.iter().any(|rate| rate.size == size && rate.quality == quality) {
                table.problem("quality", format!("({size}, {quality}) is there already"));
            }
            rates.push(Rate { size, quality, value });
        }
        fields.close(table, " in a rate");
    }
    Some(rates)
}

fn credit(fields: &mut Fields<'_>, kind: Option<Kind>) -> Option<Billing> {
    let credits = fields.required("credits_per_image");
    let (credit_price, monthly, included) = match kind {
        Some(Kind::Plan) => {
            (fields.maybe("credit_price"), fields.required("monthly"), fields.required("included_credits"))
        }
        _ => (fields.required("credit_price"), Some(Decimal::ZERO), Some(Decimal::ZERO)),
    };
    Some(Billing::Credit { credits_per_image: credits?, credit_price, monthly: monthly?, included_credits: included? })
}

fn gpu_second(fields: &mut Fields<'_>) -> Option<Billing> {
    let device = fields.text("device");
    let (second, hour) = (fields.maybe("per_second"), fields.maybe("per_hour"));
    let price = match (second, hour) {
        (Some(price), None) => Some((price, 1)),
        (None, Some(price)) => Some((price, 3600)),
        _ => {
            fields.problem("per_hour", "a row has either per_hour or per_second");
            None
        }
    };
    let utilisation = fields.within("utilisation", 1, MICRO);
    let (cold_start, images) = (fields.required("cold_start_seconds"), fields.positive("images_per_start"));
    let load_kw = fields.maybe("load_kw");
    let pue = if load_kw.is_some() { fields.within("pue", MICRO, 10 * MICRO) } else { Some(Decimal::ONE) };
    let (price, seconds) = price?;
    Some(Billing::GpuSecond {
        device: device?,
        price,
        seconds,
        utilisation: utilisation?,
        cold_start_seconds: cold_start?,
        images_per_start: images?,
        load_kw,
        pue: pue?,
    })
}

fn machine(fields: &mut Fields<'_>) -> Option<Billing> {
    let (device, machine_price) = (fields.text("device"), fields.required("machine_price"));
    let (months, residual) = (fields.positive("months"), fields.within("residual", 0, MICRO));
    let (load_kw, idle_kw) = (fields.required("load_kw"), fields.required("idle_kw"));
    if idle_kw > load_kw {
        fields.problem("idle_kw", "is more than load_kw");
    }
    let (pue, energy_price) = (fields.within("pue", MICRO, 10 * MICRO), fields.required("energy_price"));
    let (admin_hours, wage, rack) = (fields.required("admin_hours"), fields.required("wage"), fields.required("rack"));
    let hours_per_month = fields.within("hours_per_month", 1, 744 * MICRO);
    let utilisation = fields.within("utilisation", 1, MICRO);
    Some(Billing::Machine(Machine {
        device: device?,
        machine_price: machine_price?,
        months: months?,
        residual: residual?,
        load_kw: load_kw?,
        idle_kw: idle_kw?,
        pue: pue?,
        energy_price: energy_price?,
        admin_hours: admin_hours?,
        wage: wage?,
        rack: rack?,
        hours_per_month: hours_per_month?,
        utilisation: utilisation?,
    }))
}
