"""An advice in sentences: what to do, its score, its doubt, and what habits would have lost."""

from collections.abc import Mapping, Sequence
from typing import Any

from tftransfer.records import chance_level

MOST_NAMED = 3
_CHEAPER = 0.8  # of the chosen candidate's arithmetic, from which on a cheaper one is named
CAVEAT = (
    "For this network, these weights, this length of training, this image size and these labels. It supposes that the "
    "images to come are like these; groups or augmented copies that straddle the split make it optimistic; another "
    "network may matter more."
)


def lines(content: Mapping[str, Any]) -> list[str]:
    """Returns the sentences of an advice, the most important first.

    Args:
        content: The advice, as `document.content` gives it, with the final score if a candidate was chosen.
    """
    if not content["chosen"]:
        return [_nothing(content)]
    by_name = {one["name"]: one for one in content["candidates"]}
    chosen = by_name[content["chosen"]]
    found = []
    if content["top1"] is None:
        found.append(
            f"{chosen['words']}: best on held-out images, but its training on all images diverged, so there is no "
            f"model. Use a lower --learning_rate."
        )
    else:
        low, high = content["interval"]
        found.append(
            f"{chosen['words']}: {_percent(content['top1'])} ({_number(low)} to {_number(high)}) on "
            f"{_count(content['validation_images'], 'image')} that no phase saw."
        )
    found.append(
        f"Expected regret: {_points(content['regret'])}. It is within your tolerance of "
        f"{100 * content['tolerance']:g} points of the best with probability {_probability(content['within'])}."
    )
    found += [*_ties(content, by_name), *_habits(content), *_repeats(content), _power(content)]
    return [*found, *(f"Warning: {text}." for text in content["warning_texts"])]


def _repeats(content: Mapping[str, Any]) -> list[str]:
    """Returns what is said where no candidate was trained more than once."""
    if any(one["confirmed"] for one in content["candidates"]):
        return []
    return [
        "All this rests on one fold: there was no time to repeat anything. A larger --time_budget narrows the doubt."
    ]


def _nothing(content: Mapping[str, Any]) -> str:
    """Returns what is said where no candidate is above chance."""
    chance, held = content["chance"], content["held_out_images"]
    if chance_level.least_above_chance(chance, held) > 1:
        return (
            f"Too few images: {_count(held, 'held-out image')} cannot show that any candidate is above chance "
            f"({_percent(chance)}). Add labels."
        )
    return (
        f"Nothing transfers, nothing trains: no candidate is above chance ({_percent(chance)}) on "
        f"{_count(held, 'held-out image')}. Check the labels."
    )


def _ties(content: Mapping[str, Any], by_name: Mapping[str, Any]) -> list[str]:
    others = [name for name in content["best_set"] if name != content["chosen"]]
    if not others:
        return ["No other candidate may be as good, within the data's power."]
    shown = [
        f"{_short(by_name[name]['words'])} (expected to lose {100 * by_name[name]['regret']:.1f})"
        for name in others[:MOST_NAMED]
    ]
    shown += [f"{len(others) - MOST_NAMED} more"] if len(others) > MOST_NAMED else []
    listed = "; ".join(shown[:-1]) + ("; and " if len(shown) > 1 else "") + shown[-1]
    text = [f"A tie: the data do not rule out that one of these is the best: {listed}."]
    cheap, chosen = by_name[content["cheapest"]], by_name[content["chosen"]]
    if cheap is not chosen and cheap["cost"] < _CHEAPER * chosen["cost"]:
        saved = min(99.0, 100 * (1 - cheap["cost"] / chosen["cost"]))
        text.append(f"The cheapest of them: {_short(cheap['words'])}; its steps take {saved:.0f} % less arithmetic.")
    return text


def _habits(content: Mapping[str, Any]) -> list[str]:
    names = {"all tuned": "tuning all blocks", "head only": "a new head alone", "from scratch": "training from scratch"}
    parts = []
    for name, words in names.items():
        difference = content["habits"].get(name)
        if difference and name != content["chosen"]:
            parts.append(f"{words} {_loss(difference)}")
    text = f"Against the advice, in percentage points: {'; '.join(parts)}."
    return [text] if parts else []


def _loss(difference: Mapping[str, float]) -> str:
    """Returns by how much a habit loses or wins, with the interval in the same direction."""
    mean, low, high = (100 * difference[name] for name in ("mean", "low", "high"))
    if f"{abs(mean):.1f}" == "0.0":
        return f"does as well ({low:.1f} to {high:.1f})"
    verb, low, high = ("loses", low, high) if mean > 0 else ("wins", -high, -low)
    return f"{verb} {abs(mean):.1f} ({low:.1f} to {high:.1f})"


def _power(content: Mapping[str, Any]) -> str:
    held, more = _count(content["held_out_images"], "held-out image"), content["labels_to_halve"]
    if not content["smallest"]:
        return f"On the {held} of a fold, most candidates are right and wrong on the same ones."
    return (
        f"The {held} of a fold cannot show differences below {_points(content['smallest'])}; {more:,} more labels "
        f"would halve that."
    )


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _probability(value: float) -> str:
    return "above 0.99" if value > 0.99 else f"{value:.2f}"


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
    # Means are of different folds, so that they cannot be compared; regrets are paired.
    ordered = sorted(rows, key=lambda one: (one["regret"] is None, one["regret"] or 0.0, -(one["last"] or 0.0)))
    text = [f"{'candidate':<28}{'top-1':>8}{'runs':>6}{'regret':>8}{'cost':>7}  what"]
    for one in ordered:
        score = one["mean"] if one["mean"] is not None else one["last"]
        regret = f"{100 * one['regret']:.1f}" if one["regret"] is not None else ""
        mark = (
            "" if score is None or one["mean"] is not None else f" (dropped after {_count(one['last_step'], 'step')})"
        )
        shown = "" if score is None else f"{100 * score:.1f} %"
        text.append(
            f"{one['name']:<28}{shown:>8}{one['runs']:>6}{regret:>8}{one['cost']:>7.2f}  {_short(one['words'])}{mark}"
        )
    return text
