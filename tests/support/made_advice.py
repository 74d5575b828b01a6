"""A made-up advice as `advice.json` has it: its numbers follow from simple rules, none was measured."""

import math

import numpy as np

from tftransfer.advising import candidates, held_out, sentences

BLOCKS = ("Conv1", *(f"block_{n}" for n in range(17)), "Conv_1", "predictions")
WORK = (10_838, 5_419, 13_900, 9_900, 8_100, 5_200, 5_200, 4_400, 7_500, 7_500, 7_500, 9_200, 16_500, 16_500, 12_200,
        11_700, 11_700, 18_000, 20_100, 6)  # fmt: skip
FOLDS, STEPS = 5, 600
SCORES = ("k-NN", "ridge", "LogME", "H-score", "GBC", "TransRate")


def _truth(candidate):
    """Returns a score that is highest where two thirds are kept and the rest is tuned."""
    if candidate.is_scratch:
        return 0.55
    lost = {candidates.KEEP_NEW: 0.06, candidates.KEEP_DROP: 0.03, candidates.ONE_TUNED: 0.05}
    depth = 0.5 if math.isnan(candidate.depth) else candidate.depth
    return 0.92 - 0.07 * (depth - 0.6) ** 2 / 0.16 - lost.get(candidate.family, 0.0)


def _one(candidate, rank, work, rng):
    truth, rungs = _truth(candidate), [75, 200, STEPS][: 3 if rank < 10 else 1 + (rank < 18)]
    race = [[step, round(truth - 12 / (step + 40) + rng.normal(0, 0.004), 4)] for step in rungs]
    repeats = [[fold, fold, round(truth - 0.02 + rng.normal(0, 0.008), 4)] for fold in range(1, 4)] if rank < 6 else []
    whole = [race[-1][1], *(top1 for *_, top1 in repeats)] if rungs[-1] == STEPS else []
    return {
        "name": candidate.name, "policy": candidate.policy, "decisions": candidate.decisions,
        "family": candidate.family, "depth": None if math.isnan(candidate.depth) else candidate.depth,
        "words": candidate.words, "release": candidate.release, "decay": candidate.decay,
        "cost": round(candidate.cost(work), 4), "runs": len(whole), "mean": float(np.mean(whole)) if whole else None,
        "last": race[-1][1], "last_step": rungs[-1], "regret": max(0.0, 0.921 - truth) if whole else None,
        "race": race, "confirmed": repeats, "seconds": 31.5 * len(whole),
    }  # fmt: skip


def content(blocks=BLOCKS, work=WORK, **changes):
    """Returns the content of advice.json.

    Args:
        blocks: Names of the blocks, the head last.
        work: Multiply-adds of each block.
        **changes: Fields that get other values.
    """
    rng = np.random.default_rng(0)
    runners = sorted(candidates.make(work), key=_truth, reverse=True)
    ranks = {c.name: 0 if c.name in candidates.HABITS else n for n, c in enumerate(runners)}
    rows = [_one(c, ranks[c.name], work, rng) for c in candidates.make(work)]
    best = [c.name for c in runners[:3]]
    cuts = sorted({c.kept for c in runners if c.family == candidates.KEEP_DROP} | {len(blocks) - 1})
    found = {
        "format": 1, "dataset": "folder", "model": "MobileNetV2", "pretrained": "imagenet",
        "chosen": best[0], "rate": 1.0, "regret": 0.003, "within": 0.86, "tolerance": 0.005, "best_set": best,
        "cheapest": min(best, key=lambda name: next(r["cost"] for r in rows if r["name"] == name)),
        "habits": {
            "all tuned": {"mean": 0.02, "low": 0.009, "high": 0.031},
            "head only": {"mean": 0.044, "low": 0.03, "high": 0.058},
            "from scratch": {"mean": 0.31, "low": 0.28, "high": 0.34},
        },
        "chance": 0.1, "held_out_images": 400, "folds": FOLDS, "smallest": held_out.smallest_difference(0.1, 400),
        "labels_to_halve": held_out.labels_to_halve(400, 1 / FOLDS), "validation_images": 500,
        "training_images": 2000, "classes": 10, "steps": STEPS, "blocks": list(blocks), "work": list(work),
        "candidates": rows,
        "scores": {s: {str(n): round(math.sin(n / (8 + 2 * i)), 4) for n in cuts} for i, s in enumerate(SCORES)},
        "score_regrets": {score: round(0.004 * i, 4) for i, score in enumerate(SCORES)},
        "ended": "expected regret is below the tolerance", "plan": {"steps": STEPS, "rates": True},
        "speed": {"step": 0.2, "forward": 0.05, "start": 9.0}, "top1": 0.913, "interval": [0.885, 0.9362],
        "network": "network/B-seed0", "warnings": [], "warning_texts": [], "seconds": 1740.0, "budget": "30m",
    } | changes  # fmt: skip
    return found | {"sentences": sentences.lines(found)}


def nothing():
    """Returns the advice where no candidate is above chance."""
    changes = {"chosen": "", "regret": None, "within": None, "best_set": [], "cheapest": "", "habits": {}}
    found = content(**changes)
    for name in ("top1", "interval", "network", "warnings"):
        del found[name]
    return found
