"""Halves an exported model's file: large weights are kept as 16-bit floats and widened when the model is loaded.

`python -m plates.pack IN.onnx OUT.onnx`
"""

import os
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def pack(source: Path, target: Path) -> None:
    """Reads `source`, writes `target` in one step."""
    model = onnx.load(str(source))
    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or int(np.prod(tensor.dims)) < 512:
            continue
        name, values = tensor.name, numpy_helper.to_array(tensor)
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), name + "_half"))
        casts.append(helper.make_node("Cast", [name + "_half"], [name], to=TensorProto.FLOAT, name=name + "_widen"))
    for i, node in enumerate(casts):
        model.graph.node.insert(i, node)
    onnx.checker.check_model(model)
    part = target.with_name(target.name + ".part")
    onnx.save(model, str(part))
    os.replace(part, target)


if __name__ == "__main__":
    pack(Path(sys.argv[1]), Path(sys.argv[2]))
