"""Reads a TensorFlow.js graph model: `model.json` and the weight files beside it.

The format: https://www.tensorflow.org/js/guide/conversion, and `weights_manifest` in
https://github.com/tensorflow/tfjs/blob/master/tfjs-core/src/io/types.ts
"""

from __future__ import annotations

import base64
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

STORED = {"float32": "<f4", "float16": "<f2", "int32": "<i4", "bool": "?"}


class ModelFormatError(ValueError):
    """The files are not a graph model this reader understands."""


@dataclass(frozen=True)
class Node:
    """One operation. `inputs` are names of nodes, with `:n` for an output other than the first."""

    name: str
    op: str
    inputs: tuple[str, ...] = ()
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Graph:
    """Nodes in an order in which each stands after its inputs, and the values of the `Const` ones."""

    nodes: tuple[Node, ...]
    constants: dict[str, np.ndarray]


def read(path: Path) -> Graph:
    """Reads `path` and the weight files it names."""
    model = json.loads(path.read_text())
    if model.get("format") != "graph-model":
        raise ModelFormatError(f"{path}: format is {model.get('format')!r}, expected 'graph-model'")
    nodes = tuple(_node(raw) for raw in model["modelTopology"]["node"])
    constants: dict[str, np.ndarray] = {}
    for group in model["weightsManifest"]:
        data = b"".join((path.parent / part).read_bytes() for part in group["paths"])
        constants.update(_weights(group["weights"], data))
    missing = [node.name for node in nodes if node.op == "Const" and node.name not in constants]
    if missing:
        raise ModelFormatError(f"{path}: no weights for {', '.join(missing[:5])}")
    return Graph(nodes, constants)


def _node(raw: dict[str, Any]) -> Node:
    # Inputs with `^` only order the execution; they carry no value.
    inputs = tuple(name for name in raw.get("input", []) if not name.startswith("^"))
    attributes = {key: _attribute(value) for key, value in raw.get("attr", {}).items()}
    return Node(raw["name"], raw["op"], inputs, attributes)


def _attribute(raw: dict[str, Any]) -> Any:
    """A plain value of a protobuf attribute in JSON, where whole numbers are texts and texts are base64."""
    ((kind, value),) = raw.items()
    match kind:
        case "i":
            return int(value)
        case "f":
            return float(value)
        case "s":
            return base64.b64decode(value).decode()
        case "list":
            return [_attribute({kind: item}) for kind, items in value.items() for item in items]
        case "shape":
            return [int(dim["size"]) for dim in value.get("dim", [])]
        case _:
            return value


def _weights(entries: list[dict[str, Any]], data: bytes) -> dict[str, np.ndarray]:
    weights, at = {}, 0
    for entry in entries:
        # float16 is the one quantisation that needs no scale; the others are not read.
        stored = entry.get("quantization", {}).get("dtype", entry["dtype"])
        if stored not in STORED or ("quantization" in entry and stored != "float16"):
            raise ModelFormatError(f"weight {entry['name']}: stored as {stored}, expected one of {sorted(STORED)}")
        count = math.prod(entry["shape"])
        kind = np.dtype(STORED[stored])
        if at + count * kind.itemsize > len(data):
            raise ModelFormatError(f"weight {entry['name']}: the weight files end before it")
        value = np.frombuffer(data, kind, count, at).reshape(entry["shape"])
        weights[entry["name"]] = value.astype(np.float32) if stored == "float16" else value
        at += count * kind.itemsize
    if at != len(data):
        raise ModelFormatError(f"weight files hold {len(data)} bytes, the model describes {at}")
    return weights
