"""Conversion, checked in numbers: what ONNX Runtime computes against numpy written out by hand."""

import numpy as np
import onnxruntime
import pytest
from graphs import Model, ints, text
from onnx import TensorProto, helper, numpy_helper

from stopline_models import tfjs
from stopline_models.convert import Converter, UnsupportedError

RANDOM = np.random.default_rng(7)


def run(model, folder, result, size=(4, 6), batch=1):
    """Converts, runs on random pictures, and gives (pictures, result as TensorFlow sees it)."""
    converter = Converter(tfjs.read(model.write(folder)), "images")
    converter.run()
    tensor = converter.tensor(result)
    graph = helper.make_graph(
        [helper.make_node(n.op, n.inputs, n.outputs, **n.attributes) for n in converter.nodes],
        "test",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 3, *size])],
        [helper.make_empty_tensor_value_info(tensor.name)],
        [numpy_helper.from_array(value, name) for name, value in converter.initializers.items()],
    )
    onnx_model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = onnxruntime.InferenceSession(onnx_model.SerializeToString(), providers=["CPUExecutionProvider"])
    pictures = RANDOM.standard_normal((batch, 3, *size)).astype(np.float32)
    (value,) = session.run(None, {"images": pictures})
    if size == (4, 6) and batch == 1:
        assert value.shape == tensor.shape, "the shape the converter reckons with"
    return pictures, value.transpose(tensor.axes), converter


def halves(*shape):
    """Weights that 16-bit floats hold exactly."""
    return RANDOM.integers(-8, 9, shape) / 8


def convolve(picture, weights, stride):
    """Plain convolution: channels-last picture and height × width × in × out weights."""
    height, width, _, out = weights.shape
    rows = (picture.shape[0] - height) // stride + 1
    columns = (picture.shape[1] - width) // stride + 1
    result = np.zeros((rows, columns, out))
    for y in range(rows):
        for x in range(columns):
            window = picture[y * stride : y * stride + height, x * stride : x * stride + width]
            result[y, x] = np.tensordot(window, weights, 3)
    return result


def test_padded_convolution_with_bias_between_transpositions(tmp_path):
    weights, bias = halves(3, 3, 3, 5), halves(5)
    model = Model()
    padding = model.const("padding", [[0, 0], [0, 0], [1, 1], [2, 0]], "int32")
    model.transpose("last", model.node("Pad", "pad", "input", padding), 0, 2, 3, 1)
    model.conv("conv", "last", weights, strides=(2, 2))
    model.node("Add", "biased", "conv", model.const("bias", bias))
    model.transpose("first", "biased", 0, 3, 1, 2)
    model.node("LeakyRelu", "relu", "first", alpha={"f": 0.25})
    pictures, result, converter = run(model, tmp_path, "relu")
    padded = np.pad(pictures[0].transpose(1, 2, 0), ((1, 1), (2, 0), (0, 0)))
    expected = (convolve(padded, weights, 2) + bias).transpose(2, 0, 1)
    expected = np.where(expected < 0, expected * 0.25, expected)
    np.testing.assert_allclose(result[0], expected, atol=1e-5)
    assert [node.op for node in converter.nodes] == ["Conv", "LeakyRelu"], "nothing else is executed"


def test_grouped_convolution(tmp_path):
    weights = halves(1, 1, 1, 3)
    model = Model()
    model.conv("conv", model.transpose("last", "input", 0, 2, 3, 1), weights)
    pictures, result, _ = run(model, tmp_path, "conv")
    np.testing.assert_allclose(result[0], pictures[0].transpose(1, 2, 0) * weights[0, 0, 0], atol=1e-6)


def test_pooling_ignores_its_border(tmp_path):
    model = Model()
    padding = model.const("padding", [[0, 0], [0, 0], [1, 0], [1, 0]], "int32")
    lowest = model.const("lowest", -np.inf)  # the lowest float as 16 bits
    model.transpose("last", model.node("PadV2", "pad", "input", padding, lowest), 0, 2, 3, 1)
    model.node("MaxPool", "pool", "last", ksize=ints(1, 2, 2, 1), strides=ints(1, 2, 2, 1), padding=text("VALID"))
    pictures, result, _ = run(model, tmp_path, "pool")
    assert result.shape == (1, 2, 3, 3)
    assert result[0, 0, 0].tolist() == pictures[0, :, 0, 0].tolist(), "the corner sees one pixel only"
    np.testing.assert_array_equal(result[0, 1, 1], pictures[0, :, 1:3, 1:3].max((1, 2)))


def test_split_concat_and_constants_worked_out_beforehand(tmp_path):
    model = Model()
    sizes, axis = model.const("sizes", [1, 2], "int32"), model.const("axis", 1, "int32")
    model.node("SplitV", "split", "input", sizes, axis)
    model.node("Sigmoid", "sigmoid", "split")
    model.node("ConcatV2", "joined", "split:1", "sigmoid", axis)
    # [1, 3, 0] + dense([(2,)] = 24) = [1, 3, 24]
    where, shape = model.const("where", [[2]], "int32"), model.const("shape", [3], "int32")
    model.node("SparseToDense", "dense", where, shape, model.const("v", [24], "int32"), model.const("d", 0, "int32"))
    model.node("AddV2", "target", model.const("base", [1, 3, 0], "int32"), "dense")
    model.node("Reshape", "flat", "joined", "target")
    model.transpose("rows", "flat", 0, 2, 1)
    pictures, result, _ = run(model, tmp_path, "rows", batch=2)
    expected = np.concatenate([pictures[:, 1:], 1 / (1 + np.exp(-pictures[:, :1]))], 1)
    np.testing.assert_allclose(result, expected.reshape(2, 3, 24).transpose(0, 2, 1), atol=1e-6)


def test_fixed_sizes_become_factors(tmp_path):
    model = Model()
    model.transpose("last", "input", 0, 2, 3, 1)
    model.node(
        "ResizeBilinear", "small", "last", model.const("size", [2, 3], "int32"),
        half_pixel_centers={"b": True}, align_corners={"b": False},
    )  # fmt: skip
    # Half the size: each pixel is the mean of four. At twice the size the graph was made for.
    pictures, result, _ = run(model, tmp_path, "small", size=(8, 12))
    expected = pictures[0].reshape(3, 4, 2, 6, 2).mean((2, 4)).transpose(1, 2, 0)
    np.testing.assert_allclose(result[0], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda m: m.node("Softmax", "odd", "input"), "Softmax odd: operation not known"),
        (lambda m: m.conv("odd", "input", halves(1, 1, 3, 2)), "channels last"),
        (lambda m: m.conv("odd", m.transpose("t", "input", 0, 2, 3, 1), halves(1, 1, 3, 2), padding="SAME"), "VALID"),
        (lambda m: m.conv("odd", m.transpose("t", "input", 0, 2, 3, 1), halves(1, 1, 2, 2)), "3 channels"),
        (lambda m: m.node("Add", "odd", "input", m.const("c", [1.0])), "no bias of a convolution"),
        (lambda m: m.node("Sigmoid", "odd", m.node("Pad", "p", "input", m.const("c", [[0, 0]] * 4, "int32"))), "padded"),
        (lambda m: m.node("Reshape", "odd", "input", m.const("c", [1, 72], "int32")), r"to \[1, 72\]"),
    ],
)
def test_what_is_not_understood_is_refused_by_name(tmp_path, build, message):
    model = Model()
    build(model)
    with pytest.raises(UnsupportedError, match=message):
        Converter(tfjs.read(model.write(tmp_path)), "images").run()


def test_a_bias_of_a_shared_convolution_is_refused(tmp_path):
    model = Model()
    model.conv("conv", model.transpose("last", "input", 0, 2, 3, 1), halves(1, 1, 3, 2))
    model.node("Sigmoid", "other_use", "conv")
    model.node("Add", "biased", "conv", model.const("bias", [1.0, 2.0]))
    with pytest.raises(UnsupportedError, match="biased"):
        Converter(tfjs.read(model.write(tmp_path)), "images").run()
