"""Pixels of TIFF files: one tile or strip from bytes to RGB, as its kind says."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image

from .._utils.tiff_kind import Compression, Kind, Photometric, compression_name, refusal
from .._utils.tiff_tags import Directory, Tag
from .._utils.typing import Pixels

__all__ = ["decode", "is_decoded", "refuse_compression"]

_TO_PYRAMID = "vips tiffsave IN.tif OUT.tif --tile --pyramid --compression deflate"


def is_decoded(page: Directory) -> bool:
    """Check whether `decode` knows the compression of an image."""
    known = (
        Compression.NONE,
        Compression.LZW,
        Compression.JPEG,
        *Compression.DEFLATE,
        Compression.PACKBITS,
        *Compression.WEBP,
        *Compression.JPEG_2000,
        Compression.JPEG_2000_YCBCR,
    )
    return (
        page.one(Tag.COMPRESSION, 1) in known
        and page.one(Tag.PREDICTOR, 1) in (1, 2)
        and page.one(Tag.FILL_ORDER, 1) == 1
    )


def refuse_compression(page: Directory) -> ValueError:
    """Return the error for an image whose compression nothing here can read."""
    name = compression_name(page.one(Tag.COMPRESSION, 1))
    return refusal(f"tiles compressed as {name}", _TO_PYRAMID, "JPEG, deflate or LZW")


def decode(parts: list[bytes], page: Directory, kind: Kind, width: int, height: int) -> Pixels:
    """Decode one tile or strip.

    Parameters
    ----------
    parts : list of bytes
        Its content; one for each sample where these are apart (planar).
    page : Directory
        The tags of the image.
    kind : Kind
        What its pixels are.
    width, height : int
        Its size in pixels.

    Returns
    -------
    uint8 ndarray of shape (height, width, 3)
        RGB, over white.

    Raises
    ------
    ValueError, OSError
        If it is damaged.
    """
    each = kind.samples if len(parts) == 1 else 1
    samples = [_samples(part, page, kind, width, height, each) for part in parts]
    return _rgb(np.concatenate(samples, axis=2) if len(samples) > 1 else samples[0], page, kind)


def _samples(data, page, kind, width, height, n):
    """Decompress to uint8 of shape (height, width, n)."""
    compression = page.one(Tag.COMPRESSION, 1)
    if compression == Compression.JPEG:
        found = _opened(_whole_jpeg(data, page, kind, n), "JPEG")
    elif compression in Compression.WEBP:
        found = _opened(data, "WEBP")
    elif compression in (*Compression.JPEG_2000, Compression.JPEG_2000_YCBCR):
        found = _opened(data, "JPEG2000")
        is_rgb = compression in Compression.JPEG_2000 and kind.photometric != Photometric.YCBCR
        if not is_rgb and found.mode == "RGB":
            found = Image.merge("YCbCr", found.split()).convert("RGB")
    else:
        return _unpacked(data, page, kind, width, height, n)
    mode = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[n]
    if found.mode != mode:
        found = found.convert(mode)
    pixels = np.asarray(found)
    if pixels.shape[0] < height or pixels.shape[1] < width:
        raise ValueError("a tile that is smaller than it should be")
    return pixels.reshape(*pixels.shape[:2], n)[:height, :width]


def _opened(data, form):
    image = Image.open(io.BytesIO(data), formats=[form])
    image.load()
    return image


def _whole_jpeg(data, page, kind, n):
    """Put the tables of the file before a tile, and say of three samples what they are.

    Without that word, libjpeg guesses from the numbers of the components.
    """
    if data[:2] != b"\xff\xd8":
        raise ValueError(f"Not a JPEG file: starts with {data[:2].hex(' ')}")
    word = b""
    if n == 3:
        transform = int(kind.photometric == Photometric.YCBCR)
        word = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00" + bytes([transform])
    tables = page.data(Tag.JPEG_TABLES)
    if tables[:2] == b"\xff\xd8" and tables[-2:] == b"\xff\xd9":
        tables = tables[2:-2]
    return data[:2] + word + tables + data[2:]


def _unpacked(data, page, kind, width, height, n):
    compression = page.one(Tag.COMPRESSION, 1)
    row = (width * n * kind.bits + 7) // 8
    if compression in Compression.DEFLATE:
        data = zlib.decompressobj().decompress(data, row * height)
    elif compression != Compression.NONE:
        data = np.asarray(_opened(_one_strip(data, compression, row, height), "TIFF")).tobytes()
    if len(data) < row * height:
        raise ValueError(f"{len(data)} bytes of a tile that should have {row * height}")
    rows = np.frombuffer(data, np.uint8, row * height).reshape(height, row)
    if kind.bits < 8:
        bits = np.unpackbits(rows, axis=1)[:, : width * kind.bits]
        powers = 1 << np.arange(kind.bits)[::-1]
        values = bits.reshape(height, width, kind.bits) @ powers
        return values.astype(np.uint8)[..., None]
    pixels = rows.reshape(height, width, n)
    if page.one(Tag.PREDICTOR, 1) == 2:
        pixels = np.add.accumulate(pixels, axis=1, dtype=np.uint8)
    return pixels


def _one_strip(data, compression, width, height):
    """Make a grey TIFF of one strip, so that Pillow decompresses the bytes and nothing else."""
    tags = [(256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, compression), (262, 3, 1)]
    tags += [(273, 4, 8), (277, 3, 1), (278, 4, height), (279, 4, len(data))]
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    data = data + b"\0" * (len(data) % 2)
    head = struct.pack("<2sHI", b"II", 42, 8 + len(data))
    return head + data + struct.pack("<H", len(tags)) + entries + struct.pack("<I", 0)


def _rgb(samples, page, kind):
    """Turn samples (height, width, n) into RGB over white."""
    colours = samples[..., : kind.colours]
    if kind.photometric == Photometric.PALETTE:
        table = page.array(Tag.COLOR_MAP).reshape(3, -1)
        if table.shape[1] < 1 << kind.bits:
            raise ValueError("a palette without all its colours")
        table = (table if table.max() < 256 else table >> 8).astype(np.uint8)
        rgb = table.T[colours[..., 0]]
    elif kind.photometric in Photometric.GREYS:
        grey = colours * np.uint8(255 // ((1 << kind.bits) - 1))
        rgb = np.repeat(grey if kind.photometric == 1 else 255 - grey, 3, axis=2)
    elif kind.photometric == Photometric.CMYK:
        light = 255 - colours.astype(np.uint16)
        rgb = ((light[..., :3] * light[..., 3:] + 127) // 255).astype(np.uint8)
    else:
        rgb = colours
    if not kind.alpha:
        return np.ascontiguousarray(rgb)
    alpha = samples[..., kind.colours :].astype(np.uint16)
    if kind.alpha == 1:
        return np.minimum(rgb + (255 - alpha), 255).astype(np.uint8)
    return ((rgb * alpha + (255 - alpha) * 255 + 127) // 255).astype(np.uint8)
