"""The phases of an advice: look, features, race, confirm, finish.

The time budget decides what is tried; scores decide what is dropped; what no phase has seen decides the final score.
"""

import dataclasses
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tftransfer import scores
from tftransfer.advising import (
    candidates,
    confidence,
    folds,
    held_out,
    paired_scores,
    racing,
    schedule,
    statements,
    stopping,
)
from tftransfer.advising.candidates import Candidate
from tftransfer.advising.live import FeatureBank, LiveTraining
from tftransfer.advising.state import Result, State, packed
from tftransfer.experiment.config import Config
from tftransfer.training import trainer
from tftransfer.transfer import Weights

SPLIT = "advice"
_TIMED_STEPS, _FIRST_STEPS = 6, 2
_MARGIN = 1.1  # on the time that the next call is told to take, in which the same may take longer
_MOST_SCORED = 5000  # images of which cheap scores are computed: some of them compare each image with each
SCORES = {
    "k-NN": lambda x, y: scores.knn(x, y),
    "ridge": lambda x, y: scores.ridge_probe(x, y),
    "LogME": lambda x, y: scores.logme(x, y),
    "H-score": lambda x, y: scores.h_score(x, y),
    "GBC": lambda x, y: scores.gbc(x, y),
    "TransRate": lambda x, y: scores.transrate(x, y, scaled=True),
}  # fmt: skip


class BudgetError(ValueError):
    """The time budget is too small for an honest race."""


@dataclasses.dataclass(frozen=True)
class Advice:
    """What an advice ends with.

    Attributes:
        candidates: All that took part.
        verdict: The best, its regret, ties; None if no candidate is above chance.
        results: All scores.
        chosen: The candidate of the verdict.
        rate: Factor on its learning rate.
        smallest: Smallest difference that the held-out images can show.
        scores: Cheap scores by name and number of kept blocks.
        posterior: Means and draws of true scores.
        facts: Plan, speed and further numbers.
        config: The recipe, with the number of steps of a whole training.
    """

    candidates: tuple[Candidate, ...]
    verdict: statements.Verdict | None
    results: tuple[Result, ...]
    chosen: Candidate | None
    rate: float
    smallest: float
    scores: Mapping[str, Mapping[int, float]]
    posterior: confidence.Posterior | None
    facts: Mapping[str, Any]
    config: Config


class Advisor:
    """Finds out what to keep, tune, re-initialise and drop.

    Args:
        config: The recipe; `steps` are those of a whole training.
        task: All training images, and validation images that no phase but the last sees.
        source: Weights to copy from.
        work: Multiply-adds of each block, the head last.
        state: What earlier calls found out.
        budget: Seconds, those of earlier calls included.
        tolerance: Regret that does not count, a fraction of top-1.
        say: Takes lines for the user.
        clock: Returns seconds.
        started: When the call began, by that clock.
    """

    def __init__(
        self,
        config: Config,
        task: trainer.Task,
        source: Weights,
        work: Sequence[float],
        state: State,
        budget: float,
        tolerance: float,
        say: Callable[[str], None] = print,
        clock: Callable[[], float] = time.monotonic,
        started: float | None = None,
    ) -> None:
        self._config, self._task, self._source, self._work = config, task, source, tuple(work)
        self._state, self._budget, self._tolerance, self._say, self._clock = state, budget, tolerance, say, clock
        # Time counts from the last finding on: a call that goes on decides as one that ran through would have.
        self._started = (clock() if started is None or state.resumed else started) - state.seconds
        self._folds = folds.possible(np.bincount(task.training.labels, minlength=task.classes), schedule.FOLDS)
        self._bank: FeatureBank | None = None
        self._tasks: dict[int, trainer.Task] = {}

    @property
    def folds(self) -> int:
        """Number of folds of the training images."""
        return self._folds

    @property
    def seconds(self) -> float:
        """Seconds spent so far, those of earlier calls included."""
        return self._clock() - self._started

    def run(self) -> Advice:
        """Runs all phases; returns the advice.

        Raises:
            BudgetError: If the time budget is too small.
            ValueError: If a batch is larger than the images of all folds but one.
        """
        self._config.steps_per_epoch(len(self._fold(0).training))
        speed = self._look()
        plan = self._plan(speed)
        runners = candidates.make(self._work, plan.cuts, plan.singles)
        self._config = dataclasses.replace(self._config, steps=plan.steps, epochs=0.0)
        self._bank = FeatureBank(runners, self._config, self._task, self._source, self._say)
        if "scores" in self._state.facts:
            self._started = self._clock() - self._state.seconds  # an earlier call has paid for the features
        cheap = self._cheap_scores()
        rates = self._rates(runners) if plan.rates else {}
        self._race(runners, rates)
        if not self._learned(runners):
            return self._nothing(runners, cheap)
        self._confirm(runners, rates)
        return self._advice(runners, rates, cheap)

    # Look

    def _look(self) -> schedule.Speed:
        """Measures what trainings cost here, once."""
        if "speed" in self._state.facts:
            return schedule.Speed(**self._state.facts["speed"])
        started = self._clock()
        whole = next(c for c in candidates.make(self._work, 0, 0) if c.name == candidates.ALL_TUNED)
        live = LiveTraining(
            whole, dataclasses.replace(self._config, steps=1000, epochs=0.0), self._fold(0), self._source
        )
        live.advance(_FIRST_STEPS)
        start = self._clock() - started
        live.advance(_FIRST_STEPS + _TIMED_STEPS)
        before = live.seconds
        live.advance(_FIRST_STEPS + 2 * _TIMED_STEPS)
        step = (live.seconds - before) / _TIMED_STEPS
        live.correct()
        before = live.seconds
        live.correct()
        batches = max(1, math.ceil(len(self._fold(0).validation) / self._config.batch_size))
        speed = schedule.Speed(step, (live.seconds - before) / batches, start)
        self._state.remember(self.seconds, speed=dataclasses.asdict(speed))
        return speed

    def _plan(self, speed: schedule.Speed) -> schedule.Plan:
        """Returns the plan of the race: that of an earlier call, if there was one."""
        if "plan" in self._state.facts:
            return schedule.Plan(**self._state.facts["plan"])
        fold = self._fold(0)
        most = self._config.train_steps(len(fold.training))
        sizes = len(fold.validation), self._config.batch_size
        of_features = schedule.feature_seconds(
            speed, len(self._task.training), self._config.batch_size, max(1, self._config.views)
        )
        before = self.seconds + of_features
        plan = schedule.fit(self._work, speed, self._budget, most, *sizes, before)
        if plan is None:
            least = _MARGIN * schedule.needed(self._work, speed, *sizes, most, before)
            minutes = math.ceil(least / 60)
            raise BudgetError(
                f"The time budget is too small for an honest race: {self._budget:g} s were given, about "
                f"{minutes} {'minute is' if minutes == 1 else 'minutes are'} needed to train the smallest set of "
                f"candidates for {min(schedule.FEWEST_STEPS, most)} steps each on this machine. Use --time_budget="
                f"{minutes}m or more, a smaller network or smaller images."
            )
        self._state.remember(self.seconds, plan=dataclasses.asdict(plan))
        count = len(candidates.make(self._work, plan.cuts, plan.singles))
        self._say(
            f"plan       {count} candidates, {plan.steps} steps each at most, rungs at 1/8, 1/3 and all of them; "
            f"about {plan.seconds / 60:.0f} of {self._budget / 60:.0f} minutes"
        )
        return plan

    def _fold(self, held: int) -> trainer.Task:
        """Returns the images of a fold: the others train, it is held out."""
        if held not in self._tasks:
            training, validation = folds.divide(self._task.training, self._folds, held)
            self._tasks[held] = dataclasses.replace(self._task, training=training, validation=validation)
        return self._tasks[held]

    # Features

    def _cheap_scores(self) -> dict[str, dict[int, float]]:
        """Returns the cheap scores of features at every cut; they are shown, and decide nothing."""
        if "scores" in self._state.facts:
            return {name: {int(n): v for n, v in of.items()} for name, of in self._state.facts["scores"].items()}
        labels, found = np.asarray(self._task.training.labels), {name: {} for name in SCORES}
        by_class = np.argsort(labels, kind="stable")
        chosen = by_class[np.linspace(0, len(labels) - 1, min(len(labels), _MOST_SCORED)).round().astype(int)]
        for depth, values in self._bank.pooled().items():
            for name, score in SCORES.items():
                try:
                    value = float(score(values[chosen], labels[chosen]))
                except ValueError:  # for example a class with one image
                    continue
                if math.isfinite(value):
                    found[name][depth] = round(value, 6)
        self._state.remember(self.seconds, scores=found)
        return found

    # Race

    def _rates(self, runners: Sequence[Candidate]) -> dict[str, float]:
        """Returns the factor on the learning rate of each candidate, searched at anchors and interpolated by depth."""
        if "rates" in self._state.facts:
            return self._state.facts["rates"]
        steps, by_name = self._config.steps, {c.name: c for c in runners}
        line = sorted((c for c in runners if c.family == candidates.KEEP_TUNE), key=lambda c: c.depth)
        anchors = [line[0], line[len(line) // 2], line[-1], by_name[candidates.SCRATCH]]
        factors = [schedule.FACTOR**power for power in (-1, 0, 1)]
        best = {}
        for anchor in anchors:
            tried = {}
            for factor in factors:
                first = max(1, round(schedule.RUNGS[0] * steps))
                _, result = self._trained(anchor, 0, 0, first, factor, rate_search=True)
                tried[factor] = result.top1
                minutes = f"{self.seconds / 60:7.1f} min"
                self._say(f"rates      {anchor.name:<28}x {factor:<8.3g}{100 * result.top1:6.1f} %{minutes}")
            best[anchor.name] = max(factors, key=lambda f: (tried[f], -abs(math.log(f))))
        depths = [anchor.depth for anchor in anchors[:3]]
        logs = [math.log(best[anchor.name]) for anchor in anchors[:3]]
        ends = [math.log(best[candidates.SCRATCH]), logs[-1]]
        rates = {}
        for runner in runners:
            if runner.name in best:
                rates[runner.name] = best[runner.name]
            elif runner.family == candidates.KEEP_NEW:
                rates[runner.name] = math.exp(float(np.interp(runner.depth, [0.0, 1.0], ends)))
            else:
                depth = 0.0 if math.isnan(runner.depth) else runner.depth
                depth = 1.0 if runner.family == candidates.KEEP_DROP else depth
                rates[runner.name] = math.exp(float(np.interp(depth, depths, logs)))
        rates = {name: round(rate, 6) for name, rate in rates.items()}
        self._state.remember(self.seconds, rates=rates)
        return rates

    def _trained(
        self,
        runner: Candidate,
        fold: int,
        seed: int,
        step: int,
        rate: float,
        live: LiveTraining | None = None,
        rate_search: bool = False,
    ) -> tuple[LiveTraining | None, Result]:
        """Returns the result of a training at a step, and the training if it was needed.

        Raises:
            RuntimeError: If a kept block changed; nothing is remembered of such a training.
        """
        name = f"{runner.name} (rate search)" if rate_search else runner.name
        result = self._state.find(name, fold, seed, step, rate)
        if result is not None:
            return live, result
        live = live or self._begin(name, runner, fold, seed, rate)
        live.advance(step)
        correct = live.correct()
        if changed := live.proofs():
            raise RuntimeError(f"Kept blocks of {runner.name} changed: {', '.join(changed)}.")
        result = Result(
            name, fold, seed, step, self._config.steps, rate, packed(correct), len(correct), live.seconds,
            live.are_features, live.diverged,
        )  # fmt: skip
        self._state.add(result, self.seconds)
        return live, result

    def _begin(self, name: str, runner: Candidate, fold: int, seed: int, rate: float) -> LiveTraining:
        """Returns a training, at the last step that an earlier call scored; going there again takes no counted time."""
        before = self._clock()
        config = dataclasses.replace(
            self._config, seed=self._config.seed + seed, learning_rate=self._config.learning_rate * rate
        )
        live = LiveTraining(runner, config, self._fold(fold), self._source, self._bank)
        if earlier := self._state.last(name, fold, seed, rate):
            live.advance(earlier.step)
            live.seconds = earlier.seconds
            self._started += self._clock() - before
        return live

    def _race(self, runners: Sequence[Candidate], rates: Mapping[str, float]) -> None:
        """Trains all candidates on one fold, and drops those that lie far behind at each rung."""
        active, lives = list(runners), {}
        if "race_from" not in self._state.facts:
            self._state.remember(self.seconds, race_from=self.seconds)
        for number, rung in enumerate(schedule.RUNGS):
            step, results = max(1, round(rung * self._config.steps)), {}
            for runner in active:
                rate = rates.get(runner.name, 1.0)
                live, results[runner.name] = self._trained(runner, 0, 0, step, rate, lives.get(runner.name))
                lives[runner.name] = live
                self._say(
                    f"race       {number + 1}/3  {runner.name:<28}{100 * results[runner.name].top1:6.1f} %"
                    f"{self.seconds / 60:7.1f} min"
                )
            if number + 1 == len(schedule.RUNGS):
                return
            active = self._next(active, results, number)
            lives = {runner.name: lives[runner.name] for runner in active}

    def _next(self, active: Sequence[Candidate], results: Mapping[str, Result], number: int) -> list[Candidate]:
        """Returns the candidates of the next rung, as an earlier call decided if it did."""
        fact = f"rung {number + 2}"
        if fact not in self._state.facts:
            going_on = self._affordable(self._survivors(active, results, first=number == 0), results, number)
            self._state.remember(self.seconds, **{fact: [runner.name for runner in going_on]})
        return [runner for runner in active if runner.name in self._state.facts[fact]]

    def _survivors(self, active: Sequence[Candidate], results: Mapping[str, Result], first: bool) -> list[Candidate]:
        """Returns the candidates that go on: habits always do, so that what they lose is known."""
        masks = np.array([results[runner.name].mask for runner in active])
        top1 = np.array([np.nan if results[r.name].diverged else results[r.name].top1 for r in active])
        errors = held_out.paired_error(held_out.disagreement(masks), masks.shape[1])
        stays = racing.kept(top1, errors, self._tolerance, [r.family for r in active] if first else ())
        return [runner for runner, stay in zip(active, stays, strict=True) if stay or runner.name in candidates.HABITS]

    def _affordable(self, active: list[Candidate], results: Mapping[str, Result], number: int) -> list[Candidate]:
        """Returns the best of the candidates that the race still has time for, at least two and the habits."""
        race = self._state.facts["race_from"] + schedule.RACE * self._budget
        finish = schedule.finish_seconds(self._config.steps, self._look())
        left = min(race, (1 - schedule.RESERVED) * self._budget - finish) - self.seconds
        order = sorted(active, key=lambda r: (r.name not in candidates.HABITS, -results[r.name].top1))
        chosen, spent = [], 0.0
        for runner in order:
            spent += self._still(results[runner.name].seconds, number)
            if spent <= max(left, 0.0) or runner.name in candidates.HABITS or len(chosen) < len(candidates.HABITS) + 2:
                chosen.append(runner)
        if len(chosen) < len(active):
            names = [runner.name for runner in active if runner not in chosen]
            self._say(f"race       out of time for {', '.join(names)}")
        return [runner for runner in active if runner in chosen]

    def _still(self, seconds: float, number: int) -> float:
        """Returns the most seconds from a rung to the next one of a training that has taken some.

        They are in proportion to the steps, but the seconds of short trainings are those of building and tracing, which
        are over: steps and looks take no longer than those of a whole network.
        """
        part, speed = schedule.RUNGS[number + 1] - schedule.RUNGS[number], self._look()
        batches = len(self._fold(0).validation) / self._config.batch_size
        whole = part * self._config.steps * speed.step + batches * speed.forward
        return min(seconds * part / schedule.RUNGS[number], 1.5 * whole)

    def _full(self, runners: Sequence[Candidate]) -> list[Result]:
        """Returns the results of whole trainings."""
        names = {runner.name for runner in runners}
        return [r for r in self._state.results if r.candidate in names and r.step == r.steps]

    def _learned(self, runners: Sequence[Candidate]) -> bool:
        """Whether any candidate is above chance on held-out images."""
        top1 = np.array([[r.top1] for r in self._full(runners) if r.fold == 0 and r.seed == 0])
        labels = self._fold(0).validation.labels
        chance = float(np.bincount(labels).max() / len(labels))
        return bool(statements.above_chance(top1, chance, len(labels)).any())

    def _nothing(self, runners: Sequence[Candidate], cheap: Mapping[str, Mapping[int, float]]) -> Advice:
        """Returns the answer where nothing transfers and nothing trains."""
        return Advice(
            tuple(runners), None, tuple(self._state.results), None, 1.0, self._smallest(runners), cheap, None,
            dict(self._state.facts), self._config,
        )  # fmt: skip

    # Confirm

    def _table(self, runners: Sequence[Candidate]) -> tuple[paired_scores.PairedScores, np.ndarray]:
        """Returns scores of whole trainings of the candidates that have some, and their covariance from images."""
        full = self._full(runners)
        raced = [r for r in runners if any(x.candidate == r.name and (x.fold, x.seed) == (0, 0) for x in full)]
        rows = [(x.candidate, x.fold, x.seed, x.top1) for x in full if x.candidate in {r.name for r in raced}]
        table = paired_scores.from_rows(
            rows, [r.name for r in raced], [r.family for r in raced], [r.depth for r in raced]
        )
        masks = [next(x for x in full if (x.candidate, x.fold, x.seed) == (r.name, 0, 0)).mask for r in raced]
        return table, held_out.image_covariance(np.array(masks))

    def _ratio(self) -> float:
        """Held-out images of a fold divided by its training images."""
        return 1 / (self._folds - 1)

    def _confirm(self, runners: Sequence[Candidate], rates: Mapping[str, float]) -> None:
        """Trains the finalists on further folds and seeds, until the regret is small or the time is over."""
        if "ended" in self._state.facts:
            return
        by_name = {runner.name: runner for runner in runners}
        table, images = self._table(runners)
        costs = [by_name[name].cost(self._work) for name in table.names]
        finalists = racing.finalists(np.nanmean(table.top1[:, :1, 0], axis=1), costs)
        whole = {r.candidate: r.seconds for r in self._full(runners) if (r.fold, r.seed) == (0, 0)}
        mean = float(np.mean([whole[table.names[i]] for i in finalists]))
        if "runs" not in self._state.facts:
            finish = 1.5 * max(whole[table.names[i]] for i in finalists)
            left = (1 - schedule.RESERVED) * self._budget - self.seconds - finish
            self._state.remember(self.seconds, runs=max(0, int(left / mean)), finish=finish)
        plan = stopping.Plan(
            finalists, self._folds, max(1, self._folds), self._state.facts["runs"], self._tolerance, self._ratio()
        )
        while True:
            table, images = self._table(runners)
            following = stopping.next_runs(table, plan, images)
            if not following.runs:
                self._state.remember(self.seconds, ended=following.reason)
                return
            expected = sum(whole[table.names[i]] for i, _, _ in following.runs)
            if self.seconds + expected + self._state.facts["finish"] > (1 - schedule.RESERVED / 2) * self._budget:
                self._state.remember(self.seconds, ended="out of time")
                return
            for position, fold, seed in following.runs:
                runner = by_name[table.names[position]]
                _, result = self._trained(runner, fold, seed, self._config.steps, rates.get(runner.name, 1.0))
                self._say(
                    f"confirm    fold {fold + 1}  {runner.name:<28}{100 * result.top1:6.1f} %"
                    f"{self.seconds / 60:7.1f} min"
                )

    def _smallest(self, runners: Sequence[Candidate]) -> float:
        """Returns the smallest difference that the held-out images of one fold can show."""
        masks = np.array([r.mask for r in self._full(runners) if (r.fold, r.seed) == (0, 0)])
        apart = held_out.disagreement(masks)
        typical = float(np.median(apart[np.triu_indices(len(apart), 1)])) if len(apart) > 1 else 0.0
        return held_out.smallest_difference(typical, masks.shape[1])

    # Advice

    def _advice(
        self, runners: Sequence[Candidate], rates: Mapping[str, float], cheap: Mapping[str, Mapping[int, float]]
    ) -> Advice:
        """Returns what all scores together say."""
        by_name = {runner.name: runner for runner in runners}
        table, images = self._table(runners)
        posterior = confidence.posterior(table, self._ratio(), images)
        costs = [by_name[name].cost(self._work) for name in table.names]
        verdict = statements.verdict(posterior, self._tolerance, costs, candidates.HABITS)
        self._state.remember(self.seconds, chosen=verdict.chosen)
        return Advice(
            tuple(runners), verdict, tuple(self._state.results), by_name[verdict.chosen],
            rates.get(verdict.chosen, 1.0), self._smallest(runners), cheap, posterior, dict(self._state.facts),
            self._config,
        )  # fmt: skip
