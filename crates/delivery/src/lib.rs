//! One pick for every channel: crops, byte caps, safe zones, ZIP, manifest, contact sheet.
//!
//! ```
//! use delivery::{Catalogue, Item, deliver, resampled};
//! use layout::{Brand, BrandKit, Picture};
//! let catalogue = Catalogue::starter()?;
//! let brand = Brand::new(BrandKit::starter(), &|name| Err(std::io::Error::other(name.to_owned())))?;
//! let picture = Picture::filled(640, 640, [40, 90, 120, 255])?;
//! let item = Item::new("autumn", "jumper-01", &picture);
//! let story = deliver(&item, catalogue.get("meta.story").unwrap(), &brand, &resampled)?;
//! assert_eq!((story.width, story.height), (1080, 1920));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

mod channel;
mod deliver;
mod encode;
mod name;
mod package;
mod safe;
mod sheet;

pub use channel::{Catalogue, CatalogueError, Channel, Confidence, SafeZone};
pub use deliver::{
    Composition, Delivered, DeliveryError, DeliveryFault, Drawn, Enlarge, Item, deliver, draw, overlay_for, resampled,
    template_for,
};
pub use encode::{BEST, EncodeError, Encoded, Format, LEAST, encode, encode_within};
pub use name::{Names, Pattern, PatternError, sanitised};
pub use package::{Package, PackageError};
pub use safe::safe_zone_overlay;
pub use sheet::{Thumbnail, contact_sheet};
