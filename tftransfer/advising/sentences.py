"""An advice in sentences: what to do, its score, its doubt, and what habits would have lost."""

from collections.abc import Mapping, Sequence
from typing import Any

MOST_NAMED = 3
CAVEAT = (
    "For this network, these weights, this length of training, this image size and these labels. It supposes that the "
    "images to come are like these; groups or augmented copies that straddle the split make it optimistic; another "
    "network may matter more."
)


def lines(content: Mapping[str, Any]) -> list[str]:
    """Returns the sentences of an advice, the most important first.

    Args:
        content: The advice, as `document.content` gives it.
    """
    if not content["chosen"]:
        return [
            f"Nothing transfers, nothing trains: no candidate is above chance ({_percent(content['chance'])}) on "
            f"{content['held_out_images']:,} held-out images. Check the labels."
        ]
    by_name = {one["name"]: one for one in content["candidates"]}
    chosen, low, high = by_name[content["chosen"]], *content["interval"]
    found = [
        f"{chosen['words']}: {_percent(content['top1'])} ({_number(low)} to {_number(high)}) on "
        f"{content['validation_images']:,} images that no phase saw.",
        f"Expected regret {_points(content['regret'])}. Within your tolerance of {100 * content['tolerance']:g} with "
        f"probability {content['within']:.2f}.",
    ]
    found += _ties(content, by_name)
    found += _habits(content)
    return [*found, _power(content)]


def _ties(content: Mapping[str, Any], by_name: Mapping[str, Any]) -> list[str]:
    others = [name for name in content["best_set"] if name != content["chosen"]]
    if not others:
        return ["No other candidate may be as good, within the data's power."]
    shown = "; ".join(_short(by_name[name]["words"]) for name in others[:MOST_NAMED])
    more = f"; and {len(others) - MOST_NAMED} more" if len(others) > MOST_NAMED else ""
    text = [f"A tie: as good within the data's power: {shown}{more}."]
    cheap, chosen = by_name[content["cheapest"]], by_name[content["chosen"]]
    if cheap is not chosen and cheap["cost"] > 0 and chosen["cost"] / cheap["cost"] > 1.2:
        times = chosen["cost"] / cheap["cost"]
        text.append(f"The cheapest of them: {_short(cheap['words'])}; a step takes {times:.1f} times less arithmetic.")
    return text


def _habits(content: Mapping[str, Any]) -> list[str]:
    names = {"all tuned": "tuning all blocks", "head only": "a new head alone", "from scratch": "from scratch"}
    parts = []
    for name, words in names.items():
        difference = content["habits"].get(name)
        if difference and name != content["chosen"]:
            low, high = 100 * difference["low"], 100 * difference["high"]
            verb = "loses" if difference["mean"] >= 0 else "wins"
            parts.append(f"{words} {verb} {abs(100 * difference['mean']):.1f} ({low:.1f} to {high:.1f})")
    text = f"{'; '.join(parts)} points."
    return [text[0].upper() + text[1:]] if parts else []


def _power(content: Mapping[str, Any]) -> str:
    return (
        f"{content['held_out_images']:,} held-out images of a fold cannot show differences below "
        f"{_points(content['smallest'])}: {content['labels_to_halve']:,} labels more would halve that."
    )


def _short(words: str) -> str:
    return words[0].lower() + words[1:]


def _percent(fraction: float) -> str:
    return f"{_number(fraction)} %"


def _number(fraction: float) -> str:
    return f"{100 * fraction:.1f}"


def _points(fraction: float) -> str:
    return f"{100 * fraction:.1f} percentage points"


def table(content: Mapping[str, Any]) -> list[str]:
    """Returns the candidates with their scores as rows of text, the best first.

    Args:
        content: As for `lines`.
    """
    rows: Sequence[Mapping[str, Any]] = content["candidates"]
    ordered = sorted(rows, key=lambda one: (one["mean"] is None, -(one["mean"] or one["last"] or 0.0)))
    text = [f"{'candidate':<28}{'top-1':>8}{'runs':>6}{'regret':>8}{'cost':>7}  what"]
    for one in ordered:
        score = one["mean"] if one["mean"] is not None else one["last"]
        regret = f"{100 * one['regret']:.1f}" if one["regret"] is not None else ""
        mark = "" if one["mean"] is not None else f" dropped after {one['last_step']} steps"
        shown = "" if score is None else f"{100 * score:.1f} %"
        text.append(
            f"{one['name']:<28}{shown:>8}{one['runs']:>6}{regret:>8}{one['cost']:>7.2f}  {_short(one['words'])}{mark}"
        )
    return text
