"""The locator: a vehicle's picture to a map of plates, one cell for 8 × 8 pixels."""

import torch
import torch.nn.functional as F
from torch import nn

from .reader_net import Block, conv


class Locator(nn.Module):
    """`N × 3 × H × W`, RGB 0 to 1 → `N × 13 × H/8 × W/8`: score logit; left, top, right, bottom from the cell's centre;
    corners top left, top right, bottom right, bottom left as x, y from the cell's centre; distances in cells."""

    def __init__(self, c: int = 64, deep: int = 96):
        super().__init__()
        self.stem = nn.Sequential(conv(3, 32, 7, 4), conv(32, c, 3, 2))
        self.fine = nn.Sequential(Block(c), Block(c))
        self.coarse = nn.Sequential(conv(c, deep, 3, 2), Block(deep), Block(deep))
        self.back = nn.Conv2d(deep, c, 1)
        self.join = conv(c, c)
        self.out = nn.Conv2d(c, 13, 1)
        with torch.no_grad():
            self.out.bias.zero_()
            self.out.bias[0] = -4.0  # plates are rare

    def forward(self, x):
        x = self.fine(self.stem(x * 4 - 2))
        deep = F.interpolate(self.back(self.coarse(x)), scale_factor=2.0, mode="nearest")
        y = self.out(self.join(F.relu(x + deep)))
        return torch.cat([y[:, :1], F.softplus(y[:, 1:5]), y[:, 5:]], 1)
