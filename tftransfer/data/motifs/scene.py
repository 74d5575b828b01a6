"""Nuisance variables, which must not give the class away: pose, colours, background, light, noise."""

import math

import numpy as np

from tftransfer.data.motifs.plane import Drawing, Kind, Plane, chance, overlap, whole

SIZE = 32
"""Height and width of a picture in pixels."""

_Y, _X = np.meshgrid(np.arange(SIZE) - (SIZE - 1) / 2, np.arange(SIZE) - (SIZE - 1) / 2, indexing="ij")
_PIXELS = Plane(_X, _Y)

# A colour is a grey level plus a hue in this plane of equal-sum offsets of red, green and blue.
_HUES = np.array([0, -2 * math.pi / 3, 2 * math.pi / 3])


def render(kind: Kind, natural: bool, rng: np.random.Generator) -> np.ndarray:
    """Returns one picture `(32, 32, 3)` uint8 of this kind.

    Args:
        kind: The kind to draw, with its poses.
        natural: True slightly prefers the colours of plants, earth and water.
        rng: Generator of everything else.
    """
    plane, pixel = _pose(kind, rng)
    main, accents = _cropped(kind, kind.draw(plane, rng), rng)
    main, accents = main / pixel, None if accents is None else accents / pixel
    ground, ink, second = _palette(natural, rng)
    picture = _background(ground, rng)
    if not kind.fills and chance(rng, 0.4):
        picture *= (
            1 - rng.uniform(0.2, 0.5) * _shifted(_cover(main - 0.7), whole(rng, -2, 2), whole(rng, 1, 2))[..., None]
        )
    _paint(picture, main, accents, ink, second, rng)
    if chance(rng, 0.3):
        _occlude(picture, rng)
    return _photograph(picture, rng)


def _pose(kind: Kind, rng: np.random.Generator) -> tuple[Plane, float]:
    """Returns the pixels in the frame of the object, and the size of a pixel in that frame."""
    half = rng.uniform(12, 17) if kind.fills else rng.uniform(10, 15.5)
    slack = 5.0 if kind.fills else 1 + 0.5 * (15.5 - half)
    angle = math.radians(rng.uniform(-kind.turn, kind.turn))
    stretch = math.exp(rng.uniform(-0.15, 0.15))
    shear = rng.uniform(-0.15, 0.15)
    plane = _PIXELS.moved(rng.uniform(-slack, slack), rng.uniform(-slack, slack)).turned(angle)
    x, y = plane.x / (half * stretch), plane.y / (half / stretch)
    x = x + shear * y
    if chance(rng, 0.5):
        tilt = 1 + rng.uniform(-0.2, 0.2) * y
        x, y = x * tilt, y * tilt
    if kind.wobble:
        phase = rng.uniform(0, 6.3, 2)
        x, y = (
            x + kind.wobble * np.sin(rng.uniform(2, 5) * y + phase[0]),
            y + kind.wobble * np.sin(rng.uniform(2, 5) * x + phase[1]),
        )
    return Plane(x, y), 1 / half


def _cropped(kind: Kind, drawing: Drawing, rng: np.random.Generator) -> Drawing:
    """Returns the drawing; one pattern in four is confined to a part of the picture."""
    if not kind.fills or chance(rng, 0.75):
        return drawing
    spot = _PIXELS.moved(rng.uniform(-4, 4), rng.uniform(-4, 4)).turned(rng.uniform(0, 6.3))
    side = rng.uniform(10, 14)
    part = (spot.disc(side) if chance(rng, 0.5) else spot.box(side, rng.uniform(8, 14), 2)) / SIZE * 2
    main, accents = drawing
    return overlap(main, part), None if accents is None else overlap(accents, part)


def _colour(level: float, saturation: float, hue: float) -> np.ndarray:
    """Returns red, green and blue of about this grey level."""
    return np.clip(level + saturation * np.cos(hue + _HUES), 0.02, 0.98)


def _hue(natural: bool, rng: np.random.Generator) -> float:
    """Returns an angle on the colour circle; natural things are a little more often brown to green, or blue."""
    if natural and chance(rng, 0.25):
        return rng.uniform(0.3, 2.2) if chance(rng, 0.7) else rng.uniform(3.5, 4.4)
    return rng.uniform(0, 2 * math.pi)


def _palette(natural: bool, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns colours of ground, shape and accents; neighbours differ in grey level."""
    # Most shapes are lighter than their ground, and grounds vary less: otherwise small networks are slow to learn.
    step = rng.uniform(0.3, 0.55)
    level = rng.uniform(0.15, 0.85 - step)
    level, ink = (level, level + step) if chance(rng, 0.75) else (level + step, level)
    beyond = chance(rng, 0.5)
    second = ink + (ink - level) * 0.8 if beyond else level + (ink - level) * rng.uniform(-0.3, 0.3)
    if abs(np.clip(second, 0.05, 0.95) - ink) < 0.15:
        second = ink - math.copysign(rng.uniform(0.2, 0.35), ink - level)
    hues = [_hue(natural, rng) for _ in range(3)]
    saturations = (rng.uniform(0.02, 0.15), rng.uniform(0.02, 0.28), rng.uniform(0.02, 0.28))
    return tuple(map(_colour, (level, ink, second), saturations, hues))


def _smooth_noise(cells: int, rng: np.random.Generator) -> np.ndarray:
    """Returns noise `(32, 32)` in -1 ... 1 which varies over about `32 / cells` pixels."""
    grid = rng.uniform(-1, 1, (cells + 2, cells + 2))
    where = np.arange(SIZE) * (cells / SIZE)
    low = where.astype(np.int64)
    part = where - low
    part = part * part * (3 - 2 * part)
    rows = grid[low] * (1 - part)[:, None] + grid[low + 1] * part[:, None]
    return rows[:, low] * (1 - part) + rows[:, low + 1] * part


def _background(colour: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Returns a picture `(32, 32, 3)` of uneven ground with distractors on it."""
    other = np.clip(colour + rng.uniform(-0.12, 0.12, 3), 0, 1)
    blend = _smooth_noise(whole(rng, 1, 5), rng) * 0.5 + 0.5
    picture = colour + blend[..., None] * (other - colour)
    for _ in range(whole(rng, 0, 2)):
        thing = _PIXELS.moved(rng.uniform(-16, 16), rng.uniform(-16, 16)).turned(rng.uniform(0, 6.3))
        if chance(rng, 0.5):
            shape = thing.box(rng.uniform(2, 20), rng.uniform(0.5, 5))
        else:
            shape = thing.ellipse(rng.uniform(1.5, 7), rng.uniform(1.5, 7))
        _blend(picture, _cover(shape) * rng.uniform(0.3, 1), np.clip(colour + rng.uniform(-0.12, 0.12, 3), 0, 1))
    picture += rng.uniform(0, 0.08) * _smooth_noise(whole(rng, 8, 16), rng)[..., None]
    return picture


def _paint(
    picture: np.ndarray,
    main: np.ndarray,
    accents: np.ndarray | None,
    ink: np.ndarray,
    second: np.ndarray,
    rng: np.random.Generator,
) -> None:
    """Draws the shape into `picture` in one of four manners: flat, shaded, with contour, contour only."""
    manner, relief = rng.random(), rng.uniform(0.1, 0.35)
    cover = _cover(main)
    hollow = manner < 0.06
    if hollow:
        _blend(picture, cover * 0.25, ink)
        _blend(picture, _cover(np.abs(main + 0.5) - 0.6), ink)
    else:
        _blend(picture, cover, ink)
    if accents is not None:
        _blend(picture, _cover(overlap(accents, main)) * (0.6 if hollow else 1.0), second)
    if manner > 0.75:
        _blend(picture, _cover(np.abs(main) - 0.55) * rng.uniform(0.5, 1), second)
    elif manner > 0.4:
        lit = _shifted(cover, whole(rng, -1, 1), 1) - cover
        picture += (relief if chance(rng, 0.5) else -relief) * lit[..., None]


def _occlude(picture: np.ndarray, rng: np.random.Generator) -> None:
    """Covers a small part of the picture with a bar or a disc."""
    thing = _PIXELS.moved(rng.uniform(-13, 13), rng.uniform(-13, 13)).turned(rng.uniform(0, 6.3))
    shape = thing.box(40, rng.uniform(0.5, 1.6)) if chance(rng, 0.5) else thing.ellipse(*rng.uniform(2, 4.5, 2))
    _blend(picture, _cover(shape), _colour(rng.uniform(0.1, 0.9), rng.uniform(0, 0.3), rng.uniform(0, 6.3)))


def _photograph(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Returns the picture in uneven light, a little blurred, with noise, as bytes."""
    if chance(rng, 0.3):
        blur = rng.uniform(0.1, 0.3)
        for right, down in ((1, 0), (0, 1)):
            beside = _shifted(picture, right, down) + _shifted(picture, -right, -down)
            picture = (1 - blur) * picture + blur / 2 * beside
    angle, depth = rng.uniform(0, 6.3), rng.uniform(0, 0.35)
    light = 1 + depth * (_X * math.cos(angle) + _Y * math.sin(angle)) / 22
    picture = picture * (light * rng.uniform(0.9, 1.1))[..., None]
    picture += rng.uniform(0.01, 0.055) * rng.standard_normal(picture.shape)
    return np.round(np.clip(picture, 0, 1) * 255).astype(np.uint8)


def _cover(distance: np.ndarray) -> np.ndarray:
    """Returns the fraction of each pixel that a shape covers, from distances in pixels."""
    return np.clip(0.5 - distance, 0, 1)


def _shifted(values: np.ndarray, right: int, down: int) -> np.ndarray:
    """Returns `values` `(32, 32, ...)` moved by whole pixels, their edges repeated."""
    ticks = np.arange(SIZE)
    return values[np.clip(ticks - down, 0, SIZE - 1)][:, np.clip(ticks - right, 0, SIZE - 1)]


def _blend(picture: np.ndarray, cover: np.ndarray, colour: np.ndarray) -> None:
    """Paints `colour` into `picture` where `cover` says."""
    picture += cover[..., None] * (colour - picture)
