//! Published weight files of the Stable Diffusion family: where they keep a network, under which names, in which order of axes.

use std::collections::{BTreeMap, HashMap};

use kernels::conv::weight_from_torch;

use crate::parameter::ParameterSpec;
use crate::weights::{Report, match_keys};

/// Names of the tensors of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// The original code (CompVis latent-diffusion, Stability generative-models): our own names.
    Original,
    /// The diffusers library.
    Diffusers,
}

/// Where a file keeps a network: every name begins with `prefix`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// What comes before the names of the layout; other tensors of the file are none of the network's.
    pub prefix: &'static str,
    /// Names after the prefix.
    pub layout: Layout,
}

/// What a file holds for a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fit {
    /// Names in the file: loaded, missing, unused, of wrong shape. Anything but loaded is an error.
    pub report: Report,
    sources: HashMap<String, Source>,
}

impl Fit {
    /// Where the values of a parameter are.
    pub fn source(&self, parameter: &str) -> Option<&Source> {
        self.sources.get(parameter)
    }
}

/// Where a file keeps a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Name of the tensor in the file.
    pub name: String,
    /// Shape of the parameter in the graph; filters are `[co, kh, kw, ci]`.
    pub shape: Vec<usize>,
}

impl Source {
    /// The parameter's values from those of the file's tensor. Filters are converted from `[co, ci, kh, kw]`; everything else
    /// has the same order.
    ///
    /// # Panics
    /// When the tensor is not one that [`Fit`] accepted.
    pub fn values(&self, stored: Vec<f32>) -> Vec<f32> {
        match self.shape[..] {
            [_, height, width, channels] => {
                let mut values = vec![0.0; stored.len()];
                weight_from_torch(channels, height * width, &stored, &mut values);
                values
            }
            _ => stored,
        }
    }
}

/// Compares the tensors of a file, names and shapes, with the parameters. `names` gives the names a parameter can have after
/// the prefix, the usual one first; tensors for which `ignored` holds do not count.
///
/// A matrix `[co, ci]` may be stored as a 1×1 convolution `[co, ci, 1, 1]`: the same numbers, for the same product.
pub(crate) fn fit<'a>(
    parameters: &[ParameterSpec],
    place: Place,
    names: impl Fn(&str) -> Vec<String>,
    ignored: impl Fn(&str) -> bool,
    found: impl IntoIterator<Item = (&'a str, &'a [usize])>,
) -> Fit {
    let own = |name: &str| name.strip_prefix(place.prefix).is_some_and(|name| !ignored(name));
    let found: BTreeMap<&str, &[usize]> = found.into_iter().filter(|(name, _)| own(name)).collect();
    let mut sources = HashMap::new();
    let mut stored = Vec::with_capacity(parameters.len());
    for parameter in parameters {
        let mut candidates = names(&parameter.name).into_iter().map(|name| format!("{}{name}", place.prefix));
        let usual = candidates.next().unwrap_or_default();
        let name = if found.contains_key(usual.as_str()) {
            usual
        } else {
            candidates.find(|name| found.contains_key(name.as_str())).unwrap_or(usual)
        };
        let shape = stored_shape(&parameter.shape, found.get(name.as_str()).copied());
        sources.insert(parameter.name.clone(), Source { name: name.clone(), shape: parameter.shape.clone() });
        stored.push(ParameterSpec { name, shape, ..parameter.clone() });
    }
    Fit { report: match_keys(&stored, found), sources }
}

/// The shape that a file must have for a parameter, given the shape that it has.
fn stored_shape(shape: &[usize], found: Option<&[usize]>) -> Vec<usize> {
    match *shape {
        [out, height, width, channels] => vec![out, channels, height, width],
        [out, channels] if found == Some(&[out, channels, 1, 1]) => vec![out, channels, 1, 1],
        _ => shape.to_vec(),
    }
}

/// The first of an ordered table's entries whose first half begins `name`, replaced by the second half.
pub(crate) fn rename(
    name: &str,
    table: impl IntoIterator<Item = (impl AsRef<str>, impl AsRef<str>)>,
) -> Option<String> {
    table.into_iter().find_map(|(from, to)| {
        let rest = name.strip_prefix(from.as_ref())?;
        Some(format!("{}{rest}", to.as_ref()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Init;

    #[test]
    fn filters_are_converted_and_the_rest_is_not() {
        let values: Vec<f32> = (0..12).map(|i| i as f32).collect();
        let filter = Source { name: "w".into(), shape: vec![2, 1, 2, 3] };
        let converted = [0.0, 2.0, 4.0, 1.0, 3.0, 5.0, 6.0, 8.0, 10.0, 7.0, 9.0, 11.0];
        assert_eq!(filter.values(values.clone()), converted);
        let matrix = Source { name: "w".into(), shape: vec![3, 4] };
        assert_eq!(matrix.values(values.clone()), values);
    }

    #[test]
    fn matching_is_strict() {
        let spec = |name: &str, shape: &[usize]| ParameterSpec {
            name: name.into(),
            shape: shape.into(),
            init: Init::Zeros,
            matrix: false,
            stacked: 1,
        };
        // A filter of three channels has the same shape in both orders of axes.
        let parameters = [spec("a", &[4, 3, 3, 3]), spec("b", &[4, 5]), spec("c", &[4, 3, 3, 5]), spec("d", &[2])];
        let found: [(&str, &[usize]); 6] = [
            ("p.a", &[4, 3, 3, 3]),
            ("p.b.old", &[4, 5, 1, 1]),
            ("p.c", &[4, 3, 3, 5]),
            ("p.e", &[1]),
            ("p.loss", &[1]),
            ("other", &[1]),
        ];
        let place = Place { prefix: "p.", layout: Layout::Original };
        let names = |name: &str| vec![name.to_owned(), format!("{name}.old")];
        let fit = fit(&parameters, place, names, |name| name == "loss", found);
        assert_eq!(fit.source("b").unwrap().name, "p.b.old");
        assert_eq!(
            fit.report.to_string(),
            "2 loaded; 1 missing (p.d); 1 unused (p.e); 1 of wrong shape (p.c is [4, 3, 3, 5] but must be [4, 5, 3, 3])"
        );
    }
}
