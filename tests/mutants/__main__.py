"""Applies each kept mutant to a copy of this checkout and runs the tests that should notice: `python -m tests.mutants`.

Exit code 0: all were noticed. 1: some were not, and are named last. 2: nothing was found out, because the list is wrong
or its tests fail without any mutant.
"""

import argparse
import concurrent.futures
import fnmatch
import pathlib
import queue
import sys
import tempfile
import time

from tests.mutants import mutant_list
from tests.mutants.bench import Bench, Verdict
from tests.mutants.mutant_list import Mutant

_NOTICED, _HUNG, _SURVIVED, _BROKEN = "noticed", "noticed (hung)", "SURVIVED", "BROKEN"


def main(words: list[str]) -> int:
    """Runs the command."""
    options = _options(words)
    try:
        everything = mutant_list.read(options.list)
        mutant_list.check(everything)
    except ValueError as error:
        print(f"python -m tests.mutants: {error}", file=sys.stderr)
        return 2
    chosen = [m for m in everything if not options.only or any(map(lambda p, m=m: _fits(m, p), options.only))]
    if not chosen:
        print(f"python -m tests.mutants: no mutant fits --only={','.join(options.only)}", file=sys.stderr)
        return 2
    if options.names:
        print("\n".join(f"{mutant.area}/{mutant.name}" for mutant in chosen))
        return 0
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        benches = [Bench(pathlib.Path(folder) / str(i), options.seconds) for i in range(options.workers)]
        try:
            return _tried(chosen, benches)
        finally:
            for bench in benches:
                bench.close()


def _options(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m tests.mutants", description=__doc__)
    parser.add_argument("--only", type=lambda text: text.split(","), default=[], metavar="PATTERN[,PATTERN]",
                        help="names, areas or both (proofs, *norm*, splits/*)")  # fmt: skip
    parser.add_argument("--workers", type=int, default=1, help="copies of the checkout that work side by side")
    parser.add_argument("--seconds", type=float, default=300.0, help="a mutant whose tests take longer counts as hung")
    parser.add_argument("--list", type=pathlib.Path, default=mutant_list.LIST, help="another list")
    parser.add_argument("--names", action="store_true", help="print the names and try nothing")
    options = parser.parse_args(words)
    if options.workers < 1 or options.seconds <= 0:
        parser.error("--workers must be 1 or more, and --seconds above 0")
    return options


def _fits(mutant: Mutant, pattern: str) -> bool:
    return any(fnmatch.fnmatch(text, pattern) for text in (mutant.name, mutant.area, f"{mutant.area}/{mutant.name}"))


def _tried(mutants: list[Mutant], benches: list[Bench]) -> int:
    """Tries all mutants, prints what became of each, and returns the exit code."""
    tests = sorted({test for mutant in mutants for test in mutant.tests})
    print(f"{len(mutants)} mutants; first their {len(tests)} tests without any", flush=True)
    sound = benches[0].run(tests, seconds=20 * benches[0].seconds)
    if sound.code != 0:
        print(f"{sound.output}\nThese tests fail without any mutant, so they can notice none.", file=sys.stderr)
        return 2
    free: queue.SimpleQueue[Bench] = queue.SimpleQueue()
    for bench in benches:
        free.put(bench)
    started, words = time.monotonic(), {}

    def tried(mutant: Mutant) -> None:
        bench = free.get()
        try:
            verdict = bench.try_out(mutant)
        finally:
            free.put(bench)
        words[mutant] = _word(verdict)
        more = f"\n{verdict.output}" if words[mutant] in (_SURVIVED, _BROKEN) else ""
        print(f"{words[mutant]:<15}{verdict.seconds:>5.0f} s  {mutant.area}/{mutant.name}{more}", flush=True)

    with concurrent.futures.ThreadPoolExecutor(len(benches)) as threads:
        list(threads.map(tried, mutants))
    print(f"\n{_table(words)}\n{len(mutants)} mutants in {(time.monotonic() - started) / 60:.1f} minutes")
    for word, text in ((_HUNG, "Hung"), (_BROKEN, "Not a mutant but a broken program"), (_SURVIVED, "Survived")):
        named = [f"{mutant.area}/{mutant.name}" for mutant in mutants if words[mutant] == word]
        if named:
            print(f"{text}: {', '.join(named)}")
    return int(any(word in (_SURVIVED, _BROKEN) for word in words.values()))


def _word(verdict: Verdict) -> str:
    """Returns what a verdict means. pytest ends with 1 if a test failed, with more if it could not run them."""
    if verdict.code is None:
        return _HUNG
    return {0: _SURVIVED, 1: _NOTICED}.get(verdict.code, _BROKEN)


def _table(words: dict[Mutant, str]) -> str:
    """Returns counts by area."""
    rows = [f"{'area':<16}{'mutants':>8}{'noticed':>8}"]
    for area in dict.fromkeys(mutant.area for mutant in words):
        of = [word for mutant, word in words.items() if mutant.area == area]
        rows.append(f"{area:<16}{len(of):>8}{sum(word in (_NOTICED, _HUNG) for word in of):>8}")
    return "\n".join(rows)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
