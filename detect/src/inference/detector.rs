//! One session of ONNX Runtime with its buffers.

use ort::{
    session::Session,
    value::{TensorElementType, TensorRef, ValueType},
};
use stopline_types::{BgrImage, BoxPx, Detection, Frame, SizePx};

use super::{
    InferenceError, Runtime,
    heads::{Candidate, Reader},
    nms::Suppress,
    parts::Part,
    preprocess::{Placement, Preprocess, floats},
    session::{all_finite, open},
};
use crate::models::{Batch, Head, InputSpec, VerifiedModel};

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
    head: Head,
    preprocess: Preprocess,
    tensor: Vec<f32>,
    slots: usize,
    /// Input of the last run.
    last: SizePx,
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
        let of_any = |declared: i64| if entry.input.step.is_some() { -1 } else { declared };
        let rows = [3, of_any(size.h.into()), of_any(size.w.into())];
        check_outlets(&version, "the input", session.inputs(), &entry.input, &rows)?;
        let rows = [of_any(entry.head.anchors(size) as i64), entry.head.columns() as i64];
        check_outlets(&version, "the output", session.outputs(), &entry.input, &rows)?;
        let slots = match entry.input.batch {
            Batch::One => 1,
            Batch::Dynamic => options.max_batch.max(1),
        };
        let preprocess = Preprocess::new(&entry.input, slots);
        let confidence = options.confidence.unwrap_or(entry.confidence);
        Ok(Self {
            session,
            version,
            head: entry.head.clone(),
            tensor: vec![0.0; slots * preprocess.len()],
            preprocess,
            slots,
            last: size,
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
            let pictures: Vec<_> = chunk.iter().map(|frame| (*frame, &frame.image, frame.seen())).collect();
            found.extend(self.run(&pictures)?);
        }
        Ok(found)
    }

    /// What is seen in a part of a frame's picture, `part` in pixels of that picture and inside it. Costs as much less as the part
    /// is smaller, where the model takes smaller inputs.
    pub fn detect_part(&mut self, frame: &Frame, part: Part) -> Result<Vec<Detection>, InferenceError> {
        let (image, seen) = part.of(frame);
        Ok(self.run(&[(frame, &image, seen)])?.pop().unwrap_or_default())
    }

    /// True when a part of a picture costs less than the whole.
    #[must_use]
    pub fn takes_parts(&self) -> bool {
        self.input.step.is_some()
    }

    /// Sides of parts that need no padding are multiples of this.
    pub(super) fn step(&self) -> u32 {
        self.input.step.unwrap_or(1)
    }

    /// Of doubles in what was found in several parts the weaker go.
    pub(super) fn suppress(&self, found: Vec<Detection>) -> Vec<Detection> {
        self.suppress.apply(found)
    }

    /// One run of the session on a full batch of whatever the buffers hold, the output not read: the ceiling that
    /// [`Detector::detect`] is measured against, in the same input.
    pub fn run_alone(&mut self) -> Result<(), InferenceError> {
        let engine = |source| InferenceError::Engine { model: self.version.clone(), doing: "run", source };
        let SizePx { w, h } = self.last;
        let shape = [self.slots, 3, h as usize, w as usize];
        let tensor =
            TensorRef::from_array_view((shape, &self.tensor[..self.slots * floats(self.last)])).map_err(engine)?;
        self.session.run(ort::inputs![tensor]).map_err(engine)?;
        Ok(())
    }

    /// One run, in the smallest input that all pictures fit in.
    fn run(&mut self, pictures: &[(&Frame, &BgrImage, BoxPx)]) -> Result<Vec<Vec<Detection>>, InferenceError> {
        let sizes = pictures.iter().map(|(_, image, _)| self.input.size_for(image.size));
        let input = sizes.fold(SizePx { w: 0, h: 0 }, |a, b| SizePx { w: a.w.max(b.w), h: a.h.max(b.h) });
        let placements = pictures.iter().map(|picture| self.place(picture, input)).collect::<Result<Vec<_>, _>>()?;
        self.last = input;
        let share = floats(input);
        for (slot, ((_, image, _), placement)) in pictures.iter().zip(&placements).enumerate() {
            let tensor = &mut self.tensor[slot * share..][..share];
            self.preprocess.write(slot, tensor, image, *placement, input);
        }
        let engine = |doing, source| InferenceError::Engine { model: self.version.clone(), doing, source };
        let shape = [pictures.len(), 3, input.h as usize, input.w as usize];
        let tensor = TensorRef::from_array_view((shape, &self.tensor[..pictures.len() * share]))
            .map_err(|e| engine("take the pictures", e))?;
        let outputs = self.session.run(ort::inputs![tensor]).map_err(|e| engine("run", e))?;
        let (shape, values) = outputs[0].try_extract_tensor::<f32>().map_err(|e| engine("give its output", e))?;
        let (rows, columns) = (self.head.anchors(input), self.head.columns());
        let expected = [pictures.len() as i64, rows as i64, columns as i64];
        if shape[..] != expected {
            return Err(InferenceError::Mismatch {
                model: self.version.clone(),
                part: "the output of a run",
                expected: format!("{expected:?}"),
                found: format!("{:?}", &shape[..]),
            });
        }
        let mut judged = Vec::with_capacity(pictures.len());
        for (((frame, ..), placement), values) in
            pictures.iter().zip(placements).zip(values.chunks_exact(rows * columns))
        {
            if !all_finite(values) {
                let (camera, seq) = (frame.camera.clone(), frame.seq);
                return Err(InferenceError::NotFinite { model: self.version.clone(), camera, seq });
            }
            let boxes = self.reader.read(values, input).into_iter().filter_map(|c| to_detection(c, placement));
            judged.push(self.suppress.apply(boxes.collect()));
        }
        Ok(judged)
    }

    fn place(
        &self,
        (frame, image, seen): &(&Frame, &BgrImage, BoxPx),
        input: SizePx,
    ) -> Result<Placement, InferenceError> {
        let most = self.input.size;
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
        Ok(Placement::new(image.size, *seen, input, self.input.place))
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
