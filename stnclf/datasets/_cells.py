"""Painters of cells in haematoxylin and eosin, for `stnclf.datasets`.

Every painter is called as ``painter(canvas, x, y, rng, look)`` and paints around (x, y), in
pixels of the whole image. It is a generator that paints cytoplasm up to its only ``yield``
and the nucleus after it, so that `paint_cells` can keep the cytoplasm of one cell from
covering the nucleus of the next. Lengths in the code are native pixels of 0.25 um.
"""

import numpy as np

from ._canvas import capsule, ellipse


def paint_cells(canvas, cells, look):
    """Paint cells, all cytoplasm first.

    Parameters
    ----------
    canvas : Canvas
    cells : iterable of (painter, float, float, numpy.random.Generator)
        Painter, x, y and the randomness of each cell.
    look : Look
    """
    running = [painter(canvas, x, y, rng, look) for painter, x, y, rng in cells]
    for layers in running:
        next(layers, None)
    for layers in running:
        next(layers, None)


def random_angle(rng):
    """Return an angle of any direction, in radians."""
    return rng.uniform(0, 2 * np.pi)


def _body(window, u, v, a, b, rng, look, haematoxylin=1.0, eosin=1.0, grain=0.3):
    """Paint cytoplasm: granular, with an uneven outline and a thin darker border."""
    depth = ellipse(u, v, a, b) + 2.2 * window.texture(6.0, rng)
    inside = window.cover(depth, 3.0)
    granules = 1 + np.float32(grain) * window.texture(1.2, rng)
    granules += np.float32(0.25) * window.texture(4.0, rng)
    np.maximum(granules, 0.1, out=granules)
    border = np.exp(-0.5 * (depth / np.float32(1.3)) ** 2)
    blue, pink = look.cytoplasm
    haematoxylin, eosin = rng.uniform(0.75, 1.3) * haematoxylin, rng.uniform(0.8, 1.25) * eosin
    window.paint(inside, haematoxylin * blue * granules, eosin * pink * granules)
    window.dye[1] += np.float32(rng.uniform(-0.1, 0.25)) * border
    return depth


def _chromatin(window, depth, density, rng):
    """Paint condensed chromatin: dark, blue black, ragged at the edge."""
    amount = density * (1 + np.float32(0.10) * window.texture(1.6, rng))
    window.paint(window.cover(depth, 1.8), amount, np.float32(0.12) * amount)


def tumour_cell(canvas, x, y, rng, look):
    """Paint a tumour cell: vesicular nucleus, clumps, membrane, nucleolus."""
    a = np.clip(look.nucleus * rng.normal(1, 0.1), 12.5, 21.5)
    b = a * rng.uniform(0.7, 1.0)
    angle, grow = random_angle(rng), rng.uniform(1.55, 2.1)
    shift = rng.normal(0, 3, 2)
    body = canvas.window(x, y, 46)
    density = look.chromatin * np.exp(rng.normal(0, 0.18))
    clumps, rim = rng.uniform(0.25, 0.8), rng.uniform(0.3, 0.75)
    spots = [
        (rng.uniform(2.0, 3.8), *rng.uniform(-0.45, 0.45, 2), rng.uniform(0.5, 1.1))
        for _ in range(rng.integers(0, 3))
    ]
    if body is None:
        return
    u, v = body.turned(angle, *shift)
    _body(body, u, v, min(a * grow, 40), min(b * grow, 38), rng, look)
    yield
    nucleus = canvas.window(x, y, a + 4)
    if nucleus is None:
        return
    u, v = nucleus.turned(angle)
    depth = ellipse(u, v, a, b) + np.float32(0.9) * nucleus.texture(5.0, rng)
    coarse, fine = nucleus.texture(2.4, rng), nucleus.texture(1.1, rng)
    amount = 1 + np.float32(0.7 * clumps) * coarse + np.float32(0.5 * clumps) * fine
    amount += np.float32(2.0 * clumps) * np.maximum(coarse - np.float32(0.9), 0)
    amount *= np.float32(0.6)
    np.maximum(amount, 0.12, out=amount)
    amount += np.float32(rim) * np.exp(-0.5 * ((depth - 1.2) / np.float32(1.1)) ** 2)
    pink = np.float32(0.22)
    for radius, du, dv, extra in spots:
        dot = nucleus.cover(ellipse(u - a * du, v - b * dv, radius, radius), 1.5)
        amount += np.float32(extra) * dot
        pink = pink + np.float32(0.25) * dot
    nucleus.paint(nucleus.cover(depth, 1.5), np.float32(density) * amount, pink)


def _prophase(window, angle, density, rng):
    a = rng.uniform(12, 16)
    u, v = window.turned(angle)
    depth = ellipse(u, v, a, a * rng.uniform(0.78, 1)) + 1.6 * window.texture(1.8, rng)
    # threads are where the noise crosses zero
    threads = np.exp(-((window.texture(1.8, rng) / np.float32(0.55)) ** 2))
    threads += np.float32(0.5) * np.exp(-((window.texture(1.3, rng) / np.float32(0.4)) ** 2))
    amount = np.float32(density) * (np.float32(0.32) + np.float32(0.72) * threads)
    window.paint(window.cover(depth, 1.8), amount, np.float32(0.15))


def _metaphase_side(window, angle, density, rng):
    u, v = window.turned(angle)
    length, width = rng.uniform(11, 18), rng.uniform(3.2, 5.6)
    depth = capsule(u, v, length, width, rng.normal(0, 0.004))
    depth += 1.1 * window.texture(1.4, rng) + 0.8 * window.texture(3.2, rng)
    _chromatin(window, depth, density, rng)


def _metaphase_pole(window, angle, density, rng):
    u, v = window.turned(angle)
    radius, width = rng.uniform(8.5, 11.5), rng.uniform(3.2, 4.6)
    depth = width - np.abs(np.sqrt(u * u + (v * np.float32(1.15)) ** 2) - radius)
    depth += 1.2 * window.texture(1.4, rng) + 1.1 * window.texture(3.2, rng)
    _chromatin(window, depth, density, rng)


def _anaphase(window, angle, density, rng):
    length, width = rng.uniform(8.5, 14), rng.uniform(2.6, 3.8)
    apart, bend = rng.uniform(5.5, 10), rng.uniform(0.005, 0.025)
    u, v = window.turned(angle)
    depth = np.maximum(
        capsule(u, v - apart, length, width, bend), capsule(u, v + apart, length, width, -bend)
    )
    depth += 0.9 * window.texture(1.4, rng) + 0.6 * window.texture(3.2, rng)
    _chromatin(window, depth, density, rng)


def _telophase(window, angle, density, rng):
    length, width = rng.uniform(6.5, 10), rng.uniform(2.8, 4.2)
    apart, bend = rng.uniform(12.5, 16.5), rng.uniform(-0.01, 0.02)
    u, v = window.turned(angle)
    depth = np.maximum(
        capsule(u, v - apart, length, width, bend), capsule(u, v + apart, length, width, -bend)
    )
    depth += 0.6 * window.texture(1.4, rng) + 0.5 * window.texture(3.2, rng)
    _chromatin(window, depth, density, rng)


PHASES = {
    "prophase": (_prophase, 0.2),
    "metaphase, side": (_metaphase_side, 0.32),
    "metaphase, pole": (_metaphase_pole, 0.14),
    "anaphase": (_anaphase, 0.18),
    "telophase": (_telophase, 0.16),
}


def mitotic_figure(canvas, x, y, rng, look, phase=None):
    """Paint a mitotic figure in one of its `PHASES`: no membrane, ragged, in a clear cell."""
    if phase is None:
        weights = [weight for _, weight in PHASES.values()]
        phase = list(PHASES)[rng.choice(len(PHASES), p=weights)]
    window = canvas.window(x, y, 46)
    if window is None:
        return
    angle = random_angle(rng)
    u, v = window.turned(angle)
    clear = rng.uniform(0.45, 0.95)
    if phase == "telophase":
        # two daughters with a furrow between them
        radius = rng.uniform(17, 21)
        for side in (-14.5, 14.5):
            _body(window, u, v - side, radius, radius * 0.95, rng, look, 0.7 * clear, clear)
    else:
        radius = rng.uniform(25, 35)
        _body(window, u, v, radius, radius * rng.uniform(0.85, 1), rng, look, 0.7 * clear, clear)
    yield
    PHASES[phase][0](window, angle, rng.uniform(1.5, 2.6) * look.chromatin**0.2, rng)


def granulocyte(canvas, x, y, rng, look):
    """Paint an eosinophilic granulocyte: red granules about a segmented dark nucleus."""
    window = canvas.window(x, y, 30)
    if window is None:
        return
    yield
    angle = random_angle(rng)
    radius = rng.uniform(14, 20)
    u, v = window.turned(angle)
    depth = ellipse(u, v, radius, radius * rng.uniform(0.78, 1)) + 1.3 * window.texture(5.0, rng)
    inside = window.cover(depth, 2.0)
    window.paint(inside, np.float32(0.06), np.float32(rng.uniform(0.15, 0.4)))
    # granules are the peaks of fine noise; some cells have lost most of theirs
    full = rng.uniform(0.35, 1.0)
    peaks = np.clip(window.texture(1.35, rng) + np.float32(0.5), 0, 1.6)
    window.dye[2] += inside * np.float32(0.75 * full) * (np.float32(0.3) + peaks)
    lobes = 2 if rng.uniform() < 0.7 else 3
    size = rng.uniform(4.6, 6.4) * (1 if lobes == 2 else 0.85)
    reach = size * rng.uniform(0.85, 1.25)
    turn, off = random_angle(rng), rng.uniform(-2.5, 2.5, 2)
    around = turn + 2 * np.pi * np.arange(lobes) / (lobes if lobes == 2 else 3.6)
    nucleus = np.full(depth.shape, -9, dtype=np.float32)
    for theta in around:
        lobe_x, lobe_y = off[0] + reach * np.cos(theta), off[1] + reach * np.sin(theta)
        lobe_u, lobe_v = window.turned(theta + np.pi / 2, lobe_x, lobe_y)
        lobe = ellipse(lobe_u, lobe_v, size * rng.uniform(0.95, 1.25), size * 0.9)
        np.maximum(nucleus, lobe, out=nucleus)
    if lobes == 2:  # the thread between the lobes
        lobe_u, lobe_v = window.turned(turn, *off)
        np.maximum(nucleus, capsule(lobe_u, lobe_v, reach, 1.4), out=nucleus)
    nucleus += np.float32(0.5) * window.texture(2.4, rng)
    amount = rng.uniform(1.0, 2.0) * (1 + np.float32(0.16) * window.texture(1.8, rng))
    window.paint(window.cover(nucleus, 1.6), amount, np.float32(0.2), np.float32(0.1))


def fibroblast(canvas, x, y, rng, look):
    """Paint a spindle nucleus in a wisp of fibre."""
    window = canvas.window(x, y, 40)
    if window is None:
        return
    u, v = window.turned(random_angle(rng))
    bend = rng.normal(0, 0.006)
    fibre = window.cover(capsule(u, v, 38, rng.uniform(5, 9), bend), 5.0)
    window.dye[1] += (
        fibre * np.float32(rng.uniform(0.1, 0.4)) * (1 + 0.3 * window.texture(1.8, rng))
    )
    yield
    length, width = rng.uniform(13, 22), rng.uniform(3.8, 6.5)
    depth = ellipse(u, v - np.float32(bend) * u * u, length, width)
    depth += np.float32(0.5) * window.texture(3.2, rng)
    amount = rng.uniform(0.6, 1.3) * (1 + np.float32(0.3) * window.texture(1.6, rng))
    window.paint(window.cover(depth, 1.8), np.maximum(amount, 0.2), np.float32(0.3))


def lymphocyte(canvas, x, y, rng, look):
    """Paint a lymphocyte: small round dark nucleus, hardly any cytoplasm."""
    window = canvas.window(x, y, 16)
    if window is None:
        return
    yield
    radius = rng.uniform(8, 11)
    u, v = window.turned(random_angle(rng))
    depth = ellipse(u, v, radius, radius * rng.uniform(0.85, 1)) + 0.5 * window.texture(4.0, rng)
    window.paint(window.cover(depth + np.float32(2.5), 2.0), 0.15, np.float32(0.3))
    amount = 1 + np.float32(0.28) * window.texture(2.0, rng)
    amount += np.float32(0.2) * np.exp(-0.5 * (depth - 1) ** 2)
    window.paint(window.cover(depth, 1.5), rng.uniform(1.1, 1.8) * amount, np.float32(0.2))


def pyknotic(canvas, x, y, rng, look):
    """Paint a dying cell: smooth round dark balls in a shrunken, deeply pink cell."""
    window = canvas.window(x, y, 28)
    if window is None:
        return
    yield
    u, v = window.turned(random_angle(rng))
    shrunk = rng.uniform(9, 17)
    halo = window.cover(ellipse(u, v, shrunk + 5, shrunk + 3) + 2 * window.texture(5.0, rng), 5.0)
    for plane in window.dye:
        plane *= 1 - np.float32(rng.uniform(0.1, 0.7)) * halo
    rim = ellipse(u, v, shrunk, shrunk * 0.8) + np.float32(1.6) * window.texture(4.0, rng)
    pink = rng.uniform(0.35, 0.8) * (1 + np.float32(0.15) * window.texture(1.6, rng))
    red = np.float32(max(rng.uniform(-0.3, 0.45), 0))
    window.paint(window.cover(rim, 4.0), 0.15, pink, red)
    depth = np.full(rim.shape, -9, dtype=np.float32)
    broken = rng.uniform() < 0.45
    for _ in range(rng.integers(2, 6) if broken else 1):
        far = rng.normal(0, 0.35 * shrunk, 2) if broken else rng.normal(0, 1.0, 2)
        size = rng.uniform(1.8, 4.6) if broken else rng.uniform(5, 9.5)
        ball = ellipse(u - far[0], v - far[1], size, size * rng.uniform(0.65, 1))
        np.maximum(depth, ball, out=depth)
    window.paint(window.cover(depth, 1.5), np.float32(rng.uniform(1.4, 2.6)), np.float32(0.4))


def red_blood_cells(canvas, x, y, rng, look):
    """Paint a few red blood cells: smooth orange-red discs, paler in the middle."""
    yield
    red = rng.uniform(0.35, 0.95)
    for _ in range(rng.integers(1, 6)):
        far = rng.normal(0, 14, 2)
        a = rng.uniform(8.5, 12.5)
        b, angle = a * rng.uniform(0.6, 1), random_angle(rng)
        stream = rng.spawn(1)[0]
        px, py = x + far[0] * canvas.scale, y + far[1] * canvas.scale
        window = canvas.window(px, py, 17)
        if window is None:
            continue
        depth = ellipse(*window.turned(angle), a, b) + 0.7 * window.texture(4.0, stream)
        disc = window.cover(depth, 1.8)
        pale = 1 - np.float32(0.35) * window.cover(depth - np.float32(0.5 * b), 5.0)
        pale += np.float32(0.4) * np.exp(-0.5 * (depth - 1) ** 2)
        window.paint(disc * np.float32(0.92), 0.03, np.float32(0.22), np.float32(red) * pale)


def eosin_smear(canvas, x, y, rng, look):
    """Paint granules that a granulocyte has spilt: red grains without a nucleus."""
    window = canvas.window(x, y, 40)
    if window is None:
        return
    yield
    u, v = window.turned(random_angle(rng))
    depth = ellipse(u, v, rng.uniform(12, 30), rng.uniform(8, 15)) + 4 * window.texture(6.0, rng)
    peaks = np.clip(window.texture(1.35, rng) + np.float32(0.4), 0, 1.6)
    spread = window.cover(depth, 10.0)
    window.dye[2] += spread * np.float32(rng.uniform(0.25, 0.75)) * (np.float32(0.25) + peaks)


def crushed_nucleus(canvas, x, y, rng, look):
    """Paint chromatin smeared by the knife: a dark streak with frayed ends."""
    window = canvas.window(x, y, 40)
    if window is None:
        return
    yield
    u, v = window.turned(random_angle(rng))
    depth = capsule(u, v, rng.uniform(12, 30), rng.uniform(3, 8), rng.normal(0, 0.008))
    depth += 2.0 * window.texture(3.2, rng) - np.float32(0.08) * np.abs(u)
    amount = rng.uniform(0.6, 1.9) * (1 + np.float32(0.2) * window.texture(2.4, rng))
    window.paint(
        np.float32(0.9) * window.cover(depth, 3.5), np.maximum(amount, 0.2), np.float32(0.25)
    )
