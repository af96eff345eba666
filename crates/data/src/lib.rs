//! Datasets: from public picture sources and a recipe to shards of captioned pictures, and from shards to
//! pictures and captions in memory.
//!
//! A picture is `[size, size, 4]` u8 RGBA, alpha premultiplied. A dataset is a folder of tar shards
//! (`KEY.png` + `KEY.json`) with an `index.json`; a user's own folder of pictures with a `.txt` of the same
//! name beside each is read the same way.

#![forbid(unsafe_code)]

mod dataset;
mod error;
mod picture;
mod record;
mod shard;
mod sources;
mod split;

pub use dataset::Dataset;
pub use error::DataError;
pub use picture::Picture;
pub use record::{Kind, Record};
pub use shard::{Index, ShardEntry, Skipped};
pub use split::{Split, SplitShares};
