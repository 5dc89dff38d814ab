//! One session of ONNX Runtime with its buffers.

use ort::{
    session::Session,
    value::{TensorElementType, TensorRef, ValueType},
};
use stopline_types::{Detection, Frame, SizePx};

use super::{
    InferenceError, Runtime,
    heads::{Candidate, Reader},
    nms::Suppress,
    preprocess::{Placement, Preprocess},
    session::{all_finite, open},
};
use crate::models::{Batch, InputSpec, VerifiedModel};

/// How a detector runs.
#[derive(Debug, Clone, Copy)]
pub struct DetectorOptions {
    /// Threads inside one run. 1 unless there is a core to spare and a single camera to serve: several detectors of
    /// one thread do more together.
    pub threads: usize,
    /// Most pictures in one run; a model of batch one runs them one after the other.
    pub max_batch: usize,
    /// Instead of the manifest's confidence, 0 to 1.
    pub confidence: Option<f32>,
}

impl Default for DetectorOptions {
    fn default() -> Self {
        Self { threads: 1, max_batch: 1, confidence: None }
    }
}

/// Finds road users in pictures. Owned by one thread.
pub struct Detector {
    session: Session,
    version: String,
    input: InputSpec,
    /// Rows and columns of one picture's output.
    output: (usize, usize),
    preprocess: Preprocess,
    tensor: Vec<f32>,
    slots: usize,
    reader: Reader,
    suppress: Suppress,
}

impl std::fmt::Debug for Detector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Detector({}, {} at once)", self.version, self.slots)
    }
}

impl Detector {
    /// Makes the session and checks that the graph is the one the manifest describes.
    pub fn new(runtime: &Runtime, model: &VerifiedModel, options: DetectorOptions) -> Result<Self, InferenceError> {
        let entry = &model.entry;
        let version = model.version();
        if !entry.head.finds_vehicles() {
            return Err(InferenceError::Mismatch {
                model: version,
                part: "the head",
                expected: entry.head.kind().into(),
                found: "asked to find vehicles".into(),
            });
        }
        let session = open(runtime, model, options.threads.max(1)).map_err(|source| InferenceError::Engine {
            model: version.clone(),
            doing: "open the model",
            source,
        })?;
        let size = entry.input.size;
        let output = (entry.head.anchors(size), entry.head.columns());
        let rows = [3, i64::from(size.h), i64::from(size.w)];
        check_outlets(&version, "the input", session.inputs(), &entry.input, &rows)?;
        check_outlets(&version, "the output", session.outputs(), &entry.input, &[output.0 as i64, output.1 as i64])?;
        let slots = match entry.input.batch {
            Batch::One => 1,
            Batch::Dynamic => options.max_batch.max(1),
        };
        let preprocess = Preprocess::new(&entry.input, slots);
        let confidence = options.confidence.unwrap_or(entry.confidence);
        Ok(Self {
            session,
            version,
            output,
            tensor: vec![0.0; slots * preprocess.len()],
            preprocess,
            slots,
            reader: Reader::new(entry, confidence),
            suppress: Suppress::new(&entry.nms),
            input: entry.input.clone(),
        })
    }

    /// The largest picture it takes, in pixels: what frames are scaled to fit.
    #[must_use]
    pub fn input(&self) -> SizePx {
        self.input.size
    }

    /// The model's name and the first twelve digits of its SHA-256: what events carry.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Most pictures that go into one run.
    #[must_use]
    pub fn batch(&self) -> usize {
        self.slots
    }

    /// What is seen in each frame, strongest first, boxes in pixels of the stream's own frame and clipped to it.
    ///
    /// The first frame that cannot be judged ends the call; give frames one by one to learn which others can.
    pub fn detect(&mut self, frames: &[&Frame]) -> Result<Vec<Vec<Detection>>, InferenceError> {
        let mut found = Vec::with_capacity(frames.len());
        for chunk in frames.chunks(self.slots) {
            found.extend(self.run(chunk)?);
        }
        Ok(found)
    }

    /// One run of the session on a full batch of whatever the buffers hold, the output not read: the ceiling that
    /// [`Detector::detect`] is measured against.
    pub fn run_alone(&mut self) -> Result<(), InferenceError> {
        let engine = |source| InferenceError::Engine { model: self.version.clone(), doing: "run", source };
        let SizePx { w, h } = self.input.size;
        let shape = [self.slots, 3, h as usize, w as usize];
        let tensor = TensorRef::from_array_view((shape, &self.tensor[..])).map_err(engine)?;
        self.session.run(ort::inputs![tensor]).map_err(engine)?;
        Ok(())
    }

    fn run(&mut self, frames: &[&Frame]) -> Result<Vec<Vec<Detection>>, InferenceError> {
        let placements = frames.iter().map(|frame| self.place(frame)).collect::<Result<Vec<_>, _>>()?;
        let share = self.preprocess.len();
        for (slot, (frame, placement)) in frames.iter().zip(&placements).enumerate() {
            let tensor = &mut self.tensor[slot * share..][..share];
            self.preprocess.write(slot, tensor, &frame.image, *placement);
        }
        let engine = |doing, source| InferenceError::Engine { model: self.version.clone(), doing, source };
        let SizePx { w, h } = self.input.size;
        let shape = [frames.len(), 3, h as usize, w as usize];
        let tensor = TensorRef::from_array_view((shape, &self.tensor[..frames.len() * share]))
            .map_err(|e| engine("take the pictures", e))?;
        let outputs = self.session.run(ort::inputs![tensor]).map_err(|e| engine("run", e))?;
        let (shape, values) = outputs[0].try_extract_tensor::<f32>().map_err(|e| engine("give its output", e))?;
        let (rows, columns) = self.output;
        let expected = [frames.len() as i64, rows as i64, columns as i64];
        if shape[..] != expected {
            return Err(InferenceError::Mismatch {
                model: self.version.clone(),
                part: "the output of a run",
                expected: format!("{expected:?}"),
                found: format!("{:?}", &shape[..]),
            });
        }
        let judged = frames.iter().zip(placements).zip(values.chunks_exact(rows * columns));
        judged
            .map(|((frame, placement), values)| {
                if !all_finite(values) {
                    let (camera, seq) = (frame.camera.clone(), frame.seq);
                    return Err(InferenceError::NotFinite { model: self.version.clone(), camera, seq });
                }
                let boxes = self.reader.read(values).into_iter().filter_map(|c| to_detection(c, placement));
                Ok(self.suppress.apply(boxes.collect()))
            })
            .collect()
    }

    fn place(&self, frame: &Frame) -> Result<Placement, InferenceError> {
        let (image, most) = (&frame.image, self.input.size);
        let bytes = image.size.w as usize * image.size.h as usize * 3;
        let empty = bytes == 0 || frame.source.w == 0 || frame.source.h == 0;
        if empty || image.size.w > most.w || image.size.h > most.h || image.data.len() != bytes {
            return Err(InferenceError::Picture {
                camera: frame.camera.clone(),
                seq: frame.seq,
                size: image.size,
                bytes: image.data.len(),
                most,
            });
        }
        Ok(Placement::new(image.size, frame.seen(), most, self.input.place))
    }
}

/// `batch × rest` of 32-bit floats, one of it, and for the input under its name.
fn check_outlets(
    model: &str,
    part: &'static str,
    outlets: &[ort::value::Outlet],
    input: &InputSpec,
    rest: &[i64],
) -> Result<(), InferenceError> {
    let batch = match input.batch {
        Batch::One => 1,
        Batch::Dynamic => -1,
    };
    let mut expected = vec![batch];
    expected.extend(rest);
    let named = |outlet: &ort::value::Outlet| part != "the input" || outlet.name() == input.tensor;
    if let [outlet] = outlets
        && let ValueType::Tensor { ty: TensorElementType::Float32, shape, .. } = outlet.dtype()
        && shape[..] == expected
        && named(outlet)
    {
        return Ok(());
    }
    let name = if part == "the input" { format!("{}: ", input.tensor) } else { String::new() };
    let found: Vec<_> = outlets.iter().map(|outlet| format!("{}: {}", outlet.name(), outlet.dtype())).collect();
    Err(InferenceError::Mismatch {
        model: model.into(),
        part,
        expected: format!("{name}Tensor<f32> {expected:?} (-1: any)"),
        found: found.join(" and "),
    })
}

fn to_detection(candidate: Candidate, placement: Placement) -> Option<Detection> {
    let Candidate { class, score, left, top, right, bottom } = candidate;
    Some(Detection { class, score, bbox: placement.to_source(left, top, right, bottom)? })
}
