//! Writing: streamed through the atomic writer, in an order that depends on the content only (element size falling, so that
//! every tensor is aligned; then name), so equal tensors give equal files.

use super::{Dtype, Error, MAX_NOTES, MAX_RANK, MAX_TENSORS, Problem};
use crate::atomic::{Disk, SystemDisk, write_atomic_on};
use crate::digest::HashingWriter;
use crate::f32_to_bf16;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

/// A tensor to be written.
#[derive(Debug, Clone)]
pub struct Tensor<'a> {
    name: Cow<'a, str>,
    shape: Vec<usize>,
    data: Data<'a>,
}

#[derive(Debug, Clone)]
enum Data<'a> {
    F32(Cow<'a, [f32]>),
    Bf16(Cow<'a, [f32]>),
    I16(Cow<'a, [i16]>),
    U8(Cow<'a, [u8]>),
}

impl<'a> Tensor<'a> {
    /// Stored as `F32`.
    pub fn f32(name: impl Into<Cow<'a, str>>, shape: &[usize], values: impl Into<Cow<'a, [f32]>>) -> Self {
        Self { name: name.into(), shape: shape.to_vec(), data: Data::F32(values.into()) }
    }

    /// Stored as `BF16`, rounded to nearest even.
    pub fn bf16(name: impl Into<Cow<'a, str>>, shape: &[usize], values: impl Into<Cow<'a, [f32]>>) -> Self {
        Self { name: name.into(), shape: shape.to_vec(), data: Data::Bf16(values.into()) }
    }

    /// Stored as `I16`; to stand for real numbers it needs its `.scale` companion (see [`quantise_rows`]).
    pub fn i16(name: impl Into<Cow<'a, str>>, shape: &[usize], values: impl Into<Cow<'a, [i16]>>) -> Self {
        Self { name: name.into(), shape: shape.to_vec(), data: Data::I16(values.into()) }
    }

    /// Raw bytes.
    pub fn u8(name: impl Into<Cow<'a, str>>, shape: &[usize], values: impl Into<Cow<'a, [u8]>>) -> Self {
        Self { name: name.into(), shape: shape.to_vec(), data: Data::U8(values.into()) }
    }

    fn dtype(&self) -> Dtype {
        match &self.data {
            Data::F32(_) => Dtype::F32,
            Data::Bf16(_) => Dtype::Bf16,
            Data::I16(_) => Dtype::I16,
            Data::U8(_) => Dtype::U8,
        }
    }

    fn elements(&self) -> usize {
        match &self.data {
            Data::F32(values) | Data::Bf16(values) => values.len(),
            Data::I16(values) => values.len(),
            Data::U8(values) => values.len(),
        }
    }

    fn write(&self, w: &mut dyn Write) -> io::Result<()> {
        match &self.data {
            Data::F32(values) => write_converted(w, values, f32::to_le_bytes),
            Data::Bf16(values) => write_converted(w, values, |value| f32_to_bf16(value).to_le_bytes()),
            Data::I16(values) => write_converted(w, values, i16::to_le_bytes),
            Data::U8(values) => w.write_all(values),
        }
    }
}

/// Rounds a row-major matrix of `columns` columns to 16 bits a value: `value ≈ i16 · scale[row]`, the largest magnitude of a
/// row becoming ±32767. A row of zeros has scale 0. Values must be finite.
pub fn quantise_rows(values: &[f32], columns: usize) -> (Vec<i16>, Vec<f32>) {
    let mut integers = Vec::with_capacity(values.len());
    let mut scales = Vec::new();
    for row in values.chunks(columns.max(1)) {
        let scale = row.iter().fold(0.0f32, |largest, value| largest.max(value.abs())) / 32767.0;
        let inverse = if scale > 0.0 { 1.0 / f64::from(scale) } else { 0.0 };
        integers.extend(row.iter().map(|&value| (f64::from(value) * inverse).round().clamp(-32767.0, 32767.0) as i16));
        scales.push(scale);
    }
    (integers, scales)
}

/// Writes a file atomically and returns its SHA-256.
pub fn write<'a>(
    path: impl AsRef<Path>,
    tensors: impl IntoIterator<Item = Tensor<'a>>,
    metadata: &BTreeMap<String, String>,
) -> Result<String, Error> {
    write_to(&SystemDisk, path, tensors, metadata)
}

/// [`write()`] on a given disk.
pub fn write_to<'a>(
    disk: &dyn Disk,
    path: impl AsRef<Path>,
    tensors: impl IntoIterator<Item = Tensor<'a>>,
    metadata: &BTreeMap<String, String>,
) -> Result<String, Error> {
    let path = path.as_ref();
    let mut tensors: Vec<Tensor> = tensors.into_iter().collect();
    tensors.sort_by(|a, b| b.dtype().size().cmp(&a.dtype().size()).then_with(|| a.name.cmp(&b.name)));
    let header = header(&tensors, metadata).map_err(|problem| Error { file: path.display().to_string(), problem })?;
    Ok(write_atomic_on(disk, path, |w| {
        let mut w = HashingWriter::new(w);
        w.write_all(&(header.len() as u64).to_le_bytes())?;
        w.write_all(header.as_bytes())?;
        for tensor in &tensors {
            tensor.write(&mut w)?;
        }
        Ok(w.finish())
    })?)
}

/// The JSON header, padded with spaces to a multiple of 8 bytes.
fn header(tensors: &[Tensor], metadata: &BTreeMap<String, String>) -> Result<String, Problem> {
    if tensors.len() > MAX_TENSORS {
        return Err(Problem::TooManyTensors { limit: MAX_TENSORS });
    }
    if metadata.len() > MAX_NOTES {
        return Err(Problem::TooManyNotes { limit: MAX_NOTES });
    }
    let mut names = std::collections::BTreeSet::new();
    let mut parts = Vec::with_capacity(tensors.len() + 1);
    if !metadata.is_empty() {
        parts.push(format!("\"__metadata__\":{}", json(metadata)));
    }
    let mut start = 0usize;
    for tensor in tensors {
        let name = tensor.name.to_string();
        if name == "__metadata__" {
            return Err(Problem::ReservedName { tensor: name });
        }
        if !names.insert(name.clone()) {
            return Err(Problem::Duplicate { tensor: name });
        }
        if tensor.shape.len() > MAX_RANK {
            return Err(Problem::TooManyDimensions { tensor: name, limit: MAX_RANK });
        }
        let elements = tensor.shape.iter().try_fold(1usize, |product, &n| product.checked_mul(n));
        if elements != Some(tensor.elements()) {
            return Err(Problem::Elements { tensor: name, expected: tensor.shape.clone(), found: tensor.elements() });
        }
        let end = start + tensor.elements() * tensor.dtype().size();
        let (key, dtype, shape) = (json(&name), tensor.dtype(), json(&tensor.shape));
        parts.push(format!("{key}:{{\"dtype\":\"{dtype}\",\"shape\":{shape},\"data_offsets\":[{start},{end}]}}"));
        start = end;
    }
    let mut header = format!("{{{}}}", parts.join(","));
    header.extend(std::iter::repeat_n(' ', header.len().next_multiple_of(8) - header.len()));
    if header.len() > super::MAX_HEADER {
        return Err(Problem::HeaderTooLong { found: header.len() as u64, limit: super::MAX_HEADER });
    }
    Ok(header)
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("strings and numbers always have a JSON form")
}

fn write_converted<T: Copy, const N: usize>(
    w: &mut dyn Write,
    values: &[T],
    to: impl Fn(T) -> [u8; N],
) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(4096 * N);
    for piece in values.chunks(4096) {
        buffer.clear();
        for &value in piece {
            buffer.extend_from_slice(&to(value));
        }
        w.write_all(&buffer)?;
    }
    Ok(())
}
