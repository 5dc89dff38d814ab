"""Makes ../tiny_locator.onnx and ../tiny_reader.onnx: a plate locator of 64×64 pictures that sees one plate in every picture
that is not dark, and a reader that reads `59S106865` of every patch that is not dark; both give NaN for a dark one.

Run with the packages of models/build/requirements.txt.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def model(name, tensor, shape, outputs, constants):
    """Each output is its constant for every picture of the batch, plus 0 · √(brightness − dark)."""
    nodes = [
        helper.make_node("ReduceMean", [tensor], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Sub", ["mean", "dark"], ["above"]),
        helper.make_node("Sqrt", ["above"], ["root"]),  # NaN below 0
        helper.make_node("Mul", ["root", "nothing"], ["zero"]),
    ]
    infos = []
    constants = {"dark": np.float32(0.2), "nothing": np.float32(0), **constants}
    for output, value in outputs.items():
        constants[f"{output}_value"] = value
        constants[f"{output}_axes"] = np.arange(1, value.ndim, dtype=np.int64)
        nodes.append(helper.make_node("Unsqueeze", ["zero", f"{output}_axes"], [f"{output}_zero"]))
        nodes.append(helper.make_node("Add", [f"{output}_value", f"{output}_zero"], [output]))
        infos.append(helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", *value.shape[1:]]))
    graph = helper.make_graph(
        nodes, name, [helper.make_tensor_value_info(tensor, TensorProto.FLOAT, ["batch", *shape])], infos,
        [numpy_helper.from_array(np.asarray(value), key) for key, value in constants.items()],
    )  # fmt: skip
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="stopline")
    onnx.checker.check_model(made, full_check=True)
    (Path(__file__).parents[1] / f"{name}.onnx").write_bytes(made.SerializeToString(deterministic=True))


# Cell (4, 5) of stride 8, middle (44, 36): a plate of 24 × 12 pixels.
plate_map = np.zeros((1, 13, 8, 8), np.float32)
plate_map[:, 0] = -9
plate_map[0, :, 4, 5] = [4, 1.5, 0.75, 1.5, 0.75, -1.5, -0.75, 1.5, -0.75, 1.5, 0.75, -1.5, 0.75]
model("tiny_locator", "image", [3, 64, 64], {"map": plate_map}, {})

alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
logits = np.zeros((1, 10, 37), np.float32)
for slot, character in enumerate("59S106865"):
    logits[0, slot, alphabet.index(character)] = 12
logits[0, 9, 36] = 12
model("tiny_reader", "plates", [1, 48, 96], {"logits": logits, "lines": np.array([[0, 6]], np.float32)}, {})
