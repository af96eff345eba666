//! What a test of pictures says: planning, intervals that may be looked at any day, Bayes, bandits, health checks, duels.

#![forbid(unsafe_code)]
