"""The drawing plane of the motifs: shapes as signed distances, and kinds as functions that draw them.

A distance is negative inside a shape, positive outside and zero on its edge, in units of the plane.

It tells how much of a pixel a shape covers, so that edges are smooth without drawing at a higher resolution.
"""

import dataclasses
import itertools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

Point = tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Plane:
    """Coordinates of all pixels of a picture, in the frame of what is drawn.

    An object fills about -1 to 1 in both directions. Methods that move the frame return another plane; methods that
    draw return signed distances `(height, width)`.

    Attributes:
        x: Coordinate to the right, `(height, width)`.
        y: Coordinate downwards, `(height, width)`.
    """

    x: np.ndarray
    y: np.ndarray

    def moved(self, x: float, y: float) -> "Plane":
        """Returns the plane whose origin lies at (`x`, `y`) of this one."""
        return Plane(self.x - x, self.y - y)

    def turned(self, angle: float) -> "Plane":
        """Returns the plane whose x axis points along `angle` (radians, clockwise as y points down)."""
        cos, sin = math.cos(angle), math.sin(angle)
        return Plane(self.x * cos + self.y * sin, self.y * cos - self.x * sin)

    def mirrored(self) -> "Plane":
        """Returns the plane in which the left half repeats the right one."""
        return Plane(np.abs(self.x), self.y)

    def folded(self, count: int) -> "Plane":
        """Returns the plane in which `count` equal sectors around the origin repeat the one along the x axis."""
        radius, sector = self.radius(), 2 * math.pi / count
        angle = np.mod(self.angle() + sector / 2, sector) - sector / 2
        return Plane(radius * np.cos(angle), radius * np.sin(angle))

    def radius(self) -> np.ndarray:
        """Returns the distance from the origin."""
        return np.sqrt(self.x * self.x + self.y * self.y)

    def angle(self) -> np.ndarray:
        """Returns the angle from the x axis, from -pi to pi."""
        return np.arctan2(self.y, self.x)

    def disc(self, radius: float) -> np.ndarray:
        """A disc around the origin."""
        return self.radius() - radius

    def ring(self, radius: float, half_width: float) -> np.ndarray:
        """A circle drawn with a pen of twice the half width."""
        return np.abs(self.radius() - radius) - half_width

    def ellipse(self, half_width: float, half_height: float) -> np.ndarray:
        """An ellipse around the origin; the distance is exact on its edge only."""
        u, v = self.x / half_width, self.y / half_height
        level = np.sqrt(u * u + v * v)
        slope = np.sqrt(np.square(u / half_width) + np.square(v / half_height)) + 1e-6
        return level * (level - 1) / slope

    def box(self, half_width: float, half_height: float, rounding: float = 0.0) -> np.ndarray:
        """An upright box around the origin with corners of radius `rounding`."""
        u = np.abs(self.x) - (half_width - rounding)
        v = np.abs(self.y) - (half_height - rounding)
        outside = np.sqrt(np.square(np.maximum(u, 0)) + np.square(np.maximum(v, 0)))
        return outside + np.minimum(np.maximum(u, v), 0) - rounding

    def stroke(self, start: Point, end: Point, half_width: float, end_half_width: float | None = None) -> np.ndarray:
        """A straight stroke with round ends, which may taper."""
        taper = half_width if end_half_width is None else end_half_width
        return self.strokes([(*start, *end, half_width, taper)])

    def strokes(self, segments: Sequence[Sequence[float]] | np.ndarray) -> np.ndarray:
        """The union of straight strokes, each `(x0, y0, x1, y1, half width at 0, half width at 1)`."""
        x0, y0, x1, y1, w0, w1 = np.asarray(segments, np.float64).T[:, :, None, None]
        dx, dy = x1 - x0, y1 - y0
        u, v = self.x - x0, self.y - y0
        along = np.clip((u * dx + v * dy) / (dx * dx + dy * dy + 1e-12), 0, 1)
        u, v = u - along * dx, v - along * dy
        return np.min(np.sqrt(u * u + v * v) - (w0 + along * (w1 - w0)), axis=0)

    def polyline(self, points: Sequence[Point], half_width: float) -> np.ndarray:
        """Strokes from each point to the next."""
        pairs = itertools.pairwise(points)
        return self.strokes([(*start, *end, half_width, half_width) for start, end in pairs])

    def polygon(self, points: Sequence[Point]) -> np.ndarray:
        """A convex polygon, its corners clockwise on the screen; sharp outside as inside."""
        edges = []
        for (x0, y0), (x1, y1) in zip(points, (*points[1:], points[0]), strict=True):
            length = math.hypot(x1 - x0, y1 - y0)
            edges.append(((self.x - x0) * (y1 - y0) - (self.y - y0) * (x1 - x0)) / length)
        return overlap(*edges)

    def distances(self, points: np.ndarray) -> np.ndarray:
        """Returns the distance to each of `points` `(count, 2)`, as `(count, height, width)`."""
        u, v = self.x - points[:, 0, None, None], self.y - points[:, 1, None, None]
        return np.sqrt(u * u + v * v)


def union(*shapes: np.ndarray) -> np.ndarray:
    """The union of shapes."""
    result = shapes[0]
    for shape in shapes[1:]:
        result = np.minimum(result, shape)
    return result


def overlap(*shapes: np.ndarray) -> np.ndarray:
    """The intersection of shapes."""
    result = shapes[0]
    for shape in shapes[1:]:
        result = np.maximum(result, shape)
    return result


def cut(shape: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """The part of `shape` outside of `hole`."""
    return np.maximum(shape, -hole)


def melt(first: np.ndarray, second: np.ndarray, width: float) -> np.ndarray:
    """The union of two shapes with a rounded seam of about `width`."""
    near = np.maximum(width - np.abs(first - second), 0) / width
    return np.minimum(first, second) - near * near * (width / 4)


def outline(shape: np.ndarray, half_width: float) -> np.ndarray:
    """The edge of a shape, drawn with a pen of twice the half width."""
    return np.abs(shape) - half_width


def repeated(values: np.ndarray, period: float) -> np.ndarray:
    """Returns `values` folded to -period/2 ... period/2, which repeats what is drawn around 0."""
    return values - period * np.round(values / period)


Drawing = tuple[np.ndarray, np.ndarray | None]
"""Signed distances of the main shape and, in a second colour on top of it, of its accents."""


class Kind(NamedTuple):
    """One class of the data set.

    Attributes:
        draw: Draws one individual on a plane.
        turn: Largest rotation either way, in degrees; 180 for any rotation.
        fills: True for a pattern that covers the picture, False for an object in front of something.
        wobble: Largest displacement of its edges, in units of the plane.
    """

    draw: Callable[[Plane, np.random.Generator], Drawing]
    turn: float = 180.0
    fills: bool = False
    wobble: float = 0.03


def chance(rng: np.random.Generator, probability: float) -> bool:
    """Draws True with this probability."""
    return rng.random() < probability


def whole(rng: np.random.Generator, low: int, high: int) -> int:
    """Draws an integer from `low` to `high`, both included."""
    return low + int(rng.random() * (high - low + 1))
