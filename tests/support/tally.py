"""What tests marked `faults` report: faults tried and survived, bad inputs tried and mishandled."""

import dataclasses
import time


@dataclasses.dataclass
class Count:
    """What one kind of fault, or of bad input, came to.

    Attributes:
        tried: Times it was done to the software.
        failed: Times that something was lost, or an input that ended neither well nor in a clear message.
        seconds: Wall time.
    """

    tried: int = 0
    failed: int = 0
    seconds: float = 0.0


class Tally:
    """Counts of a test session, by kind."""

    FAULTS, INPUTS = "faults", "bad inputs"

    def __init__(self):
        self._counts = {self.FAULTS: {}, self.INPUTS: {}}
        self._last = time.monotonic()

    def fault(self, kind, survived, times=1):
        """Reports a fault: `survived` if nothing was lost and the same command ended as without it."""
        self._add(self.FAULTS, kind, times, not survived)

    def bad_input(self, kind, handled):
        """Reports a bad input: `handled` if it ended well, or in a clear message before anything was changed."""
        self._add(self.INPUTS, kind, 1, not handled)

    def start(self):
        """Begins to measure the time of what is reported next."""
        self._last = time.monotonic()

    def _add(self, group, kind, times, failed):
        count = self._counts[group].setdefault(kind, Count())
        now = time.monotonic()
        count.tried += times
        count.failed += times * failed
        count.seconds += now - self._last
        self._last = now

    def lines(self):
        """Returns the table, empty if nothing was reported."""
        names = {self.FAULTS: ("survived", "lost"), self.INPUTS: ("handled", "mishandled")}
        rows = []
        for group, kinds in self._counts.items():
            if not kinds:
                continue
            good, bad = names[group]
            rows.append(f"{group:<44}{'tried':>8}{good:>10}{bad:>12}{'seconds':>10}")
            total = Count(*(sum(getattr(c, f) for c in kinds.values()) for f in ("tried", "failed", "seconds")))
            for kind, c in [*sorted(kinds.items()), ("in all", total)]:
                rows.append(f"  {kind:<42}{c.tried:>8}{c.tried - c.failed:>10}{c.failed:>12}{c.seconds:>10.0f}")
        return rows
