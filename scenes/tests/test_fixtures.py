"""The clips in fixtures/ against their truth, and the truth against the scene it was made from."""
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from gen import rules, truth
from gen.world import SCENES, load

FIXTURES = SCENES.parent / "fixtures"
CLIPS = [("junction_day", "main", "truth.json", "main.mp4"), ("junction_night", "main", "truth.json", "main.mp4"),
         ("road_speed", "main", "truth.json", "main.mp4"), ("road_speed", "second", "second/truth.json", "second/main.mp4")]


@pytest.fixture(params=CLIPS, ids=lambda c: f"{c[0]}-{c[1]}")
def clip(request):
    scene, camera, truth_file, video = request.param
    folder = FIXTURES / scene
    if not (folder / truth_file).is_file():
        pytest.skip(f"{folder / truth_file} is not rendered yet")
    world = load(scene)
    return world, world.camera(camera), json.loads((folder / truth_file).read_text()), folder / video


def test_keeps_to_the_schema(clip):
    truth.check(clip[2])


def test_is_that_of_the_scene_as_it_stands(clip):
    world, camera, found, _ = clip
    bad, near = rules.judge(world, camera)
    met = {v["id"] for v in found["vehicles"]}
    assert found["violations"] == [a.row() for a in bad if a.vehicle in met]
    assert found["near_misses"] == [a.row() for a in near if a.vehicle in met]
    actors = {a.id: a for a in world.actors}
    for frame in found["frames"][::97]:
        for o in frame["objects"]:
            state = actors[o["id"]].state(frame["t"])
            assert (o["x"], o["y"]) == (pytest.approx(state.x, abs=0.001), pytest.approx(state.y, abs=0.001))


def test_speeds_are_those_of_the_positions(clip):
    _, _, found, _ = clip
    frames = [{o["id"]: o for o in f["objects"]} for f in found["frames"]]
    worst = 0.0
    for a, b, c in zip(frames, frames[1:], frames[2:]):
        for k in b:
            if k in a and k in c:
                kmh = np.hypot(c[k]["x"] - a[k]["x"], c[k]["y"] - a[k]["y"]) * found["fps"] / 2 * 3.6
                worst = max(worst, abs(kmh - b[k]["speed_kmh"]))
    assert worst < 1.2   # braking within two frames, and the chord of a bend


def test_as_many_frames_as_the_video(clip):
    _, _, found, video = clip
    capture = cv2.VideoCapture(str(video))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == len(found["frames"])
    assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(found["fps"])
    assert [capture.get(cv2.CAP_PROP_FRAME_WIDTH), capture.get(cv2.CAP_PROP_FRAME_HEIGHT)] == found["image"]


def test_lamps_in_the_picture_follow_the_phases(clip):
    _, _, found, video = clip
    if not found["heads"]:
        pytest.skip("no signals")
    changes = {t for g in {h["group"] for h in found["heads"]} for t, _ in found["phases"][g]}
    capture = cv2.VideoCapture(str(video))
    checked, head = 0, found["heads"][0]
    x0, y0, x1, y1 = (round(v) for v in head["box"])
    third = (y1 - y0) / 3
    for frame in found["frames"]:
        ok, image = capture.read()
        assert ok
        if frame["i"] % 5 or any(abs(frame["t"] - t) < 0.2 for t in changes):
            continue
        middle = (x0 + x1) // 2
        bright = [int(image[round(y0 + (k + 0.5) * third) - 4:round(y0 + (k + 0.5) * third) + 4, middle - 4:middle + 4].max(-1).mean())
                  for k in range(3)]
        lit = ("red", "yellow", "green")[int(np.argmax(bright))]
        assert lit == frame["signals"][head["group"]], frame["t"]
        checked += 1
    assert checked > 20


def test_clips_keep_within_their_budget():
    total = sum(p.stat().st_size for s in ("junction_day", "junction_night", "road_speed") for p in (FIXTURES / s).rglob("*.mp4"))
    assert total <= 25_000_000
