//! Metadata under the prefix of one architecture.

use crate::{
    Code, Error, Result,
    format::metadata::{Metadata, Value},
};

/// Limits the dimensions and counts that are accepted: far above any model that fits in a browser.
pub(super) const MAX_DIM: u64 = 1 << 20;

/// Reads the metadata under the prefix of one architecture.
pub(super) struct Keys<'a> {
    pub(super) metadata: &'a Metadata,
    pub(super) architecture: &'a str,
}

impl Keys<'_> {
    /// Returns the whole key of `name`: "llama.block_count".
    pub(super) fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.architecture)
    }

    /// Returns the error for a value out of range.
    pub(super) fn bad(&self, name: &str, value: u64) -> Error {
        Error::new(
            Code::Metadata,
            format!(
                "`{}` is {value}, which no model that Siskin runs has. Choose another conversion \
                 of the model.",
                self.key(name)
            ),
        )
    }

    /// Returns a count from 1 to `max`.
    pub(super) fn count_up_to(&self, name: &str, max: u64) -> Result<usize> {
        self.in_range(name, self.metadata.u64(&self.key(name))?, max)
    }

    /// Returns `value`, which the key of `name` has, if it is from 1 to `max`.
    fn in_range(&self, name: &str, value: u64, max: u64) -> Result<usize> {
        if value == 0 || value > max {
            Err(self.bad(name, value))
        } else {
            usize::try_from(value).or(Ok(usize::MAX))
        }
    }

    /// Returns a dimension of the model.
    pub(super) fn dim(&self, name: &str) -> Result<usize> {
        self.count_up_to(name, MAX_DIM)
    }

    /// Returns whether the file has a value of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.metadata.get(&self.key(name)).is_some()
    }

    /// Returns a dimension of the model, or `None` where the file does not have it.
    pub(super) fn opt_dim(&self, name: &str) -> Result<Option<usize>> {
        match self.has(name) {
            true => self.dim(name).map(Some),
            false => Ok(None),
        }
    }

    /// Returns a number that multiplies or bounds others, or `default` where the file does not have
    /// it.
    ///
    /// # Errors
    ///
    /// `metadata`, also for a number below 0 or one that is not finite.
    pub(super) fn scale(&self, name: &str, default: f32) -> Result<f32> {
        let key = self.key(name);
        let scale = self.metadata.opt_f32(&key)?.unwrap_or(default);
        if scale.is_finite() && scale >= 0.0 {
            return Ok(scale);
        }
        Err(Error::new(
            Code::Metadata,
            format!("`{key}` is {scale}. Choose another conversion of the model."),
        ))
    }

    /// Returns a dimension of every layer, which a file gives once or as an array of one number a
    /// layer.
    ///
    /// # Errors
    ///
    /// - `metadata` as for other dimensions, and for an array of another length.
    /// - `architecture` where the layers differ.
    pub(super) fn layer_dim(&self, name: &str, layers: usize) -> Result<usize> {
        match self.of_layers(name, layers)? {
            Some(numbers) => self.common(name, numbers),
            None => self.dim(name),
        }
    }

    /// Returns a dimension of every layer, which may differ.
    ///
    /// # Errors
    ///
    /// `metadata` as for other dimensions, and for an array of another length.
    pub(super) fn layer_dims(&self, name: &str, layers: usize) -> Result<Vec<usize>> {
        match self.of_layers(name, layers)? {
            Some(numbers) => (numbers.into_iter())
                .map(|number| self.in_range(name, number, MAX_DIM))
                .collect(),
            None => Ok(vec![self.dim(name)?; layers]),
        }
    }

    /// Returns a dimension of those layers that have it, and which they are: an array has 0 for the
    /// others.
    ///
    /// # Errors
    ///
    /// As [`Keys::layer_dim`].
    pub(super) fn some_layers_dim(&self, name: &str, layers: usize) -> Result<(usize, Vec<bool>)> {
        let Some(numbers) = self.of_layers(name, layers)? else {
            return Ok((self.dim(name)?, vec![true; layers]));
        };
        let has_it = numbers.iter().map(|&number| number != 0).collect();
        let numbers: Vec<u64> = numbers.into_iter().filter(|&number| number != 0).collect();
        Ok((self.common(name, numbers)?, has_it))
    }

    /// Returns the array of one number a layer, if the file has an array.
    fn of_layers(&self, name: &str, layers: usize) -> Result<Option<Vec<u64>>> {
        let key = self.key(name);
        let numbers = self.metadata.get(&key).and_then(Value::as_integers);
        let Some(other) = numbers.as_ref().map(Vec::len).filter(|&len| len != layers) else {
            return Ok(numbers);
        };
        Err(Error::new(
            Code::Metadata,
            format!(
                "`{key}` has {other} numbers for {layers} layers. Choose another conversion of the \
                 model."
            ),
        ))
    }

    /// Returns the dimension that all these layers have.
    fn common(&self, name: &str, numbers: Vec<u64>) -> Result<usize> {
        let first = numbers.first().copied().unwrap_or_default();
        if let Some(other) = numbers.iter().find(|&&number| number != first) {
            return Err(Error::new(
                Code::Architecture,
                format!(
                    "The layers differ in `{}`, which is {first} in one and {other} in another; \
                     such models are not supported. Choose another model.",
                    self.key(name)
                ),
            ));
        }
        self.in_range(name, first, MAX_DIM)
    }
}
