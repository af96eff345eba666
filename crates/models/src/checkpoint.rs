//! Published weight files of the Stable Diffusion family: where they keep a network, under which names, in which order of axes.

use std::collections::{BTreeMap, HashMap};

use kernels::conv::weight_from_torch;

use crate::parameter::ParameterSpec;
use crate::weights::{Report, match_keys};

/// Values that are read of a file at a time, rounded to whole filters: 256 KiB as f32.
const PART: usize = 1 << 16;

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
    /// Fills the parameter's values; `read(first, values)` gives those of the file's tensor from element `first` on. Filters are
    /// converted from `[co, ci, kh, kw]`; everything else has the same order. What is read is cut into parts that stay in cache.
    ///
    /// # Panics
    /// When there are not as many values as the shape has.
    pub fn fill<E>(
        &self,
        values: &mut [f32],
        mut read: impl FnMut(usize, &mut [f32]) -> Result<(), E>,
    ) -> Result<(), E> {
        assert_eq!(values.len(), self.shape.iter().product::<usize>(), "as many values as the shape has");
        let (filter, taps, channels) = match self.shape[..] {
            [_, height, width, channels] => (height * width * channels, height * width, channels),
            _ => (1, 1, 1),
        };
        let part = (PART / filter.max(1)).max(1) * filter.max(1);
        let mut stored = vec![0.0; if taps > 1 { part.min(values.len()) } else { 0 }];
        for (number, values) in values.chunks_mut(part).enumerate() {
            let first = number * part;
            if taps > 1 {
                let stored = &mut stored[..values.len()];
                read(first, stored)?;
                weight_from_torch(channels, taps, stored, values);
            } else {
                read(first, values)?;
            }
        }
        Ok(())
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
        let filled = |shape: &[usize]| {
            let source = Source { name: "w".into(), shape: shape.to_vec() };
            let mut values = vec![f32::NAN; shape.iter().product()];
            let counted = |first: usize, part: &mut [f32]| -> Result<(), ()> {
                part.iter_mut().zip(first..).for_each(|(value, i)| *value = i as f32);
                Ok(())
            };
            source.fill(&mut values, counted).unwrap();
            values
        };
        assert_eq!(filled(&[2, 1, 2, 3]), [0.0, 2.0, 4.0, 1.0, 3.0, 5.0, 6.0, 8.0, 10.0, 7.0, 9.0, 11.0]);
        assert!(filled(&[3, 2 * PART / 3]).iter().zip(0..).all(|(value, i)| *value == i as f32));
        // Of many parts: value `[o, t, c]` was element `[o, c, t]`.
        let (taps, channels) = (9, 700);
        let filter = filled(&[50, 3, 3, channels]);
        assert!(filter.len() > 4 * PART);
        for (i, value) in filter.iter().enumerate() {
            let (o, t, c) = (i / (taps * channels), i / channels % taps, i % channels);
            assert_eq!(*value, (o * taps * channels + c * taps + t) as f32);
        }
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
