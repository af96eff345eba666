//! Files that people mistake for safetensors, told from their first bytes, and why they are refused.

/// What a file is that is no safetensors file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foreign {
    /// A zip archive with a pickle: what PyTorch saves since 1.6 (`.ckpt`, `.pt`, `.pth`, `.bin`).
    PickleInZip,
    /// A pickle: what PyTorch saved before, and any other Python object.
    Pickle,
    /// Another zip archive.
    Zip,
    /// llama.cpp's format.
    Gguf,
    /// Keras and old TensorFlow.
    Hdf5,
    /// A few lines of text that stand for a large file, left by a clone without Git LFS.
    LfsPointer,
    /// A page that a server sent instead of the file.
    WebPage,
}

/// Bytes at the start in which a zip archive of PyTorch has the name of its pickle.
const ZIP_SEARCHED: usize = 1024;

impl Foreign {
    /// Recognises a file by its first bytes.
    pub(super) fn detect(bytes: &[u8]) -> Option<Self> {
        let start = &bytes[..bytes.len().min(ZIP_SEARCHED)];
        match start {
            [b'P', b'K', 3, 4, ..] if has(start, b"/data.pkl") || has(start, b".pkl") => Some(Self::PickleInZip),
            [b'P', b'K', 3, 4, ..] => Some(Self::Zip),
            // Also the length of some headers, which `{` follows.
            [0x80, 2..=5, _, _, 0, 0, 0, 0, b'{', ..] => None,
            [0x80, 2..=5, instruction, ..] if *instruction != 0 => Some(Self::Pickle),
            [b'G', b'G', b'U', b'F', ..] => Some(Self::Gguf),
            [0x89, b'H', b'D', b'F', ..] => Some(Self::Hdf5),
            _ if start.starts_with(b"version https://git-lfs") => Some(Self::LfsPointer),
            _ => {
                let text = start.trim_ascii_start();
                let begins = |with: &[u8]| text.len() >= with.len() && text[..with.len()].eq_ignore_ascii_case(with);
                (begins(b"<!doctype html") || begins(b"<html")).then_some(Self::WebPage)
            }
        }
    }
}

fn has(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

impl std::fmt::Display for Foreign {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const PICKLE: &str = "reading a pickle runs the code inside it, so it is not read. Take the model's .safetensors \
                              file, or convert this one where you trust it";
        match self {
            Self::PickleInZip => write!(f, "a PyTorch file, a zip archive with a pickle: {PICKLE}"),
            Self::Pickle => write!(f, "a Python pickle: {PICKLE}"),
            Self::Zip => f.write_str("a zip archive, not a safetensors file"),
            Self::Gguf => f.write_str("a GGUF file, which is not read; take the model's .safetensors file"),
            Self::Hdf5 => f.write_str("an HDF5 file, which is not read; take the model's .safetensors file"),
            Self::LfsPointer => f.write_str("a Git LFS pointer, not the file itself; `git lfs pull` fetches it"),
            Self::WebPage => f.write_str("a web page, not a model: the server sent a page instead of the file"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes_tell() {
        let torch = b"PK\x03\x04\0\0\x08\x08\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x10\0\x12\0archive/data.pklFB\x0e\0ZZ";
        for (bytes, expected) in [
            (&torch[..], Some(Foreign::PickleInZip)),
            (b"PK\x03\x04....mimetype", Some(Foreign::Zip)),
            (b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.", Some(Foreign::Pickle)),
            (b"\x80\x04\x95", Some(Foreign::Pickle)),
            (b"\x80\x04\x95\x1f\0\0\0\0\0\0\0}", Some(Foreign::Pickle)),
            (b"\x80\x02\x01\0\0\0\0\0{}", None),
            (b"\x80\x02\0\0\0\0\0\0", None),
            (b"GGUF\x03\0\0\0", Some(Foreign::Gguf)),
            (b"\x89HDF\r\n\x1a\n", Some(Foreign::Hdf5)),
            (b"version https://git-lfs.github.com/spec/v1\noid", Some(Foreign::LfsPointer)),
            (b"\n <!DOCTYPE HTML><html>", Some(Foreign::WebPage)),
            (b"\x02\0\0\0\0\0\0\0{}", None),
            (b"", None),
        ] {
            assert_eq!(Foreign::detect(bytes), expected, "{bytes:?}");
        }
    }
}
