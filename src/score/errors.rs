//! Errors of many measurements, and what is said of them.

use serde::{Serialize, Serializer, ser::SerializeStruct as _};

/// Measured less true, one for each measurement.
#[derive(Debug, Clone, Default)]
pub(crate) struct Errors(Vec<f64>);

impl Errors {
    pub(crate) fn push(&mut self, error: f64) {
        self.0.push(error);
    }

    pub(crate) fn add(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Median of the errors with their sign; `None` of nothing.
    pub(crate) fn bias(&self) -> Option<f64> {
        quantile(self.0.clone(), 0.5)
    }

    /// Median without sign.
    pub(crate) fn median(&self) -> Option<f64> {
        quantile(self.sizes(), 0.5)
    }

    /// Nine of ten are no larger.
    pub(crate) fn p90(&self) -> Option<f64> {
        quantile(self.sizes(), 0.9)
    }

    /// The largest, with its sign.
    pub(crate) fn worst(&self) -> Option<f64> {
        self.0.iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs()))
    }

    fn sizes(&self) -> Vec<f64> {
        self.0.iter().map(|error| error.abs()).collect()
    }
}

/// The value that `share` of all do not exceed (nearest rank).
fn quantile(mut values: Vec<f64>, share: f64) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let rank = (values.len() as f64 * share).ceil() as usize;
    values.get(rank.saturating_sub(1)).copied()
}

impl Serialize for Errors {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Errors", 5)?;
        fields.serialize_field("n", &self.len())?;
        fields.serialize_field("median", &self.median())?;
        fields.serialize_field("p90", &self.p90())?;
        fields.serialize_field("worst", &self.worst())?;
        fields.serialize_field("bias", &self.bias())?;
        fields.end()
    }
}

#[cfg(test)]
mod tests {
    use super::Errors;

    #[test]
    fn figures_of_known_errors() {
        let mut errors = Errors::default();
        assert_eq!((errors.median(), errors.worst()), (None, None));
        for error in [1.0, -2.0, 3.0, -4.0, 5.0, 6.0, -7.0, 8.0, 9.0, -10.0] {
            errors.push(error);
        }
        assert_eq!((errors.median(), errors.p90(), errors.worst()), (Some(5.0), Some(9.0), Some(-10.0)));
        assert_eq!(errors.bias(), Some(1.0));
    }
}
