//! Whether a picture of a Stable Diffusion checkpoint is what its recipe says.

use std::path::Path;

use formats::picture;
use simd::Isa;

use super::{Checkpoint, Pipeline, Recipe, Request};
use crate::event::{CancelToken, Event};
use crate::options::Options;
use crate::verify::started_from;
use crate::{EngineError, Start};

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

/// Runs the recipe inside the picture at `path` again with the checkpoint given and compares. See [`crate::verify()`].
pub fn verify(
    path: &Path,
    checkpoint: Checkpoint,
    start: Option<Start>,
    threads: Option<usize>,
    on_event: &mut dyn FnMut(Event<'_, Recipe>),
    cancel: &CancelToken,
) -> Result<Verification, EngineError> {
    let file = path.display().to_string();
    let picture = picture::read(path)?;
    let recipe = Recipe::from_picture(&file, &picture)?;
    let wrong = |problem: String| EngineError::Recipe { file: file.clone(), problem };
    if (recipe.size.width, recipe.size.height) != (picture.width, picture.height) {
        let (width, height) = (picture.width, picture.height);
        return Err(wrong(format!("its recipe makes {} pixels, the picture has {width}x{height}", recipe.size)));
    }
    let isa: Isa = recipe.isa.parse().map_err(|error| wrong(format!("its recipe: {error}")))?;
    if isa > Isa::detected() {
        return Err(wrong(format!(
            "made with {isa}, which this machine lacks (it has {}): pixels are promised to be equal only there",
            Isa::detected()
        )));
    }
    let options = Options { threads, precision: recipe.precision, isa: Some(isa) };
    let mut pipeline = Pipeline::new(checkpoint, None, &options)?;
    let digest = pipeline.digest()?;
    for (what, made, found) in [
        ("model", Some(recipe.model_sha256.as_str()), Some(digest.checkpoint.as_str())),
        ("autoencoder (--vae)", recipe.vae_sha256.as_deref(), digest.vae.as_deref()),
    ] {
        if made != found {
            let short =
                |hash: Option<&str>| hash.map_or("none of its own".into(), |h| h.chars().take(12).collect::<String>());
            let (made, found) = (short(made), short(found));
            return Err(wrong(format!("made by '{}' with another {what}: {made}, this one is {found}", recipe.model)));
        }
    }
    let start = started_from(recipe.start.as_ref(), start, |start| start.fit(recipe.size)).map_err(wrong)?;
    let request = Request { start, ..recipe.request() };
    let images = pipeline.generate(&request, on_event, cancel)?;
    let regenerated = images.first().map_or(&[][..], |image| &image.pixels);
    let pairs = picture.pixels.chunks_exact(4).zip(regenerated.chunks_exact(4));
    let different_pixels = pairs.filter(|(before, after)| before != after).count();
    Ok(Verification { recipe, different_pixels, pixels: picture.pixels.len() / 4 })
}
