//! Seeds that depend on nothing but names, so that a final has the seed of its draft, a campaign that is made again has the
//! same pictures, and rows that are added change nothing of the others.

use formats::digest::sha256_bytes;

use crate::brief::MAX_CANDIDATES;

/// The seed of a candidate (from 0) of a row of a campaign; below 2^32, which every client can say. Candidates of a row are
/// neighbours, so that they can be drawn together: picture `i` of a job has the job's seed plus `i`.
pub fn seed(campaign: &str, row: &str, candidate: u32) -> u64 {
    // The lengths keep ("a", "bc") apart from ("ab", "c").
    let text = format!("calotype campaign seed 1\n{} {campaign}\n{} {row}", campaign.len(), row.len());
    let digest = sha256_bytes(text.as_bytes());
    let number = digest.get(..16).and_then(|digits| u64::from_str_radix(digits, 16).ok()).unwrap_or_default();
    number % (u64::from(u32::MAX) - u64::from(MAX_CANDIDATES)) + u64::from(candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_never_change() {
        // Fixed for ever: pictures that exist depend on it. sha256sum gives the digests.
        assert_eq!(seed("spring", "00001", 0), 336_748_332);
        assert_eq!(seed("spring", "00001", 3), seed("spring", "00001", 0) + 3);
        assert_ne!(seed("a", "bc", 0), seed("ab", "c", 0));
        let many: std::collections::BTreeSet<u64> = (0..1000).map(|row| seed("x", &row.to_string(), 0)).collect();
        assert!(many.len() >= 999 && many.iter().all(|seed| *seed < 1 << 32));
    }
}
