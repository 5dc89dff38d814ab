"""The reader: a plate's picture to ten slots of 37 classes.

Features on a 6 × 24 grid, one query for each slot that looks them up by place and by what is there, and a small
recurrent pass over the slots. About 0.6 million weights.
"""

import torch
import torch.nn.functional as F
from torch import nn

from .texts import BLANK, SLOTS


def conv(i: int, o: int, k: int = 3, stride=1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(i, o, k, stride, k // 2, bias=False), nn.BatchNorm2d(o), nn.ReLU(inplace=True))


class Block(nn.Module):
    """Two 3 × 3 convolutions around which the input is passed on."""

    def __init__(self, c: int):
        super().__init__()
        self.a = conv(c, c)
        self.b = nn.Sequential(nn.Conv2d(c, c, 3, 1, 1, bias=False), nn.BatchNorm2d(c))

    def forward(self, x):
        return F.relu(x + self.b(self.a(x)))


class Reader(nn.Module):
    """`N × 1 × 48 × 96`, 0 to 1 → logits `N × 10 × 37`, lines `N × 2`."""

    def __init__(self, width: int = 96):
        super().__init__()
        c = width
        self.features = nn.Sequential(
            conv(1, 24, 5, 2),
            conv(24, 64, 3, 2),
            Block(64),
            conv(64, c, 3, (2, 1)),
            Block(c),
            Block(c),
            Block(c),
        )
        self.place = nn.Parameter(torch.randn(1, c, 6, 24) * 0.02)
        self.look = nn.Conv2d(c, SLOTS * 2, 1)  # two maps of attention for each slot
        self.whole = nn.Linear(c, 2 * c)
        self.slot = nn.Parameter(torch.randn(1, SLOTS, 2 * c) * 0.02)
        self.mix = nn.Linear(2 * c, c)
        self.along = nn.GRU(c, c // 2, bidirectional=True, batch_first=True)
        self.out = nn.Linear(2 * c, BLANK + 1)
        self.lines = nn.Linear(c, 2)

    def forward(self, x):
        # Every plate to the same mean and spread: what is written does not depend on the light.
        mean = x.mean((2, 3), keepdim=True)
        spread = (x - mean).pow(2).mean((2, 3), keepdim=True).sqrt()
        f = self.features((x - mean) / (spread + 0.02))
        n = f.shape[0]
        looks = F.softmax(self.look(f + self.place).flatten(2).float(), -1)
        v = torch.matmul(looks, (f + self.place).flatten(2).transpose(1, 2).float()).reshape(n, SLOTS, -1)
        pooled = f.mean((2, 3))
        h = F.relu(self.mix(F.relu(v + self.slot + self.whole(pooled).unsqueeze(1))))
        h = torch.cat([h, self.along(h)[0]], -1)
        return self.out(h), self.lines(pooled)
