//! What can be measured of a finished picture without learned weights: near duplicates, variety, broken output, sharpness,
//! palette, copy space, crops. These numbers filter and group; they never claim what people will like.
//!
//! ```
//! use analysis::{Look, Picture, Side};
//! // A dark square on the right of a pale picture.
//! let pixels = (0..64 * 96)
//!     .flat_map(|i| if (16..48).contains(&(i / 96)) && (60..88).contains(&(i % 96)) { [30, 60, 90, 255] } else { [240, 240, 236, 255] })
//!     .collect();
//! let picture = Picture::new(96, 64, pixels)?;
//! let look = Look::of(&picture);
//! assert!(look.focus().x > 0.6);
//! let square = look.crop(1.0, Side::Any);
//! assert!(square.rect.x + square.rect.width >= 88);
//! # Ok::<(), analysis::PictureError>(())
//! ```

#![forbid(unsafe_code)]

pub mod broken;
pub mod colour;
mod copy_space;
mod crop;
mod hash;
pub mod palette;
mod picture;
mod sharpness;
mod variety;

pub use colour::Colour;
pub use copy_space::{CopySpace, Focus, Look, Map};
pub use crop::{Crop, Side};
pub use hash::{DUPLICATE, Likeness, SIMILAR, dhash, distance, fold};
pub use picture::{Picture, PictureError, Rect};
pub use sharpness::sharpness;
pub use variety::{Feature, most_different};
