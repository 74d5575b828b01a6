"""An advice as plain data: what its page, its sentences, its code and other programs read."""

import math
from typing import Any

import numpy as np

from tftransfer.advising import advisor, candidates, held_out, statements
from tftransfer.advising.advisor import Advice
from tftransfer.experiment import policies

FORMAT = 1


def content(
    advice: Advice, task: Any, tolerance: float, work: tuple[int, ...], blocks: tuple[str, ...], folds: int
) -> dict[str, Any]:
    """Returns an advice as JSON has it, without what the last training gives: score, warnings.

    Args:
        advice: The advice.
        task: All its images, a `trainer.Task`.
        tolerance: Regret that does not count, a fraction of top-1.
        work: Multiply-adds of each block.
        blocks: Names of the blocks, the head last.
        folds: Number of folds.
    """
    labels = np.asarray(task.training.labels)
    held = len(labels) // folds
    verdict = advice.verdict
    return {
        "format": FORMAT,
        "chosen": verdict.chosen if verdict else "",
        "rate": advice.rate,
        "regret": verdict.regret if verdict else None,
        "within": verdict.within if verdict else None,
        "tolerance": tolerance,
        "best_set": list(verdict.best_set) if verdict else [],
        "cheapest": verdict.cheapest if verdict else "",
        "habits": {name: vars(difference) for name, difference in verdict.differences.items()} if verdict else {},
        "chance": float(np.bincount(labels).max() / len(labels)),
        "held_out_images": held,
        "folds": folds,
        "smallest": advice.smallest,
        "labels_to_halve": held_out.labels_to_halve(held, 1 / folds),
        "validation_images": len(task.validation),
        "training_images": len(task.training),
        "classes": task.classes,
        "steps": advice.config.steps,
        "blocks": list(blocks),
        "work": list(work),
        "candidates": [_candidate(advice, one, work) for one in advice.candidates],
        "scores": {name: {str(depth): value for depth, value in of.items()} for name, of in advice.scores.items()},
        "score_regrets": _score_regrets(advice),
        "ended": advice.facts.get("ended", ""),
        "plan": advice.facts.get("plan", {}),
        "speed": advice.facts.get("speed", {}),
        "warnings": [],
        "warning_texts": [],
    }


def _candidate(advice: Advice, candidate: Any, work: tuple[int, ...]) -> dict[str, Any]:
    """Returns what is known of one candidate."""
    own = [r for r in advice.results if r.candidate == candidate.name]
    whole = [r for r in own if r.step == r.steps]
    regrets = {}
    if advice.posterior is not None:
        regrets = dict(zip(advice.posterior.names, statements.expected_regret(advice.posterior.draws), strict=True))
    runs = {(r.fold, r.seed) for r in own}
    last = max(own, key=lambda r: r.step, default=None)
    decisions = policies.decisions(candidate.policy)
    return {
        "name": candidate.name,
        "policy": candidate.policy,
        "decisions": decisions,
        "family": candidate.family,
        "depth": None if math.isnan(candidate.depth) else candidate.depth,
        "words": candidate.words,
        "release": candidate.release,
        "decay": candidate.decay,
        "cost": round(candidate.cost(work), 4),
        "runs": len(whole),
        "mean": float(np.mean([r.top1 for r in whole])) if whole else None,
        "last": last.top1 if last else None,
        "last_step": last.step if last else None,
        "regret": float(regrets[candidate.name]) if candidate.name in regrets else None,
        "race": [[r.step, r.top1] for r in sorted(own, key=lambda r: r.step) if (r.fold, r.seed) == (0, 0)],
        "confirmed": [[r.fold, r.seed, r.top1] for r in whole if (r.fold, r.seed) != (0, 0)],
        "seconds": round(sum(max(r.seconds for r in own if (r.fold, r.seed) == run) for run in runs), 1),
    }


def _score_regrets(advice: Advice) -> dict[str, float]:
    """Returns what each cheap score's favourite cut loses to the best cut of the same kind, as measured.

    A score ranks the features at cuts, so its favourite is the linear probe there: the blocks above are dropped, or,
    at the last cut, the head alone is new. Where the race dropped the favourite early, all are compared at the step at
    which it was dropped.
    """
    work = (1,) * len(advice.candidates[0].decisions)
    races = {c.kept: dict(map(tuple, _candidate(advice, c, work)["race"])) for c in advice.candidates
             if c.family == candidates.KEEP_DROP or c.name == candidates.HEAD_ONLY}  # fmt: skip
    races = {depth: race for depth, race in races.items() if race}
    found = {}
    for name in advisor.SCORES:
        values = {depth: value for depth, value in advice.scores.get(name, {}).items() if depth in races}
        if values:
            favourite = races[max(values, key=lambda depth: values[depth])]
            step = max(favourite)
            found[name] = max(race[step] for race in races.values() if step in race) - favourite[step]
    return found
