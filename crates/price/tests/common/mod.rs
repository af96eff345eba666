//! What several tests need: rows of each kind of billing, and short ways to say numbers.

#![allow(dead_code, reason = "each test file uses a part of it")]

use price::{Campaign, Catalogue, Currency, Date, Decimal, Money, Report, Speed, report};

/// What every row needs besides its billing.
pub const REST: &str = r#"
currency = "USD"
rounding = "none"
source = "https://example.com/pricing"
checked_on = 2026-06-01
confidence = "high"
rights = "all"
marks = "none"
"#;

/// A row of these lines and of [`REST`].
pub fn row(id: &str, lines: &str) -> String {
    format!("[[offer]]\nid = \"{id}\"\nvendor = \"{id}\"\n{REST}\n{lines}\n")
}

pub const IMAGE: &str = "kind = 'api'\nbilling = 'image'\nmodel = 'm'\nprice = '0.03'";
pub const TOKENS: &str = "kind = 'api'\nbilling = 'output_tokens'\nmodel = 'm'\nper_million_tokens = '30'\n\
    [[offer.rate]]\nsize = '1024x1024'\nquality = 'low'\ntokens = 200\n\
    [[offer.rate]]\nsize = '1024x1024'\nquality = 'high'\ntokens = 7024";
pub const BY_QUALITY: &str = "kind = 'api'\nbilling = 'image_quality_size'\nmodel = 'm'\n\
    [[offer.rate]]\nsize = '1024x1024'\nquality = 'low'\nprice = '0.006'\n\
    [[offer.rate]]\nsize = '1024x1024'\nquality = 'high'\nprice = '0.211'";
pub const MEGAPIXEL: &str =
    "kind = 'api'\nbilling = 'megapixel'\nmodel = 'm'\nper_megapixel = '0.03'\npixels_per_megapixel = 1048576";
pub const CREDIT: &str =
    "kind = 'api'\nbilling = 'credit'\nmodel = 'm'\ncredits_per_image = '6.5'\ncredit_price = '0.01'";
pub const CREDIT_PLAN: &str = "kind = 'plan'\nbilling = 'credit'\nmodel = 'm'\ncredits_per_image = 2\n\
    monthly = '9.99'\nincluded_credits = 2000";
pub const GPU_SECOND: &str = "kind = 'gpu_rent'\nbilling = 'gpu_second'\ndevice = 'gpu'\nper_hour = '3.6'\n\
    utilisation = '0.8'\ncold_start_seconds = 60\nimages_per_start = 100";
pub const GPU_HOURS: &str = "kind = 'plan'\nbilling = 'gpu_hours'\nmodel = 'm'\nmonthly = 30\nincluded_hours = 15\n\
    slow_lane = true\nseconds_per_image = 15\nslow_seconds_per_image = 150\nparallel = 3";
pub const SEAT: &str =
    "kind = 'plan'\nbilling = 'seat'\nmodel = 'm'\nper_seat = 20\nincluded_images = 500\nextra_image = '0.05'";
pub const MACHINE: &str = "kind = 'own_hw'\nbilling = 'machine'\ndevice = 'local'\nmachine_price = 3000\nmonths = 36\n\
    residual = '0.1'\nload_kw = '0.5'\nidle_kw = '0.1'\npue = 1\nenergy_price = '0.15'\nadmin_hours = 0\nwage = 60\nrack = 0\n\
    hours_per_month = 730\nutilisation = 1";

/// A catalogue with a row of each kind of billing.
pub fn all_billings() -> String {
    let rows = [
        ("image", IMAGE),
        ("by-quality", BY_QUALITY),
        ("tokens", TOKENS),
        ("megapixel", MEGAPIXEL),
        ("credit", CREDIT),
        ("credit-plan", CREDIT_PLAN),
        ("gpu-second", GPU_SECOND),
        ("gpu-hours", GPU_HOURS),
        ("seat", SEAT),
        ("machine", MACHINE),
    ];
    rows.map(|(id, lines)| row(id, lines)).join("\n")
}

pub fn catalogue(text: &str) -> Catalogue {
    Catalogue::parse("test.toml", text).unwrap()
}

pub fn date(text: &str) -> Date {
    text.parse().unwrap()
}

pub fn today() -> Date {
    date("2026-06-15")
}

pub fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

pub fn usd(text: &str) -> Money {
    Money::parse(text, Currency::USD).unwrap()
}

pub fn speed(device: &str, preset: &str, seconds: f64) -> Speed {
    Speed {
        device: device.into(),
        model: "ours".into(),
        size: "1024x1024".parse().unwrap(),
        preset: preset.into(),
        p50_seconds: seconds,
        p95_seconds: seconds * 1.5,
        pictures: 10,
    }
}

pub fn speeds() -> Vec<Speed> {
    ["local", "gpu"].iter().flat_map(|device| [speed(device, "final", 6.0), speed(device, "draft", 2.0)]).collect()
}

/// A campaign of so many generations.
pub fn pictures(number: u64) -> Campaign {
    Campaign { assets: number, ..Campaign::default() }
}

pub fn price(text: &str, campaign: &Campaign) -> Report {
    report(&catalogue(text), campaign, &speeds(), today()).unwrap()
}

/// The cost of the line of this id.
pub fn cost(report: &Report, id: &str) -> Money {
    report.offers.iter().find(|line| line.id == id).unwrap_or_else(|| panic!("no {id} in {:#?}", report.excluded)).cost
}

/// The names of the reasons for which an offer was left out.
pub fn reasons(report: &Report, id: &str) -> Vec<&'static str> {
    let excluded = report.excluded.iter().filter(|excluded| excluded.id == id);
    excluded.flat_map(|excluded| excluded.reasons.iter().map(|reason| reason.name())).collect()
}
