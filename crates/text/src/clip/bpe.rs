//! Byte pair encoding (arXiv 1508.07909) with the merges of CLIP's `SimpleTokenizer`: a word is its UTF-8 bytes, the last one
//! marked as the end, and neighbours are joined in the order the merges were learned.
//!
//! Ids: the 256 bytes, the 256 bytes that end a word, then one for each merge.

use std::collections::HashMap;
use std::io::Read;

use crate::TextError;

/// Merges of the file that are used; the rest was cut to make 49,152 - 256 - 2 + 512 words.
const MERGES: usize = 49_152 - 256 - 2;
/// Id of the first merge.
const FIRST_MERGE: u32 = 512;
/// Added to the id of a byte that ends a word.
const END_OF_WORD: u32 = 256;
/// What marks the end of a word in the file.
const END_MARK: &str = "</w>";
/// Longest file accepted, unpacked.
const MAX_BYTES: u64 = 16 << 20;
/// Rank of a pair that is never joined.
const NEVER: u32 = u32::MAX;

/// The merges, ready for use.
#[derive(Debug)]
pub(super) struct Bpe {
    /// Id of each byte inside a word.
    bytes: [u32; 256],
    /// Place in the order of merges.
    ranks: HashMap<(u32, u32), u32>,
}

impl Bpe {
    /// Reads `bpe_simple_vocab_16e6.txt.gz`: a title line, then two words a line.
    pub(super) fn new(gzipped: &[u8]) -> Result<Self, TextError> {
        let mut text = String::new();
        let bad = |error: std::io::Error| TextError::Tokenizer(format!("the merges cannot be unpacked: {error}"));
        flate2::read::GzDecoder::new(gzipped).take(MAX_BYTES).read_to_string(&mut text).map_err(bad)?;
        let order = byte_order();
        let mut bytes = [0; 256];
        let mut words = HashMap::with_capacity(MERGES + 512);
        for (id, &(byte, name)) in (0..).zip(&order) {
            bytes[usize::from(byte)] = id;
            words.insert(name.to_string(), id);
            words.insert(format!("{name}{END_MARK}"), id + END_OF_WORD);
        }
        let mut ranks = HashMap::with_capacity(MERGES);
        for (rank, line) in (0..).zip(text.lines().skip(1).take(MERGES)) {
            let pair =
                line.split_once(' ').and_then(|(a, b)| Some(((*words.get(a)?, *words.get(b)?), format!("{a}{b}"))));
            let Some((pair, joined)) = pair else {
                return Err(TextError::Tokenizer(format!("merge {rank} does not join two words: {line:?}")));
            };
            ranks.insert(pair, rank);
            words.insert(joined, FIRST_MERGE + rank);
        }
        if ranks.len() != MERGES {
            return Err(TextError::Tokenizer(format!("{} different merges; {MERGES} are needed", ranks.len())));
        }
        Ok(Self { bytes, ranks })
    }

    /// Appends the ids of one word.
    pub(super) fn encode(&self, word: &str, ids: &mut Vec<u32>) {
        let mut symbols: Vec<u32> = word.bytes().map(|byte| self.bytes[usize::from(byte)]).collect();
        if let Some(last) = symbols.last_mut() {
            *last += END_OF_WORD;
        }
        self.join(&mut symbols);
        ids.extend(symbols);
    }

    fn rank(&self, left: u32, right: u32) -> u32 {
        self.ranks.get(&(left, right)).copied().unwrap_or(NEVER)
    }

    /// Joins all pairs of the lowest rank, from the left, until no pair has a rank.
    fn join(&self, symbols: &mut Vec<u32>) {
        // Rank of each symbol with the next.
        let mut ranks: Vec<u32> = symbols.windows(2).map(|pair| self.rank(pair[0], pair[1])).collect();
        while let Some(&lowest) = ranks.iter().min().filter(|&&rank| rank != NEVER) {
            let (mut from, mut to, mut before_joined) = (0, 0, false);
            while from < symbols.len() {
                let joined = ranks.get(from) == Some(&lowest);
                let symbol = if joined { FIRST_MERGE + lowest } else { symbols[from] };
                if to > 0 {
                    let changed = joined || before_joined;
                    ranks[to - 1] = if changed { self.rank(symbols[to - 1], symbol) } else { ranks[from - 1] };
                }
                symbols[to] = symbol;
                to += 1;
                from += 1 + usize::from(joined);
                before_joined = joined;
            }
            symbols.truncate(to);
            ranks.truncate(to - 1);
        }
    }
}

/// The bytes in the order of their ids, with the character that stands for each in the file: printable Latin-1 characters for
/// themselves, then the others as the characters from U+0100 on.
fn byte_order() -> Vec<(u8, char)> {
    let printable = |byte: &u8| matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    let own = (0..=255).filter(printable).map(|byte| (byte, char::from(byte)));
    let others = (0..=255).filter(|byte| !printable(byte)).zip('\u{100}'..);
    own.chain(others).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Bpe of a few merges, by id: `(left, right)`.
    fn bpe(merges: &[(u32, u32)]) -> Bpe {
        let mut bytes = [0; 256];
        for (id, (byte, _)) in (0..).zip(byte_order()) {
            bytes[usize::from(byte)] = id;
        }
        Bpe { bytes, ranks: merges.iter().copied().zip(0..).collect() }
    }

    #[test]
    fn bytes_have_their_published_ids() {
        let order = byte_order();
        assert_eq!(order.len(), 256);
        assert_eq!(
            (order[0], order[64], order[188], order[255]),
            ((b'!', '!'), (b'a', 'a'), (0, '\u{100}'), (0xAD, '\u{143}'))
        );
    }

    #[test]
    fn pairs_are_joined_by_rank_and_from_the_left() {
        let (a, b, a_end) = (64, 65, 64 + END_OF_WORD);
        let bpe = bpe(&[(a, a), (a, b), (512, 513)]);
        let encode = |word: &str| {
            let mut ids = Vec::new();
            bpe.encode(word, &mut ids);
            ids
        };
        assert_eq!(encode("aaaa"), [512, a, a_end]);
        assert_eq!(encode("aaaaa"), [512, 512, a_end]);
        assert_eq!(encode("aaaba"), [514, a_end]);
        assert_eq!(encode("a"), [a_end]);
        assert!(encode("").is_empty());
    }

    #[test]
    fn a_wrong_file_is_an_error() {
        use std::io::Write;
        let gzip = |text: &str| {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(text.as_bytes()).unwrap();
            encoder.finish().unwrap()
        };
        for bytes in
            [vec![], b"no gzip".to_vec(), gzip(""), gzip("title\ni n\n"), gzip("title\nin g\n"), gzip("title\nx\n")]
        {
            assert!(matches!(Bpe::new(&bytes), Err(TextError::Tokenizer(_))));
        }
    }
}
