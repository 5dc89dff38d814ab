"""Reading TensorFlow.js files."""

import numpy as np
import pytest
from graphs import Model

from stopline_models import tfjs


def test_weights_and_attributes_come_out_plain(tmp_path):
    model = Model()
    model.const("half", [[0.5, -2.0]])
    model.const("whole", [3, -4], "int32")
    model.conv("conv", "input", np.ones((1, 1, 3, 2)), strides=(2, 1))
    graph = tfjs.read(model.write(tmp_path))
    assert graph.constants["half"].dtype == np.float32
    assert graph.constants["half"].tolist() == [[0.5, -2.0]]
    assert graph.constants["whole"].tolist() == [3, -4]
    nodes = {node.name: node for node in graph.nodes}
    assert nodes["input"].attributes["shape"] == [1, 3, 4, 6]
    assert nodes["conv"].attributes["strides"] == [1, 2, 1, 1]
    assert nodes["conv"].attributes["padding"] == "VALID"
    assert nodes["conv"].inputs == ("input", "conv/filter")


@pytest.mark.parametrize("change", [lambda data: data[:2], lambda data: data + b"\0"])
def test_a_weight_file_of_another_length_is_refused(tmp_path, change):
    model = Model()
    model.const("half", [1.0, 2.0])
    path = model.write(tmp_path)
    (tmp_path / "weights.bin").write_bytes(change(model.data))
    with pytest.raises(tfjs.ModelFormatError, match="weight file"):
        tfjs.read(path)


def test_a_constant_without_weights_is_named(tmp_path):
    model = Model()
    model.node("Const", "lost")
    with pytest.raises(tfjs.ModelFormatError, match="lost"):
        tfjs.read(model.write(tmp_path))


def test_other_quantisation_is_refused(tmp_path):
    model = Model()
    model.const("scaled", [1.0])
    model.weights[0]["quantization"] = {"dtype": "uint8", "scale": 0.1, "min": 0}
    with pytest.raises(tfjs.ModelFormatError, match="scaled"):
        tfjs.read(model.write(tmp_path))
