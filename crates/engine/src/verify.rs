//! Whether a picture is what its recipe says: run the recipe again and compare every pixel.

use std::path::Path;

use formats::picture;
use simd::Isa;

use crate::event::{CancelToken, Event};
use crate::options::Options;
use crate::recipe::Recipe;
use crate::start::Fitted;
use crate::{Engine, EngineError, Model, Origin, Request, Start, store};

/// The outcome of running a picture's recipe again.
#[derive(Debug, Clone, PartialEq)]
pub struct Verification {
    /// The recipe inside the picture.
    pub recipe: Recipe,
    /// Pixels that differ; 0 = the picture is what its recipe says.
    pub different_pixels: usize,
    /// Pixels of the picture.
    pub pixels: usize,
}

impl Verification {
    /// Whether every pixel is the same.
    pub fn is_equal(&self) -> bool {
        self.different_pixels == 0
    }
}

/// Runs the recipe inside the picture at `path` again with the model it names (or the one given) and
/// compares. The recipe's ISA and precision are used, so the machine must have them. A picture that was developed from
/// another needs that one as `start`; the strength is the recipe's.
pub fn verify(
    path: &Path,
    model: Option<&str>,
    start: Option<Start>,
    threads: Option<usize>,
    on_event: &mut dyn FnMut(Event<'_>),
    cancel: &CancelToken,
) -> Result<Verification, EngineError> {
    let file = path.display().to_string();
    let picture = picture::read(path)?;
    let recipe = Recipe::from_picture(&file, &picture)?;
    let wrong = |problem: String| EngineError::Recipe { file: file.clone(), problem };
    if (recipe.size.width, recipe.size.height) != (picture.width, picture.height) {
        return Err(wrong(format!(
            "its recipe makes {} pixels, the picture has {}x{}",
            recipe.size, picture.width, picture.height
        )));
    }
    let isa = recipe.isa.parse().map_err(|error| wrong(format!("its recipe: {error}")))?;
    let options = Options { threads, precision: recipe.precision, isa: Some(isa) };
    if isa > Isa::detected() {
        return Err(wrong(format!(
            "made with {isa}, which this machine lacks (it has {}): pixels are promised to be equal only there",
            Isa::detected()
        )));
    }
    options.check()?;
    let model: Model = store::open(model.unwrap_or(store::DEFAULT_MODEL))?;
    if model.sha256 != recipe.model_sha256 {
        let short = |hash: &str| hash.chars().take(12).collect::<String>();
        return Err(wrong(format!(
            "made with model '{}' ({}), but this model is '{}' ({}): name the right one with --model PATH",
            recipe.model,
            short(&recipe.model_sha256),
            model.info.name,
            short(&model.sha256)
        )));
    }
    let mut engine = Engine::new(&model, &options)?;
    if engine.text_encoder_sha256() != recipe.text_encoder_sha256 {
        return Err(wrong(format!("made with another text encoder, by version {}", recipe.version)));
    }
    let frame = recipe.request().frame(model.info.config.patch, model.info.image_size)?;
    let fit = |start: &Start| start.within(frame).fit(frame.drawn);
    let start = started_from(recipe.start.as_ref(), start, fit).map_err(wrong)?;
    let request = Request { start, ..recipe.request() };
    let images = engine.generate(&request, on_event, cancel)?;
    if images.first().is_some_and(|image| image.recipe.enlarger_sha256 != recipe.enlarger_sha256) {
        return Err(wrong(format!("made with another enlarger, by version {}", recipe.version)));
    }
    let regenerated = images.first().map_or(&[][..], |image| &image.pixels);
    let different_pixels = picture
        .pixels
        .chunks_exact(4)
        .zip(regenerated.chunks_exact(4))
        .filter(|(before, after)| before != after)
        .count();
    Ok(Verification { recipe, different_pixels, pixels: picture.pixels.len() / 4 })
}

/// The start that a recipe names, if `given` is it once it is fitted; else what is wrong.
pub(crate) fn started_from(
    origin: Option<&Origin>,
    given: Option<Start>,
    fit: impl FnOnce(&Start) -> Fitted,
) -> Result<Option<Start>, String> {
    let (origin, mut start) = match (origin, given) {
        (None, None) => return Ok(None),
        (None, Some(_)) => return Err("it was not developed from another picture".into()),
        (Some(_), None) => return Err("it was developed from another picture: name that one with --vary".into()),
        (Some(origin), Some(start)) => (origin, start),
    };
    start.strength = origin.strength;
    let Origin { picture_sha256, mask_sha256, .. } = fit(&start).origin();
    if picture_sha256 != origin.picture_sha256 {
        return Err("it was developed from another picture than the one given".into());
    }
    match (&origin.mask_sha256, &mask_sha256) {
        (wanted, given) if wanted == given => Ok(Some(start)),
        (Some(_), None) => Err("it was drawn under a mask: name it with --mask".into()),
        (None, Some(_)) => Err("it was drawn without a mask".into()),
        _ => Err("it was drawn under another mask than the one given".into()),
    }
}
