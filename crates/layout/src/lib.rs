//! A brand's look: kit, templates of named layers, shaped text, contrast on the real background.
//!
//! Words are never left to the model that draws: [`compose`] puts them on a picture, in the brand's fonts and colours, and
//! says what is wrong with the result.
//!
//! ```
//! use layout::{Brand, BrandKit, Picture, Template, Texts, compose};
//! let brand = Brand::new(BrandKit::starter(), &|name| Err(std::io::Error::other(name.to_owned())))?;
//! let picture = Picture::filled(600, 400, [40, 90, 120, 255])?;
//! let texts = Texts::from([("headline", "Autumn is here"), ("cta", "See the range")].map(|(k, v)| (k.into(), v.into())));
//! let banner = compose(Template::built_in("banner.728x90").unwrap(), &brand, &picture, &texts, (728, 90))?;
//! assert_eq!((banner.picture.width(), banner.picture.height()), (728, 90));
//! assert!(!banner.has_errors());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

mod brand;
mod built_in;
mod canvas;
mod compose;
mod contrast;
mod finding;
mod kit;
mod logo;
mod place;
mod resize;
mod shown;
mod template;
mod text;

pub use analysis::{Colour, Picture, PictureError, Rect, Side};
pub use brand::{Brand, BrandError};
pub use compose::{ComposeError, Composed, Texts, compose};
pub use contrast::{Contrast, Fix, required};
pub use finding::{Finding, Kind, Level};
pub use kit::{Background, BrandKit, Corner, FieldError, FontRule, LogoRule, PaletteColour, Status};
pub use logo::LogoFault;
pub use place::{Anchor, Axis, Frame};
pub use resize::{ResizeError, resize};
pub use shown::enlargement;
pub use template::{Align, Block, Content, Fit, Layer, Overflow, Plate, Template, TemplateError, Valign};
pub use text::{BUILT_IN as BUILT_IN_FAMILY, families};
