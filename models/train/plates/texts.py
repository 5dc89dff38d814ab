"""What stands on a plate: texts by kind, in the shares in which they are drawn.

A text is kept in two parts, `head` (province and series) and `number`, because the reader gives each part slots of its own:
the first digit of the number is always in the same slot, whatever the series is and however many lines the plate has.
"""

from dataclasses import dataclass

import numpy as np

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
BLANK = len(ALPHABET)
HEAD_SLOTS = 5
NUMBER_SLOTS = 5
SLOTS = HEAD_SLOTS + NUMBER_SLOTS

SERIES = "ABCDEFGHKLMNPSTUVXYZ"
SECOND = "ABCDEFGHKLMNPRSTUVXYZ"
STATE = "ABCDEFGHKLM"
# Codes that were issued: 11 to 99 without the eight never given out.
PROVINCES = [f"{c}" for c in range(11, 100) if c not in (13, 42, 44, 45, 46, 87, 91, 96)]
# Where most vehicles are: these come up more often on any road.
LARGE = ["29", "30", "50", "51", "59", "60", "61", "43", "15", "36", "37", "72"]
SPECIAL = ["KT", "LD", "DA", "HC", "CD", "MK", "MD", "TD", "CT", "LB"]
FOREIGN = ["NG", "QT", "CV", "NN"]
ARMY_FIRST = "ABHKPQTUV"
ARMY_SECOND = "ABCDHKMNPQSTV"


@dataclass
class Text:
    """One plate's text and shape."""

    kind: str
    head: str
    number: str
    # What is drawn in each line; `-` and `.` are separators, which are never labels.
    lines: list[str]
    # Outer size, width and height in millimetres.
    size_mm: tuple[int, int]
    # private, transport, state, army
    colours: str

    @property
    def text(self) -> str:
        """Head and number, without separators."""
        return self.head + self.number

    def slots(self) -> list[int]:
        """The class of each slot."""
        padded = self.head.ljust(HEAD_SLOTS, "_") + self.number.ljust(NUMBER_SLOTS, "_")
        return [BLANK if c == "_" else ALPHABET.index(c) for c in padded]


def _digits(rng, n: int) -> str:
    return "".join(str(d) for d in rng.integers(0, 10, n))


def _province(rng) -> str:
    k = rng.random()
    if k < 0.05:
        return _digits(rng, 2)  # also codes that do not exist, so that digits are read and not guessed
    return str(rng.choice(LARGE if k < 0.3 else PROVINCES))


def _number(rng, five: float = 0.85) -> tuple[str, str]:
    """The number, and how it is drawn."""
    if rng.random() < five:
        n = _digits(rng, 5)
        return n, f"{n[:3]}.{n[3:]}" if rng.random() < 0.93 else n
    n = _digits(rng, 4)
    return n, n


def _moto_size(rng) -> tuple[int, int]:
    return (190, 140) if rng.random() < 0.85 else (200, 140)


def _long(rng) -> tuple[int, int]:
    return [(520, 110), (470, 110)][rng.integers(2)]


def _short(rng) -> tuple[int, int]:
    return [(330, 165), (280, 200)][int(rng.random() < 0.35)]


def _moto(rng, head: str, series: str, colours: str, five: float) -> Text:
    number, drawn = _number(rng, five)
    dash = "-" if rng.random() < 0.95 else ""
    return Text("moto", head + series, number, [f"{head}{dash}{series}", drawn], _moto_size(rng), colours)


def _car(rng, head: str, colours: str, one_line: bool, five: float = 0.88) -> Text:
    number, drawn = _number(rng, five)
    if one_line:
        dash = "-" if rng.random() < 0.8 else ""
        return Text("car", head, number, [f"{head}{dash}{drawn}"], _long(rng), colours)
    return Text("car", head, number, [head, drawn], _short(rng), colours)


def _car_colours(rng) -> str:
    return str(rng.choice(["private", "transport", "state"], p=[0.6, 0.32, 0.08]))


def draw_text(rng) -> Text:
    """A plate's text."""
    k = rng.random()
    c = str(rng.choice(list(SERIES)))
    p = _province(rng)
    if k < 0.34:
        colours = "state" if rng.random() < 0.05 else "private"
        return _moto(rng, p, c + str(rng.integers(1, 10)), colours, 0.8)
    if k < 0.48:
        return _moto(rng, p, c + str(rng.choice(list(SECOND))), "private", 1.0)
    if k < 0.66:
        return _car(rng, p + c, _car_colours(rng), True)
    if k < 0.84:
        return _car(rng, p + c, _car_colours(rng), False)
    if k < 0.88:
        s = str(rng.choice(SPECIAL))
        if rng.random() < 0.3:
            digit = str(rng.integers(1, 10)) if rng.random() < 0.5 else ""
            return _moto(rng, p, s + digit, "private", 0.9)
        return _car(rng, p + s, "private", bool(rng.random() < 0.5))
    if k < 0.9:
        return _car(rng, p + ("RM" if rng.random() < 0.5 else "R"), _car_colours(rng), False)
    if k < 0.925:
        return _foreign(rng, p)
    if k < 0.935:
        return _temporary(rng, p)
    if k < 0.955:
        return _army(rng)
    return _random(rng)


def _foreign(rng, p: str) -> Text:
    country, kind = _digits(rng, 3), str(rng.choice(FOREIGN))
    k = rng.random()
    n = kind + _digits(rng, 3 if k < 0.3 else 2)
    lines = [f"{p}-{country}", f"{n[:2]}-{n[2:]}"]
    if k < 0.3:
        return Text("foreign", p + country, n, lines, _moto_size(rng), "private")
    if k < 0.65:
        return Text("foreign", p + country, n, lines, _short(rng), "private")
    return Text("foreign", p + country, n, ["-".join(lines)], _long(rng), "private")


def _temporary(rng, p: str) -> Text:
    number, drawn = _number(rng, 0.8)
    if rng.random() < 0.5:
        return Text("temporary", "T" + p, number, [f"T{p}", drawn], _moto_size(rng), "private")
    return Text("temporary", "T" + p, number, [f"T{p}-{drawn}"], _long(rng), "private")


def _army(rng) -> Text:
    head = str(rng.choice(list(ARMY_FIRST))) + str(rng.choice(list(ARMY_SECOND)))
    n = _digits(rng, 4)
    drawn = f"{n[:2]}-{n[2:]}"
    k = rng.random()
    if k < 0.45:
        return Text("army", head, n, [f"{head}-{drawn}"], _long(rng), "army")
    return Text("army", head, n, [head, drawn], _short(rng) if k < 0.75 else _moto_size(rng), "army")


def _random(rng) -> Text:
    """No grammar at all: what is seen must be read."""
    letters = "0123456789ABCDEFGHKLMNPRSTUVXYZ"
    head = "".join(rng.choice(list(letters), rng.integers(2, HEAD_SLOTS + 1)))
    number = "".join(rng.choice(list(letters), rng.integers(3, NUMBER_SLOTS + 1)))
    k = rng.random()
    if k < 0.4:
        return Text("random", head, number, [head + number], _long(rng), _car_colours(rng))
    top = head[:2] + "-" + head[2:] if len(head) > 2 and rng.random() < 0.6 else head
    return Text("random", head, number, [top, number], _short(rng) if k < 0.65 else _moto_size(rng), _car_colours(rng))
