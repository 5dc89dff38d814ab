"""Makes ../tiny.onnx: a detector of 32×32 pictures that sees one box in every bright picture and gives NaN for a dark one.

Run with the packages of models/build/requirements.txt.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

# YOLOX rows of one class: 4·4 + 2·2 + 1 anchors, x y w h objectness class. The sixth, cell (1, 1) of stride 8, sees
# something: centre (1.5·8, 1.5·8), size 16 × 8, score 0.9 · 0.8.
rows = np.zeros((1, 21, 6), np.float32)
rows[0, 5] = [0.5, 0.5, np.log(2), 0, 0.9, 0.8]
nodes = [
    helper.make_node("ReduceMean", ["images"], ["mean"], axes=[2, 3], keepdims=0),
    helper.make_node("ReduceMean", ["mean"], ["brightness"], axes=[1], keepdims=1),
    helper.make_node("Sub", ["brightness", "dark"], ["above"]),
    helper.make_node("Sqrt", ["above"], ["root"]),  # NaN below 0
    helper.make_node("Mul", ["root", "nothing"], ["zero"]),
    helper.make_node("Unsqueeze", ["zero", "axis"], ["spread"]),
    helper.make_node("Add", ["rows", "spread"], ["output"]),
]
constants = {
    "dark": np.float32(50),
    "nothing": np.float32(0),
    "axis": np.array([2], np.int64),
    "rows": rows,
}
graph = helper.make_graph(
    nodes, "tiny",
    [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 3, 32, 32])],
    [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch", 21, 6])],
    [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
)  # fmt: skip
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="stopline")
onnx.checker.check_model(model, full_check=True)
(Path(__file__).parents[1] / "tiny.onnx").write_bytes(model.SerializeToString(deterministic=True))
