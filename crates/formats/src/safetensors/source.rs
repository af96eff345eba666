//! The tensors of a model by name, from one file or from many shards.

use super::{Dtype, Error, File, Problem, Rows, View, index};
use crate::Bytes;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Names of weight files in folders of diffusers and transformers, up to a variant; the first that exists is read.
const USUAL: [&str; 2] = ["diffusion_pytorch_model", "model"];
/// Variants of weight files, in the order of preference: the full precision first.
const VARIANTS: [&str; 3] = ["", ".fp16", ".bf16"];
/// How files of pickles end.
const PICKLES: [&str; 5] = [".bin", ".ckpt", ".pt", ".pth", ".pkl"];

/// Tensors by name. Cheap to clone: the files stay mapped as long as a clone lives.
#[derive(Debug, Clone)]
pub struct TensorSource(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: String,
    files: Vec<Arc<File>>,
    /// Which file has a tensor; empty when there is one file.
    owners: BTreeMap<String, usize>,
}

impl From<Arc<File>> for TensorSource {
    fn from(file: Arc<File>) -> Self {
        let name = file.name().to_owned();
        Self(Arc::new(Inner { name, files: vec![file], owners: BTreeMap::new() }))
    }
}

impl From<File> for TensorSource {
    fn from(file: File) -> Self {
        Arc::new(file).into()
    }
}

impl TensorSource {
    /// Opens a safetensors file, an index of shards, or a folder with either. In a folder, the usual names of diffusers and
    /// transformers come first, full precision before half; otherwise there must be exactly one safetensors file.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        if path.is_dir() {
            return Self::open(find(path)?);
        }
        let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        if index::is_index(&name) { Self::open_shards(path) } else { Ok(File::open(path)?.into()) }
    }

    /// Opens the shards that an index names. Every tensor of every shard must be where the index says, and nowhere else.
    fn open_shards(path: &Path) -> Result<Self, Error> {
        let name = path.display().to_string();
        let fail = |problem| Error { file: name.clone(), problem };
        let bytes =
            Bytes::map(path).map_err(|error| fail(Problem::Io { kind: error.kind(), message: error.to_string() }))?;
        let index = index::parse(&bytes).map_err(fail)?;
        let mut files = Vec::with_capacity(index.shards.len());
        for shard in &index.shards {
            let file = File::open(path.with_file_name(shard)).map_err(|error| match error.problem {
                Problem::Io { message, .. } => fail(Problem::ShardMissing { shard: shard.clone(), message }),
                problem => Error { problem, ..error },
            })?;
            files.push(Arc::new(file));
        }
        for (tensor, &owner) in &index.tensors {
            if !files[owner].contains(tensor) {
                return Err(fail(Problem::NotInShard { tensor: tensor.clone(), shard: index.shards[owner].clone() }));
            }
        }
        for (number, file) in files.iter().enumerate() {
            for tensor in file.names() {
                let (tensor_name, shard) = (tensor.to_owned(), index.shards[number].clone());
                match index.tensors.get(tensor) {
                    Some(&owner) if owner == number => {}
                    Some(&owner) => {
                        let first = index.shards[owner].clone();
                        return Err(fail(Problem::InTwoShards { tensor: tensor_name, first, second: shard }));
                    }
                    None => return Err(fail(Problem::NotInIndex { tensor: tensor_name, shard })),
                }
            }
        }
        Ok(Self(Arc::new(Inner { name, files, owners: index.tensors })))
    }

    /// Path of the file or of the index, or the name given to bytes.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The files, in the order in which the index first names them.
    pub fn files(&self) -> &[Arc<File>] {
        &self.0.files
    }

    /// The notes (`__metadata__`) of the first file that has this one.
    pub fn note(&self, key: &str) -> Option<&str> {
        self.0.files.iter().find_map(|file| file.metadata().get(key)).map(String::as_str)
    }

    /// Names of the tensors that stand for values (see [`File::value_names`]).
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.files.iter().flat_map(|file| file.value_names())
    }

    /// Names and shapes of the tensors that stand for values.
    pub fn shapes(&self) -> impl Iterator<Item = (&str, &[usize])> {
        self.views().map(|(name, view)| (name, view.shape))
    }

    /// Names and tensors that stand for values.
    pub fn views(&self) -> impl Iterator<Item = (&str, View<'_>)> {
        self.0.files.iter().flat_map(|file| file.value_names().filter_map(|name| Some((name, file.tensor(name).ok()?))))
    }

    /// Whether there is a tensor of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.file_of(name).contains(name)
    }

    /// A tensor as it is stored.
    pub fn tensor(&self, name: &str) -> Result<View<'_>, Error> {
        self.file_of(name).tensor(name).map_err(|error| self.explain(error))
    }

    /// Shape of a tensor.
    pub fn shape(&self, name: &str) -> Result<&[usize], Error> {
        Ok(self.tensor(name)?.shape)
    }

    /// Element type of a tensor.
    pub fn dtype(&self, name: &str) -> Result<Dtype, Error> {
        Ok(self.tensor(name)?.dtype)
    }

    /// A tensor as f32 (see [`File::to_f32`]).
    pub fn to_f32(&self, name: &str) -> Result<Vec<f32>, Error> {
        self.file_of(name).to_f32(name).map_err(|error| self.explain(error))
    }

    /// Like [`to_f32`](Self::to_f32), and the shape must be `expected`.
    pub fn to_f32_of_shape(&self, name: &str, expected: &[usize]) -> Result<Vec<f32>, Error> {
        self.file_of(name).to_f32_of_shape(name, expected).map_err(|error| self.explain(error))
    }

    /// Like [`to_f32`](Self::to_f32), into memory that is already there; its length must fit.
    pub fn read_f32(&self, name: &str, values: &mut [f32]) -> Result<(), Error> {
        self.file_of(name).read_f32(name, values).map_err(|error| self.explain(error))
    }

    /// Like [`read_f32`](Self::read_f32), the elements from `first` on (see [`File::read_f32_from`]).
    pub fn read_f32_from(&self, name: &str, first: usize, values: &mut [f32]) -> Result<(), Error> {
        self.file_of(name).read_f32_from(name, first, values).map_err(|error| self.explain(error))
    }

    /// Access to single rows of a matrix (see [`File::rows`]).
    pub fn rows(&self, name: &str) -> Result<Rows<'_>, Error> {
        self.file_of(name).rows(name).map_err(|error| self.explain(error))
    }

    /// The file that has the tensor, or one that will say that it lacks it. There is always a file.
    fn file_of(&self, name: &str) -> &File {
        &self.0.files[self.0.owners.get(name).copied().unwrap_or(0)]
    }

    /// A tensor that no shard has is missing in the whole.
    fn explain(&self, error: Error) -> Error {
        match error.problem {
            problem @ Problem::Missing { .. } => Error { file: self.0.name.clone(), problem },
            _ => error,
        }
    }
}

/// The weight file or index of a folder.
fn find(folder: &Path) -> Result<PathBuf, Error> {
    let fail = |problem| Error { file: folder.display().to_string(), problem };
    let io = |error: std::io::Error| fail(Problem::Io { kind: error.kind(), message: error.to_string() });
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io)? {
        names.push(entry.map_err(io)?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    for variant in VARIANTS {
        for usual in USUAL {
            let forms = [
                format!("{usual}{variant}.safetensors"),
                format!("{usual}.safetensors.index{variant}.json"),
                format!("{usual}{variant}.safetensors.index.json"),
            ];
            if let Some(name) = forms.into_iter().find(|form| names.contains(form)) {
                return Ok(folder.join(name));
            }
        }
    }
    let indices: Vec<&String> = names.iter().filter(|name| index::is_index(name)).collect();
    if let [index] = indices[..] {
        return Ok(folder.join(index));
    }
    let found: Vec<String> = names.iter().filter(|name| name.ends_with(".safetensors")).cloned().collect();
    match &found[..] {
        [name] => Ok(folder.join(name)),
        [] => {
            let pickle = names.iter().find(|name| PICKLES.iter().any(|end| name.ends_with(end)));
            let hint = pickle.map_or(String::new(), |name| {
                format!("; {name} holds a pickle, which is not read, since reading one runs the code inside it")
            });
            Err(fail(Problem::NoWeights { hint }))
        }
        _ => Err(fail(Problem::ManyWeights { found: found.into_iter().take(8).collect() })),
    }
}
