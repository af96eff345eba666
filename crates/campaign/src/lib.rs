//! A brief becomes jobs: slots, rows of a CSV, budget, drafts and finals with the same seeds.

#![forbid(unsafe_code)]
