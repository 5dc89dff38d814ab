"""What must hold of drawn plates and of what is read from the networks."""

import re

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch

from plates import boxes, faces, glyphs, locator_train, pack, texts
from plates.crops import HEIGHT, WIDTH, draw_crops, stretch
from plates.locator_net import Locator
from plates.reader_net import Reader

# The kinds of section 2.4 of the plate formats, as far as these texts go.
KINDS = re.compile(
    r"^(?:\d{2}(?:[A-Z]\d{4,5}|[A-Z]\d\d{4,5}|[A-Z]{2}\d{4,5}|R\d{4,5}|MD\d\d{4,5}|[A-Z]{2}\d\d{4,5}|\d{3}(?:NG|QT|CV|NN)\d{2,3})|T\d{2}\d{4,5}|[A-Z]{2}\d{4})$"
)


def rng(seed=1):
    return np.random.default_rng(seed)


@pytest.fixture(autouse=True)
def only_strokes(monkeypatch):
    """No fonts: the tests need none."""
    draw = faces.draw_face

    def strokes(r, wide):
        face = draw(r, wide)
        face.font = None
        return face

    monkeypatch.setattr(faces, "font_files", lambda: [None])
    monkeypatch.setattr(faces, "draw_face", strokes)


def test_texts_follow_the_formats_and_fit_the_slots():
    r = rng()
    for _ in range(3000):
        text = texts.draw_text(r)
        slots = text.slots()
        assert len(slots) == texts.SLOTS
        assert "".join(texts.ALPHABET[c] for c in slots if c != texts.BLANK) == text.text
        drawn = "".join(text.lines).replace("-", "").replace(".", "")
        assert drawn == text.text
        if text.kind != "random":
            assert KINDS.match(text.text), text
            assert not set(text.text) & set("IJOW"), text


def test_every_character_has_strokes_of_its_own():
    style = glyphs.Style(rng())
    masks = {c: glyphs.stroke_glyph(c, 80, 40, 10, style) for c in texts.ALPHABET}
    for a in texts.ALPHABET:
        assert masks[a].max() == 255
        for b in texts.ALPHABET:
            same = masks[a].shape == masks[b].shape and (masks[a] == masks[b]).all()
            assert not same or a == b or {a, b} == {"0", "O"}


def test_the_same_seed_draws_the_same_crops():
    first, second = draw_crops(rng(7), 1.0, 2), draw_crops(rng(7), 1.0, 2)
    for a, b in zip(first, second):
        assert a[0].shape == (HEIGHT, WIDTH)
        assert (a[0] == b[0]).all() and a[1:] == b[1:]


def test_stretch_takes_exactly_the_box():
    picture = np.zeros((40, 60), np.uint8)
    picture[10:20, 30:50] = 200
    assert (stretch(picture, 30, 10, 50, 20)[2:-2, 4:-4] == 200).all()
    assert (stretch(picture, 0, 0, 28, 40) == 0).all()


def test_targets_and_reading_of_the_map_are_inverse():
    quad = np.array([[60, 90], [110, 94], [108, 126], [58, 120]], np.float32)
    corners = torch.full((1, 4, 4, 2), float("nan"))
    corners[0, 0] = torch.from_numpy(quad)
    score, values, _ = locator_train.targets(corners, 192)
    out = torch.cat([score.clamp_min(0)[:, None] * 8 - 4, values], 1)[0].numpy()
    sure, found = boxes.best(out)
    assert sure > 0.9
    assert np.abs(found - quad).max() < 1e-3
    assert boxes.box_iou(found, quad) == pytest.approx(1, abs=1e-5)


def test_a_mirrored_plate_keeps_its_corners_in_order():
    torch.manual_seed(3)
    x = torch.zeros(8, 3, 192, 192)
    corners = torch.tensor([[60.0, 90], [110, 90], [110, 120], [60, 120]]).expand(8, 1, 4, 2).clone()
    _, moved = locator_train.vary(x, corners)
    assert (moved[:, 0, 0, 0] < moved[:, 0, 1, 0]).all()
    assert (moved[:, 0, 0, 1] < moved[:, 0, 3, 1]).all()


def test_shapes_of_the_networks():
    logits, lines = Reader().eval()(torch.rand(3, 1, HEIGHT, WIDTH))
    assert logits.shape == (3, texts.SLOTS, texts.BLANK + 1) and lines.shape == (3, 2)
    assert Locator().eval()(torch.rand(2, 3, 192, 192)).shape == (2, 13, 24, 24)


def test_packing_changes_the_answer_by_rounding_only(tmp_path):
    torch.manual_seed(1)
    torch.onnx.export(Locator().eval(), (torch.zeros(1, 3, 64, 64),), str(tmp_path / "a.onnx"), input_names=["image"], output_names=["map"])
    pack.pack(tmp_path / "a.onnx", tmp_path / "b.onnx")
    assert (tmp_path / "b.onnx").stat().st_size < 0.6 * (tmp_path / "a.onnx").stat().st_size
    onnx.checker.check_model(str(tmp_path / "b.onnx"))
    x = np.random.default_rng(1).random((1, 3, 64, 64), np.float32)
    a, b = (ort.InferenceSession(str(tmp_path / f"{n}.onnx"), providers=["CPUExecutionProvider"]).run(None, {"image": x})[0] for n in "ab")
    assert np.abs(a - b).max() < 0.02
