//! One pick for every channel: crops, byte caps, safe zones, ZIP, manifest, contact sheet.

#![forbid(unsafe_code)]
