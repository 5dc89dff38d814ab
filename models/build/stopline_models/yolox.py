"""YOLOX-Nano at another input size.

The released graph is convolutional throughout; only its declared shapes and three Reshape constants fix batch and
size. So the weights stay what they are and the same network looks at more pixels.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

STRIDES = (8, 16, 32)


def resized(path: Path, width: int, height: int) -> onnx.ModelProto:
    """The model at `path` for `images` batch × 3 × height × width, any batch."""
    if width % STRIDES[-1] or height % STRIDES[-1]:
        raise ValueError(f"{width}×{height}: expected multiples of {STRIDES[-1]}")
    model = onnx.load(path)
    graph = model.graph
    (images,), (output,) = graph.input, graph.output
    columns = output.type.tensor_type.shape.dim[2].dim_value
    constants = {value.name: value for value in graph.initializer}
    reshapes = [node for node in graph.node if node.op_type == "Reshape"]
    for node in reshapes:
        shape = numpy_helper.to_array(constants[node.input[1]])
        if shape.tolist() != [1, columns, -1]:
            raise ValueError(f"{node.name}: reshapes to {shape.tolist()}, expected [1, {columns}, -1]")
        # 0: the batch stays as it is.
        open_batch = numpy_helper.from_array(np.array([0, columns, -1], np.int64), node.input[1])
        constants[node.input[1]].CopyFrom(open_batch)
    if len(reshapes) != len(STRIDES):
        raise ValueError(f"{len(reshapes)} Reshape nodes, expected one per stride {STRIDES}")
    anchors = sum((width // stride) * (height // stride) for stride in STRIDES)
    images.CopyFrom(helper.make_tensor_value_info(images.name, TensorProto.FLOAT, ["batch", 3, height, width]))
    output.CopyFrom(helper.make_tensor_value_info(output.name, TensorProto.FLOAT, ["batch", anchors, columns]))
    del graph.value_info[:]
    onnx.checker.check_model(model, full_check=True)
    return model
