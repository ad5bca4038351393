"""What the pixels of a TIFF file are, by its tags: which kinds are read, and which are refused.

It is decided here and not by what a library makes of it: libraries shift 16 bits to 8, take any
fourth channel for alpha, and read one channel of several as a grey image.
"""

from __future__ import annotations

import json
import re
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np

from .tiff_tags import Directory, Tag

__all__ = [
    "Compression",
    "Kind",
    "Photometric",
    "check_planes",
    "compression_name",
    "kind_of",
    "ome_pixels",
    "refusal",
]


class Photometric:
    """Values of the tag that says what samples mean."""

    GREYS, RGB, PALETTE, CMYK, YCBCR = (0, 1), 2, 3, 5, 6


class Compression:
    """Values of the tag, of what is read."""

    NONE, LZW, JPEG, DEFLATE, PACKBITS = 1, 5, 7, (8, 32946), 32773
    WEBP, JPEG_2000, JPEG_2000_YCBCR = (50001, 34927), (33005, 34712), 33003


_COLOURS = {
    0: 1,
    1: 1,
    Photometric.RGB: 3,
    Photometric.PALETTE: 1,
    Photometric.CMYK: 4,
    Photometric.YCBCR: 3,
}
_PHOTOMETRICS = {4: "a mask", 8: "CIE L*a*b*", 9: "ICC L*a*b*", 10: "ITU L*a*b*", 32803: "raw"}

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
        raise refusal(f"{max(bits)}-bit {word}pixels", _TO_8_BIT)
    if photometric not in _COLOURS:
        word = _PHOTOMETRICS.get(photometric, f"photometric interpretation {photometric}")
        raise refusal(f"pixels of another kind ({word})", _TO_RGB)
    colours = _COLOURS[photometric]
    if samples < colours:
        raise refusal(f"{samples} samples per pixel, which are no colour", _TO_RGB)
    if samples > colours + 1:
        extract = "vips extract_band IN.tif OUT.tif 0 --n 3"
        raise refusal(
            f"{samples} channels, of which {colours} are declared as colour", extract, "RGB"
        )
    is_one = (
        samples == 1
        and photometric in (*Photometric.GREYS, Photometric.PALETTE)
        and bits[0] in (1, 2, 4)
    )
    if any(b != bits[0] for b in bits) or not (is_one or bits[0] == 8):
        raise refusal(f"pixels of {'/'.join(map(str, bits))} bits", _TO_8_BIT)
    encoded = compression in (
        Compression.JPEG,
        *Compression.WEBP,
        *Compression.JPEG_2000,
        Compression.JPEG_2000_YCBCR,
    )
    if photometric == Photometric.YCBCR and not encoded:
        raise refusal("YCbCr pixels that are not compressed as JPEG", _TO_RGB)
    if encoded and (
        photometric == Photometric.CMYK
        or (compression == Compression.JPEG and samples not in (1, 3))
    ):
        raise refusal(f"{compression_name(compression)} of {samples} channels", _TO_RGB)
    if photometric == Photometric.CMYK and page.one(Tag.INK_SET, 1) != 1:
        raise refusal("inks other than cyan, magenta, yellow and black", _TO_RGB)
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
        raise refusal(
            "several images; the first of {} x {} px is smaller than another of {} x {} px".format(
                *first.size, *larger[0]
            ),
            "vips copy IN.tif[page=N] OUT.tif",
            "the one that is meant",
        )
    n_same = 1 + sum(page.size == first.size for page in others)
    channels, planes = _declared(first.text, kind.samples)
    if kind.colours == 1 and (channels or n_same) > 1:
        n = channels or n_same
        raise refusal(
            f"{n} channels or planes as images of their own",
            "magick IN.tif[0-2] -combine OUT.tif",
            "RGB, if they are red, green and blue",
        )
    n = max(n_same, planes)
    return f"has {n} images of one size; the first is read." if n > 1 else ""


def _declared(text: str, samples: int) -> tuple[int, int]:
    """Channels and planes in all that a description declares; 0 channels if it does not.

    Those that are samples of one image lie behind its sides or, apart, before them.
    """
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
            is_inside = len(shape) > 2 and samples in (shape[-1], *shape[-3:-2])
            n = int(np.prod(shape[:-3] if is_inside else shape[:-2]))
            return 0, max(1, n)
        except (ValueError, TypeError, KeyError, IndexError):
            return 0, 1
    return 0, 1


def refusal(what: str, command: str, wanted: str = "8-bit grey or RGB") -> ValueError:
    """Return an error that says what is in a file and how to convert it."""
    return ValueError(f"has {what}; wants {wanted}. To convert it: {command}")


def compression_name(number: int) -> str:
    """Return the name of a compression."""
    if number in Compression.WEBP:
        return "WebP"
    if number in (*Compression.JPEG_2000, Compression.JPEG_2000_YCBCR):
        return "JPEG 2000"
    return {Compression.JPEG: "JPEG"}.get(number) or _NAMES.get(number, f"compression {number}")


def ome_pixels(text: str) -> dict[str, str] | None:
    """Read the attributes of ``Pixels`` of the first image in OME-XML; None where it is none.

    The key ``samples`` has the number of samples of the first channel.
    """
    head = text.lstrip("\ufeff \n\r\t")
    if not head.startswith("<") or "<!DOCTYPE" in text or "<!ENTITY" in text or "OME" not in text:
        return None
    try:
        root = ElementTree.fromstring(head)
    except (ElementTree.ParseError, ValueError):
        return None
    if _local(root.tag) != "OME":
        return None
    for element in root.iter():
        if _local(element.tag) == "Pixels":
            channels = [e for e in element if _local(e.tag) == "Channel"]
            samples = channels[0].get("SamplesPerPixel", "1") if channels else "1"
            return {**element.attrib, "samples": samples}
    return {}


def _local(tag: object) -> str:
    return str(tag).rpartition("}")[2]
