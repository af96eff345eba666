//! A brand's look: kit, templates of named layers, shaped text, contrast on the real background.

#![forbid(unsafe_code)]
