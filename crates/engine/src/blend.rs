//! Two models of one network as one: the weighted mean of their weights.
//!
//! When one of them went on learning from the other, the models in between are often better than both (Wortsman et al.,
//! arXiv 2109.01903): what the second has learned is added, and less of what the first knew is lost.

use std::path::Path;

use formats::safetensors::Tensor;
use models::jit;

use crate::model::ModelInfo;
use crate::request::range;
use crate::{EngineError, store};

/// Writes `(1 - share) · a + share · b` in bf16 to `output`, under the name of `b`; returns its SHA-256. `a` and `b` are names or
/// paths, `share` is in 0..=1.
pub fn blend(a: &str, b: &str, share: f32, output: &Path) -> Result<String, EngineError> {
    range("share", share, 0.0, 1.0)?;
    let (first, second) = (store::open_file(a)?, store::open_file(b)?);
    let [one, other] = [&first, &second].map(|file| ModelInfo::from_metadata(file.name(), file.metadata()));
    let (one, other) = (one?, other?);
    if one.config != other.config {
        let message = format!("{} and {} are networks of different sizes", first.name(), second.name());
        return Err(EngineError::field("models", message));
    }
    let mut parameters = Vec::new();
    for spec in jit::parameters(&one.config) {
        let mut values = first.to_f32_of_shape(&spec.name, &spec.shape)?;
        let others = second.to_f32_of_shape(&spec.name, &spec.shape)?;
        values.iter_mut().zip(others).for_each(|(a, b)| *a = (1.0 - share) * *a + share * b);
        parameters.push((spec, values));
    }
    let tensors =
        parameters.iter().map(|(spec, values)| Tensor::bf16(spec.name.as_str(), &spec.shape, values.as_slice()));
    let info = ModelInfo { pictures_seen: one.pictures_seen.max(other.pictures_seen), ..other };
    Ok(formats::safetensors::write(output, tensors, &info.to_metadata())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_lie_between() {
        let dir = tempfile::tempdir().unwrap();
        let config = jit::Config { width: 32, blocks: 1, heads: 2, hidden: 32, stem: 16, ..jit::Config::default() };
        let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        let write = |name: &str, config: &jit::Config, seed: u64| {
            let info = ModelInfo {
                name: name.into(),
                config: config.clone(),
                image_size: 64,
                text_tokens: 16,
                pictures_seen: seed,
                shifts: 1,
            };
            let parameters = jit::initial_parameters(config, seed).unwrap();
            crate::model::write(Path::new(&path(name)), &info, &parameters).unwrap();
            parameters
        };
        let (a, b) = (write("a", &config, 1), write("b", &config, 2));
        let sha256 = blend(&path("a"), &path("b"), 0.25, Path::new(&path("c"))).unwrap();
        let blended = store::open_file(&path("c")).unwrap();
        assert_eq!(blended.sha256(), sha256);
        assert_eq!(ModelInfo::from_metadata("c", blended.metadata()).unwrap().pictures_seen, 2);
        for (a, b) in a.iter().zip(b.iter()) {
            let found = blended.to_f32_of_shape(&a.name, &a.shape).unwrap();
            for (found, (a, b)) in found.iter().zip(a.data.iter().zip(&b.data)) {
                assert!((found - (0.75 * a + 0.25 * b)).abs() <= 0.005 * found.abs() + 1e-6);
            }
        }
        write("other", &jit::Config { blocks: 2, ..config }, 3);
        assert!(
            blend(&path("a"), &path("other"), 0.5, Path::new(&path("d")))
                .unwrap_err()
                .to_string()
                .contains("different sizes")
        );
        assert!(
            blend(&path("a"), &path("b"), f32::NAN, Path::new(&path("d")))
                .unwrap_err()
                .to_string()
                .starts_with("share")
        );
        assert!(!Path::new(&path("d")).exists());
    }
}
