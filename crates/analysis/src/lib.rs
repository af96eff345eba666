//! What can be measured of a finished picture without learned weights: copy space, sharpness, near duplicates, palette.

#![forbid(unsafe_code)]
