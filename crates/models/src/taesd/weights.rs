//! Names of TAESD's parameters in published files.

use std::collections::BTreeMap;

use super::{Half, parameters};
use crate::checkpoint::{self, Fit, Layout, Place};
use crate::layers::BuildError;

/// Where a file of this layout keeps a half.
fn place(half: Half, layout: Layout) -> Place {
    match layout {
        Layout::Original => Place { prefix: "", layout },
        Layout::Diffusers => Place { prefix: half.layers(), layout },
    }
}

/// The name after the place's prefix. The original decoder begins with its bound, which diffusers does not count.
fn name(half: Half, layout: Layout, parameter: &str) -> String {
    let name = parameter.strip_prefix(half.layers()).unwrap_or(parameter);
    match (half, layout, name.split_once('.')) {
        (Half::Decoder, Layout::Original, Some((layer, rest))) => match layer.parse::<usize>() {
            Ok(layer) => format!("{}.{rest}", layer + 1),
            Err(_) => name.to_owned(),
        },
        _ => name.to_owned(),
    }
}

/// Compares the tensors of a file, names and shapes, with those of a half. A file of diffusers has the other half too, which
/// does not count.
pub fn fit<'a>(
    half: Half,
    layout: Layout,
    found: impl IntoIterator<Item = (&'a str, &'a [usize])>,
) -> Result<Fit, BuildError> {
    let names = |parameter: &str| vec![name(half, layout, parameter)];
    Ok(checkpoint::fit(&parameters(half)?, place(half, layout), names, |_| false, found))
}

/// The halves that a file holds and its layout, from names and shapes alone.
pub fn detect<'a>(found: impl IntoIterator<Item = (&'a str, &'a [usize])>) -> Option<(Layout, Vec<Half>)> {
    let found: BTreeMap<&str, &[usize]> = found.into_iter().collect();
    let holds = |half: Half, layout: Layout| {
        let first = parameters(half).ok()?.into_iter().next()?;
        let name = format!("{}{}", place(half, layout).prefix, name(half, layout, &first.name));
        let &[out, height, width, channels] = &first.shape[..] else { return None };
        (**found.get(name.as_str())? == [out, channels, height, width]).then_some(half)
    };
    [Layout::Original, Layout::Diffusers].into_iter().find_map(|layout| {
        let halves: Vec<Half> =
            [Half::Encoder, Half::Decoder].into_iter().filter_map(|half| holds(half, layout)).collect();
        (!halves.is_empty()).then_some((layout, halves))
    })
}
