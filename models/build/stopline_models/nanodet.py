"""NanoDet-g: the TensorFlow.js model as one ONNX graph with one output, and its 8-bit form."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import TensorProto, helper, numpy_helper

from .convert import Converter
from .tfjs import Graph

# (class scores, box distributions) per level, strides 8, 16, 32: the model's own output names.
LEVELS = (("Identity", "Identity_3"), ("Identity_1", "Identity_4"), ("Identity_2", "Identity_5"))
STRIDES = (8, 16, 32)
INPUT = "images"
OUTPUT = "output"
OPSET = 17
IR_VERSION = 8


def to_onnx(graph: Graph, width: int, height: int) -> onnx.ModelProto:
    """`images` batch × 3 × height × width to `output` batch × anchors × (classes + 4 · bins).

    The anchors of the first level come first, row by row; in a row the class scores stand before the distributions.
    """
    if width % STRIDES[-1] or height % STRIDES[-1]:
        raise ValueError(f"{width}×{height}: expected multiples of {STRIDES[-1]}")
    converter = Converter(graph, INPUT)
    converter.run()
    columns = _join_levels(converter)
    anchors = sum((width // stride) * (height // stride) for stride in STRIDES)
    model = helper.make_model(
        helper.make_graph(
            [helper.make_node(n.op, n.inputs, n.outputs, name=n.outputs[0], **n.attributes) for n in converter.nodes],
            "nanodet-g",
            [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["batch", 3, height, width])],
            [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["batch", anchors, columns])],
            [numpy_helper.from_array(value, name) for name, value in converter.initializers.items()],
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="stopline",
    )
    # Full: also that the shapes add up to the declared output.
    onnx.checker.check_model(model, full_check=True)
    return model


def open_extents(model: onnx.ModelProto) -> None:
    """Lets pictures of any multiple of the last stride in: the graph is convolutional throughout, its shapes only declared."""
    images, output = model.graph.input[0], model.graph.output[0]
    columns = output.type.tensor_type.shape.dim[2].dim_value
    images.CopyFrom(helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["batch", 3, "height", "width"]))
    output.CopyFrom(helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["batch", "anchors", columns]))
    # Shapes worked out on the way are those of one size.
    del model.graph.value_info[:]
    onnx.checker.check_model(model, full_check=True)


def _join_levels(converter: Converter) -> int:
    """All outputs in one. Joined as they are stored, channels before anchors, and transposed once at the end."""
    rows, columns = [], set()
    for level, names in enumerate(LEVELS):
        parts = [converter.tensor(name) for name in names]
        for name, part in zip(names, parts, strict=True):
            if part.axes != (0, 2, 1):
                raise ValueError(f"{name}: axes {part.axes}, expected batch, anchors, columns over batch, columns, anchors")
        rows.append(f"level_{level}")
        columns.add(sum(part.shape[1] for part in parts))
        converter.emit("Concat", [part.name for part in parts], [rows[-1]], axis=1)
    if len(columns) != 1:
        raise ValueError(f"levels differ in columns: {sorted(columns)}")
    converter.emit("Concat", rows, ["levels"], axis=2)
    converter.emit("Transpose", ["levels"], [OUTPUT], perm=[0, 2, 1])
    return columns.pop()


def save(model: onnx.ModelProto, path: Path) -> None:
    """Writes the model so that the same model gives the same bytes."""
    path.write_bytes(model.SerializeToString(deterministic=True))
