"""Meshes keep the measures that truth and conflict check rely on."""
import numpy as np
import pytest

from gen import view
from gen.models import MEASURES, PLATE_M, Look, build, plate_corners

LOOKS = [Look(m) if m not in ("scooter", "wave", "bicycle", "person") else Look(m, ("helmet1",) if m != "person" else ("hair",))
         for m in MEASURES]


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: look.model)
def test_outer_measures(look):
    m = MEASURES[look.model]
    v, _ = view.solid(look, "walk2" if look.model == "person" else "")
    if look.model != "person":   # a walker's feet go out further than the body
        assert np.abs(v[:, 1]).max() == pytest.approx(m["length"] / 2, abs=0.07)
    low = v[v[:, 2] < 0.85]   # mirrors, elbows and hats aside
    assert 2 * np.abs(low[:, 0]).max() == pytest.approx(m["width"], abs=0.13 if m["track"] else 0.40)
    assert -0.02 < v[:, 2].min() < 0.06


@pytest.mark.parametrize("look", [k for k in LOOKS if build(k).plates], ids=lambda look: look.model)
def test_plates_lie_on_the_skin_and_read_from_left_to_right(look):
    for side, place in build(look).plates.items():
        c = plate_corners(place, side)
        assert np.linalg.norm(c[1] - c[0]) == pytest.approx(PLATE_M[place[2]][0])
        assert np.linalg.norm(c[3] - c[0]) == pytest.approx(PLATE_M[place[2]][1])
        right = 1 if side == "rear" else -1   # seen from behind, right is +x; seen from the front, -x
        assert (c[1] - c[0])[0] * right > 0 and c[0][2] > c[3][2]
        end = MEASURES[look.model]["length"] / 2
        assert abs(abs(c[:, 1].mean()) - end) < 0.12


def test_three_riders_sit_behind_one_another_and_heads_are_where_helmets_are():
    one, three = build(Look("scooter", ("helmet1",))), build(Look("scooter", ("helmet1", "hair", "helmet3")))
    assert len(three.mesh.faces) > len(one.mesh.faces)
    assert {"helmet1", "helmet3", "shirt3"} <= set(three.mesh.materials) and "helmet2" not in three.mesh.materials
