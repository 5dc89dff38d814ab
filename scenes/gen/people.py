"""Riders and people on foot: limbs as round-ended cones."""
import math

from .mesh import Builder, ball, box, ring, rod


def limb(b, material, points, radii):
    """A chain of capsules through `points`."""
    for p, q, r, s in zip(points, points[1:], radii, radii[1:]):
        rod(b, material, p, q, r, s, n=12, round_ends=True)


def head(b, at, cover: str, look="skin"):
    """`cover`: the material of a helmet, or hair, cap, cone (a conical hat)."""
    x, y, z = at
    rod(b, look, (x, y - 0.02, z - 0.20), (x, y, z - 0.05), 0.056, 0.05, n=10)
    ball(b, look, (0.078, 0.095, 0.115), at, n=9)
    box(b, "mask", (0.13, 0.05, 0.085), (x, y + 0.075, z - 0.045), edge=0.02)
    if cover.startswith("helmet"):
        ball(b, cover, (0.130, 0.152, 0.145), (x, y - 0.008, z + 0.03), (0.06, 0, 0), n=10, low=-0.30)
        ring(b, "black", 0.128, 0.012, (x, y, z), n=3, m=5)
        box(b, cover, (0.18, 0.10, 0.02), (x, y + 0.165, z + 0.035), (-0.25, 0, 0), edge=0.008, k=1)
        for s in (1, -1):
            rod(b, "black", (x + s * 0.09, y, z + 0.02), (x + s * 0.03, y + 0.05, z - 0.11), 0.009, n=5)
    elif cover == "cone":
        rod(b, "straw", (x, y, z + 0.04), (x, y, z + 0.20), 0.23, 0.01, n=20)
    elif cover == "cap":
        ball(b, "trousers", (0.092, 0.110, 0.095), (x, y - 0.005, z + 0.035), n=8, low=-0.1)
        box(b, "trousers", (0.13, 0.10, 0.015), (x, y + 0.13, z + 0.035), (-0.1, 0, 0), edge=0.006, k=1)
        ball(b, "hair", (0.088, 0.10, 0.09), (x, y - 0.02, z), n=8)
    else:
        ball(b, "hair", (0.092, 0.108, 0.112), (x, y - 0.016, z + 0.028), (0.35, 0, 0), n=9, low=-0.4)
        ball(b, "hair", (0.082, 0.06, 0.10), (x, y - 0.058, z - 0.01), n=8)


def rider(b: Builder, seat_y, cover, shirt, foot_down=False, arms="bars", lean=0.06, seat_z=0.80, bars=(0.30, 0.30, 1.02),
          pack=False, tall=1.0, feet=(0.16, 0.0, 0.34)):
    """Someone sitting. `arms`: bars (holds the handlebar) or holds (holds the one in front). `feet`: x, y from the
    seat, z of the ankles."""
    y, z = seat_y, seat_z
    hip, chest, neck = (0, y, z + 0.10), (0, y + 0.05 + lean * 0.5, z + 0.36 * tall), (0, y + 0.07 + lean, z + 0.53 * tall)
    limb(b, shirt, [(0, y - 0.01, z + 0.06), chest, neck], [0.150, 0.165, 0.105])
    sh = (0.175 * tall, y + 0.06 + lean, z + 0.51 * tall)
    limb(b, shirt, [(-sh[0], sh[1], sh[2]), sh], [0.078, 0.078])
    for s in (1, -1):
        if arms == "bars":
            hand = (s * bars[0], bars[1], bars[2])
            elbow = (s * (bars[0] + 0.02), (sh[1] + hand[1]) / 2 - 0.05, (sh[2] + hand[2]) / 2 - 0.08)
        else:
            hand, elbow = (s * 0.13, y + 0.30, z + 0.22), (s * 0.27, y + 0.10, z + 0.25)
        limb(b, shirt, [(s * sh[0], sh[1], sh[2]), elbow, hand], [0.070, 0.055, 0.043])
        ball(b, "skin", (0.045, 0.055, 0.045), hand, n=6)
        if foot_down and s < 0:
            knee, ankle = (-0.29, y + 0.36, z - 0.16), (-0.40, y + 0.26, 0.11)
        elif arms == "bars":
            knee, ankle = (s * 0.20, y + 0.43, z - 0.02), (s * feet[0], y + feet[1] + 0.30, feet[2])
        else:
            knee, ankle = (s * 0.27, y + 0.36, z - 0.06), (s * 0.19, y + 0.16, feet[2] - 0.02)
        limb(b, "trousers", [(s * 0.085, y + 0.02, z + 0.06), knee, ankle], [0.115, 0.080, 0.052])
        toe = (ankle[0], ankle[1] + 0.15, max(ankle[2] - 0.06, 0.045))
        rod(b, "shoe", ankle, toe, 0.052, 0.042, n=8, round_ends=True)
    limb(b, "trousers", [(-0.07, y, z + 0.06), (0.07, y, z + 0.06)], [0.14, 0.14])
    if pack:
        box(b, "pack", (0.30, 0.17, 0.40), (0, y - 0.12 + lean * 0.4, z + 0.36), (-lean * 1.5, 0, 0), edge=0.06, k=3)
    head(b, (0, y + 0.12 + lean * 1.3, z + 0.76 * tall), cover)


def walker(phase: float, cover="hair"):
    """Someone walking; `phase` 0..1 over one double step. Returns the builder; the body's middle is at the origin."""
    b = Builder()
    swing = 0.36 * math.sin(2 * math.pi * phase)
    bob = 0.02 * math.cos(4 * math.pi * phase)
    limb(b, "shirt", [(0, -0.01, 0.95 + bob), (0, 0.01, 1.15 + bob), (0, 0.0, 1.40 + bob)], [0.135, 0.155, 0.11])
    limb(b, "shirt", [(-0.17, 0, 1.37 + bob), (0.17, 0, 1.37 + bob)], [0.075, 0.075])
    for s in (1, -1):
        a = swing * s
        lift = 0.30 * max(0.0, math.cos(2 * math.pi * phase) * s)
        hip, knee = (s * 0.085, 0, 0.88 + bob), (s * 0.095, 0.42 * math.sin(a) + 0.05 + 0.10 * lift, 0.47)
        ankle = (s * 0.10, knee[1] + 0.42 * math.sin(a - lift * 1.6) - 0.04, 0.09 + 0.35 * lift * 0.6)
        limb(b, "trousers", [hip, knee, ankle], [0.105, 0.075, 0.05])
        rod(b, "shoe", ankle, (ankle[0], ankle[1] + 0.15, max(ankle[2] - 0.04, 0.045)), 0.05, 0.042, n=8, round_ends=True)
        elbow = (s * 0.25, -0.26 * math.sin(a), 1.13 + bob)
        hand = (s * 0.24, -0.26 * math.sin(a) - 0.20 * math.sin(a) + 0.08, 0.90 + bob)
        limb(b, "shirt", [(s * 0.20, 0, 1.36 + bob), elbow, hand], [0.066, 0.052, 0.042])
        ball(b, "skin", (0.04, 0.05, 0.05), hand, n=6)
    limb(b, "trousers", [(-0.07, 0, 0.92 + bob), (0.07, 0, 0.92 + bob)], [0.13, 0.13])
    head(b, (0, 0.03, 1.60 + bob), cover)
    return b
