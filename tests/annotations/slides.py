"""Small slides as the scanners of Hamamatsu and Leica write them, for tests."""

import io
import struct

import numpy as np
from PIL import Image


def write_ndpi(path, width=320, height=200, mpp=0.25, center=(1_000_000, -500_000)):
    """Write one level with the position of its middle on the glass, in nanometres."""
    pixels = np.full((height, width, 3), 230, dtype=np.uint8)
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, format="JPEG", quality=90, subsampling=0)
    jpeg = data.getvalue()
    per_cm = round(10_000 / mpp)
    entries = [  # tag, type (3: 16 bits, 4: 32 bits, 9: signed, 5: fraction, 11: float), value
        (256, 4, width),
        (257, 4, height),
        (258, 3, 8),
        (259, 3, 7),  # JPEG
        (262, 3, 6),
        (271, 2, b"Hamamatsu\0"),
        (273, 4, 8),  # the strip begins behind the header
        (277, 3, 3),
        (278, 4, height),
        (279, 4, len(jpeg)),
        (282, 5, per_cm),
        (283, 5, per_cm),
        (296, 3, 3),
        (65420, 4, 1),
        (65421, 11, 20.0),
        (65422, 9, center[0]),
        (65423, 9, center[1]),
        (65424, 9, 0),
    ]
    start = 8 + len(jpeg) + len(jpeg) % 2
    extra_at = start + 2 + 12 * len(entries) + 8
    directory, extra = struct.pack("<H", len(entries)), b""
    for tag, kind, value in entries:
        count = 1
        if kind == 2:
            count, where = len(value), extra_at + len(extra)
            extra += value
            value = struct.pack("<I", where)
        elif kind == 5:
            where = extra_at + len(extra)
            extra += struct.pack("<II", value, 1)
            value = struct.pack("<I", where)
        else:
            value = struct.pack(
                {3: "<HH", 4: "<I", 9: "<i", 11: "<f"}[kind], value, *[0] * (kind == 3)
            )
        directory += struct.pack("<HHI", tag, kind, count) + value
    directory += struct.pack("<Q", 0)  # no further level; NDPI has eight bytes for it
    body = jpeg + b"\0" * (len(jpeg) % 2)
    path.write_bytes(struct.pack("<2sHI", b"II", 42, start) + body + directory + extra)
    return path


SCN = """<?xml version="1.0"?>
<scn xmlns="http://www.leica-microsystems.com/scn/2010/10/01"><collection name="c" \
uuid="urn:uuid:00000000-0000-0000-0000-000000000001" sizeX="400000" sizeY="300000">
<image name="image_0" uuid="urn:uuid:00000000-0000-0000-0000-000000000002">
<creationDate>2020-01-01T00:00:00Z</creationDate><device model="Leica SCN400" version="1.5"/>
<pixels sizeX="{width}" sizeY="{height}">
<dimension sizeX="{width}" sizeY="{height}" r="0" ifd="0"/></pixels>
<view sizeX="{nm_x}" sizeY="{nm_y}" offsetX="{left}" offsetY="{top}" spacingZ="0"/>
<scanSettings><objectiveSettings><objective>40</objective></objectiveSettings>
<illuminationSettings><numericalAperture>0.4</numericalAperture>
<illuminationSource>brightfield</illuminationSource></illuminationSettings></scanSettings></image>
</collection></scn>"""


def write_scn(path, pixels, left=400, top=300):
    """Write pixels of 0.25 um that begin at a pixel of a glass of 1600 x 1200."""
    import tifffile

    height, width = pixels.shape[:2]
    text = SCN.format(
        width=width,
        height=height,
        nm_x=250 * width,
        nm_y=250 * height,
        left=250 * left,
        top=250 * top,
    )
    tifffile.imwrite(
        path,
        pixels,
        tile=(128, 128),
        photometric="rgb",
        description=text,
        metadata=None,
        resolution=(40_000, 40_000),
        resolutionunit="CENTIMETER",
    )
    return path
