"""Turns a TensorFlow.js graph into ONNX nodes.

Every tensor is stored batch, channel, height, width. The TensorFlow graph transposes to and fro between that and
channels last; here a transposition only changes how a stored tensor is *seen* (`Tensor.axes`), so none is executed.
Padding becomes part of the convolution or pooling it stands before, a constant added after a convolution its bias.
Sizes fixed in the graph become factors or are left open, so the result takes any input whose sides are multiples of
its largest stride, and any number of pictures.

Only what the models at hand use is understood; everything else is refused by name.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .tfjs import Graph, Node

SAME_AXES = (0, 1, 2, 3)
CHANNELS_LAST = (0, 2, 3, 1)


class UnsupportedError(ValueError):
    """The graph does something this converter does not know."""

    def __init__(self, node: Node, reason: str) -> None:
        super().__init__(f"{node.op} {node.name}: {reason}")


@dataclass(frozen=True)
class Tensor:
    """A value of the ONNX graph. TensorFlow's axis `k` is axis `axes[k]` of what is stored under `name`.

    `shape` is that of the stored tensor when the input has the size the TensorFlow graph was made for.
    """

    name: str
    axes: tuple[int, ...]
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Padded:
    """A tensor with a border that no ONNX node has made yet. `border` is (before, after) per stored axis."""

    tensor: Tensor
    border: tuple[tuple[int, int], ...]
    value: float


Value = Tensor | Padded | np.ndarray


@dataclass
class OnnxNode:
    """An ONNX node in the making."""

    op: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any]


@dataclass
class Converter:
    """Walks the graph once. Afterwards `nodes` and `initializers` are the ONNX graph and `values` finds its tensors."""

    graph: Graph
    input_name: str
    nodes: list[OnnxNode] = field(default_factory=list)
    initializers: dict[str, np.ndarray] = field(default_factory=dict)
    values: dict[str, list[Value]] = field(default_factory=dict)

    def run(self) -> None:
        """Converts every node."""
        self._uses = Counter(name.partition(":")[0] for node in self.graph.nodes for name in node.inputs)
        self._made = {}
        for node in self.graph.nodes:
            handler = HANDLERS.get(node.op)
            if handler is None:
                raise UnsupportedError(node, "operation not known")
            result = handler(self, node, [self.value(name) for name in node.inputs])
            self.values[node.name] = result if isinstance(result, list) else [result]

    def value(self, reference: str) -> Value:
        """What `node` or `node:n` stands for."""
        name, _, position = reference.partition(":")
        return self.values[name][int(position or 0)]

    def tensor(self, reference: str) -> Tensor:
        """The same, where only a computed tensor makes sense."""
        value = self.value(reference)
        if not isinstance(value, Tensor):
            raise TypeError(f"{reference} is not a computed tensor")
        return value

    def emit(self, op: str, inputs: list[str], outputs: list[str], **attributes: Any) -> OnnxNode:
        """Adds an ONNX node."""
        node = OnnxNode(op, inputs, outputs, attributes)
        self.nodes.append(node)
        self._made.update(dict.fromkeys(outputs, node))
        return node

    def constant(self, name: str, value: np.ndarray) -> str:
        """Adds a constant."""
        self.initializers[name] = np.ascontiguousarray(value)
        return name

    # What follows has one method per TensorFlow operation: (node, its inputs) -> its value or values.

    def _const(self, node: Node, _: list[Value]) -> Value:
        return self.graph.constants[node.name]

    def _placeholder(self, node: Node, _: list[Value]) -> Value:
        shape = tuple(node.attributes["shape"])
        if len(shape) != 4 or shape[1] != 3:
            raise UnsupportedError(node, f"input of shape {shape}, expected batch × 3 × height × width")
        return Tensor(self.input_name, SAME_AXES, shape)

    def _identity(self, _: Node, inputs: list[Value]) -> Value:
        return inputs[0]

    def _sparse_to_dense(self, node: Node, inputs: list[Value]) -> Value:
        indices, shape, values, default = (_known(node, value) for value in inputs)
        dense = np.full(shape, default, np.asarray(values).dtype)
        dense[tuple(indices.T)] = values
        return dense

    def _transpose(self, node: Node, inputs: list[Value]) -> Value:
        order = [int(axis) for axis in _known(node, inputs[1])]
        match inputs[0]:
            case np.ndarray() as known:
                return known.transpose(order)
            case Padded(tensor, border, value):
                return Padded(_seen(tensor, order), border, value)
            case Tensor() as tensor:
                return _seen(tensor, order)

    def _pad(self, node: Node, inputs: list[Value]) -> Value:
        tensor = _computed(node, inputs[0])
        border = [(0, 0)] * len(tensor.shape)
        for axis, (before, after) in zip(tensor.axes, _known(node, inputs[1]), strict=True):
            border[axis] = (int(before), int(after))
        value = float(_known(node, inputs[2])) if len(inputs) > 2 else 0.0
        if any(border[0] + border[1]):
            raise UnsupportedError(node, "pads batch or channels")
        return Padded(tensor, tuple(border), value)

    def _conv(self, node: Node, inputs: list[Value]) -> Value:
        tensor, border = self._window_input(node, inputs[0], lambda value: value == 0)
        weights = _known(node, inputs[1]).transpose(3, 2, 0, 1)  # height, width, in, out -> out, in, height, width
        groups, rest = divmod(tensor.shape[1], weights.shape[1])
        if rest:
            raise UnsupportedError(node, f"{tensor.shape[1]} channels, weights for {weights.shape[1]}")
        kernel, strides = weights.shape[2:], node.attributes["strides"][1:3]
        dilations = node.attributes.get("dilations", [1, 1, 1, 1])[1:3]
        self.emit(
            "Conv",
            [tensor.name, self.constant(f"{node.name}/weights", weights.astype(np.float32))],
            [node.name],
            kernel_shape=list(kernel),
            strides=strides,
            dilations=dilations,
            pads=_onnx_pads(border),
            group=groups,
        )
        reach = [(size - 1) * gap + 1 for size, gap in zip(kernel, dilations, strict=True)]
        return Tensor(node.name, CHANNELS_LAST, _window_shape(tensor, border, reach, strides, weights.shape[0]))

    def _max_pool(self, node: Node, inputs: list[Value]) -> Value:
        # ONNX pads a maximum with -infinity. The lowest float means the same.
        tensor, border = self._window_input(node, inputs[0], lambda value: value <= np.finfo(np.float32).min)
        kernel, strides = node.attributes["ksize"][1:3], node.attributes["strides"][1:3]
        pads = _onnx_pads(border)
        self.emit("MaxPool", [tensor.name], [node.name], kernel_shape=kernel, strides=strides, pads=pads)
        return Tensor(node.name, CHANNELS_LAST, _window_shape(tensor, border, kernel, strides, tensor.shape[1]))

    def _window_input(self, node: Node, value: Value, border_is_usual: Any) -> tuple[Tensor, tuple]:
        if node.attributes["padding"] != "VALID" or node.attributes.get("data_format", "NHWC") != "NHWC":
            raise UnsupportedError(node, "expected padding VALID and data format NHWC")
        tensor, border = (value.tensor, value.border) if isinstance(value, Padded) else (value, ((0, 0),) * 4)
        tensor = _computed(node, tensor)
        if tensor.axes != CHANNELS_LAST:
            raise UnsupportedError(node, f"axes {tensor.axes}, expected channels last")
        if isinstance(value, Padded) and not border_is_usual(value.value):
            raise UnsupportedError(node, f"padded with {value.value}")
        return tensor, border

    def _add(self, node: Node, inputs: list[Value]) -> Value:
        first, second = inputs
        if isinstance(first, np.ndarray) and isinstance(second, np.ndarray):
            return first + second
        if isinstance(second, np.ndarray):
            return self._bias(node, _computed(node, first), second)
        first, second = _computed(node, first), _computed(node, second)
        if (first.axes, first.shape) != (second.axes, second.shape):
            raise UnsupportedError(node, f"{first} and {second} differ in shape")
        self.emit("Add", [first.name, second.name], [node.name])
        return Tensor(node.name, first.axes, first.shape)

    def _bias(self, node: Node, tensor: Tensor, bias: np.ndarray) -> Value:
        conv = self._made.get(tensor.name)
        foldable = conv is not None and conv.op == "Conv" and len(conv.inputs) == 2 and self._uses[tensor.name] == 1
        if not foldable or tensor.axes != CHANNELS_LAST or bias.shape != (tensor.shape[1],):
            raise UnsupportedError(node, f"a constant of shape {bias.shape} that is no bias of a convolution")
        conv.inputs.append(self.constant(f"{conv.outputs[0]}/bias", bias.astype(np.float32)))
        return tensor

    def _leaky_relu(self, node: Node, inputs: list[Value]) -> Value:
        return self._elementwise("LeakyRelu", node, inputs, alpha=node.attributes["alpha"])

    def _sigmoid(self, node: Node, inputs: list[Value]) -> Value:
        return self._elementwise("Sigmoid", node, inputs)

    def _elementwise(self, op: str, node: Node, inputs: list[Value], **attributes: Any) -> Value:
        tensor = _computed(node, inputs[0])
        self.emit(op, [tensor.name], [node.name], **attributes)
        return Tensor(node.name, tensor.axes, tensor.shape)

    def _concat(self, node: Node, inputs: list[Value]) -> Value:
        tensors = [_computed(node, value) for value in inputs[:-1]]
        if len({tensor.axes for tensor in tensors}) != 1:
            raise UnsupportedError(node, "inputs differ in layout")
        axis = tensors[0].axes[int(_known(node, inputs[-1]))]
        self.emit("Concat", [tensor.name for tensor in tensors], [node.name], axis=axis)
        shape = list(tensors[0].shape)
        shape[axis] = sum(tensor.shape[axis] for tensor in tensors)
        return Tensor(node.name, tensors[0].axes, tuple(shape))

    def _split(self, node: Node, inputs: list[Value]) -> Value:
        tensor = _computed(node, inputs[0])
        sizes = _known(node, inputs[1]).astype(np.int64)
        axis = tensor.axes[int(_known(node, inputs[2]))]
        names = [node.name if part == 0 else f"{node.name}:{part}" for part in range(len(sizes))]
        self.emit("Split", [tensor.name, self.constant(f"{node.name}/sizes", sizes)], names, axis=axis)
        shape = lambda size: tensor.shape[:axis] + (int(size),) + tensor.shape[axis + 1 :]  # noqa: E731
        return [Tensor(name, tensor.axes, shape(size)) for name, size in zip(names, sizes, strict=True)]

    def _resize(self, node: Node, inputs: list[Value]) -> Value:
        tensor = _computed(node, inputs[0])
        if tensor.axes != CHANNELS_LAST or not node.attributes.get("half_pixel_centers"):
            raise UnsupportedError(node, "expected channels last and half pixel centers")
        size = [int(side) for side in _known(node, inputs[1])]
        factors = [1.0, 1.0, size[0] / tensor.shape[2], size[1] / tensor.shape[3]]
        scales = self.constant(f"{node.name}/scales", np.array(factors, np.float32))
        self.emit(
            "Resize", [tensor.name, "", scales], [node.name],
            mode="linear", coordinate_transformation_mode="half_pixel",
        )  # fmt: skip
        return Tensor(node.name, tensor.axes, (*tensor.shape[:2], *size))

    def _reshape(self, node: Node, inputs: list[Value]) -> Value:
        tensor, target = _computed(node, inputs[0]), [int(size) for size in _known(node, inputs[1])]
        batch, channels, height, width = tensor.shape
        if tensor.axes != SAME_AXES or target not in ([batch, channels, height * width], [batch, channels, -1]):
            raise UnsupportedError(node, f"{tensor.shape} seen as {tensor.axes} to {target}")
        # 0 keeps the batch as it is, -1 takes height × width of whatever the input has.
        shape = self.constant(f"{node.name}/shape", np.array([0, channels, -1], np.int64))
        self.emit("Reshape", [tensor.name, shape], [node.name])
        return Tensor(node.name, (0, 1, 2), (batch, channels, height * width))


HANDLERS = {
    "Const": Converter._const,
    "Placeholder": Converter._placeholder,
    "Identity": Converter._identity,
    "SparseToDense": Converter._sparse_to_dense,
    "Transpose": Converter._transpose,
    "Pad": Converter._pad,
    "PadV2": Converter._pad,
    "Conv2D": Converter._conv,
    "MaxPool": Converter._max_pool,
    "Add": Converter._add,
    "AddV2": Converter._add,
    "LeakyRelu": Converter._leaky_relu,
    "Sigmoid": Converter._sigmoid,
    "ConcatV2": Converter._concat,
    "SplitV": Converter._split,
    "ResizeBilinear": Converter._resize,
    "Reshape": Converter._reshape,
}


def _known(node: Node, value: Value) -> np.ndarray:
    if not isinstance(value, np.ndarray):
        raise UnsupportedError(node, "an input that must be constant is computed")
    return value


def _computed(node: Node, value: Value) -> Tensor:
    if not isinstance(value, Tensor):
        raise UnsupportedError(node, f"cannot take {'a padded' if isinstance(value, Padded) else 'a constant'} input")
    return value


def _seen(tensor: Tensor, order: list[int]) -> Tensor:
    return Tensor(tensor.name, tuple(tensor.axes[axis] for axis in order), tensor.shape)


def _onnx_pads(border: tuple[tuple[int, int], ...]) -> list[int]:
    (top, bottom), (left, right) = border[2:]
    return [top, left, bottom, right]


def _window_shape(tensor: Tensor, border: tuple, reach: Any, strides: Any, channels: int) -> tuple[int, ...]:
    sides = zip(tensor.shape[2:], border[2:], reach, strides, strict=True)
    return (tensor.shape[0], channels, *((side + sum(pad) - size) // stride + 1 for side, pad, size, stride in sides))
