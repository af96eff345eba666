//! What a client of this interface asks for, and the job it becomes.

use engine::{Kind, Order, PresetName, Size};
use serde::Deserialize;
use store::{DEFAULT_PROJECT, Priority};

use crate::app::{App, Draft, random_seed};
use crate::error::ApiError;
use crate::picture::{Format, Wanted};

/// Most pictures of a request.
const MAX_N: u32 = 10;
/// Most partial pictures of a stream.
const MAX_PARTIAL: u32 = 3;
/// The fields of a request; what is unknown is ignored.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Wish {
    pub prompt: Option<String>,
    pub model: Option<String>,
    pub n: Option<u32>,
    pub size: Option<String>,
    pub quality: Option<String>,
    pub background: Option<String>,
    pub output_format: Option<Format>,
    pub output_compression: Option<u8>,
    pub response_format: Option<String>,
    pub stream: Option<bool>,
    pub partial_images: Option<u32>,
    /// Pictures to edit, in JSON.
    pub images: Option<Vec<Reference>>,
    /// The mask, in JSON.
    pub mask: Option<Reference>,
    // What users of local servers expect beside the standard.
    pub seed: Option<i64>,
    #[serde(alias = "num_inference_steps")]
    pub steps: Option<u32>,
    #[serde(alias = "negative")]
    pub negative_prompt: Option<String>,
    #[serde(alias = "cfg_scale", alias = "guidance")]
    pub guidance_scale: Option<f32>,
    #[serde(alias = "sampler_name")]
    pub sampler: Option<String>,
    #[serde(alias = "schedule")]
    pub scheduler: Option<String>,
    pub strength: Option<f32>,
    pub project: Option<String>,
}

/// A picture that JSON points to.
#[derive(Debug, Clone, Deserialize)]
pub struct Reference {
    /// A `data:` URL.
    pub image_url: Option<String>,
    /// Id of an asset.
    pub file_id: Option<String>,
}

/// A wish that was checked.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The job.
    pub draft: Draft,
    /// Size of the pictures.
    pub size: Size,
    /// How the pictures go out.
    pub wanted: Wanted,
    /// What the answer says of the background.
    pub background: &'static str,
    /// What the answer says of the quality.
    pub quality: &'static str,
    /// Whether the answer holds addresses instead of pictures.
    pub urls: bool,
    /// Partial pictures of a stream; absent without one.
    pub partial: Option<u32>,
}

impl Wish {
    /// Checks the wish; `start` and `mask` are assets. Blocks.
    pub fn check(&self, app: &App, start: Option<String>, mask: Option<String>) -> Result<Checked, ApiError> {
        let n = ApiError::in_range("n", self.n.unwrap_or(1), 1..=MAX_N)?;
        let format = self.output_format.unwrap_or_default();
        let compression = ApiError::in_range("output_compression", self.output_compression.unwrap_or(100), 0..=100)?;
        let partial = ApiError::in_range("partial_images", self.partial_images.unwrap_or(0), 0..=MAX_PARTIAL)?;
        let (quality, preset) = match self.quality.as_deref() {
            None | Some("auto" | "high" | "hd") => ("high", PresetName::Final),
            Some("medium" | "standard") => ("medium", PresetName::Standard),
            Some("low") => ("low", PresetName::Draft),
            Some(_) => return Err(ApiError::field("quality", "is not auto, low, medium, high, standard or hd")),
        };
        let model = app.models.find(&known_model(app, self.model.as_deref())?)?;
        let is_own = matches!(*model.kind, Kind::Own(_));
        let (background, ground) = match (self.background.as_deref(), format) {
            (Some("transparent"), Format::Jpeg) => {
                return Err(ApiError::field("background", "transparent needs output_format png or webp"));
            }
            (None | Some("auto" | "transparent"), Format::Png | Format::Webp) if is_own => ("transparent", None),
            (None | Some("auto" | "transparent"), Format::Png | Format::Webp) => ("opaque", None),
            (None | Some("auto" | "opaque"), _) => ("opaque", Some([255; 3])),
            (Some(_), _) => return Err(ApiError::field("background", "is not auto, transparent or opaque")),
        };
        let urls = match self.response_format.as_deref() {
            None | Some("b64_json") => false,
            Some("url") => true,
            Some(_) => return Err(ApiError::field("response_format", "is not b64_json or url")),
        };
        let order = Order {
            prompt: self.prompt.clone().unwrap_or_default(),
            negative: self.negative_prompt.clone().unwrap_or_default(),
            seed: self.seed.and_then(|seed| u64::try_from(seed).ok()).unwrap_or_else(random_seed),
            count: n,
            preset,
            steps: self.steps,
            guidance: self.guidance_scale,
            sampler: self.sampler.clone(),
            schedule: self.scheduler.clone(),
            strength: self.strength,
            size: self.size()?,
            ..Order::default()
        };
        let draft = Draft {
            order,
            model: model.name.clone(),
            project: self.project.clone().unwrap_or_else(|| DEFAULT_PROJECT.into()),
            source: "openai",
            priority: Priority::Interactive,
            start,
            mask,
            batch: None,
            label: None,
        };
        let (size, _) = model.kind.check(&draft.order).map_err(|error| param(error.into()))?;
        app.check(&draft).map_err(param)?;
        Ok(Checked {
            draft,
            size,
            wanted: Wanted { format, quality: Some(compression.max(1)), width: None, ground, bare: false },
            background,
            quality,
            urls,
            partial: self.stream.unwrap_or(false).then_some(partial),
        })
    }

    /// The size to draw.
    fn size(&self) -> Result<Option<Size>, ApiError> {
        let size = self.size.as_deref().filter(|text| *text != "auto");
        Ok(size.map(str::parse).transpose()?)
    }
}

/// The name of the model that is meant.
pub fn known_model(app: &App, name: Option<&str>) -> Result<String, ApiError> {
    let default = engine::store::DEFAULT_MODEL;
    let name = name.unwrap_or(default);
    let is_theirs = ["gpt-image", "dall-e", "chatgpt-image"].iter().any(|prefix| name.starts_with(prefix));
    let names = app.models.names();
    let is_known = names.iter().any(|(known, _)| known == name);
    if name.is_empty() || (is_theirs && !is_known) {
        return Ok(default.to_owned());
    }
    if !is_known {
        let shown: String = name.chars().take(100).collect();
        let mut error = ApiError::not_found(format!("the model '{shown}' does not exist; GET /v1/models lists them"));
        (error.code, error.field) = ("model_not_found", Some("model".into()));
        return Err(error);
    }
    Ok(name.to_owned())
}

/// Fields by the names of this interface.
fn param(mut error: ApiError) -> ApiError {
    error.field = error.field.map(|field| match field.as_str() {
        "negative" => "negative_prompt".into(),
        "guidance" => "guidance_scale".into(),
        "schedule" => "scheduler".into(),
        "count" => "n".into(),
        "start" => "image".into(),
        _ => field,
    });
    error
}
