"""Pixels of TIFF files: which kinds are read, and one tile or strip from bytes to RGB.

What a kind of pixel means is decided here, from the tags, and not by what a library makes of it:
libraries shift 16 bits to 8, take any fourth channel for alpha, and turn tiles one by one.
"""

from __future__ import annotations

import io
import json
import re
import struct
import zlib
from typing import NamedTuple

import numpy as np
from PIL import Image

from .._utils.typing import Pixels
from ._resolution import ome_pixels
from ._tiff_tags import Directory, Tag

__all__ = [
    "Kind",
    "check_planes",
    "compression_name",
    "decode",
    "is_decoded",
    "kind_of",
    "refuse_compression",
]

_GREYS, _RGB, _PALETTE, _CMYK, _YCBCR = (0, 1), 2, 3, 5, 6
_COLOURS = {0: 1, 1: 1, _RGB: 3, _PALETTE: 1, _CMYK: 4, _YCBCR: 3}
_PHOTOMETRICS = {4: "a mask", 8: "CIE L*a*b*", 9: "ICC L*a*b*", 10: "ITU L*a*b*", 32803: "raw"}

_NONE, _LZW, _JPEG, _DEFLATE, _PACKBITS = 1, 5, 7, (8, 32946), 32773
_WEBP, _JPEG_2000, _JPEG_2000_YCBCR = (50001, 34927), (33005, 34712), 33003
_NAMES = {
    2: "CCITT",
    3: "CCITT fax",
    4: "CCITT fax",
    6: "old-style JPEG",
    22610: "JPEG XR",
    34887: "LERC",
    34892: "lossy JPEG",
    34925: "LZMA",
    34926: "zstd",
    34933: "PNG",
    34934: "JPEG XR",
    50000: "zstd",
    50002: "JPEG XL",
    52546: "JPEG XL",
}

_TO_8_BIT = "magick IN.tif -depth 8 OUT.tif"
_TO_RGB = "magick IN.tif -colorspace sRGB -type TrueColor OUT.tif"
_TO_PYRAMID = "vips tiffsave IN.tif OUT.tif --tile --pyramid --compression deflate"


class Kind(NamedTuple):
    """What the pixels of an image are.

    Parameters
    ----------
    photometric : int
        The tag: grey from white or black, RGB, palette, CMYK, YCbCr.
    bits, samples, colours : int
        Bits of a sample, samples of a pixel, and how many of them are colour.
    alpha : int
        What the sample after the colours is: 0 nothing, 1 alpha that the colours are multiplied
        with already, 2 alpha.
    """

    photometric: int
    bits: int
    samples: int
    colours: int
    alpha: int


def kind_of(page: Directory) -> Kind:
    """Find out what the pixels of an image are.

    Parameters
    ----------
    page : Directory
        Its tags.

    Returns
    -------
    Kind

    Raises
    ------
    ValueError
        If they are no 8-bit grey or colour; says what they are, and how to convert the file.
    """
    bits = page.many(Tag.BITS, (1,))
    samples = page.one(Tag.SAMPLES, 1)
    form = page.one(Tag.SAMPLE_FORMAT, 1)
    photometric = page.one(Tag.PHOTOMETRIC, -1)
    compression = page.one(Tag.COMPRESSION, 1)
    if min(page.size) < 1:
        raise ValueError("cannot be read as a slide or image (it has no pixels).")
    if max(bits) > 8 or form not in (1, 4):
        word = {2: "signed ", 3: "floating-point "}.get(form, "")
        raise _refusal(f"{max(bits)}-bit {word}pixels", _TO_8_BIT)
    if photometric not in _COLOURS:
        word = _PHOTOMETRICS.get(photometric, f"photometric interpretation {photometric}")
        raise _refusal(f"pixels of another kind ({word})", _TO_RGB)
    colours = _COLOURS[photometric]
    if samples < colours:
        raise _refusal(f"{samples} samples per pixel, which are no colour", _TO_RGB)
    if samples > colours + 1:
        extract = "vips extract_band IN.tif OUT.tif 0 --n 3"
        raise _refusal(
            f"{samples} channels, of which {colours} are declared as colour", extract, "RGB"
        )
    is_one = samples == 1 and photometric in (*_GREYS, _PALETTE) and bits[0] in (1, 2, 4)
    if any(b != bits[0] for b in bits) or not (is_one or bits[0] == 8):
        raise _refusal(f"pixels of {'/'.join(map(str, bits))} bits", _TO_8_BIT)
    encoded = compression in (_JPEG, *_WEBP, *_JPEG_2000, _JPEG_2000_YCBCR)
    if photometric == _YCBCR and not encoded:
        raise _refusal("YCbCr pixels that are not compressed as JPEG", _TO_RGB)
    if encoded and (photometric == _CMYK or (compression == _JPEG and samples not in (1, 3))):
        raise _refusal(f"{compression_name(compression)} of {samples} channels", _TO_RGB)
    if photometric == _CMYK and page.one(Tag.INK_SET, 1) != 1:
        raise _refusal("inks other than cyan, magenta, yellow and black", _TO_RGB)
    extra = page.many(Tag.EXTRA_SAMPLES)
    alpha = extra[-1] if samples > colours and extra else 0
    return Kind(photometric, bits[0], samples, colours, alpha if alpha in (1, 2) else 0)


def check_planes(pages: list[Directory], kind: Kind) -> str:
    """Look for channels and planes that lie in images of their own.

    Parameters
    ----------
    pages : list of Directory
        The images of the file.
    kind : Kind
        The pixels of the first.

    Returns
    -------
    str
        What a user should know; empty if there is nothing.

    Raises
    ------
    ValueError
        If the first image is, or may be, one channel of several, or a thumbnail of another.
    """
    first = pages[0]
    others = [page for page in pages[1:] if not page.is_reduced and not page.is_mask]
    area = first.size[0] * first.size[1]
    larger = [page.size for page in others if page.size[0] * page.size[1] > area]
    if larger:
        raise _refusal(
            "several images; the first of {} x {} px is smaller than another of {} x {} px".format(
                *first.size, *larger[0]
            ),
            "vips copy IN.tif[page=N] OUT.tif",
            "the one that is meant",
        )
    n_same = 1 + sum(page.size == first.size for page in others)
    channels, planes = _declared(first.text)
    if kind.colours == 1 and (channels or n_same) > 1:
        n = channels or n_same
        raise _refusal(
            f"{n} channels or planes as images of their own",
            "magick IN.tif[0-2] -combine OUT.tif",
            "RGB, if they are red, green and blue",
        )
    n = max(n_same, planes)
    return f"has {n} images of one size; the first is read." if n > 1 else ""


def _declared(text: str) -> tuple[int, int]:
    """Channels and planes in all that a description declares; 0 channels if it does not."""
    if text.startswith("ImageJ="):
        found = {key: int(n) for key, n in re.findall(r"^(\w+)=(\d{1,9})\s*$", text, re.MULTILINE)}
        n = found.get("images", 1)
        stacks = found.get("slices", 1) * found.get("frames", 1)
        return found.get("channels", 1 if stacks == n else 0), n
    pixels = ome_pixels(text)
    if pixels:
        try:
            sizes = [int(pixels[f"Size{axis}"]) for axis in "CZT"]
            channels = sizes[0] // max(1, int(pixels["samples"]))
            return max(1, channels), max(1, channels) * sizes[1] * sizes[2]
        except (KeyError, ValueError):
            return 0, 1
    if text.startswith('{"shape":'):
        try:
            shape = json.loads(text)["shape"]
            n = int(np.prod(shape[:-3] if shape[-1] in (3, 4) else shape[:-2]))
            return 0, max(1, n)
        except (ValueError, TypeError, KeyError, IndexError):
            return 0, 1
    return 0, 1


def _refusal(what: str, command: str, wanted: str = "8-bit grey or RGB") -> ValueError:
    return ValueError(f"has {what}; wants {wanted}. To convert it: {command}")


def compression_name(number: int) -> str:
    """Return the name of a compression."""
    if number in _WEBP:
        return "WebP"
    if number in (*_JPEG_2000, _JPEG_2000_YCBCR):
        return "JPEG 2000"
    return {_JPEG: "JPEG"}.get(number) or _NAMES.get(number, f"compression {number}")


def is_decoded(page: Directory) -> bool:
    """Check whether `decode` knows the compression of an image."""
    known = (_NONE, _LZW, _JPEG, *_DEFLATE, _PACKBITS, *_WEBP, *_JPEG_2000, _JPEG_2000_YCBCR)
    return (
        page.one(Tag.COMPRESSION, 1) in known
        and page.one(Tag.PREDICTOR, 1) in (1, 2)
        and page.one(Tag.FILL_ORDER, 1) == 1
    )


def refuse_compression(page: Directory) -> ValueError:
    """Return the error for an image whose compression nothing here can read."""
    name = compression_name(page.one(Tag.COMPRESSION, 1))
    return _refusal(f"tiles compressed as {name}", _TO_PYRAMID, "JPEG, deflate or LZW")


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
    if compression == _JPEG:
        found = _opened(_whole_jpeg(data, page, kind, n), "JPEG")
    elif compression in _WEBP:
        found = _opened(data, "WEBP")
    elif compression in (*_JPEG_2000, _JPEG_2000_YCBCR):
        found = _opened(data, "JPEG2000")
        is_rgb = compression in _JPEG_2000 and kind.photometric != _YCBCR
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
        transform = int(kind.photometric == _YCBCR)
        word = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00" + bytes([transform])
    tables = page.data(Tag.JPEG_TABLES)
    if tables[:2] == b"\xff\xd8" and tables[-2:] == b"\xff\xd9":
        tables = tables[2:-2]
    return data[:2] + word + tables + data[2:]


def _unpacked(data, page, kind, width, height, n):
    compression = page.one(Tag.COMPRESSION, 1)
    row = (width * n * kind.bits + 7) // 8
    if compression in _DEFLATE:
        data = zlib.decompressobj().decompress(data, row * height)
    elif compression != _NONE:
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
    if kind.photometric == _PALETTE:
        table = page.array(Tag.COLOR_MAP).reshape(3, -1)
        if table.shape[1] < 1 << kind.bits:
            raise ValueError("a palette without all its colours")
        table = (table if table.max() < 256 else table >> 8).astype(np.uint8)
        rgb = table.T[colours[..., 0]]
    elif kind.photometric in _GREYS:
        grey = colours * np.uint8(255 // ((1 << kind.bits) - 1))
        rgb = np.repeat(grey if kind.photometric == 1 else 255 - grey, 3, axis=2)
    elif kind.photometric == _CMYK:
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
