//! Brand kits with their versions and files, what was measured of pictures, and what was delivered.

mod deliveries;
mod kits;
mod looks;

pub use deliveries::{Delivery, NewDelivery};
pub use kits::{Kit, KitFile, KitVersion, MAX_KIT_BYTES, MAX_KIT_FILES};
