"""Static 8-bit quantisation from a file of activation ranges: no pictures are needed, and the result is repeatable.

Activations are unsigned 8 bit per tensor, weights signed 8 bit per channel. The last convolution of each branch and
all that follows stays in 32-bit floats: scores near the confidence and box edges need the resolution, and they are
a small part of the work.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnxruntime.quantization import QuantType
from onnxruntime.quantization.calibrate import CalibrationMethod, TensorsData
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

QUANTISED = ["Conv", "LeakyRelu", "MaxPool", "Concat", "Resize", "Add"]

Ranges = dict[str, tuple[float, float]]


def read_ranges(path: Path) -> Ranges:
    """Lowest and highest value of each tensor, by name."""
    return {name: (float(low), float(high)) for name, (low, high) in json.loads(path.read_text()).items()}


def write_ranges(ranges: Ranges, path: Path) -> None:
    """One tensor a line, so that changes can be read."""
    lines = [f" {json.dumps(name)}: [{low:.9g}, {high:.9g}]" for name, (low, high) in sorted(ranges.items())]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def kept_in_floats(graph: onnx.GraphProto) -> set[str]:
    """Names of the nodes after which no further convolution comes, the last convolutions included."""
    users: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)
    convolution_follows: dict[str, bool] = {}
    for node in reversed(graph.node):  # ONNX demands that a node stands after its inputs
        later = [user for name in node.output for user in users.get(name, [])]
        convolution_follows[node.name] = any(u.op_type == "Conv" or convolution_follows[u.name] for u in later)
    return {name for name, follows in convolution_follows.items() if not follows}


def tensors_to_range(graph: onnx.GraphProto) -> list[str]:
    """The computed tensors whose range quantisation needs."""
    floats, constants = kept_in_floats(graph), {value.name for value in graph.initializer}
    names: set[str] = set()
    for node in graph.node:
        if node.name not in floats and node.op_type in QUANTISED:
            names.update(node.input, node.output)
    return sorted(names - constants - {""})


def measure_ranges(model: onnx.ModelProto, inputs: list[np.ndarray]) -> Ranges:
    """Runs the model in floats over ready `inputs` and notes the lowest and highest value of each tensor."""
    names = tensors_to_range(model.graph)
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    del probe.graph.output[:]
    (given,) = (value.name for value in model.graph.input)
    computed = [name for name in names if name != given]
    probe.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in computed)
    session = onnxruntime.InferenceSession(probe.SerializeToString(), providers=["CPUExecutionProvider"])
    ranges: Ranges = {}
    for picture in inputs:
        values = dict(zip(computed, session.run(computed, {given: picture}), strict=True))
        for name, value in (values | {given: picture}).items():
            low, high = ranges.get(name, (np.inf, -np.inf))
            ranges[name] = (min(low, float(value.min())), max(high, float(value.max())))
    return {name: ranges[name] for name in names}


def quantise(model: onnx.ModelProto, ranges: Ranges) -> onnx.ModelProto:
    """The 8-bit form of `model`, as pairs of QuantizeLinear and DequantizeLinear."""
    missing = [name for name in tensors_to_range(model.graph) if name not in ranges]
    if missing:
        raise ValueError(f"no range for {len(missing)} tensors, the first {missing[0]!r}: made for another graph?")
    data = {name: (np.float32(low), np.float32(high)) for name, (low, high) in ranges.items()}
    quantiser = QDQQuantizer(
        onnx.shape_inference.infer_shapes(model),
        per_channel=True,
        reduce_range=False,
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QUInt8,
        tensors_range=TensorsData(CalibrationMethod.MinMax, data),
        nodes_to_quantize=[],
        nodes_to_exclude=sorted(kept_in_floats(model.graph)),
        op_types_to_quantize=QUANTISED,
        extra_options={"ActivationSymmetric": False},
    )
    quantiser.quantize_model()
    quantiser.model.topological_sort()
    result = quantiser.model.model
    onnx.checker.check_model(result, full_check=True)
    return result
