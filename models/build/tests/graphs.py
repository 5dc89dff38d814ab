"""Small TensorFlow.js models, written as the real ones are."""

import base64
import json

import numpy as np


def text(value):
    """A text attribute."""
    return {"s": base64.b64encode(value.encode()).decode()}


def ints(*values):
    """A list attribute; whole numbers are texts in this format."""
    return {"list": {"i": [str(value) for value in values]}}


class Model:
    """Collects nodes and weights and writes them out."""

    def __init__(self, height=4, width=6):
        shape = {"shape": {"dim": [{"size": str(size)} for size in (1, 3, height, width)]}}
        self.nodes = [{"name": "input", "op": "Placeholder", "attr": {"shape": shape}}]
        self.weights, self.data = [], b""

    def const(self, name, value, dtype="float32"):
        value = np.asarray(value)
        entry = {"name": name, "shape": list(value.shape), "dtype": dtype}
        if dtype == "float32":
            entry["quantization"] = {"dtype": "float16", "original_dtype": "float32"}
        self.weights.append(entry)
        self.data += value.astype({"float32": "<f2", "int32": "<i4"}[dtype]).tobytes()
        self.nodes.append({"name": name, "op": "Const", "attr": {}})
        return name

    def node(self, op, name, *inputs, **attributes):
        self.nodes.append({"name": name, "op": op, "input": list(inputs), "attr": attributes})
        return name

    def transpose(self, name, source, *order):
        return self.node("Transpose", name, source, self.const(f"{name}/perm", order, "int32"))

    def conv(self, name, source, weights, strides=(1, 1), padding="VALID"):
        return self.node(
            "Conv2D", name, source, self.const(f"{name}/filter", weights),
            strides=ints(1, *strides, 1), dilations=ints(1, 1, 1, 1),
            padding=text(padding), data_format=text("NHWC"),
        )  # fmt: skip

    def write(self, folder):
        manifest = [{"paths": ["weights.bin"], "weights": self.weights}]
        model = {"format": "graph-model", "modelTopology": {"node": self.nodes}, "weightsManifest": manifest}
        (folder / "weights.bin").write_bytes(self.data)
        path = folder / "model.json"
        path.write_text(json.dumps(model))
        return path
