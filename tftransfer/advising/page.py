"""An advice as one self-contained HTML page: sentences, block map, race, repeats, scores, caveats, how to go on."""

from collections.abc import Mapping, Sequence
from typing import Any

import jinja2
import markupsafe

from tftransfer.advising import figures, held_out, sentences
from tftransfer.advising.candidates import HEAD_ONLY, KEEP_DROP
from tftransfer.system import escaping

FILE = "advice.html"
_DISAGREEMENT = 0.1  # share of images on which two good candidates disagree, as the plan supposes
LIMITS = (
    "It holds for this network, these weights, this length of training, this image size and these labels.",
    "It supposes that the images to come are like these: a shift between training and use was not measured.",
    "Groups (photographs of one patient, one camera, one day) or augmented copies on both sides of the split make it "
    "optimistic.",
    "Another network may matter more than the choice of its blocks.",
    "A tie is an answer: among candidates that lose little, the cheapest is a good choice.",
    "Cheap scores decided nothing; they stand beside what was measured.",
)


def html(content: Mapping[str, Any]) -> str:
    """Returns the page.

    Args:
        content: The advice, as advice.json has it. Without `sentences` they are made here.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("tftransfer.advising"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=escaping.page,
    )
    first, *others = content.get("sentences") or sentences.lines(content)
    drawn = {
        "block_map": figures.block_map(content),
        "race": figures.race(content),
        "repeats": figures.repeats(content),
        "scores": figures.scores(content),
    }
    return environment.get_template("advice.html.j2").render(
        title=f"Advice: {content.get('model', 'network')} for {content.get('dataset', 'images')}",
        facts=_facts(content),
        first=first,
        others=others,
        figures={name: markupsafe.Markup(text) for name, text in drawn.items()},
        words=figures.WORDS,
        candidates=_candidates(content),
        score_columns=list(content["scores"]),
        score_rows=_score_rows(content),
        score_regrets=[_points(content["score_regrets"].get(name)) for name in content["scores"]],
        power=_power(content),
        content=content,
        left_behind={name: content.get(name, "") for name in ("model_file", "code_file", "network")},
        warnings=[str(warning) for warning in content.get("warning_texts", content.get("warnings", ()))],
        limits=LIMITS,
    )


def _facts(content: Mapping[str, Any]) -> str:
    """Returns the line under the title: weights, images, length, time."""
    parts = [
        f"weights {content['pretrained']}" if content.get("pretrained") else "",
        f"{content['training_images']:,} training and {content['validation_images']:,} validation images of "
        f"{content['classes']:,} classes",
        f"{content['steps']:,} steps",
        f"{len(content['candidates'])} candidates",
        f"{content['seconds'] / 60:.0f} minutes, of {content['budget']} given" if content.get("seconds") else "",
    ]
    return "; ".join(filter(None, parts))


def _candidates(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Returns the rows of the table of all candidates, the best first."""
    rows = sorted(content["candidates"], key=lambda one: (one["mean"] is None, -(figures.score(one) or 0.0)))
    return [
        {
            "rank": figures.rank(content, one["name"]),
            "name": one["name"],
            "words": one["words"],
            "score": _percent(figures.score(one)),
            "runs": one["runs"] or "",
            "regret": _points(one["regret"]),
            "cost": f"{one['cost']:.2f}",
            "end": "" if one["mean"] is not None else f"after {one['last_step']:,}" if one["last_step"] else "not run",
        }
        for one in rows
    ]


def _score_rows(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Returns a row for each cut: number of kept blocks, what was measured, each cheap score and whether it is best."""
    known = {name: {int(n): v for n, v in of.items()} for name, of in content["scores"].items()}
    truth, early = figures.measured(content), _early(content)
    best = {name: max(of, key=of.__getitem__) for name, of in known.items() if of}
    top = max(truth, key=truth.__getitem__) if truth else None
    depths = sorted({depth for of in known.values() for depth in of} | truth.keys()) if any(known.values()) else []
    return [
        {
            "depth": depth,
            "block": content["blocks"][depth - 1],
            "measured": (_percent(truth.get(depth)), depth == top),
            "early": early.get(depth, ""),
            "values": [
                ("" if depth not in of else f"{of[depth]:.4g}", best.get(name) == depth) for name, of in known.items()
            ],
        }
        for depth in depths
    ]


def _early(content: Mapping[str, Any]) -> dict[int, str]:
    """Returns after how many steps new heads on kept blocks were dropped, by their number, where they were."""
    probes = [one for one in content["candidates"] if one["family"] == KEEP_DROP or one["name"] == HEAD_ONLY]
    early = [one for one in probes if one["mean"] is None and one["last_step"]]
    return {figures.kept(one): f"after {one['last_step']:,}" for one in early}


def _power(content: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
    """Returns numbers of held-out images, and the smallest difference that each can show."""
    held = content["held_out_images"]
    return [
        (f"{times * held:,}", _points(held_out.smallest_difference(_DISAGREEMENT, times * held)))
        for times in (1, 2, 4, 16)
        if held
    ]


def _percent(fraction: float | None) -> str:
    return "" if fraction is None else f"{100 * fraction:.1f} %"


def _points(fraction: float | None) -> str:
    return "" if fraction is None else f"{100 * fraction:.1f}"
