"""Painters of tissue, and of whole slides tile by tile, for `stnclf.datasets`."""

import numpy as np

from ._canvas import Canvas, Field, develop, expose
from ._cells import paint_cells, random_angle

_TILE = 512
_MARGIN = 8  # drawn around a tile and cut off again, so that focus blur sees its neighbours


def paint_ground(canvas, look, pink, stroma, gap, rng):
    """Paint what lies between cells: matrix, wavy collagen, empty gaps.

    Parameters
    ----------
    pink, stroma, gap : ndarray of shape (height, width)
        Slow variation of the matrix, the share of collagen and of glass, both in [0, 1].
    """
    whole = canvas.whole()
    grain = whole.texture(1.2, rng)
    mottle = whole.texture(4.0, rng)
    blue, eosin = look.cytoplasm
    whole.dye[0] += np.float32(0.5 * blue) * (1 + np.float32(0.3) * grain)
    whole.dye[1] += np.float32(eosin) * (
        np.float32(0.6) + np.float32(0.2) * (pink + grain) + np.float32(0.12) * mottle
    )
    u, v = whole.turned(random_angle(rng))
    v = v + 9 * pink + 9 * stroma + np.float32(0.8) * mottle
    strands = whole.streaks(u, v, 2.0, 9.0, rng) + whole.streaks(u, v, 4.0, 5.0, rng)
    amount = np.float32(rng.uniform(0.15, 0.4)) * np.clip(strands + np.float32(1), 0, 3)
    whole.dye[1] += stroma * amount
    whole.dye[2] += stroma * amount * np.float32(rng.uniform(0, 0.3))
    glass = np.clip(4 * gap + np.float32(0.32) * mottle - np.float32(1.5), 0, 1)
    whole.dye *= 1 - np.float32(0.99) * glass
    np.maximum(whole.dye, 0, out=whole.dye)


class Ground:
    """Where a slide has tissue, collagen and gaps, by pixel of the slide."""

    def __init__(self, shape, scale, share, rng):
        side = min(shape)
        self.outline = Field(rng, 0.9 * side, 1.8 * side, 12)
        self.ragged = Field(rng, 60 * scale, 240 * scale, 24)
        self.pink = Field(rng, 60 * scale, 400 * scale, 24)
        self.collagen = Field(rng, 150 * scale, 900 * scale, 24)
        self.glass = Field(rng, 70 * scale, 400 * scale, 24)
        coarse = (np.linspace(0, length - 1, 96) for length in shape[::-1])
        # tissue is where the outline is high; the level is what gives the share asked for
        self.level = np.quantile(self.outline.on_grid(*coarse), 1 - share) if share < 1 else -99

    def depth(self, outline, ragged):
        """Return a depth below the edge of the tissue, positive inside."""
        return outline + np.float32(0.05) * ragged - np.float32(self.level)

    def stroma(self, collagen):
        """Return the share of collagen in [0, 1]."""
        return np.clip(1.6 * (collagen - np.float32(1.0)), 0, 1)

    def paint(self, canvas, look, seed):
        """Paint the ground of one tile."""
        x0, y0 = canvas.origin
        height, width = canvas.dye.shape[1:]
        x, y = np.arange(x0, x0 + width), np.arange(y0, y0 + height)
        edge = self.depth(self.outline.on_grid(x, y), self.ragged.on_grid(x, y))
        gap = np.clip(self.glass.on_grid(x, y) - np.float32(2.2), 0, 1)
        np.maximum(gap, np.clip(0.5 - 8 * edge, 0, 1), out=gap)
        pink, stroma = self.pink.on_grid(x, y), self.stroma(self.collagen.on_grid(x, y))
        paint_ground(canvas, look, pink, stroma, gap, np.random.default_rng(seed))


def cell_sites(shape, scale, clutter, rng):
    """Return the (x, y) of a jittered hexagonal grid of cells, shape (n, 2)."""
    pitch = 128 / np.sqrt(clutter) * scale
    border = 24 * scale
    rows = np.arange(border, shape[0] - border, pitch * np.sqrt(0.75))
    columns = np.arange(border, shape[1] - border, pitch)
    x, y = np.meshgrid(columns, rows)
    x[1::2] += pitch / 2
    points = np.column_stack([x.ravel(), y.ravel()])
    points += rng.uniform(-0.25, 0.25, points.shape) * pitch
    inside = np.all((points >= border) & (points <= np.array(shape[::-1]) - 1 - border), axis=1)
    return points[inside]


def render(shape, scale, look, ground, points, painters, seed, noise):
    """Return the image of a slide, painted tile by tile."""
    image = np.empty((*shape, 3), dtype=np.uint8)
    ground_seed, *cell_seeds = seed.spawn(len(points) + 1)
    reach = 64 * scale + _MARGIN
    corners = [(x, y) for y in range(0, shape[0], _TILE) for x in range(0, shape[1], _TILE)]
    for (x0, y0), tile_seed in zip(corners, noise.spawn(len(corners))):
        height, width = min(_TILE, shape[0] - y0), min(_TILE, shape[1] - x0)
        canvas = Canvas(
            (height + 2 * _MARGIN, width + 2 * _MARGIN), (x0 - _MARGIN, y0 - _MARGIN), scale
        )
        ground.paint(canvas, look, ground_seed)
        x, y = points.T
        near = (np.abs(x - x0 - width / 2) < width / 2 + reach) & (
            np.abs(y - y0 - height / 2) < height / 2 + reach
        )
        cells = [
            (painters[i], *points[i], np.random.default_rng(cell_seeds[i]))
            for i in np.flatnonzero(near)
        ]
        paint_cells(canvas, cells, look)
        light = expose(canvas.dye, look)[:, _MARGIN:-_MARGIN, _MARGIN:-_MARGIN]
        tile = develop(light, look, np.random.default_rng(tile_seed))
        image[y0 : y0 + height, x0 : x0 + width] = tile
    return image
