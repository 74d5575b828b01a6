"""The 13 natural kinds of animals, plants, coats and tissues: each function draws one individual."""

import math

import numpy as np

from tftransfer.data.motifs.plane import Drawing, Kind, Plane, chance, cut, melt, overlap, repeated, union, whole


def _scattered(rng: np.random.Generator, spacing: float) -> np.ndarray:
    """Returns points `(count, 2)` on a jittered hexagonal grid that covers the picture and its margin."""
    ticks = np.arange(-1.5 - spacing, 1.5 + spacing, spacing)
    x, y = np.meshgrid(ticks, ticks * 0.87)
    x[::2] += spacing / 2
    points = np.stack((x.ravel(), y.ravel()), axis=1)
    return points + rng.uniform(-0.32 * spacing, 0.32 * spacing, points.shape)


def butterfly(plane: Plane, rng: np.random.Generator) -> Drawing:
    """Two pairs of wings, a body, feelers; spots or seams on the wings."""
    half = plane.mirrored()
    upper = half.moved(0.48, -0.3).turned(rng.uniform(-0.8, -0.45))
    lower = half.moved(0.4, 0.4).turned(rng.uniform(0.6, 1.1))
    fore = upper.ellipse(0.52, rng.uniform(0.28, 0.38))
    hind = lower.ellipse(0.38, rng.uniform(0.24, 0.32))
    body = union(
        plane.stroke((0, -0.45), (0, 0.5), 0.09, 0.05), half.stroke((0, -0.4), (rng.uniform(0.15, 0.35), -0.9), 0.035)
    )
    if chance(rng, 0.6):
        marks = union(upper.moved(0.15, 0).ellipse(0.18, 0.13), lower.moved(0.05, 0).disc(0.11))
    else:
        marks = cut(union(fore, hind), union(fore, hind) + 0.12)
    return union(fore, hind, body), union(body, marks)


def cells(plane: Plane, rng: np.random.Generator) -> Drawing:
    """A tissue of rounded polygons with walls between them, most with nuclei."""
    centres = _scattered(rng, rng.uniform(0.5, 0.8))
    distances = plane.distances(centres)
    nearest = np.min(distances, axis=0)
    second = np.min(np.where(distances == nearest, 9.0, distances), axis=0)
    tissue = (nearest - second) / 2 + rng.uniform(0.04, 0.08)
    return tissue, nearest - rng.uniform(0.07, 0.14) if chance(rng, 0.75) else None


def fern(plane: Plane, rng: np.random.Generator) -> Drawing:
    """A bent stem with pairs of leaflets that shorten to the tip."""
    pairs, reach, slant = whole(rng, 5, 8), rng.uniform(0.5, 0.75), rng.uniform(0.1, 0.35)
    pen = rng.uniform(0.05, 0.08)
    bent = Plane(plane.x + rng.uniform(-0.3, 0.3) * (plane.y * plane.y - 0.4), plane.y).mirrored()
    segments = [(0, 1, 0, -0.95, 0.05, 0.03)]
    for place in np.linspace(0.6, -0.8, pairs):
        length = reach * (place + 1.1) / 1.7 * (1 if place < 0.5 else 0.8)
        segments.append((0, place, length, place - slant * length - 0.05, pen, pen * 0.5))
    return bent.strokes(segments), None


def fish(plane: Plane, rng: np.random.Generator) -> Drawing:
    """A lens-shaped body with tail, fins and an eye; some are striped."""
    height, tail = rng.uniform(0.32, 0.55), rng.uniform(0.3, 0.5)
    bow = (0.5625 + height * height) / (2 * height)
    trunk = plane.moved(0.2, 0)
    body = overlap(trunk.moved(0, bow - height).disc(bow), trunk.moved(0, height - bow).disc(bow))
    fin = plane.polygon([(-0.3, 0), (-1, tail), (-1, -tail)])
    fin = cut(fin, plane.polygon([(-1.05, -tail * 0.7), (-0.8, 0), (-1.05, tail * 0.7)]))
    back = plane.polygon([(-0.2, -height * 0.6), (0.1, -height - 0.2), (0.4, -height * 0.6)])
    eye = plane.moved(0.62, -0.09).disc(0.085)
    marks = eye
    if chance(rng, 0.45):
        marks = union(eye, overlap(body, np.abs(repeated(plane.x, 0.34)) - 0.07, plane.x - 0.45))
    elif chance(rng, 0.5):
        marks = union(eye, fin)
    return union(body, fin, back), marks


def flower(plane: Plane, rng: np.random.Generator) -> Drawing:
    """Five to nine petals round a centre, pointed or round, some in two rings."""
    petals, heart = whole(rng, 5, 9), rng.uniform(0.16, 0.3)
    width = rng.uniform(0.75, 1.05) * 1.7 / petals
    crown = plane.folded(petals).moved(0.58, 0).ellipse(0.4, width)
    if chance(rng, 0.3):
        crown = overlap(crown, plane.folded(petals).moved(0.55, 0).turned(math.pi / 4).box(0.32, 0.32))
    centre = plane.disc(heart)
    if chance(rng, 0.3):
        inner = plane.turned(math.pi / petals).folded(petals).moved(0.35, 0).ellipse(0.22, width * 0.6)
        return union(crown, centre), union(centre, inner)
    return union(crown, centre), centre


def leaf(plane: Plane, rng: np.random.Generator) -> Drawing:
    """A blade with a stalk, a midrib and side veins; smooth or toothed."""
    width, veins = rng.uniform(0.35, 0.62), whole(rng, 3, 5)
    bow = (0.7225 + width * width) / (2 * width)
    bent = Plane(plane.x + rng.uniform(-0.2, 0.2) * (plane.y * plane.y - 0.4), plane.y + 0.12).mirrored()
    blade = bent.moved(width - bow, 0).disc(bow)
    if chance(rng, 0.4):
        blade = blade + 0.05 * np.sin(bent.y * rng.uniform(16, 24))
    segments = [(0, 0.8, 0, -0.75, 0.045, 0.03)]
    for place in np.linspace(0.6, -0.3, veins):
        segments.append((0, place, width, place - rng.uniform(0.3, 0.4), 0.035, 0.02))
    stalk = bent.stroke((0, 0.7), (0, 1.1), 0.05)
    return union(blade, stalk), overlap(bent.strokes(segments), blade)


def mushroom(plane: Plane, rng: np.random.Generator) -> Drawing:
    """A cap on a stalk, most with spots."""
    rim, tall, stalk = rng.uniform(-0.15, 0.15), rng.uniform(0.6, 0.85), rng.uniform(0.15, 0.26)
    top = plane.moved(0, rim)
    cap = melt(overlap(top.ellipse(0.92, tall), top.y), top.ellipse(0.9, 0.1), 0.05)
    stem = plane.stroke((0, rim), (rng.uniform(-0.15, 0.15), 0.85), stalk, stalk * rng.uniform(1, 1.4))
    if chance(rng, 0.25):
        return union(cap, stem), cap
    spots = None
    for _ in range(whole(rng, 3, 5)):
        spot = top.moved(rng.uniform(-0.65, 0.65), rng.uniform(-0.65, -0.12)).disc(rng.uniform(0.08, 0.16))
        spots = spot if spots is None else union(spots, spot)
    return union(cap, stem), overlap(spots, cap)


def shell(plane: Plane, rng: np.random.Generator) -> Drawing:
    """A nautilus: a growing spiral, some with chamber walls."""
    growth = rng.uniform(0.6, 0.85)
    radius, turn = plane.radius() + 1e-6, plane.angle() / (2 * math.pi)
    edge = 0.98 * np.exp(growth * (turn - 0.5))
    whorl = np.log(radius / edge) / growth
    scale = growth * radius
    seam = np.abs(repeated(whorl, 1.0)) * scale - np.minimum(0.05, scale * 0.16)
    marks = overlap(seam, plane.disc(0.92))
    if chance(rng, 0.5):
        ribs = whole(rng, 9, 15)
        walls = np.abs(repeated(turn + 0.08 * np.sin(whorl * 2 * math.pi), 1 / ribs)) * 2 * math.pi * radius - 0.03
        marks = union(marks, overlap(walls, whorl * scale, -whorl * scale - 0.7 * scale))
    return radius - edge, marks


def snake(plane: Plane, rng: np.random.Generator) -> Drawing:
    """A winding body that tapers to the tail, head with an eye, often banded."""
    waves, swing, pen = rng.uniform(3.5, 6), rng.uniform(0.2, 0.4), rng.uniform(0.13, 0.19)
    phase = rng.uniform(0, 6)
    along = waves * plane.x + phase
    slope = swing * waves * np.cos(along)
    distance = np.abs(plane.y - swing * np.sin(along)) / np.sqrt(1 + slope * slope)
    body = overlap(distance - pen * np.clip(0.72 + plane.x * 0.45, 0.1, 1), np.abs(plane.x) - 0.95)
    skull = plane.moved(0.9, swing * math.sin(waves * 0.9 + phase))
    head = skull.ellipse(0.22, 0.17)
    eye = skull.moved(0.04, -0.04).disc(0.07)
    if chance(rng, 0.6):
        bands = np.abs(repeated(plane.x, rng.uniform(0.22, 0.35))) - 0.06
        return union(body, head), union(eye, overlap(bands, body, plane.x - 0.7))
    return union(body, head), eye


def spots(plane: Plane, rng: np.random.Generator) -> Drawing:
    """A spotted coat: uneven blots, full like a Dalmatian's or hollow like a leopard's."""
    spacing = rng.uniform(0.42, 0.7)
    centres = _scattered(rng, spacing)
    sizes = rng.uniform(0.2, 0.38, len(centres)) * spacing
    stretch = Plane(plane.x, plane.y * rng.uniform(0.7, 1.3))
    blots = np.min(stretch.distances(centres) - sizes[:, None, None], axis=0)
    blots = blots + 0.05 * np.sin(plane.x * 11 + rng.uniform(0, 6)) * np.sin(plane.y * 11)
    if chance(rng, 0.4):
        return blots - 0.02, blots + spacing * 0.15
    return blots, None


def starfish(plane: Plane, rng: np.random.Generator) -> Drawing:
    """Five tapering arms with dots along them."""
    root, tip = rng.uniform(0.24, 0.34), rng.uniform(0.05, 0.1)
    arm = plane.folded(5)
    body = arm.stroke((0.12, 0), (0.9, 0), root, tip)
    dots = Plane(repeated(arm.x, rng.uniform(0.2, 0.3)), arm.y).disc(rng.uniform(0.04, 0.065))
    marks = overlap(dots, arm.x - 0.8) if chance(rng, 0.6) else arm.stroke((0, 0), (0.75, 0), 0.05, 0.03)
    return melt(body, plane.disc(root * 1.15), 0.1), marks


def tree(plane: Plane, rng: np.random.Generator) -> Drawing:
    """A trunk that divides four times, bare or in leaf."""
    spread, shrink = rng.uniform(0.35, 0.6), rng.uniform(0.66, 0.76)
    segments, tips = [], [(0.0, 1.0, -math.pi / 2, rng.uniform(0.6, 0.75), rng.uniform(0.08, 0.13))]
    for _ in range(4):
        grown = []
        for x, y, angle, length, pen in tips:
            end = (x + length * math.cos(angle), y + length * math.sin(angle))
            segments.append((x, y, *end, pen, pen * 0.7))
            for side in (-spread, spread):
                turn = angle + side * rng.uniform(0.5, 1.4)
                grown.append((*end, turn, length * shrink * rng.uniform(0.8, 1.1), pen * 0.72))
        tips = grown
    wood = plane.strokes(segments)
    if chance(rng, 0.55):
        return wood, None
    ends = np.array([tip[:2] for tip in tips])
    crown = np.min(plane.distances(ends), axis=0) - rng.uniform(0.1, 0.2)
    return union(wood, crown), crown


def zebra(plane: Plane, rng: np.random.Generator) -> Drawing:
    """Wavering stripes that run together in places."""
    pitch = rng.uniform(7, 10)
    phase = rng.uniform(0, 6, 4)
    bend = 1.8 * np.sin(plane.y * rng.uniform(1.8, 2.8) + phase[0])
    bend = bend + 1.2 * np.sin(plane.x * 2.2 + plane.y * rng.uniform(2.5, 4) + phase[1])
    fork = 0.7 * np.sin(plane.y * 3.1 + plane.x * 1.7 + phase[2])
    return (np.sin(plane.x * pitch + bend + phase[3]) + fork + rng.uniform(-0.2, 0.2)) / pitch, None


KINDS: dict[str, Kind] = {
    "butterfly": Kind(butterfly, turn=40, wobble=0.05),
    "cells": Kind(cells, fills=True, wobble=0.05),
    "fern": Kind(fern, turn=45, wobble=0.05),
    "fish": Kind(fish, turn=30, wobble=0.05),
    "flower": Kind(flower, wobble=0.06),
    "leaf": Kind(leaf, turn=50, wobble=0.05),
    "mushroom": Kind(mushroom, turn=25, wobble=0.05),
    "shell": Kind(shell, turn=80, wobble=0.02),
    "snake": Kind(snake, turn=40, wobble=0.05),
    "spots": Kind(spots, fills=True, wobble=0.05),
    "starfish": Kind(starfish, wobble=0.07),
    "tree": Kind(tree, turn=20, wobble=0.05),
    "zebra": Kind(zebra, turn=50, fills=True, wobble=0.05),
}
