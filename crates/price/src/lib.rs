//! What a campaign costs: a catalogue of offers as a data file, the cost model, the cheapest plan at every volume.

#![forbid(unsafe_code)]
