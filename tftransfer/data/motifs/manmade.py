"""The 20 man-made kinds: each function draws one individual."""

import math

import numpy as np

from tftransfer.data.motifs.plane import (
    Drawing,
    Kind,
    Plane,
    chance,
    cut,
    melt,
    outline,
    overlap,
    repeated,
    union,
    whole,
)

# Strokes of capital letters in a box of -1 ... 1, y downwards.
_LETTERS = (
    ((-0.7, 1, 0, -1), (0, -1, 0.7, 1), (-0.4, 0.3, 0.4, 0.3)),  # A
    ((-0.6, -1, -0.6, 1), (-0.6, -1, 0.6, -1), (-0.6, 0, 0.4, 0), (-0.6, 1, 0.6, 1)),  # E
    ((-0.6, -1, -0.6, 1), (-0.6, -1, 0.6, -1), (-0.6, 0, 0.4, 0)),  # F
    ((-0.6, -1, -0.6, 1), (0.6, -1, 0.6, 1), (-0.6, 0, 0.6, 0)),  # H
    ((-0.6, -1, -0.6, 1), (-0.6, 0.1, 0.6, -1), (-0.2, -0.2, 0.6, 1)),  # K
    ((-0.8, 1, -0.7, -1), (-0.7, -1, 0, 0.4), (0, 0.4, 0.7, -1), (0.7, -1, 0.8, 1)),  # M
    ((-0.6, 1, -0.6, -1), (-0.6, -1, 0.6, 1), (0.6, 1, 0.6, -1)),  # N
    ((-0.6, 1, -0.6, -1), (-0.6, -1, 0.5, -0.9), (0.5, -0.9, 0.5, 0), (0.5, 0, -0.6, 0.1), (-0.1, 0.1, 0.6, 1)),  # R
    ((-0.7, -1, 0.7, -1), (0, -1, 0, 1)),  # T
    ((-0.7, -1, 0.7, 1), (0.7, -1, -0.7, 1)),  # X
    ((-0.7, -1, 0, 0), (0.7, -1, 0, 0), (0, 0, 0, 1)),  # Y
    ((-0.7, -1, 0.7, -1), (0.7, -1, -0.7, 1), (-0.7, 1, 0.7, 1)),  # Z
)


def arrow(plane: Plane, rng: np.random.Generator) -> Drawing:
    """A shaft with a filled or an open head, at one end or both."""
    shaft, length, width = rng.uniform(0.08, 0.2), rng.uniform(0.5, 0.9), rng.uniform(0.4, 0.7)
    heads = plane.mirrored() if chance(rng, 0.2) else plane
    if chance(rng, 0.6):
        head = heads.polygon([(1 - length, -width), (1.05, 0), (1 - length, width)])
    else:
        head = heads.polyline([(1 - length, -width), (0.9, 0), (1 - length, width)], max(shaft, 0.12))
    return union(plane.stroke((-0.9, 0), (0.7, 0), shaft), head), None


def bottle(plane: Plane, rng: np.random.Generator) -> Drawing:
    """A body with shoulders, a neck and a stopper; most have a label."""
    half_width, neck, shoulder = rng.uniform(0.3, 0.46), rng.uniform(0.09, 0.15), rng.uniform(-0.2, 0.15)
    body = plane.moved(0, (1 + shoulder) / 2).box(half_width, (1 - shoulder) / 2, 0.1)
    glass = melt(body, plane.moved(0, -0.4).box(neck, 0.55, 0.03), rng.uniform(0.25, 0.6))
    label = plane.moved(0, (1 + shoulder) / 2 + 0.05).box(half_width, rng.uniform(0.15, 0.3))
    stopper = plane.moved(0, -0.92).box(neck + 0.06, 0.1, 0.02)
    return union(glass, stopper), stopper if chance(rng, 0.3) else union(overlap(label, glass), stopper)


def brick_wall(plane: Plane, rng: np.random.Generator) -> Drawing:
    """Rows of bricks, each row shifted against the last; some bricks in another colour."""
    width, height, gap = rng.uniform(0.55, 0.9), rng.uniform(0.28, 0.42), rng.uniform(0.03, 0.06)
    row = np.round(plane.y / height)
    place = plane.x / width + row * (0.5 if chance(rng, 0.8) else 1 / 3)
    column = np.round(place)
    brick = Plane((place - column) * width, plane.y - row * height)
    wall = brick.box(width / 2 - gap, height / 2 - gap, rng.uniform(0, 0.05))
    odd = np.mod(column * 7 + row * 11 + whole(rng, 0, 12), 13) < whole(rng, 0, 5)
    return wall, np.where(odd, wall, 1.0)


def car(plane: Plane, rng: np.random.Generator) -> Drawing:
    """A car seen from the side: body, cabin, two wheels."""
    wheel, height, hood = rng.uniform(0.2, 0.28), rng.uniform(0.19, 0.26), rng.uniform(0.2, 0.5)
    roof, boot = rng.uniform(-0.6, -0.42), rng.uniform(-0.9, -0.5)
    body = plane.moved(0, 0.13).box(1, height, 0.12)
    cabin = plane.polygon([(boot, 0.05), (boot + 0.2, roof), (hood - 0.2, roof), (hood + 0.15, 0.05)])
    post = plane.moved((boot + hood) / 2, 0).box(0.05, 1)
    panes = cut(overlap(cabin + 0.1, plane.y + 0.06), post)
    wheels = Plane(np.abs(plane.x) - 0.56, plane.y - 0.36)
    return union(body, cabin, wheels.disc(wheel)), union(panes, wheels.ring(wheel * 0.75, wheel * 0.25))


def chain(plane: Plane, rng: np.random.Generator) -> Drawing:
    """A row of links, seen in turn from the front and from the side."""
    period, wire = rng.uniform(0.9, 1.25), rng.uniform(0.08, 0.11)
    half = period * rng.uniform(0.36, 0.42)
    tall = half * rng.uniform(0.65, 0.9)
    front = Plane(repeated(plane.x, period), plane.y)
    side = Plane(repeated(plane.x - period / 2, period), plane.y)
    links = outline(front.box(half - wire, tall - wire, (tall - wire) * 0.9), wire)
    bars = side.box(half * 0.75, wire * 1.2, wire)
    return union(links, bars), bars if chance(rng, 0.5) else None


def chessboard(plane: Plane, rng: np.random.Generator) -> Drawing:
    """Squares in two colours, or a board of them with a border."""
    size = rng.uniform(0.3, 0.5)
    u, v = np.round(plane.x / size), np.round(plane.y / size)
    inside = size / 2 - np.maximum(np.abs(plane.x - u * size), np.abs(plane.y - v * size))
    squares = np.where(np.mod(u + v, 2) == 0, -inside, inside)
    if chance(rng, 0.35):
        board = plane.box(*(size * (2.5 if size < 0.36 else 1.5),) * 2)
        squares = union(overlap(squares, board), outline(board, 0.05))
    return squares, None


def clock(plane: Plane, rng: np.random.Generator) -> Drawing:
    """A dial with marks and two hands; round or, rarely, square."""
    rim, pen, marks = rng.uniform(0.1, 0.2), rng.uniform(0.05, 0.08), 12 if chance(rng, 0.5) else 4
    face = plane.disc(0.95) if chance(rng, 0.8) else plane.box(0.85, 0.85, 0.15)
    ticks = plane.folded(marks).moved(0.72, 0).box(0.09, 0.045 if marks == 12 else 0.07)
    hour, minute = rng.uniform(0, 2 * math.pi, 2)
    hands = [
        (0, 0, 0.4 * math.cos(hour), 0.4 * math.sin(hour), pen * 1.4, pen),
        (0, 0, 0.62 * math.cos(minute), 0.62 * math.sin(minute), pen, pen * 0.7),
    ]
    return face, union(cut(face, face + rim), ticks, plane.strokes(hands))


def fork(plane: Plane, rng: np.random.Generator) -> Drawing:
    """A handle, a palm and three or four tines."""
    tines, spread, pen = whole(rng, 3, 4), rng.uniform(0.32, 0.42), rng.uniform(0.045, 0.065)
    base, depth = rng.uniform(-0.3, -0.1), rng.uniform(0.18, 0.3)
    segments = [(0, base, 0, 0.95, 0.06, rng.uniform(0.09, 0.15))]
    for place in np.linspace(-spread, spread, tines):
        segments.append((place, base, place, -0.95, pen, pen))
    palm = plane.moved(0, base)
    return union(plane.strokes(segments), overlap(palm.ellipse(spread + pen, depth), -palm.y)), None


def gear(plane: Plane, rng: np.random.Generator) -> Drawing:
    """A toothed disc with a hole, sometimes with a hub or a ring of holes."""
    teeth, depth, slope = whole(rng, 7, 11), rng.uniform(0.09, 0.14), rng.uniform(2, 5)
    body = plane.disc(0.86) - np.clip(np.cos(plane.angle() * teeth) * slope, -1, 1) * depth
    hole = plane.disc(rng.uniform(0.15, 0.4))
    if chance(rng, 0.3):
        hole = union(plane.disc(0.15), plane.folded(whole(rng, 4, 6)).moved(0.48, 0).disc(0.12))
    return cut(body, hole), cut(hole - 0.15, hole) if chance(rng, 0.5) else None


def grating(plane: Plane, rng: np.random.Generator) -> Drawing:
    """Straight, even bars; some gratings have cross bars."""
    period = rng.uniform(0.25, 0.6)
    bars = np.abs(repeated(plane.x, period)) - period * rng.uniform(0.16, 0.32)
    cross = np.abs(repeated(plane.y, period * whole(rng, 3, 5))) - period * 0.16
    return bars, cross if chance(rng, 0.35) else None


def hammer(plane: Plane, rng: np.random.Generator) -> Drawing:
    """A handle and a head with a flat face and a wedge."""
    width, height, grip = rng.uniform(0.3, 0.4), rng.uniform(0.15, 0.23), rng.uniform(0.07, 0.12)
    handle = plane.stroke((0, -0.6), (0, 0.9), grip, grip * rng.uniform(1, 1.5))
    top, tip = plane.moved(0, -0.65), rng.uniform(0.02, 0.3)
    face = top.moved(width, 0).box(0.13, height + 0.06, 0.03)
    wedge = top.polygon([(-width, height), (-0.9, tip + 0.06), (-0.9, tip - 0.04), (-width, -height)])
    head = union(top.box(width, height, 0.03), face, wedge)
    return union(handle, head), head if chance(rng, 0.6) else None


def house(plane: Plane, rng: np.random.Generator) -> Drawing:
    """Walls, a pointed roof, a door, windows, sometimes a chimney."""
    width, eaves, ridge = rng.uniform(0.6, 0.8), rng.uniform(-0.25, 0.1), rng.uniform(-1, -0.75)
    walls = plane.moved(0, (0.9 + eaves) / 2).box(width, (0.9 - eaves) / 2)
    roof = plane.polygon([(-width - 0.2, eaves), (rng.uniform(-0.2, 0.2), ridge), (width + 0.2, eaves)])
    if chance(rng, 0.5):
        roof = union(roof, plane.moved(width * 0.6, (eaves + ridge) / 2).box(0.1, 0.35))
    door = rng.uniform(-0.3, 0.3) * width
    openings = plane.moved(door, 0.62).box(0.13, 0.28)
    for place in (-0.6 * width, 0.6 * width):
        if abs(place - door) > 0.3:
            openings = union(openings, plane.moved(place, eaves + 0.32).box(0.13, 0.13))
    return union(walls, roof), union(openings, roof) if chance(rng, 0.5) else openings


def key(plane: Plane, rng: np.random.Generator) -> Drawing:
    """A bow with a hole, a shaft, and a bit of two or three teeth."""
    radius, shaft, reach = rng.uniform(0.3, 0.4), rng.uniform(0.07, 0.1), rng.uniform(0.25, 0.38)
    bow, style = plane.moved(-0.58, 0), rng.random()
    if style < 0.5:
        head = bow.ring(radius, 0.12)
    elif style < 0.75:
        head = outline(bow.box(radius, radius, 0.12), 0.11)
    else:
        head = union(*(bow.turned(turn).moved(radius * 0.7, 0).ring(radius * 0.5, 0.09) for turn in (1.7, 3.14, 4.6)))
    segments = [(radius - 0.6, 0, 0.95, 0, shaft, shaft)]
    for tooth in range(whole(rng, 2, 3)):
        place = 0.9 - 0.25 * tooth
        segments.append((place, 0, place, reach * rng.uniform(0.7, 1.2), 0.08, 0.08))
    return union(head, plane.strokes(segments)), None


def ladder(plane: Plane, rng: np.random.Generator) -> Drawing:
    """Two rails and even rungs, often narrower at the top."""
    low, high, pen = rng.uniform(0.36, 0.52), rng.uniform(0.26, 0.4), rng.uniform(0.06, 0.1)
    rails = plane.mirrored().stroke((high, -1.05), (low, 1.05), pen)
    segments = []
    for place in np.linspace(-0.82, 0.82, whole(rng, 4, 6)):
        half = high + (low - high) * (place + 1) / 2
        segments.append((-half, place, half, place, pen * 0.9, pen * 0.9))
    rungs = plane.strokes(segments)
    return union(rails, rungs), rungs if chance(rng, 0.3) else None


def letter(plane: Plane, rng: np.random.Generator) -> Drawing:
    """A capital of two to five strokes, thin or bold, wide or narrow."""
    pen, stretch = rng.uniform(0.09, 0.22), rng.uniform(0.8, 1.15)
    strokes = _LETTERS[whole(rng, 0, len(_LETTERS) - 1)]
    return plane.strokes(
        [(x0 * stretch, y0 * 0.85, x1 * stretch, y1 * 0.85, pen, pen) for x0, y0, x1, y1 in strokes]
    ), None


def mug(plane: Plane, rng: np.random.Generator) -> Drawing:
    """A cup with a handle, seen a little from above; some have a band."""
    top, bottom, height = rng.uniform(0.48, 0.6), rng.uniform(0.35, 0.55), rng.uniform(0.55, 0.8)
    cup = plane.moved(-0.22, 0)
    body = cup.polygon([(-top, -height), (top, -height), (bottom, height), (-bottom, height)])
    handle = cup.moved((top + bottom) / 2, 0).ring(rng.uniform(0.32, 0.44), rng.uniform(0.08, 0.11))
    mouth = cup.moved(0, -height).ellipse(top, rng.uniform(0.12, 0.22))
    accents = mouth + 0.06
    if chance(rng, 0.4):
        accents = union(accents, overlap(body, np.abs(plane.y - rng.uniform(0, 0.3)) - rng.uniform(0.08, 0.2)))
    return union(body, handle, mouth), accents


def stairs(plane: Plane, rng: np.random.Generator) -> Drawing:
    """A flight of three to six even steps: solid, solid with lit treads, or a folded band."""
    steps, rise, style = whole(rng, 3, 6), rng.uniform(0.7, 1), rng.random()
    tread, riser = 2 / steps, 2 * rise / steps
    if style < 0.3:
        corners = [(-1 + (k + 1) // 2 * tread, rise - k // 2 * riser) for k in range(2 * steps + 1)]
        return plane.polyline(corners, rng.uniform(0.08, 0.13)), None
    flight = union(
        *(
            plane.moved(k * tread / 2, (k + 1) * -riser / 2 + rise).box(1 - k * tread / 2, (k + 1) * riser / 2)
            for k in range(steps)
        )
    )
    return flight, cut(flight, flight + 0.12) if style < 0.65 else None


def umbrella(plane: Plane, rng: np.random.Generator) -> Drawing:
    """An open umbrella: scalloped dome, stick and hook."""
    ribs, drop, pen = whole(rng, 3, 5), rng.uniform(-0.1, 0.1), rng.uniform(0.05, 0.08)
    gap = 1.96 / ribs
    shift = gap / 2 * ((ribs + 1) % 2)
    under = plane.moved(0, drop)
    scallops = Plane(repeated(under.x - shift, gap), under.y).ellipse(gap / 2, 0.17)
    canopy = cut(overlap(under.ellipse(0.98, rng.uniform(0.75, 0.9)), under.y), scallops)
    hook = overlap(plane.moved(0.17, 0.75).ring(0.17, pen), 0.75 - plane.y)
    stick = union(plane.stroke((0, -0.9), (0, 0.75), pen), hook)
    panels = np.abs(repeated(plane.x - shift, 2 * gap)) - gap / 2
    return union(canopy, stick), overlap(canopy, panels) if chance(rng, 0.5) else None


def wheel(plane: Plane, rng: np.random.Generator) -> Drawing:
    """A rim, a hub and thin spokes."""
    rim, pen = rng.uniform(0.07, 0.14), rng.uniform(0.04, 0.065)
    hub = plane.disc(rng.uniform(0.12, 0.24))
    tyre = plane.ring(0.95 - rim, rim)
    spokes = plane.folded(whole(rng, 5, 10)).stroke((0, 0), (0.85, 0), pen)
    return union(tyre, hub, spokes), union(hub, tyre) if chance(rng, 0.4) else None


def window(plane: Plane, rng: np.random.Generator) -> Drawing:
    """A frame with two to nine panes, some with an arch."""
    columns, rows, bar = whole(rng, 2, 3), whole(rng, 1, 3), rng.uniform(0.05, 0.08)
    width, height = rng.uniform(0.6, 0.85), rng.uniform(0.75, 0.9)
    hole = plane.box(width, height)
    if chance(rng, 0.3):
        hole = union(
            plane.moved(0, width / 2).box(width, height - width / 2), plane.moved(0, width - height).disc(width)
        )
    u = repeated(plane.x + width, 2 * width / columns)
    v = repeated(plane.y + height, 2 * height / rows)
    bars = np.minimum(np.abs(u), np.abs(v)) - bar
    return hole - rng.uniform(0.08, 0.15), cut(hole, bars)


KINDS: dict[str, Kind] = {
    "arrow": Kind(arrow, turn=60),
    "bottle": Kind(bottle, turn=25),
    "brick_wall": Kind(brick_wall, turn=25, fills=True),
    "car": Kind(car, turn=20),
    "chain": Kind(chain, turn=80),
    "chessboard": Kind(chessboard, turn=60, fills=True),
    "clock": Kind(clock),
    "fork": Kind(fork, turn=40),
    "gear": Kind(gear),
    "grating": Kind(grating, turn=45, fills=True, wobble=0),
    "hammer": Kind(hammer, turn=50),
    "house": Kind(house, turn=20),
    "key": Kind(key, turn=50),
    "ladder": Kind(ladder, turn=30),
    "letter": Kind(letter, turn=25),
    "mug": Kind(mug, turn=20),
    "stairs": Kind(stairs, turn=20),
    "umbrella": Kind(umbrella, turn=25),
    "wheel": Kind(wheel),
    "window": Kind(window, turn=20),
}
