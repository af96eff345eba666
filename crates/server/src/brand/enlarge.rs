//! Picks with more pixels, from the built-in enlarger.

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

use engine::{Enlarger, Options, Size};
use layout::Picture;
use store::Asset;

use super::kept;
use crate::app::App;

/// Pictures with a longer side are not enlarged: they have enough for every channel, or nearly.
const MAX_SIDE: u32 = 1024;
/// How many times. What is too much is taken back by the same filter that fits a picture to its channel.
const TIMES: u32 = 4;
/// Pictures that are kept: those of the picks that are worked on.
const KEPT: usize = 4;

/// The network, once it was needed, and what it made a moment ago.
#[derive(Default)]
pub struct Enlarging {
    network: Mutex<Option<Enlarger>>,
    made: Mutex<Vec<(String, Arc<Picture>)>>,
}

/// A picture four times as wide and high; none when it is large already. Blocks. One is made at a time: several channels ask for the
/// same one at once, and it takes all cores.
pub fn larger(app: &App, asset: &Asset, picture: &Picture) -> Option<Arc<Picture>> {
    if picture.width().max(picture.height()) > MAX_SIDE {
        return None;
    }
    let Enlarging { network, made } = &app.brands.enlarging;
    let mut network = network.lock().unwrap_or_else(PoisonError::into_inner);
    let large = kept(made, KEPT, &asset.sha256, || enlarged(&mut network, picture));
    large.inspect_err(|error| tracing::warn!(asset = asset.id, %error, "a picture is resampled, not enlarged")).ok()
}

fn enlarged(network: &mut Option<Enlarger>, picture: &Picture) -> Result<Picture, Box<dyn Error>> {
    let enlarger = match network {
        Some(enlarger) => enlarger,
        None => {
            let (cpu, precision) = Options::default().resolve()?;
            network.insert(Enlarger::built_in(&cpu, precision)?.0)
        }
    };
    let size = Size { width: picture.width(), height: picture.height() };
    let pixels = enlarger.enlarge_pixels(size, TIMES, picture.pixels())?;
    let [width, height] = [size.width, size.height].map(|side| side * TIMES);
    Ok(Picture::new(width, height, pixels)?)
}
