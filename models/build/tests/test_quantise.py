"""Quantisation of a small graph."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from stopline_models import quantise

RANDOM = np.random.default_rng(3)


def two_convolutions():
    """images → Conv first → LeakyRelu → Conv last → Sigmoid → output."""
    weights = {
        "w1": RANDOM.normal(0, 0.2, (8, 3, 3, 3)).astype(np.float32),
        "w2": RANDOM.normal(0, 0.4, (4, 8, 1, 1)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["images", "w1"], ["first"], name="first", pads=[1, 1, 1, 1]),
        helper.make_node("LeakyRelu", ["first"], ["relu"], name="relu", alpha=0.1),
        helper.make_node("Conv", ["relu", "w2"], ["last"], name="last"),
        helper.make_node("Sigmoid", ["last"], ["output"], name="output"),
    ]
    graph = helper.make_graph(
        nodes, "test",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 3, 8, 8])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch", 4, 8, 8])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def pictures(count):
    return [RANDOM.uniform(-2, 2, (1, 3, 8, 8)).astype(np.float32) for _ in range(count)]


def infer(model, picture):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"images": picture})[0]


def test_the_end_of_each_branch_stays_in_floats():
    graph = two_convolutions().graph
    assert quantise.kept_in_floats(graph) == {"last", "output"}
    assert quantise.tensors_to_range(graph) == ["first", "images", "relu"]


def test_ranges_are_measured_and_written_so_that_they_read_the_same(tmp_path):
    given = pictures(3)
    ranges = quantise.measure_ranges(two_convolutions(), given)
    assert list(ranges) == ["first", "images", "relu"]
    assert ranges["images"] == (min(p.min() for p in given), max(p.max() for p in given))
    assert np.isclose(ranges["relu"][0], ranges["first"][0] * 0.1)
    path = tmp_path / "ranges.json"
    quantise.write_ranges(ranges, path)
    again = quantise.read_ranges(path)
    assert {k: tuple(np.float32(v)) for k, v in again.items()} == {k: tuple(np.float32(v)) for k, v in ranges.items()}


def test_the_result_is_close_works_in_batches_and_repeats():
    model, given = two_convolutions(), pictures(8)
    ranges = quantise.measure_ranges(model, given)
    eight_bit = quantise.quantise(model, ranges)
    error = max(np.abs(infer(model, p) - infer(eight_bit, p)).max() for p in given)
    assert 0 < error < 0.03
    both = np.concatenate(given[:2])
    np.testing.assert_allclose(infer(eight_bit, both)[1], infer(eight_bit, given[1])[0], atol=1e-6)
    assert eight_bit.SerializeToString(deterministic=True) == quantise.quantise(model, ranges).SerializeToString(
        deterministic=True
    )
    weights = {v.name: v.data_type for v in eight_bit.graph.initializer}
    assert weights["w1_quantized"] == TensorProto.INT8
    assert weights["w2"] == TensorProto.FLOAT
    onnx.checker.check_model(eight_bit, full_check=True)


def test_ranges_of_another_graph_are_refused():
    with pytest.raises(ValueError, match="'first'"):
        quantise.quantise(two_convolutions(), {"images": (-2.0, 2.0), "relu": (0.0, 1.0)})
