//! What stands on a plate.

use ort::{session::Session, value::TensorRef};
use stopline_types::SizePx;

use super::{MOST_AT_ONCE, check_outlet, wrong_head, wrong_shape};
use crate::inference::{
    InferenceError, Runtime,
    session::{all_finite, open},
};
use crate::models::{Batch, Head, InputSpec, VerifiedModel};

const LOGITS: &str = "logits";
const LINES: &str = "lines";

/// How likely each character stands at a place: `0` to `9`, `A` to `Z`, none. They add up to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CharacterOdds(pub [f32; 37]);

impl CharacterOdds {
    /// The index of "no character".
    pub const NONE: usize = 36;

    /// The character of an index; `None` for "no character".
    #[must_use]
    pub fn character(index: usize) -> Option<char> {
        char::from_digit(u32::try_from(index).ok()?, 36).map(|c| c.to_ascii_uppercase())
    }

    /// The index of a digit or capital.
    #[must_use]
    pub fn index(character: char) -> Option<usize> {
        character.to_digit(36).map(|digit| digit as usize)
    }

    /// The likeliest, and how likely.
    #[must_use]
    pub fn best(&self) -> (usize, f32) {
        let best = self.0.iter().copied().enumerate().max_by(|a, b| a.1.total_cmp(&b.1));
        best.unwrap_or((Self::NONE, 0.0))
    }
}

/// What the model says of one plate.
#[derive(Debug, Clone, PartialEq)]
pub struct RawRead {
    /// Place by place, the top line first.
    pub odds: Vec<CharacterOdds>,
    /// Lines of text, 1 or 2, if the model tells and is sure of it.
    pub lines: Option<u8>,
}

/// The model's line count counts from this likelihood on.
const LINES_SURE: f32 = 0.9;

/// Reads plates. Owned by one thread.
pub struct PlateReader {
    session: Session,
    version: String,
    input: InputSpec,
    /// For each class of the model, the index in [`CharacterOdds`].
    classes: Vec<usize>,
    slots: usize,
    margin: f32,
    sure_above: f64,
    lines: bool,
    at_once: usize,
}

impl std::fmt::Debug for PlateReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PlateReader({})", self.version)
    }
}

impl PlateReader {
    /// Makes the session and checks that the graph is the one the manifest describes.
    pub fn new(runtime: &Runtime, model: &VerifiedModel) -> Result<Self, InferenceError> {
        let entry = &model.entry;
        let version = model.version();
        let Head::PlateReader { alphabet, slots, margin, sure_above, lines } = &entry.head else {
            return Err(wrong_head(version, entry.head.kind(), "plate_reader"));
        };
        let session = open(runtime, model, 1).map_err(|source| InferenceError::Engine {
            model: version.clone(),
            doing: "open the model",
            source,
        })?;
        let SizePx { w, h } = entry.input.size;
        let batch = if entry.input.batch == Batch::One { 1 } else { -1 };
        let columns = entry.head.columns() as i64;
        check_outlet(
            &version,
            "the input",
            session.inputs(),
            &entry.input.tensor,
            &[batch, 1, i64::from(h), i64::from(w)],
        )?;
        check_outlet(&version, "the output", session.outputs(), LOGITS, &[batch, *slots as i64, columns])?;
        if *lines {
            check_outlet(&version, "the second output", session.outputs(), LINES, &[batch, 2])?;
        }
        let classes = alphabet.chars().filter_map(CharacterOdds::index).chain([CharacterOdds::NONE]).collect();
        Ok(Self {
            session,
            version,
            classes,
            slots: *slots,
            margin: *margin,
            sure_above: *sure_above,
            lines: *lines,
            at_once: if entry.input.batch == Batch::One { 1 } else { MOST_AT_ONCE },
            input: entry.input.clone(),
        })
    }

    /// The model's name and the first twelve digits of its SHA-256.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The size of the patches it takes.
    #[must_use]
    pub fn input(&self) -> SizePx {
        self.input.size
    }

    /// What a patch shows around the plate, share of the plate's width and height on each side.
    #[must_use]
    pub fn margin(&self) -> f32 {
        self.margin
    }

    /// A text of a known kind is sure from this confidence on.
    #[must_use]
    pub fn sure_above(&self) -> f64 {
        self.sure_above
    }

    /// Reads patches of brightness 0 to 255, each of the input's size, row by row.
    pub fn read(&mut self, patches: &[Vec<f32>]) -> Result<Vec<RawRead>, InferenceError> {
        let SizePx { w, h } = self.input.size;
        let length = w as usize * h as usize;
        if let Some((index, patch)) = patches.iter().enumerate().find(|(_, patch)| patch.len() != length) {
            return Err(InferenceError::PlatePicture { index, size: self.input.size, bytes: patch.len() });
        }
        let mut found = Vec::with_capacity(patches.len());
        for chunk in patches.chunks(self.at_once) {
            self.run(chunk, &mut found)?;
        }
        Ok(found)
    }

    fn run(&mut self, patches: &[Vec<f32>], found: &mut Vec<RawRead>) -> Result<(), InferenceError> {
        let (mean, std) = (self.input.mean[0], self.input.std[0]);
        let values: Vec<f32> = patches.iter().flatten().map(|level| (level - mean) / std).collect();
        let SizePx { w, h } = self.input.size;
        let engine = |doing, source| InferenceError::Engine { model: self.version.clone(), doing, source };
        let tensor = TensorRef::from_array_view(([patches.len(), 1, h as usize, w as usize], &values[..]))
            .map_err(|e| engine("take the plates", e))?;
        let inputs = ort::inputs![self.input.tensor.as_str() => tensor];
        let outputs = self.session.run(inputs).map_err(|e| engine("run", e))?;
        let output = |name: &'static str, expected: &[i64]| {
            let (shape, values) =
                outputs[name].try_extract_tensor::<f32>().map_err(|e| engine("give its output", e))?;
            if shape[..] != *expected {
                return Err(wrong_shape(&self.version, "the output of a run", expected, shape));
            }
            let each = values.len() / patches.len();
            if let Some(index) = values.chunks_exact(each).position(|values| !all_finite(values)) {
                let (model, pictures) = (self.version.clone(), patches.len());
                return Err(InferenceError::PlateNotFinite { model, tensor: name, index, pictures });
            }
            Ok(values)
        };
        let (n, columns) = (patches.len() as i64, self.classes.len());
        let logits = output(LOGITS, &[n, self.slots as i64, columns as i64])?;
        let lines = if self.lines { Some(output(LINES, &[n, 2])?) } else { None };
        for (index, logits) in logits.chunks_exact(self.slots * columns).enumerate() {
            let odds = logits.chunks_exact(columns).map(|slot| spread(&softmax(slot), &self.classes)).collect();
            let lines = lines.and_then(|lines| {
                let odds = softmax(&lines[2 * index..][..2]);
                odds.iter().position(|p| *p >= LINES_SURE).map(|at| at as u8 + 1)
            });
            found.push(RawRead { odds, lines });
        }
        Ok(())
    }
}

fn spread(odds: &[f32], classes: &[usize]) -> CharacterOdds {
    let mut all = [0.0; 37];
    odds.iter().zip(classes).for_each(|(p, class)| all[*class] = *p);
    CharacterOdds(all)
}

fn softmax(logits: &[f32]) -> Vec<f32> {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f32> = logits.iter().map(|v| (v - most).exp()).collect();
    let sum: f32 = powers.iter().sum();
    powers.into_iter().map(|p| p / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_and_indices() {
        let all: String = (0..36).filter_map(CharacterOdds::character).collect();
        assert_eq!(all, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ");
        assert_eq!(CharacterOdds::character(CharacterOdds::NONE), None);
        assert!(all.chars().enumerate().all(|(at, c)| CharacterOdds::index(c) == Some(at)));
    }

    #[test]
    fn odds_follow_the_models_own_alphabet() {
        let odds = spread(&softmax(&[0.0, 3.0, 0.0]), &[11, 2, CharacterOdds::NONE]);
        assert_eq!(odds.best().0, 2);
        assert!((odds.0.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert!(odds.0[11] > 0.0 && odds.0[12] == 0.0);
    }
}
