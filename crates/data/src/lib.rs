//! Datasets: from public picture sources and a recipe to shards of captioned pictures, and from shards to
//! pictures and captions in memory.
//!
//! A picture is `[size, size, 4]` u8 RGBA, alpha premultiplied. A dataset is a folder of tar shards
//! (`KEY.png` + `KEY.json`) with an `index.json`; a user's own folder of pictures with a `.txt` of the same
//! name beside each is read the same way.

#![forbid(unsafe_code)]

mod build;
mod caption;
mod colour;
mod compose;
mod dataset;
mod draw;
mod error;
mod labels;
mod picture;
mod plan;
mod recipe;
mod recolour;
mod record;
mod shard;
mod sheet;
mod sources;
mod split;
mod svg;
mod usual;
mod weight;
mod words;

pub use build::{BuildOptions, BuildProgress, BuildReport, build};
pub use colour::share_of_colour;
pub use dataset::Dataset;
pub use error::DataError;
pub use picture::{Picture, premultiplied_square};
pub use record::{Kind, Record};
pub use shard::{Index, ShardEntry, Skipped};
pub use sheet::{Summary, inspect, sheet};
pub use split::{Split, SplitShares};
