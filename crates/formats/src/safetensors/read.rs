//! Reading: a checked header, views into the mapped bytes, conversion to f32.

use super::header::{self, Header};
use super::{Dtype, Error, Problem};
use crate::half::{F8_E4M3, F8_E5M2};
use crate::{Bytes, bf16_to_f32, f16_to_f32};
use std::collections::BTreeMap;
use std::path::Path;

/// An open, checked safetensors file.
#[derive(Debug)]
pub struct File {
    name: String,
    bytes: Bytes,
    header: Header,
}

/// A tensor inside a [`File`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View<'a> {
    /// Element type.
    pub dtype: Dtype,
    /// Dimensions, outermost first.
    pub shape: &'a [usize],
    /// Little-endian elements, row-major; exactly as many as the shape has. Not aligned.
    pub bytes: &'a [u8],
}

impl View<'_> {
    /// Number of elements.
    pub fn elements(&self) -> usize {
        self.bytes.len() / self.dtype.size()
    }
}

impl File {
    /// Maps and checks a file.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let name = path.display().to_string();
        match Bytes::map(path) {
            Ok(bytes) => Self::from_bytes(name, bytes),
            Err(error) => {
                Err(Error { file: name, problem: Problem::Io { kind: error.kind(), message: error.to_string() } })
            }
        }
    }

    /// Checks bytes that are already there; `name` is what errors call them.
    pub fn from_bytes(name: impl Into<String>, bytes: Bytes) -> Result<Self, Error> {
        let name = name.into();
        match header::parse(&bytes) {
            Ok(header) => Ok(Self { name, bytes, header }),
            Err(problem) => Err(Error { file: name, problem }),
        }
    }

    /// Checks bytes built into the program.
    pub fn from_static(name: impl Into<String>, bytes: &'static [u8]) -> Result<Self, Error> {
        Self::from_bytes(name, Bytes::from_static(bytes))
    }

    /// The path, or the name given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The whole file.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// SHA-256 of the whole file, 64 hexadecimal digits.
    pub fn sha256(&self) -> String {
        crate::digest::sha256_bytes(&self.bytes)
    }

    /// The file's own notes (`__metadata__`).
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.header.metadata
    }

    /// Names of all tensors, sorted; companions `NAME.scale` too.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.header.tensors.keys().map(String::as_str)
    }

    /// Names of the tensors that stand for values: all but the scales of `I16` tensors. Sorted.
    pub fn value_names(&self) -> impl Iterator<Item = &str> {
        self.names().filter(|name| {
            let packed = name.strip_suffix(".scale").and_then(|name| self.header.tensors.get(name));
            packed.is_none_or(|entry| entry.dtype != Dtype::I16)
        })
    }

    /// Whether there is a tensor of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.header.tensors.contains_key(name)
    }

    /// A tensor as it is stored.
    pub fn tensor(&self, name: &str) -> Result<View<'_>, Error> {
        match self.header.tensors.get(name) {
            Some(entry) => {
                Ok(View { dtype: entry.dtype, shape: &entry.shape, bytes: &self.bytes[entry.range.clone()] })
            }
            None => Err(self.error(Problem::Missing { tensor: name.to_owned() })),
        }
    }

    /// Shape of a tensor.
    pub fn shape(&self, name: &str) -> Result<&[usize], Error> {
        Ok(self.tensor(name)?.shape)
    }

    /// A tensor as f32: any float, or `I16` with its `.scale`.
    pub fn to_f32(&self, name: &str) -> Result<Vec<f32>, Error> {
        let mut values = vec![0.0; self.tensor(name)?.elements()];
        self.read_f32(name, &mut values)?;
        Ok(values)
    }

    /// Like [`to_f32`](Self::to_f32), and the shape must be `expected`.
    pub fn to_f32_of_shape(&self, name: &str, expected: &[usize]) -> Result<Vec<f32>, Error> {
        let found = self.shape(name)?;
        if found != expected {
            return Err(self.error(Problem::Shape {
                tensor: name.to_owned(),
                expected: expected.to_vec(),
                found: found.to_vec(),
            }));
        }
        self.to_f32(name)
    }

    /// Like [`to_f32`](Self::to_f32), into memory that is already there; its length must fit.
    pub fn read_f32(&self, name: &str, values: &mut [f32]) -> Result<(), Error> {
        let view = self.tensor(name)?;
        if values.len() != view.elements() {
            return Err(self.error(Problem::Elements {
                tensor: name.to_owned(),
                expected: view.shape.to_vec(),
                found: values.len(),
            }));
        }
        self.read_f32_from(name, 0, values)
    }

    /// Like [`read_f32`](Self::read_f32), the elements from `first` on, as many as `values` holds.
    pub fn read_f32_from(&self, name: &str, first: usize, mut values: &mut [f32]) -> Result<(), Error> {
        let view = self.tensor(name)?;
        let end = first.saturating_add(values.len());
        if end > view.elements() {
            return Err(self.error(Problem::Elements {
                tensor: name.to_owned(),
                expected: view.shape.to_vec(),
                found: end,
            }));
        }
        let bytes = |first: usize, len: usize| &view.bytes[first * view.dtype.size()..][..len * view.dtype.size()];
        if view.dtype == Dtype::I16 {
            let scales = self.scales(name, view.shape)?;
            let columns = (view.elements() / scales.len().max(1)).max(1);
            for (row, &scale) in scales.iter().enumerate().skip(first / columns) {
                if values.is_empty() {
                    break;
                }
                let begin = first.max(row * columns);
                let (part, rest) = values.split_at_mut(((row + 1) * columns - begin).min(values.len()));
                decode(view.dtype, bytes(begin, part.len()), scale, part);
                values = rest;
            }
        } else if !decode(view.dtype, bytes(first, values.len()), 1.0, values) {
            return Err(self.error(Problem::NotReal { tensor: name.to_owned(), found: view.dtype }));
        }
        Ok(())
    }

    /// Access to single rows of a matrix `[rows, columns]` as f32, for tables too large to convert as a whole.
    pub fn rows(&self, name: &str) -> Result<Rows<'_>, Error> {
        let view = self.tensor(name)?;
        let &[_, columns] = view.shape else {
            let (expected, found) = (vec![0, 0], view.shape.to_vec());
            return Err(self.error(Problem::Shape { tensor: name.to_owned(), expected, found }));
        };
        let scales = match view.dtype {
            Dtype::I16 => Some(self.scales(name, view.shape)?),
            dtype if dtype.is_float() => None,
            found => return Err(self.error(Problem::NotReal { tensor: name.to_owned(), found })),
        };
        Ok(Rows { view, columns, scales })
    }

    fn scales(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, Error> {
        let tensor = format!("{name}.scale");
        let view = self.tensor(&tensor)?;
        if view.dtype != Dtype::F32 {
            return Err(self.error(Problem::Dtype { tensor, expected: Dtype::F32, found: view.dtype }));
        }
        let expected = shape.get(..1).unwrap_or(&[1]); // A scalar is one row.
        if view.shape != expected {
            return Err(self.error(Problem::Shape { tensor, expected: expected.to_vec(), found: view.shape.to_vec() }));
        }
        self.to_f32(&tensor)
    }

    fn error(&self, problem: Problem) -> Error {
        Error { file: self.name.clone(), problem }
    }
}

/// Rows of a matrix; see [`File::rows`].
#[derive(Debug, Clone)]
pub struct Rows<'a> {
    view: View<'a>,
    columns: usize,
    scales: Option<Vec<f32>>,
}

impl Rows<'_> {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.view.shape[0]
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes a row to `values` `[columns]`; says whether the row exists and the length fits.
    #[must_use]
    pub fn read(&self, row: usize, values: &mut [f32]) -> bool {
        if row >= self.len() || values.len() != self.columns {
            return false;
        }
        let size = self.columns * self.view.dtype.size();
        let scale = self.scales.as_ref().map_or(1.0, |scales| scales[row]);
        decode(self.view.dtype, &self.view.bytes[row * size..][..size], scale, values)
    }
}

/// Elements as f32, `I16` times `scale`; says whether the type stands for real numbers.
fn decode(dtype: Dtype, bytes: &[u8], scale: f32, values: &mut [f32]) -> bool {
    match dtype {
        Dtype::F32 => convert(bytes, values, f32::from_le_bytes),
        Dtype::F16 => convert(bytes, values, |bytes| f16_to_f32(u16::from_le_bytes(bytes))),
        Dtype::Bf16 => convert(bytes, values, |bytes| bf16_to_f32(u16::from_le_bytes(bytes))),
        Dtype::I16 => convert(bytes, values, |bytes| f32::from(i16::from_le_bytes(bytes)) * scale),
        Dtype::F64 => convert(bytes, values, |bytes| f64::from_le_bytes(bytes) as f32),
        Dtype::F8E4M3 => convert(bytes, values, |[byte]| F8_E4M3[usize::from(byte)]),
        Dtype::F8E5M2 => convert(bytes, values, |[byte]| F8_E5M2[usize::from(byte)]),
        Dtype::U8 | Dtype::I8 | Dtype::I32 | Dtype::I64 | Dtype::Bool => return false,
    }
    true
}

fn convert<const N: usize>(bytes: &[u8], values: &mut [f32], from: impl Fn([u8; N]) -> f32) {
    let (elements, _) = bytes.as_chunks::<N>();
    for (value, &element) in values.iter_mut().zip(elements) {
        *value = from(element);
    }
}
