//! The index of a model in shards (`model.safetensors.index.json` of the transformers and diffusers libraries):
//! `{"metadata": …, "weight_map": {tensor: file}}`. Read with bounds on everything.

use super::{MAX_TENSORS, Problem};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use std::collections::BTreeMap;

/// Longest index accepted, in bytes.
pub const MAX_INDEX: usize = 8 << 20;
/// Most shards accepted.
pub const MAX_SHARDS: usize = 1024;

/// Which shard has a tensor.
#[derive(Debug)]
pub(super) struct Index {
    /// File names beside the index, in order of their first mention; at least one.
    pub shards: Vec<String>,
    /// Tensor to number of its shard.
    pub tensors: BTreeMap<String, usize>,
}

/// Whether a file of this name is an index, with or without a variant: `x.safetensors.index.fp16.json`.
pub(super) fn is_index(name: &str) -> bool {
    name.ends_with(".json") && name.contains(".safetensors.index.")
}

/// Reads an index.
pub(super) fn parse(bytes: &[u8]) -> Result<Index, Problem> {
    if bytes.len() > MAX_INDEX {
        return Err(Problem::IndexTooLong { found: bytes.len(), limit: MAX_INDEX });
    }
    let raw: RawIndex = serde_json::from_slice(bytes).map_err(|error| Problem::Index { message: error.to_string() })?;
    let entries = raw.weight_map.0;
    if entries.len() > MAX_TENSORS {
        return Err(Problem::TooManyTensors { limit: MAX_TENSORS });
    }
    if entries.is_empty() {
        return Err(Problem::Index { message: "it names no tensor".to_owned() });
    }
    let mut index = Index { shards: Vec::new(), tensors: BTreeMap::new() };
    let mut numbers = BTreeMap::new();
    for (tensor, shard) in entries {
        let number = match numbers.get(&shard) {
            Some(&number) => number,
            None if !is_plain(&shard) => return Err(Problem::ShardName { shard }),
            None if index.shards.len() == MAX_SHARDS => return Err(Problem::TooManyShards { limit: MAX_SHARDS }),
            None => {
                numbers.insert(shard.clone(), index.shards.len());
                index.shards.push(shard);
                index.shards.len() - 1
            }
        };
        if index.tensors.contains_key(&tensor) {
            return Err(Problem::IndexDuplicate { tensor });
        }
        index.tensors.insert(tensor, number);
    }
    Ok(index)
}

/// A file of the same folder: an index must not point anywhere else.
fn is_plain(name: &str) -> bool {
    let stem = name.strip_suffix(".safetensors").unwrap_or_default();
    !stem.is_empty() && name.len() <= 255 && !stem.starts_with('.') && !name.contains(['/', '\\', ':', '\0'])
}

#[derive(serde::Deserialize)]
struct RawIndex {
    weight_map: Entries,
    #[serde(default, rename = "metadata")]
    _metadata: IgnoredAny,
}

/// Entries in the order of the file, so that duplicates are seen; one more than accepted at most.
struct Entries(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Map;
        impl<'de> Visitor<'de> for Map {
            type Value = Entries;

            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("an object of file names")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Vec::new();
                while entries.len() <= MAX_TENSORS {
                    match map.next_entry()? {
                        Some(entry) => entries.push(entry),
                        None => return Ok(Entries(entries)),
                    }
                }
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Map)
    }
}
