//! The brief: what a campaign is for, what it may cost, and the text its prompts are made of.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::budget::parse_money;
use crate::matrix::Matrix;
use crate::results::parse_day;
use crate::rows::{ID_COLUMN, MAX_ROWS};
use crate::table::MAX_CELL_BYTES;
use crate::template::{MAX_NAME_BYTES, Template, is_name};

/// Most candidates of an asset: as many pictures as a job may have.
pub const MAX_CANDIDATES: u32 = 64;
/// Largest first seed: every neighbour of it is still exact in JSON.
const MAX_FIRST_SEED: u64 = (1 << 53) - 1 - MAX_CANDIDATES as u64;
/// Most channels, slots, texts.
const MAX_ITEMS: usize = 64;
/// Longest prompt in bytes, here and finished: as long as the engine takes.
pub const MAX_PROMPT_BYTES: usize = 32 << 10;
/// Longest description in bytes.
const MAX_TEXT_BYTES: usize = 4096;
/// The slot of a style that stands for the prompt.
const PROMPT_SLOT: &str = "prompt";

/// What a campaign is for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Brief {
    /// Its name, 1 to 100 characters.
    pub name: String,
    /// Who is to see it.
    pub audience: String,
    /// Ids of the channels it goes to.
    pub channels: Vec<String>,
    /// Day by which it must be done, `YYYY-MM-DD`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<String>,
    /// What it may cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<BudgetText>,
    /// Name of the brand kit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub brand_kit: Option<String>,
    /// Name of the model.
    pub model: String,
    /// Preset of the drafts.
    pub draft_preset: String,
    /// Preset of the finals.
    pub preset: String,
    /// Drafts of each asset, 1 to 64.
    pub candidates: u32,
    /// What to draw, with `{slots}`.
    pub prompt: String,
    /// What to keep away from.
    pub negative: String,
    /// Put after the prompt, or around it where `{prompt}` stands in it; may have slots, too.
    pub style: String,
    /// Size of drafts and finals in pixels, `WxH`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<String>,
    /// Seeds follow from this instead of from the campaign's id: the same number, the same pictures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Drafts of every row begin with this seed itself, below 2^53, and go on to its neighbours: variations of a picture that has
    /// it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_seed: Option<u64>,
    /// Values of slots; they multiply. A column of the rows replaces the values of its slot.
    pub slots: BTreeMap<String, Vec<String>>,
    /// Columns of the rows that stand in no prompt: headlines, languages, links.
    pub texts: Vec<String>,
}

/// An amount of money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BudgetText {
    /// A decimal such as `1250.50`.
    pub amount: String,
    /// A code such as `EUR`, 1 to 8 characters.
    pub currency: String,
}

impl Default for Brief {
    fn default() -> Self {
        Self {
            name: String::new(),
            audience: String::new(),
            channels: Vec::new(),
            deadline: None,
            budget: None,
            brand_kit: None,
            model: "default".into(),
            draft_preset: "draft".into(),
            preset: "final".into(),
            candidates: 4,
            prompt: String::new(),
            negative: String::new(),
            style: String::new(),
            size: None,
            seed: None,
            first_seed: None,
            slots: BTreeMap::new(),
            texts: Vec::new(),
        }
    }
}

/// A field of a brief that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct BriefError {
    /// Name of the field, such as `slots.city`.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

impl BriefError {
    fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}

impl Brief {
    /// Reads and checks a brief: JSON if it begins with `{`, else TOML.
    pub fn parse(text: &str) -> Result<Self, BriefError> {
        let text = text.trim_start_matches('\u{feff}');
        let wrong = |path: String, message: String| {
            let field = if [".", "?", ""].contains(&path.as_str()) { "brief".into() } else { path };
            BriefError::new(field, message.chars().take(300).collect::<String>())
        };
        let brief: Self = if text.trim_start().starts_with('{') {
            let mut reader = serde_json::Deserializer::from_str(text);
            let brief = serde_path_to_error::deserialize(&mut reader)
                .map_err(|error| wrong(error.path().to_string(), error.inner().to_string()))?;
            reader.end().map_err(|error| wrong(String::new(), error.to_string()))?;
            brief
        } else {
            let told = |error: &toml::de::Error| {
                let line = error.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
                let line = line.map_or(String::new(), |line| format!(" (line {line})"));
                format!("{}{line}", error.message().trim_end())
            };
            let reader = toml::Deserializer::parse(text).map_err(|error| wrong(String::new(), told(&error)))?;
            serde_path_to_error::deserialize(reader)
                .map_err(|error| wrong(error.path().to_string(), told(error.inner())))?
        };
        brief.check()?;
        Ok(brief)
    }

    /// Checks every field that can be checked without knowing models, channels and kits.
    pub fn check(&self) -> Result<(), BriefError> {
        printable("name", &self.name, 1..=100)?;
        for (field, text, most) in [
            ("audience", &self.audience, MAX_TEXT_BYTES),
            ("prompt", &self.prompt, MAX_PROMPT_BYTES),
            ("negative", &self.negative, MAX_PROMPT_BYTES),
            ("style", &self.style, MAX_PROMPT_BYTES),
        ] {
            sound(field, text, most)?;
        }
        for (field, text) in [("model", &self.model), ("draft_preset", &self.draft_preset), ("preset", &self.preset)] {
            printable(field, text, 1..=200)?;
        }
        if let Some(kit) = &self.brand_kit {
            printable("brand_kit", kit, 1..=100)?;
        }
        if let Some(size) = &self.size {
            printable("size", size, 1..=20)?;
        }
        few("channels", self.channels.len())?;
        for (i, channel) in self.channels.iter().enumerate() {
            printable(&format!("channels[{i}]"), channel, 1..=100)?;
            if self.channels[..i].contains(channel) {
                return Err(BriefError::new(format!("channels[{i}]"), format!("'{channel}' stands there twice")));
            }
        }
        if let Some(day) = &self.deadline
            && parse_day(day).is_none()
        {
            return Err(BriefError::new("deadline", "is not a day such as 2027-03-01"));
        }
        if let Some(budget) = &self.budget {
            printable("budget.currency", &budget.currency, 1..=8)?;
            if parse_money(&budget.amount).map_err(|message| BriefError::new("budget.amount", message))? == 0 {
                return Err(BriefError::new("budget.amount", "must be above 0"));
            }
        }
        if !(1..=MAX_CANDIDATES).contains(&self.candidates) {
            return Err(BriefError::new("candidates", format!("{} is not in 1..={MAX_CANDIDATES}", self.candidates)));
        }
        if let Some(seed) = self.first_seed {
            if self.seed.is_some() {
                return Err(BriefError::new("first_seed", "stands beside 'seed': keep one"));
            }
            if seed > MAX_FIRST_SEED {
                return Err(BriefError::new("first_seed", format!("{seed} is not in 0..={MAX_FIRST_SEED}")));
            }
        }
        let template = self.template()?;
        self.check_slots(&template.slots())
    }

    fn check_slots(&self, known: &[&str]) -> Result<(), BriefError> {
        few("slots", self.slots.len())?;
        for (name, values) in &self.slots {
            let field = format!("slots.{}", name.chars().take(MAX_NAME_BYTES).collect::<String>());
            if !known.contains(&name.as_str()) {
                return Err(BriefError::new(field, "stands neither in prompt nor in style"));
            }
            if !(1..=MAX_ROWS).contains(&(values.len() as u64)) {
                return Err(BriefError::new(
                    field,
                    format!("has {} values; 1 to {MAX_ROWS} are allowed", values.len()),
                ));
            }
            let mut sorted: Vec<&str> = values.iter().map(String::as_str).collect();
            sorted.sort_unstable();
            if let Some(twice) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
                let shown: String = twice[0].chars().take(60).collect();
                return Err(BriefError::new(field, format!("has '{shown}' twice")));
            }
            for (i, value) in values.iter().enumerate() {
                sound(&format!("{field}[{i}]"), value, MAX_CELL_BYTES)?;
            }
        }
        few("texts", self.texts.len())?;
        for (i, text) in self.texts.iter().enumerate() {
            let field = format!("texts[{i}]");
            if !is_name(text) {
                let message = format!("is not a name: 1 to {MAX_NAME_BYTES} letters a-z, digits, _ and -");
                return Err(BriefError::new(field, message));
            }
            if known.contains(&text.as_str()) || text == ID_COLUMN || self.texts[..i].contains(text) {
                return Err(BriefError::new(field, format!("'{text}' is a slot, 'id', or stands there twice")));
            }
        }
        if self.free(&[]).count().is_none_or(|count| count > MAX_ROWS) {
            return Err(BriefError::new("slots", format!("make more than {MAX_ROWS} combinations")));
        }
        Ok(())
    }

    /// Prompt and style in one.
    pub fn template(&self) -> Result<Template, BriefError> {
        let parse =
            |field, text: &str| Template::parse(text).map_err(|error| BriefError::new(field, error.to_string()));
        let (prompt, style) = (parse("prompt", &self.prompt)?, parse("style", &self.style)?);
        if prompt.slots().contains(&PROMPT_SLOT) {
            return Err(BriefError::new("prompt", "cannot have a slot 'prompt'"));
        }
        let whole = match style.slots().contains(&PROMPT_SLOT) {
            true => style.with(PROMPT_SLOT, &prompt),
            false => prompt.then(", ", &style),
        };
        for name in whole.slots() {
            if name == ID_COLUMN {
                return Err(BriefError::new("prompt", "cannot have a slot 'id': that column names the rows"));
            }
        }
        Ok(whole)
    }

    /// The slots with values that are no column, in the order in which they stand in the prompt.
    pub(crate) fn free(&self, columns: &[String]) -> Matrix {
        let template = self.template().ok();
        let names = template.iter().flat_map(|template| template.slots());
        let free = names.filter(|name| !columns.iter().any(|column| column == name));
        Matrix::new(free.filter_map(|name| Some((name.to_owned(), self.slots.get(name)?.clone()))).collect())
    }

    /// Most that may be spent, in micro-units.
    pub fn cap(&self) -> Option<i64> {
        self.budget.as_ref().and_then(|budget| parse_money(&budget.amount).ok())
    }
}

fn few(field: &str, count: usize) -> Result<(), BriefError> {
    match count <= MAX_ITEMS {
        true => Ok(()),
        false => Err(BriefError::new(field, format!("{count} of them; at most {MAX_ITEMS} are allowed"))),
    }
}

fn printable(field: &str, text: &str, range: std::ops::RangeInclusive<usize>) -> Result<(), BriefError> {
    let trimmed = text.trim();
    if trimmed == text && range.contains(&text.chars().count()) && !text.chars().any(char::is_control) {
        return Ok(());
    }
    let message =
        format!("must be {} to {} printable characters without white space at its ends", range.start(), range.end());
    Err(BriefError::new(field, message))
}

fn sound(field: &str, text: &str, most: usize) -> Result<(), BriefError> {
    if text.len() > most {
        return Err(BriefError::new(field, format!("has {} bytes; at most {most} are allowed", text.len())));
    }
    match crate::table::unsound(text) {
        Some(message) => Err(BriefError::new(field, message)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        name = "Spring"
        audience = "people who cycle to work"
        channels = ["meta.feed.4x5", "email.hero"]
        deadline = "2027-03-01"
        budget = { amount = "120.50", currency = "EUR" }
        candidates = 8
        prompt = "a {colour} bicycle in {city}"
        style = "a watercolour of {prompt}, {season}"
        texts = ["headline"]
        [slots]
        colour = ["red", "green"]
        season = ["spring", "autumn", "winter"]
    "#;

    #[test]
    fn toml_and_json_say_the_same() {
        let brief = Brief::parse(GOOD).unwrap();
        assert_eq!(brief.cap(), Some(120_500_000));
        assert_eq!(
            (brief.model.as_str(), brief.draft_preset.as_str(), brief.preset.as_str()),
            ("default", "draft", "final")
        );
        assert_eq!(brief.template().unwrap().slots(), ["colour", "city", "season"]);
        assert_eq!(brief.free(&[]).count(), Some(6));
        assert_eq!(brief.free(&["colour".into()]).count(), Some(3));
        assert_eq!(Brief::parse(&serde_json::to_string(&brief).unwrap()).unwrap(), brief);
    }

    #[test]
    fn every_field_that_is_wrong_is_named() {
        let long = format!("\"{}\"", "x".repeat(MAX_PROMPT_BYTES + 1));
        let many = format!("[{}]", (0..65).map(|i| format!("\"c{i}\"")).collect::<Vec<_>>().join(","));
        for (line, field) in [
            ("name = ''", "name"),
            ("name = ' x'", "name"),
            ("name = 1", "name"),
            ("name = \"a\\u0000b\"", "name"),
            ("nam = 'x'", "nam"),
            ("channels = ['a', 'a']", "channels[1]"),
            ("channels = ['']", "channels[0]"),
            (&format!("channels = {many}"), "channels"),
            ("deadline = '2027-02-29'", "deadline"),
            ("deadline = 'soon'", "deadline"),
            ("deadline = '2027-1-1'", "deadline"),
            ("budget = { amount = '-1', currency = 'EUR' }", "budget.amount"),
            ("budget = { amount = '0', currency = 'EUR' }", "budget.amount"),
            ("budget = { amount = '1e9', currency = 'EUR' }", "budget.amount"),
            ("budget = { amount = '99999999999', currency = 'EUR' }", "budget.amount"),
            ("budget = { amount = '1', currency = '' }", "budget.currency"),
            ("budget = { amount = 1, currency = 'EUR' }", "budget.amount"),
            ("budget = { amount = '1' }", "budget"),
            ("brand_kit = ''", "brand_kit"),
            ("model = ''", "model"),
            ("preset = \"a\\nb\"", "preset"),
            ("candidates = 0", "candidates"),
            ("candidates = 65", "candidates"),
            ("candidates = -1", "candidates"),
            ("seed = -1", "seed"),
            ("seed = 1\nfirst_seed = 1", "first_seed"),
            ("first_seed = 9007199254740991", "first_seed"),
            ("size = ''", "size"),
            ("prompt = 'a {b'", "prompt"),
            ("prompt = 'a {prompt}'", "prompt"),
            ("prompt = 'a {id}'", "prompt"),
            (&format!("prompt = {long}"), "prompt"),
            (&format!("negative = {long}"), "negative"),
            ("prompt = \"a\\u0000\"", "prompt"),
            ("style = 'a }'", "style"),
            ("slots = { a = ['x'] }", "slots.a"),
            ("prompt = '{a}'\nslots = { a = [] }", "slots.a"),
            ("prompt = '{a}'\nslots = { a = ['x', 'x'] }", "slots.a"),
            ("prompt = '{a}'\nslots = { a = 'x' }", "slots.a"),
            ("prompt = '{a}'\nslots = { a = [\"\\u0007\"] }", "slots.a[0]"),
            ("texts = ['a b']", "texts[0]"),
            ("texts = ['id']", "texts[0]"),
            ("prompt = '{a}'\ntexts = ['a']", "texts[0]"),
            ("[", "brief"),
        ] {
            let text = if line.starts_with("name") { line.to_owned() } else { format!("name = 'x'\n{line}") };
            let error = Brief::parse(&text).unwrap_err();
            assert_eq!(error.field, field, "{line}: {error}");
        }
        assert!(Brief::parse("name = 'x'\ncandidates = 0.5").unwrap_err().message.contains("line 2"));
        for bad in ["{", "{}", "{} x", r#"{"name": "x", "nam": 1}"#, r#"{"name": ["x"]}"#] {
            assert!(Brief::parse(bad).is_err(), "{bad}");
        }
        let list =
            |name: &str| format!("{name} = [{}]", (0..300).map(|i| format!("'{i}'")).collect::<Vec<_>>().join(","));
        let text = format!("name='x'\nprompt='{{a}} {{b}}'\n[slots]\n{}\n{}", list("a"), list("b"));
        assert_eq!(Brief::parse(&text).unwrap_err().field, "slots");
    }
}
