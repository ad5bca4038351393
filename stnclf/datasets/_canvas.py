"""Drawing primitives of `stnclf.datasets`: windows, shapes, textures, stains, camera.

Everything is painted as amounts of three dyes (haematoxylin, eosin, and the orange red of
eosinophil granules and red blood cells), which `expose` turns into light. Lengths are in
pixels of 0.25 um, the *native* scale; positions are (x, y) in pixels of the whole image.
"""

from functools import lru_cache

import numpy as np

_PERIOD = 512


@lru_cache(maxsize=16)
def _noise_tile(sigma):
    """Return periodic noise of unit variance, smooth over `sigma` native pixels.

    The tile is a constant, like a font: what varies from cell to cell is where it is read.
    """
    rng = np.random.default_rng([_PERIOD, round(100 * sigma)])
    freq = np.fft.fftfreq(_PERIOD)
    power = freq[:, None] ** 2 + freq[None, : _PERIOD // 2 + 1] ** 2
    spectrum = np.fft.rfft2(rng.standard_normal((_PERIOD, _PERIOD)))
    spectrum *= np.exp(-2 * (np.pi * sigma) ** 2 * power)
    spectrum[0, 0] = 0
    tile = np.fft.irfft2(spectrum, s=(_PERIOD, _PERIOD))
    tile = (tile / tile.std()).astype(np.float32)
    tile.setflags(write=False)
    return tile


class Canvas:
    """A rectangle of a larger image, on which windows are painted.

    Parameters
    ----------
    shape : tuple of (int, int)
        Height and width in pixels.
    origin : tuple of (int, int), default=(0, 0)
        (x, y) of the top-left pixel in the whole image.
    scale : float, default=1.0
        Pixels of the image for one native pixel.

    Attributes
    ----------
    dye : ndarray of shape (3, height, width), float32
        Amount of haematoxylin, eosin and red, in optical density (natural logarithm).
    """

    def __init__(self, shape, origin=(0, 0), scale=1.0):
        self.dye = np.zeros((3, *shape), dtype=np.float32)
        self.origin = origin
        self.scale = scale

    def window(self, x, y, radius):
        """Return the window within `radius` native pixels of (x, y), None if outside."""
        reach = radius * self.scale + 1
        left, top = self.origin
        height, width = self.dye.shape[1:]
        x0, x1 = max(int(x - reach), left), min(int(x + reach) + 2, left + width)
        y0, y1 = max(int(y - reach), top), min(int(y + reach) + 2, top + height)
        if x0 >= x1 or y0 >= y1:
            return None
        view = self.dye[:, y0 - top : y1 - top, x0 - left : x1 - left]
        return Window(view, np.arange(x0, x1), np.arange(y0, y1), (x, y), self.scale)

    def whole(self):
        """Return the window that is the canvas, with (0, 0) of the whole image as centre."""
        x0, y0 = self.origin
        height, width = self.dye.shape[1:]
        columns, rows = np.arange(x0, x0 + width), np.arange(y0, y0 + height)
        return Window(self.dye, columns, rows, (0, 0), self.scale)


class Window:
    """Part of a canvas with coordinates about a centre: `dx` (1, w), `dy` (h, 1), native.

    What is painted depends on the centre and on random numbers alone, not on where the
    window is clipped: a cell on the border of two canvases comes out alike in both.
    """

    def __init__(self, dye, columns, rows, center, scale):
        self.dye = dye
        self.columns = columns - int(np.floor(center[0]))
        self.rows = rows - int(np.floor(center[1]))
        self.dx = ((columns - center[0]) / scale).astype(np.float32)[None, :]
        self.dy = ((rows - center[1]) / scale).astype(np.float32)[:, None]
        self.scale = scale

    def turned(self, angle, x=0.0, y=0.0):
        """Return coordinates (u along `angle`, v across it) about the point (x, y)."""
        c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        dx, dy = self.dx - np.float32(x), self.dy - np.float32(y)
        return dx * c + dy * s, dy * c - dx * s

    def texture(self, sigma, rng):
        """Return noise of shape (h, w), read from a random place of the tile."""
        sx, sy = rng.integers(_PERIOD, size=2)
        flip = 1 if sx % 2 else -1
        columns, rows = flip * self.columns, self.rows
        if self.scale != 1.0:
            columns = np.floor(columns / self.scale).astype(int)
            rows = np.floor(rows / self.scale).astype(int)
        tile = _noise_tile(sigma).take((rows + sy) % _PERIOD, axis=0)
        return tile.take((columns + sx) % _PERIOD, axis=1)

    def streaks(self, u, v, sigma, stretch, rng):
        """Return noise of the shape of u and v, drawn out `stretch` times along u."""
        su, sv = rng.integers(_PERIOD, size=2)
        iu = np.floor(u * np.float32(1 / stretch)).astype(np.int32)
        iv = np.floor(v).astype(np.int32)
        return _noise_tile(sigma)[(iv + sv) % _PERIOD, (iu + su) % _PERIOD]

    def cover(self, depth, soft=1.0):
        """Return the opacity in [0, 1] of a shape, given the depth below its outline."""
        soft = max(soft, 1 / self.scale)
        return np.clip(depth * np.float32(1 / soft) + np.float32(0.5), 0, 1)

    def paint(self, alpha, haematoxylin, eosin, red=0.0):
        """Replace what is there by these dyes, as far as `alpha` is opaque."""
        for plane, value in zip(self.dye, (haematoxylin, eosin, red)):
            plane += alpha * (value - plane)


def ellipse(u, v, a, b):
    """Return the depth in pixels below the outline of an ellipse (negative outside)."""
    rho = np.sqrt((u * np.float32(1 / a)) ** 2 + (v * np.float32(1 / b)) ** 2)
    return np.float32(min(a, b)) * (1 - rho)


def capsule(u, v, half_length, half_width, bend=0.0):
    """Return the depth below the outline of a rod along u, bent towards positive v."""
    straight = max(half_length - half_width, 0.0)
    if bend:
        v = v - np.float32(bend) * u * u
    over = np.maximum(np.abs(u) - np.float32(straight), 0)
    return np.float32(half_width) - np.sqrt(over * over + v * v)


class Field:
    """A smooth random function of the place: a sum of plane waves, unit variance.

    The sum separates into rows and columns, so that a tile of any size is one matrix
    product, and neighbouring tiles fit.
    """

    def __init__(self, rng, shortest, longest, n_waves=16):
        wavelength = np.exp(rng.uniform(np.log(shortest), np.log(longest), n_waves))
        angle = rng.uniform(0, 2 * np.pi, n_waves)
        self.kx = 2 * np.pi * np.cos(angle) / wavelength
        self.ky = 2 * np.pi * np.sin(angle) / wavelength
        self.phase = rng.uniform(0, 2 * np.pi, n_waves)

    def on_grid(self, x, y):
        """Return values of shape (len(y), len(x))."""
        across = np.outer(x, self.kx) + self.phase
        down = np.outer(y, self.ky)
        left = np.concatenate([np.cos(down), -np.sin(down)], axis=1).astype(np.float32)
        right = np.concatenate([np.cos(across), np.sin(across)], axis=1).astype(np.float32)
        # einsum, as waking the threads of BLAS takes longer than a product of this size
        total = np.einsum("ik,jk->ij", left, right)
        total *= np.float32(np.sqrt(2 / len(self.kx)))
        return total

    def at(self, x, y):
        """Return values at points, x and y of shape (n,)."""
        waves = np.outer(x, self.kx) + np.outer(y, self.ky) + self.phase
        return np.cos(waves).sum(axis=1) * np.sqrt(2 / len(self.kx))


class Look:
    """How one slide was stained and scanned, and how its tumour looks.

    Notes
    -----
    Mean stain vectors lie between those that [1]_ and [2]_ give for haematoxylin and eosin.

    References
    ----------
    .. [1] Ruifrok and Johnston, "Quantification of histochemical staining by color
       deconvolution", Anal Quant Cytol Histol 23, 2001.
    .. [2] Macenko et al., "A method for normalizing histology slides for quantitative
       analysis", ISBI 2009.
    """

    def __init__(self, rng):
        mix = rng.uniform(0, 1, 2)[:, None]
        cold = np.array([[0.70, 0.66, 0.26], [0.16, 0.86, 0.34]])
        warm = np.array([[0.54, 0.70, 0.44], [0.12, 0.76, 0.58]])
        vectors = np.vstack([mix * cold + (1 - mix) * warm, [[0.04, 0.68, 0.66]]])
        vectors *= 1 + rng.normal(0, 0.05, (3, 3))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        strength = np.exp(rng.normal(0, (0.14, 0.2, 0.15)))
        self.stains = (vectors * strength[:, None]).astype(np.float32)
        self.white = rng.uniform((236, 232, 236), (252, 247, 252)).astype(np.float32)
        self.blur = rng.uniform(0.55, 1.35)
        self.noise = rng.uniform(1.0, 3.0)
        self.coarseness = rng.uniform(0.5, 2.5)
        # the tumour: strength of chromatin, radius of nuclei, basophilia of cytoplasm
        self.chromatin = rng.uniform(0.5, 0.95)
        self.nucleus = rng.uniform(14.5, 19.0)
        self.cytoplasm = rng.uniform(0.05, 0.3), rng.uniform(0.28, 0.55)


def expose(dye, look):
    """Turn dyes (3, h, w) into light (3, h, w) on 0..255, float32, slightly out of focus.

    Beer-Lambert: light falls exponentially with the summed optical density of the dyes.
    """
    light = np.tensordot(look.stains.T, -dye, axes=1)
    np.exp(light, out=light)
    light *= look.white[:, None, None]
    return _blur(light, look.blur)


def _blur(planes, sigma):
    reach = int(np.ceil(2.5 * sigma))
    taps = np.exp(-0.5 * (np.arange(reach + 1) / sigma) ** 2)
    taps = (taps / (2 * taps.sum() - 1)).astype(np.float32)
    for axis in (1, 2):
        size = planes.shape[axis]
        pad = [(0, 0)] * 3
        pad[axis] = (reach, reach)
        padded = np.pad(planes, pad, mode="edge")
        cut = [slice(None)] * 3
        planes = taps[0] * planes
        for k in range(1, reach + 1):
            cut[axis] = slice(reach - k, reach - k + size)
            pair = padded[tuple(cut)].copy()
            cut[axis] = slice(reach + k, reach + k + size)
            pair += padded[tuple(cut)]
            pair *= taps[k]
            planes += pair
    return planes


_TO_YCC = np.array(
    [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]]
)
_FROM_YCC = np.linalg.inv(_TO_YCC).astype(np.float32)
_TO_YCC = _TO_YCC.astype(np.float32)
_STEP = np.arange(8)
_DCT = np.cos(np.pi * (2 * _STEP[None, :] + 1) * _STEP[:, None] / 16) / 2
_DCT[0] /= np.sqrt(2)
_DCT = _DCT.astype(np.float32)


def develop(light, look, rng):
    """Add sensor noise and JPEG-like loss to light (3, h, w): uint8 (h, w, 3)."""
    height, width = light.shape[1:]
    noisy = rng.standard_normal(light.shape, dtype=np.float32)
    noisy *= np.float32(look.noise)
    noisy += light
    pad = (-height % 8, -width % 8)
    if any(pad):
        noisy = np.pad(noisy, ((0, 0), (0, pad[0]), (0, pad[1])), mode="edge")
    tall, wide = noisy.shape[1:]
    ycc = np.tensordot(_TO_YCC, noisy, axes=1)
    # rows of blocks, then columns: both are plain matrix products
    blocks = (_DCT @ ycc.reshape(3, tall // 8, 8, wide)).reshape(3, tall // 8, 8, wide // 8, 8)
    blocks = blocks @ _DCT.T
    steps = look.coarseness * (1 + _STEP[:, None] + _STEP[None, :])
    steps = np.stack([steps, 1.6 * steps, 1.6 * steps]).astype(np.float32)[:, None, :, None, :]
    blocks /= steps
    np.rint(blocks, out=blocks)
    blocks *= steps
    ycc = (_DCT.T @ (blocks @ _DCT).reshape(3, tall // 8, 8, wide)).reshape(3, tall, wide)
    rgb = np.tensordot(_FROM_YCC, ycc, axes=1)[:, :height, :width]
    np.clip(np.rint(rgb, out=rgb), 0, 255, out=rgb)
    return np.ascontiguousarray(rgb.transpose(1, 2, 0)).astype(np.uint8)
