"""Number plates as pictures, in the kinds and colours of Circular 79/2024/TT-BCA.

The face of the real font is not free; letters are set in Liberation Sans Narrow Bold (SIL Open Font License 1.1), which
has a similar narrow build.
"""
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from .models import PLATE_M

FONT = "/usr/share/fonts/truetype/liberation/LiberationSansNarrow-Bold.ttf"
# kind: (background, characters), sRGB
COLOURS = {"private": ((236, 236, 232), (14, 14, 16)), "transport": ((240, 186, 24), (14, 14, 16)),
           "state": ((18, 66, 150), (238, 238, 238)), "army": ((178, 22, 28), (240, 240, 240))}
PX_PER_M = 1600


def lines(text: str, shape: str) -> list[str]:
    """How the characters are set: long plates on one line, the others on two."""
    if shape == "long":
        return [text]
    if " " in text:
        return text.split(" ")
    head, _, tail = text.partition("-")
    return [head, tail] if tail else [text]


def picture(text: str, kind: str, shape: str) -> Image.Image:
    background, ink = COLOURS[kind]
    w, h = (round(v * PX_PER_M) for v in PLATE_M[shape])
    image = Image.new("RGB", (w, h), background)
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle((6, 6, w - 7, h - 7), 16, outline=ink, width=6)
    rows = lines(text, shape)
    row_h = h * 0.86 / len(rows)
    for i, row in enumerate(rows):
        font = ImageFont.truetype(FONT, int(row_h * 1.2))
        left, top, right, bottom = draw.textbbox((0, 0), row, font=font, stroke_width=2)
        stamp = Image.new("L", (right - left, bottom - top))
        ImageDraw.Draw(stamp).text((-left, -top), row, font=font, fill=255, stroke_width=2)
        cap = int(row_h * 0.80)
        # seven or more characters fill the width; fewer keep the width of a character
        wide = int(min(w * 0.91, w * 0.91 * len(row) / (6.0 if shape != "long" else 10.0)))
        stamp = stamp.resize((wide, cap), Image.LANCZOS)
        image.paste(ink, ((w - wide) // 2, int(h * 0.07 + i * row_h + (row_h - cap) / 2)), stamp)
    return image


def write(folder: Path, text: str, kind: str, shape: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{shape}-{kind}-{''.join(c for c in text if c.isalnum())}.png"
    picture(text, kind, shape).save(path)
    return path
