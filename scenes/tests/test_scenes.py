"""The scenes as data: nobody drives through anybody, and what a scene is for does happen in it."""
import re
from functools import lru_cache

import numpy as np
import pytest

from gen import rules, truth, view
from gen.collide import conflicts
from gen.visibility import Visibility
from gen.world import load

SCENES = ["junction_day", "junction_night", "road_speed"]
ALL = {"red_light", "stop_line", "wrong_way", "wrong_lane", "forbidden_turn", "solid_line", "no_stopping", "speed",
       "no_helmet", "over_riders"}
PLATE = re.compile(r"\d\d[A-Z]-\d{3}\.\d\d|\d\d-[A-Z][A-Z0-9] \d{3}\.\d\d|[A-Z]{2}-\d\d-\d\d")


@lru_cache(maxsize=None)
def world(name):
    return load(name)


@pytest.mark.parametrize("name", SCENES)
def test_no_two_actors_through_one_another(name):
    assert conflicts(world(name)) == {}


@pytest.mark.parametrize("name", SCENES)
def test_plates_are_unique_and_well_formed(name):
    plates = [a.plate for a in world(name).actors if a.plate]
    assert len(set(plates)) == len(plates)
    assert [p for p in plates if not PLATE.fullmatch(p)] == []
    two = [a for a in world(name).actors if a.cls == "motorcycle"]
    assert all(" " in a.plate for a in two)


@pytest.mark.parametrize("name", SCENES)
def test_phases_follow_one_another(name):
    order = {"red": "green", "green": "yellow", "yellow": "red"}
    for changes in world(name).phases.values():
        assert changes[0][0] == 0
        for (t0, s0), (t1, s1) in zip(changes, changes[1:]):
            assert t1 > t0 and s1 == order[s0]


@pytest.mark.parametrize("name", SCENES)
def test_cross_traffic_has_green_when_it_enters(name):
    w = world(name)
    if "cross" not in w.phases:
        pytest.skip("no junction")
    for a in w.actors:
        track = rules.Track(w, a)
        across = np.abs(np.degrees(track.heading)) > 80
        if a.cls == "pedestrian" or not across.all():
            continue
        inside = np.abs(track.x) < 9
        if inside.any():
            assert w.phase("cross", track.t[np.argmax(inside)]) != "red", a.id


def test_junction_day_has_every_kind_and_near_misses():
    w = world("junction_day")
    bad, near = rules.judge(w, w.camera("main"))
    assert {a.type for a in bad} == ALL
    assert {a.type for a in near} >= {"red_light", "stop_line", "forbidden_turn", "solid_line", "no_stopping", "speed",
                                     "no_helmet", "over_riders"}
    both = {(a.type, a.vehicle) for a in bad} & {(a.type, a.vehicle) for a in near}
    assert both == set(), "a near miss is no violation"
    of = lambda kind: {a.vehicle for a in bad if a.type == kind}
    assert of("red_light") == {"r1", "r2", "r3"} and of("speed") == {"v1"} and of("wrong_lane") == {"l1"}
    assert of("stop_line") == {"q2", "m4", "k4"} and of("forbidden_turn") == {"q3"} and of("no_stopping") == {"z1"}


def test_road_speed_has_the_span_of_speeds_and_section_cheats():
    w = world("road_speed")
    kmh = [a.motion.v[0] * 3.6 for a in w.actors]
    assert min(kmh) == pytest.approx(25) and max(kmh) == pytest.approx(120)
    rows = {r["vehicle"]: r for r in truth.section(w)}
    assert rows["f6"]["violation"] and rows["f6"]["mean_kmh"] > 85
    for camera in w.cameras:
        assert "f6" not in {a.vehicle for a in rules.judge(w, camera)[0]}, "lawful at either camera"
    assert rows["f1"]["mean_kmh"] == pytest.approx(120, abs=0.05)


@pytest.mark.parametrize("name", SCENES)
def test_truth_keeps_to_its_schema_and_speeds_to_positions(name):
    w = world(name)
    camera = w.cameras[0].scaled(640)
    first = round(4 * w.fps)
    t = truth.build(w, camera, numbers=range(first, first + 4))
    truth.check(t)
    frames = [{o["id"]: o for o in f["objects"]} for f in t["frames"]]
    checked = 0
    for k, middle in frames[1].items():
        if k in frames[0] and k in frames[2]:
            a, b = frames[0][k], frames[2][k]
            kmh = np.hypot(b["x"] - a["x"], b["y"] - a["y"]) / (2 / w.fps) * 3.6
            assert kmh == pytest.approx(middle["speed_kmh"], abs=0.25)
            checked += 1
    assert checked > 5


def test_boxes_hold_their_silhouettes_exactly():
    w = world("junction_day")
    camera = w.camera("main")
    eyes = Visibility(w, camera)
    for sight in eyes.sights(24.0).values():
        (x0, y0, x1, y1), mask, box = eyes.mask(sight)
        whole = box[0] > 1 and box[1] > 1 and box[2] < 1919 and box[3] < 1079
        if not whole or mask.sum() < 200:
            continue
        ys, xs = np.nonzero(mask)
        found = np.array([x0 + xs.min(), y0 + ys.min(), x0 + xs.max() + 1, y0 + ys.max() + 1])
        assert np.abs(found - box).max() < 1.6, sight.actor.id
        assert np.abs(np.array(sight.box) - box).max() < 2.5, "the quick box is near the exact one"


def test_a_car_behind_a_bus_is_hidden():
    w = world("junction_day")
    camera = w.camera("main").scaled(960)
    seen, _ = Visibility(w, camera).frame(52.4)
    sight, _, total, shown = seen["z1"]   # stands beyond the bus that crosses
    assert sight.actor.cls == "car" and shown / total < 0.05
    _, _, total, shown = seen["e3"]
    assert shown / total > 0.9


def test_the_shadow_lies_where_the_sun_puts_it():
    w = world("junction_day")
    camera = w.camera("main")
    sight = view.look_at(camera, next(a for a in w.actors if a.id == "q1"), 1.0)
    bare, lit = view.touched(camera, sight), view.touched(camera, sight, (0.62, 0.16))
    assert lit[:, 0].max() > bare[:, 0].max() + 20 and lit[:, 0].min() == pytest.approx(bare[:, 0].min(), abs=3)
