//! The engine in a process of its own: what takes it down, from a damaged file to a lack of memory, leaves the server up.
//!
//! The server starts its own program again with a hidden command and talks to it over standard input and output: one JSON
//! object a line; a line that announces `bytes` is followed by that many bytes of a PNG file. When its input ends, because the
//! server is gone, the worker ends.

pub mod child;
pub mod process;
pub mod protocol;
