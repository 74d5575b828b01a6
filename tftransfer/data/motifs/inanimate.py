"""The seven natural kinds of sky, land, water and fire: each function draws one individual."""

import math

import numpy as np

from tftransfer.data.motifs.plane import Drawing, Kind, Plane, chance, cut, overlap, repeated, union, whole


def cloud(plane: Plane, rng: np.random.Generator) -> Drawing:
    """Heaped puffs on a flat base, many with a darker underside."""
    puffs = whole(rng, 3, 5)
    shape = plane.moved(0, 0.25).box(0.92, 0.2, 0.2)
    for puff in range(puffs):
        place = ((puff + rng.uniform(0.3, 0.7)) / puffs - 0.5) * 1.5
        radius = rng.uniform(0.3, 0.5) * (1.1 - abs(place) * 0.5)
        shape = union(shape, plane.moved(place, rng.uniform(0, 0.2) - radius * 0.8).disc(radius))
    shape = overlap(shape, plane.y - 0.45)
    under = overlap(shape, 0.22 - plane.y - 0.09 * np.abs(np.sin(plane.x * 4.5 + rng.uniform(0, 6))))
    return shape, under if chance(rng, 0.6) else None


def _tongue(plane: Plane, height: float, width: float, sway: float, phase: float) -> np.ndarray:
    """A tongue of flame on the line y = 0.9, as wide as `width` below and swaying above."""
    up = np.clip((0.9 - plane.y) / height, -0.3, 1.3)
    middle = sway * up * np.sin(up * 4.5 + phase)
    profile = 2 * width * np.sqrt(np.maximum(up, 0) + 0.03) * (1 - up)
    return overlap((np.abs(plane.x - middle) - profile) * 0.8, plane.y - 0.92)


def flame(plane: Plane, rng: np.random.Generator) -> Drawing:
    """Two or three licking tongues round a bright core."""
    sway, phase, width = rng.uniform(0.15, 0.3), rng.uniform(0, 6), rng.uniform(0.42, 0.55)
    shape = _tongue(plane, rng.uniform(1.6, 1.9), width, sway, phase)
    sides = (-1, 1) if chance(rng, 0.6) else (whole(rng, 0, 1) * 2 - 1,)
    for side in sides:
        beside = plane.moved(side * rng.uniform(0.4, 0.5), 0).turned(side * 0.25)
        shape = union(shape, _tongue(beside, rng.uniform(0.95, 1.35), width * 0.55, sway, phase + side))
    core = plane.moved(rng.uniform(-0.1, 0.1), -0.04)
    return shape, _tongue(core, rng.uniform(0.7, 1.0), width * 0.55, sway, phase)


def lightning(plane: Plane, rng: np.random.Generator) -> Drawing:
    """A jagged bolt that thins downwards and forks."""
    count, pen = whole(rng, 5, 7), rng.uniform(0.09, 0.14)
    heights = np.linspace(-1.05, 1.05, count)
    places = rng.uniform(0.12, 0.4, count) * np.where(np.arange(count) % 2, 1, -1) + rng.uniform(-0.15, 0.15)
    segments = []
    for k in range(count - 1):
        thick, thin = pen * (1 - 0.7 * k / count), pen * (1 - 0.7 * (k + 1) / count)
        segments.append((places[k], heights[k], places[k + 1], heights[k + 1], thick, thin))
        if chance(rng, 0.5):
            side = math.copysign(rng.uniform(0.35, 0.6), places[k + 1])
            down = heights[k + 1] + rng.uniform(0.3, 0.5)
            segments.append((places[k + 1], heights[k + 1], places[k + 1] + side, down, thin * 0.7, 0.02))
    return plane.strokes(segments), None


def moon(plane: Plane, rng: np.random.Generator) -> Drawing:
    """A crescent, narrow or nearly half, with craters; sometimes with stars."""
    shift, radius = rng.uniform(0.35, 0.7), rng.uniform(0.75, 0.95)
    crescent = cut(plane.disc(0.92), plane.moved(shift, 0).disc(radius))
    craters = None
    for _ in range(whole(rng, 1, 3)):
        angle, size = rng.uniform(2, 4.3), rng.uniform(0.06, 0.12)
        crater = plane.moved(0.72 * math.cos(angle), 0.72 * math.sin(angle)).disc(size)
        craters = crater if craters is None else union(craters, crater)
    if chance(rng, 0.35):
        star = plane.moved(rng.uniform(0.3, 0.7), rng.uniform(-0.4, 0.4))
        crescent = union(crescent, (np.sqrt(np.abs(star.x)) + np.sqrt(np.abs(star.y)) - 0.45) * 0.5)
    return crescent, craters


def mountain(plane: Plane, rng: np.random.Generator) -> Drawing:
    """Two or three rough peaks over the width of the picture, most with snow."""
    ridge = np.full_like(plane.x, 0.75)
    first = rng.uniform(-0.6, 0.6)
    places = (first, first - math.copysign(rng.uniform(0.6, 1.1), first), rng.uniform(-1.2, 1.2))
    for place, low, high in zip(places, (-0.9, -0.6, -0.2), (-0.6, -0.1, 0.4), strict=True):
        ridge = np.minimum(ridge, rng.uniform(low, high) + rng.uniform(0.8, 1.4) * np.abs(plane.x - place))
    rough = 0.06 * np.sin(plane.x * rng.uniform(9, 13) + rng.uniform(0, 6))
    land = (ridge + rough - plane.y) * 0.7
    line = rng.uniform(-0.4, -0.05) + 0.12 * np.abs(repeated(plane.x, 0.4)) * 5 - 0.1
    return land, overlap(land, plane.y - line) if chance(rng, 0.75) else None


def snowflake(plane: Plane, rng: np.random.Generator) -> Drawing:
    """A star of six branched rays."""
    pen, barbs = rng.uniform(0.05, 0.085), whole(rng, 1, 3)
    ray = plane.folded(6)
    ray = Plane(ray.x, np.abs(ray.y))
    segments = [(0, 0, 0.98, 0, pen, pen)]
    for barb in range(barbs):
        start = rng.uniform(0.25, 0.4) + 0.22 * barb
        length = rng.uniform(0.18, 0.36)
        segments.append((start, 0, start + length * 0.55, length * 0.85, pen * 0.85, pen * 0.85))
    return ray.strokes(segments), ray.disc(0.16) if chance(rng, 0.3) else None


def waves(plane: Plane, rng: np.random.Generator) -> Drawing:
    """Rows of swell with pointed, leaning crests."""
    period, rows = rng.uniform(0.6, 1.0), rng.uniform(0.36, 0.55)
    crest, pen, lean = rng.uniform(0.45, 0.7) * rows, rng.uniform(0.11, 0.2) * rows, rng.uniform(0.1, 0.5)
    drift = rng.uniform(0.3, 0.7)
    row = np.round(plane.y / rows)
    result = None
    for shift in (0, 1):
        line = row + shift
        u = repeated(plane.x + line * drift * period, period) / period
        u = np.abs(u + lean * (0.25 - u * u)) * 2
        wave = (np.abs(plane.y - line * rows + crest * np.square(1 - u)) - pen) * 0.75
        result = wave if result is None else union(result, wave)
    return result, None


KINDS: dict[str, Kind] = {
    "cloud": Kind(cloud, turn=20, wobble=0.06),
    "flame": Kind(flame, turn=25, wobble=0.05),
    "lightning": Kind(lightning, turn=30, wobble=0.04),
    "moon": Kind(moon, turn=80, wobble=0.02),
    "mountain": Kind(mountain, turn=10, wobble=0.06),
    "snowflake": Kind(snowflake, wobble=0.02),
    "waves": Kind(waves, turn=25, fills=True, wobble=0.05),
}
