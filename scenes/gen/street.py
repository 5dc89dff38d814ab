"""What stands beside the road: pavements, houses, trees, signal heads, signs, wires. Shapes only, without Blender."""
import math

import numpy as np

from .mesh import Builder, ball, box, quad, rod

LAMPS = (("red", 0.36), ("yellow", 0.0), ("green", -0.36))
"""Heights of a head's lamps above its middle, metres."""
LAMP_R = 0.15
HOUSE_W = 4.2
HOUSING = (0.40, 0.22, 1.16)

SHOPS = [("CƠM PHỞ", (0.55, 0.03, 0.03)), ("CÀ PHÊ", (0.20, 0.10, 0.04)), ("NHÀ THUỐC", (0.03, 0.35, 0.15)),
         ("SỬA XE MÁY", (0.04, 0.12, 0.50)), ("TẠP HÓA", (0.65, 0.42, 0.03)), ("ĐIỆN THOẠI", (0.50, 0.05, 0.08)),
         ("BÁNH MÌ", (0.70, 0.48, 0.05)), ("HỚT TÓC", (0.05, 0.30, 0.45)), ("THỜI TRANG", (0.30, 0.05, 0.30)),
         ("KÍNH MẮT", (0.10, 0.35, 0.40)), ("BÚN CHẢ", (0.50, 0.20, 0.03)), ("GẠO NGON", (0.05, 0.28, 0.10))]
WALLS = [(0.60, 0.53, 0.38), (0.54, 0.57, 0.55), (0.62, 0.58, 0.50), (0.42, 0.50, 0.53), (0.56, 0.43, 0.35),
         (0.64, 0.62, 0.55), (0.48, 0.46, 0.33)]


def pavements(surface: dict):
    """Blocks of pavement with kerbs: list of (outline, height, material)."""
    y0, y1 = surface["extent_y"]
    right, left = surface["kerb_right_x"], surface["kerb_left_x"]
    cross, r = surface.get("cross_y"), surface.get("corner_radius", 3.0)
    out = []
    for inset, z, material in ((0.0, 0.15, "kerb"), (0.28, 0.156, surface.get("verge", "tile"))):
        for x, far in ((right + inset, 60.0), (left - inset, -60.0)):
            if not cross:
                out.append(([(x, y0), (far, y0), (far, y1), (x, y1)], z, material))
                continue
            s = 1 if far > x else -1
            arc = np.linspace(0, math.pi / 2, 9)
            low = [(x + s * (r - r * math.cos(a)), cross[0] - inset - (r - r * math.sin(a))) for a in arc]
            out.append(([(x, y0)] + low + [(far, cross[0] - inset), (far, y0)], z, material))
            high = [(x + s * (r - r * math.cos(a)), cross[1] + inset + (r - r * math.sin(a))) for a in arc]
            out.append(([(x, y1)] + high + [(far, cross[1] + inset), (far, y1)], z, material))
    return out


def add_pavements(b: Builder, surface: dict):
    for outline, z, material in pavements(surface):
        n = len(outline)
        area = sum(p[0] * q[1] - q[0] * p[1] for p, q in zip(outline, outline[1:] + outline[:1]))
        if area < 0:
            outline = outline[::-1]
        v = [(*p, z) for p in outline] + [(*p, 0.0) for p in outline]
        b.add(v, [tuple(range(n))] + [(i, (i + n), (i + 1) % n + n, (i + 1) % n) for i in range(n)], material)


def house(k: int, width: float):
    """A tube house with a shop on the ground floor, front at y = 0 facing -y. Returns (builder, sign text, colour)."""
    b = Builder()
    storeys = 3 + k % 3
    wall, (text, colour) = f"wall{k % len(WALLS)}", SHOPS[k % len(SHOPS)]
    h = 3.5 * storeys
    box(b, wall, (width - 0.04, 9.0, h), (0, 4.5, h / 2), edge=0.02, k=1)
    box(b, "window" if k % 3 else "shutter", (width - 0.8, 0.10, 2.4), (0, -0.01, 1.35), edge=0.01, k=1)
    for i in range(4):
        x = -(width - 0.8) / 2 + i * (width - 0.8) / 3
        box(b, "wood" if k % 2 else "shutter", (0.07, 0.12, 2.4), (x, -0.03, 1.35), edge=0.01, k=1)
    box(b, f"shop{k % len(SHOPS)}", (width - 0.2, 0.25, 0.85), (0, -0.16, 3.05), edge=0.02, k=1)
    box(b, f"awning{k % 4}", (width - 0.3, 1.4, 0.05), (0, -0.80, 2.58), (0.26, 0, 0), edge=0.01, k=1)
    for f in range(1, storeys):
        for x in (-width / 4, width / 4):
            box(b, "window", (width * 0.28, 0.10, 1.5), (x, -0.01, 3.5 * f + 1.9), edge=0.01, k=1)
            box(b, "trim", (width * 0.34, 0.22, 0.10), (x, -0.06, 3.5 * f + 1.1), edge=0.01, k=1)
        if k % 2:
            box(b, "trim", (width * 0.9, 0.7, 0.10), (0, -0.35, 3.5 * f + 0.55), edge=0.01, k=1)
            for i in range(9):
                x = -width * 0.42 + i * width * 0.105
                rod(b, "wire", (x, -0.66, 3.5 * f + 0.6), (x, -0.66, 3.5 * f + 1.45), 0.014, n=5)
    return b, text, colour


def house_places(h: dict, surface: dict, width: float = HOUSE_W):
    """(number, x, y, turn) of every house: two rows along the road, two along the cross street, one beside the camera."""
    right, left = surface["kerb_right_x"] + h["set_back"], surface["kerb_left_x"] - h["set_back"]
    places = []
    for i in range(h.get("count", 18)):
        places.append((right, h["right_front_y"] + 2.1 + width * i, -math.pi / 2))
        places.append((left, h["left_front_y"] + 2.1 + width * i, math.pi / 2))
    if "cross_y" in surface:
        for i in range(6):
            places.append((right + 2.1 + width * i + 0.2, h["right_front_y"] + 0.4, 0.0))
            places.append((left - 2.1 - width * i - 0.2, h["left_front_y"] + 0.4, 0.0))
    if "near_right" in h:
        x, y0, y1 = h["near_right"]
        places += [(x, y0 + 2.1 + width * i, -math.pi / 2) for i in range(int((y1 - y0) / width))]
    return [(k, *p) for k, p in enumerate(places)]


TREES = 3
"""So many different trees."""


def tree_places(road: dict):
    """(which tree, at, size, turn)"""
    trees = [(t["at"], t["size"]) for t in road.get("tree", [])]
    for row in road.get("tree_row", []):
        trees += [((row["x"] + 0.6 * math.sin(5.1 * y), y), row["size"]) for y in np.arange(*row["y"], row["step"])]
    return [(i % TREES, at, size, 1.7 * i) for i, (at, size) in enumerate(trees)]


def tree(seed: int):
    """A street tree of about 8 m: trunk with whitewash, branches, leaves as small quads."""
    rnd = np.random.default_rng(seed)
    b = Builder()
    rod(b, "bark", (0, 0, 0), (0.12, 0, 4.6), 0.20, 0.14, n=12)
    rod(b, "whitewash", (0, 0, 0), (0.03, 0, 1.2), 0.212, 0.204, n=12)
    for i in range(6):
        a = 2 * math.pi * i / 6 + rnd.uniform(-0.3, 0.3)
        p = (0.10, 0, rnd.uniform(3.2, 4.4))
        q = (0.1 + 1.9 * math.cos(a), 1.9 * math.sin(a), rnd.uniform(5.2, 6.6))
        rod(b, "bark", p, q, 0.08, 0.03, n=7)
    leaves(b, rnd, (0.1, 0, 6.2), (2.6, 2.6, 1.8), 1900, 0.17)
    return b


def leaves(b: Builder, rnd, middle, radii, n, size):
    d = rnd.normal(size=(n, 3))
    p = np.array(middle) + d / np.linalg.norm(d, axis=1, keepdims=True) * np.array(radii) * rnd.random((n, 1)) ** 0.4
    u = rnd.normal(size=(n, 3))
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    w = np.cross(u, rnd.normal(size=(n, 3)))
    w /= np.linalg.norm(w, axis=1, keepdims=True)
    s = size * rnd.uniform(0.6, 1.4, (n, 1))
    v = np.stack([p - u * s, p + w * s * 0.5, p + u * s, p - w * s * 0.5], 1).reshape(-1, 3)
    b.add(v, [(4 * i, 4 * i + 1, 4 * i + 2, 4 * i + 3) for i in range(n)], [f"leaf{i}" for i in rnd.integers(0, 4, n)])


def signal_head(b: Builder, head: dict):
    """The housing with dark lenses and visors; the lit lamps are objects of their own (see stage)."""
    x, y, z = head["position"]
    if head.get("pole"):
        rod(b, "pole", (x, y + 0.16, 0.1), (x, y + 0.16, z + 1.2), 0.075, 0.06, n=14)
    box(b, "housing", HOUSING, (x, y, z), edge=0.04)
    for name, dz in LAMPS:
        rod(b, f"lens_{name}", (x, y - 0.10, z + dz), (x, y - 0.125, z + dz), LAMP_R, n=24)
        box(b, "housing", (0.34, 0.20, 0.02), (x, y - 0.20, z + dz + LAMP_R + 0.02), (-0.10, 0, 0), edge=0.008, k=1)


def lamp(b: Builder, material: str, head: dict, dz: float):
    x, y, z = head["position"]
    rod(b, material, (x, y - 0.126, z + dz), (x, y - 0.134, z + dz), LAMP_R * 0.95, n=24)


def sign(b: Builder, s: dict):
    """Traffic signs after QCVN 41:2024/BGTVT (P.123a, P.131a, P.127), simplified."""
    x, y, z = s["position"]
    kind, front = s["kind"], y - 0.02
    if s.get("pole"):
        rod(b, "pole", (x, y + 0.05, 0.1), (x, y + 0.05, z + 0.35), 0.04, n=10)
    disc = lambda m, r, d: rod(b, m, (x, front - d, z), (x, front - d - 0.004, z), r, n=30)
    bar = lambda m, w, h, dx, dz, turn, d: box(b, m, (w, 0.004, h), (x + dx, front - d, z + dz), (0, turn, 0), edge=0.002, k=1)
    if kind == "no_left":
        disc("sign_red", 0.36, 0.0), disc("sign_white", 0.285, 0.005)
        bar("letters_dark", 0.07, 0.26, 0.07, -0.06, 0, 0.012), bar("letters_dark", 0.20, 0.07, 0.0, 0.07, 0, 0.012)
        quad(b, "letters_dark", [(x - 0.06, front - 0.014, z + 0.17), (x - 0.19, front - 0.014, z + 0.07),
                                 (x - 0.06, front - 0.014, z - 0.03)])
        bar("sign_red", 0.56, 0.055, 0, 0, -0.785, 0.018)
    elif kind == "no_stopping":
        disc("sign_red", 0.34, 0.0), disc("sign_blue", 0.27, 0.005)
        bar("sign_red", 0.54, 0.06, 0, 0, 0.785, 0.012)
    elif kind == "right_on_red":
        box(b, "sign_blue", (0.62, 0.02, 0.40), (x, front, z), edge=0.01, k=1)
        bar("sign_white", 0.30, 0.06, -0.02, 0.05, 0, 0.014), bar("sign_white", 0.06, 0.16, -0.14, -0.04, 0, 0.014)
        quad(b, "sign_white", [(x + 0.12, front - 0.016, z + 0.15), (x + 0.12, front - 0.016, z - 0.05), (x + 0.24, front - 0.016, z + 0.05)])
    elif kind.startswith("limit_"):
        disc("sign_red", 0.34, 0.0), disc("sign_white", 0.265, 0.005)
    return (kind.split("_")[1], (x, front - 0.014, z - 0.11), 0.30) if kind.startswith("limit_") else None


def furniture(road: dict, seed: int = 5):
    """Wires, pots and hedges. Returns the builder."""
    rnd = np.random.default_rng(seed)
    b = Builder()
    for x, y0, y1, z in road.get("wires", [(-10.6, 40, 160, 6.2), (-10.9, 40, 160, 5.7), (7.0, 45, 160, 6.4)]):
        rod(b, "wire", (x, y0, z), (x, y1, z + 0.4), 0.02, n=5)
    for x, y in road.get("lamp_posts", [(6.6, 72.0), (-10.7, 62.0), (6.6, 104.0)]):
        rod(b, "pole", (x, y, 0.1), (x, y, 8.0), 0.10, 0.07, n=10)
        rod(b, "pole", (x, y, 8.0), (x - math.copysign(1.6, x), y, 8.3), 0.05, n=8)
    for rail in road.get("rail", []):
        x, (y0, y1) = rail["x"], rail["y"]
        box(b, "shutter", (0.06, y1 - y0, 0.30), (x, (y0 + y1) / 2, 0.62), edge=0.02, k=1)
        for y in np.arange(y0, y1, 2.0):
            box(b, "shutter", (0.12, 0.12, 0.8), (x + math.copysign(0.1, x), y, 0.4), edge=0.01, k=1)
    for x, y, n in road.get("bushes", [(7.1, 13.0, 5), (7.0, 20.6, 3), (7.4, 41.2, 4)]):
        for i in range(n):
            leaves(b, rnd, (x + rnd.uniform(-0.15, 0.15), y + i * 0.55, 0.6), (0.45, 0.42, 0.42), 380, 0.07)
    return b
