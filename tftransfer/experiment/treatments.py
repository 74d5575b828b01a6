"""Treatments: their grammar (`AnB+`, `A:k4t3n1:B`), their names, and the bases that they need."""

import dataclasses
import re

from tftransfer.experiment import policies

HALVES = ("A", "B")
RANDOM = ("R", "S")
TARGETS = ("A", "B", "all")
SOURCES = {
    "A": "the base network of half A",
    "B": "the base network of half B",
    "R": "random weights which are never trained",
    "S": "random weights with the mean and variance, channel by channel, of the target's own base",
}
# Spelling in the commands -> meaning; "n" stands for the number of copied blocks.
TREATMENTS = {
    "base": "trained from scratch on --target: the reference (n = 0)",
    "BnB": "first n blocks of baseB, frozen; the rest trained on B (selffer: what does splitting cost?)",
    "AnB": "first n blocks of baseA, frozen; the rest trained on B (transfer: how general are n blocks?)",
    "BnB+": "first n blocks of baseB, fine-tuned with the rest on B (control for longer training)",
    "AnB+": "first n blocks of baseA, fine-tuned with the rest on B (does transfer improve generalisation?)",
    "RnB": "first n blocks random and frozen; the rest trained on B (random filters)",
    "SnB": "first n blocks random with the statistics of baseB, frozen (are learnt statistics enough?)",
    "AnA": "BnB with the halves exchanged",
    "BnA": "AnB with the halves exchanged",
    "AnA+": "BnB+ with the halves exchanged",
    "BnA+": "AnB+ with the halves exchanged",
    "RnA": "RnB with the halves exchanged",
    "SnA": "SnB with the halves exchanged",
    "Rnall": "first n blocks random and frozen; the rest trained on all classes",
    "Snall": "first n blocks random with the statistics of baseall, frozen; the rest on all classes",
}
POLICY = "A:POLICY:B"
"""Spelling of a treatment by its policy, one decision per block, for those that the paper has no name for."""

_GRAMMAR = re.compile(r"(?P<source>[A-Z])(?P<n>n|[0-9]{1,400})(?P<target>[A-Z]|all)(?P<tuned>\+?)")
_BY_POLICY = re.compile(r"(?P<source>[A-Z]):(?P<policy>[^:]*)(:(?P<target>[A-Z]|all))?")


@dataclasses.dataclass(frozen=True)
class Treatment:
    """The treatment of one network: what is copied, frozen and trained.

    Attributes:
        source: Where the first blocks come from: "A", "B", "R" or "S" (random), or None for a base.
        n: Copied blocks, counted from the input; 0 for a base. Frozen unless `fine_tuned`. None if it is not known yet:
            the last of them was named, and the model, which alone tells its number, is not built. With a `policy` the
            blocks of its first run, if these are copied, else 0.
        target: The classes that it is trained on: half "A", half "B" or "all".
        fine_tuned: True if the copied blocks go on training.
        preserve: Further blocks, above the n frozen ones, that are copied too and go on training (the authors' logs
            call such networks "preserved").
        release_step: First step that trains the preserved blocks; 0 for all steps.
        longer_by: For a base: letter of the half whose training steps are added to its own, as a control for networks
            whose source was trained there; empty for a standard base.
        pretrained: SHA-256 of the file of weights that replaces the source's base; empty if the base is trained here.
        policy: One decision per block, such as `k2t1k4n1`, where the fields above cannot say it; else empty. It has a
            `*` while the number of blocks is not known.
    """

    source: str | None
    n: int | None
    target: str
    fine_tuned: bool = False
    preserve: int = 0
    release_step: int = 0
    longer_by: str = ""
    pretrained: str = ""
    policy: str = ""

    @property
    def is_base(self) -> bool:
        """Whether nothing is copied."""
        return self.source is None

    @property
    def is_reference(self) -> bool:
        """Whether it is the standard base of a half, which others are compared with and copy from."""
        return self.is_base and not self.longer_by

    @property
    def frozen(self) -> bool:
        """Whether blocks keep the weights that they were copied with: the first `n`, or those that the policy keeps."""
        if self.policy:
            return policies.KEEP in self.policy
        return not self.is_base and not self.fine_tuned

    @property
    def decisions(self) -> str:
        """One letter of `policies.DECISIONS` for each block from the input, without the new ones at the end."""
        if self.policy:
            return policies.decisions(self.policy).rstrip(policies.NEW)
        return (policies.KEEP if self.frozen else policies.TUNE) * self.n + policies.TUNE * self.preserve

    @property
    def copied(self) -> int:
        """Number of blocks with weights from the source."""
        return len(self.decisions) - self.decisions.count(policies.NEW) - self.decisions.count(policies.DROP)

    @property
    def frozen_blocks(self) -> int | None:
        """Number of blocks from the input that keep their weights, up to the first that does not; None as n is."""
        return None if self.n is None else policies.frozen_from_input(self.decisions)

    @property
    def source_base(self) -> str | None:
        """Target of the base that it copies from, or whose statistics it takes; None if there is none."""
        if self.pretrained:
            return None
        return {None: None, "R": None, "S": self.target}.get(self.source, self.source)

    @property
    def label(self) -> str:
        """The paper's name: `baseB`, `B4B`, `A4B+`; further parts follow a dash, as in `A3B-keep2-from500`.

        It is `AnB` while n is not known.
        """
        if self.is_base:
            return f"base{self.target}" + (f"-plus{self.longer_by}" if self.longer_by else "")
        if self.policy:
            return f"{self.source}:{self.policy}:{self.target}{self.origin}"
        n = "n" if self.n is None else self.n
        return f"{self.source}{n}{self.target}{'+' if self.fine_tuned else ''}{self._stages}{self.origin}"

    @property
    def origin(self) -> str:
        """Suffix of copies of pretrained weights, `-w1a2b3c4d`; empty for those of a base trained here."""
        return f"-w{self.pretrained[:8]}" if self.pretrained else ""

    @property
    def _stages(self) -> str:
        kept = f"-keep{self.preserve}" if self.preserve else ""
        return kept + (f"-from{self.release_step}" if self.release_step else "")

    @property
    def family(self) -> str:
        """The treatment without numbers: `base`, `BnB`, `AnB+`; of pretrained weights `AnB+-w1a2b3c4d`.

        By policy, it is what those have in common that differ in their first run alone: `A:ktn:B` of `A:k4t3n1:B`.
        """
        if self.is_base:
            return "base" + (f"-plus{self.longer_by}" if self.longer_by else "")
        if self.policy:
            return f"{self.source}:{policies.family(self.policy)[0]}:{self.target}{self.origin}"
        return f"{self.source}n{self.target}{'+' if self.fine_tuned else ''}{self.origin}"

    @property
    def slug(self) -> str:
        """The label for file names and URLs: `A4B-tuned`, `A-k2t1k4n1-B`."""
        return self.label.replace("+", "-tuned").replace(":", "-").replace("*", "x")


def base(target: str) -> Treatment:
    """Returns the base of a half: `base("B").label` is `baseB`."""
    return Treatment(source=None, n=0, target=target)


def parse(
    text: str,
    n: int | str | None = None,
    target: str | None = None,
    blocks: int | None = 8,
    preserve: int = 0,
    release_step: int = 0,
) -> Treatment:
    """Reads a treatment as users and the paper write it.

    Args:
        text: `base`, a name with the letter n (`AnB+`) or with a number in its place (`A4B+`).
        n: Blocks to copy, 1 to `blocks - 1`; needed if `text` has the letter n, forbidden for `base`. A name is that of
            the last copied block of a model that is not built yet.
        target: The half of a base, "A", "B" or "all"; forbidden for others, whose name has it.
        blocks: Number of blocks of the network, its head included (AlexNet: 8); None if it is not known yet.
        preserve: Blocks above the n frozen ones that are copied and fine-tuned.
        release_step: First step that trains them.

    Returns:
        The treatment. Its n is None where that is not known yet.

    Raises:
        ValueError: If the parts are unknown, missing, or contradict each other.

    Example:
        >>> parse("AnB+", n=4).label
        'A4B+'
        >>> parse("B4B").frozen
        True
    """
    if text == "base":
        return _parse_base(n, target, preserve, release_step)
    if ":" in text:
        if preserve or release_step:
            raise ValueError(f"A policy says which blocks are tuned: leave --preserve and --release_step out, or use "
                             f"AnB. Received: --treatment={text}")  # fmt: skip
        return _parse_by_policy(text, n, target, blocks)
    match = _match(text, target)
    if match["n"] != "n":
        n = _written(text, int(match["n"]), n)
    n = _copied(text, n, blocks)
    _refuse_contradictions(text, match, n, blocks, preserve, release_step)
    return Treatment(match["source"], n, match["target"], bool(match["tuned"]), preserve, release_step)


def by_policy(text: str, source: str = "A", target: str = "B", blocks: int | None = 8) -> Treatment:
    """Returns the treatment of a policy; it is the paper's where the paper has a name for it.

    Args:
        text: A policy such as `k2t1k4n1` or `k*n1`.
        source: Where copied blocks come from.
        target: The half that it is trained on.
        blocks: Number of blocks of the network, its head included; None if it is not known yet.

    Raises:
        ValueError: If it is no policy of such a network, or copies nothing.

    Example:
        >>> by_policy("k4n4").label, by_policy("t4n4").label, by_policy("k3t2n3").label, by_policy("k2t1k4n1").label
        ('A4B', 'A4B+', 'A3B-keep2', 'A:k2t1k4n1:B')
    """
    text = policies.parse(text, blocks)
    if not {policies.KEEP, policies.TUNE} & set(text):
        raise ValueError(f"A policy that copies nothing is a base. Use --treatment=base. Received: {text}")
    if source in RANDOM and policies.TUNE in text:
        raise ValueError(f"Random weights which are trained are new ones: use n for t. Received: {source}:{text}")
    if policies.REST in text:
        return Treatment(source, None, target, policy=text)
    letters = policies.decisions(text)
    if re.fullmatch("k+n+", letters) or re.fullmatch("t+n+", letters):
        return Treatment(source, len(letters.rstrip("n")), target, fine_tuned=letters[0] == policies.TUNE)
    if re.fullmatch("k+t+nn+", letters):
        return Treatment(source, letters.count(policies.KEEP), target, preserve=letters.count(policies.TUNE))
    return Treatment(source, policies.family(text)[1], target, policy=text)


def _parse_by_policy(text: str, n: int | str | None, target: str | None, blocks: int | None) -> Treatment:
    match = _BY_POLICY.fullmatch(text)
    if not match or match["source"] not in SOURCES or (match["target"] or "B") not in TARGETS:
        raise ValueError(
            f"Unknown treatment. Expected a source ({', '.join(SOURCES)}), a policy and a target "
            f"({', '.join(TARGETS)}), as in A:k4t3n1:B. Received: --treatment={text}"
        )
    if n is not None:
        raise ValueError(f"A policy decides on every block. Leave --n out. Received: --treatment={text} --n={n}")
    if target not in (None, match["target"] or "B"):
        raise ValueError(
            f"--target contradicts the treatment, which names its target. Leave --target out. "
            f"Received: --treatment={text} --target={target}"
        )
    if match["target"] == "all" and match["source"] not in RANDOM:
        raise ValueError(f"A network trained on all classes has no other half to copy from. Received: {text}")
    return by_policy(match["policy"], match["source"], match["target"] or "B", blocks)


def _parse_base(n: int | str | None, target: str | None, preserve: int, release_step: int) -> Treatment:
    if preserve or release_step:
        raise ValueError(
            f"A base copies no blocks. Leave --preserve and --release_step out. Received: --treatment=base "
            f"--preserve={preserve} --release_step={release_step}"
        )
    if n is not None:
        raise ValueError(f"A base copies no blocks. Leave --n out. Received: --treatment=base --n={n}")
    if target not in TARGETS:
        raise ValueError(f"A base needs its half. Expected --target=A, B or all. Received: --target={target or ''}")
    return base(target)


def _match(text: str, target: str | None) -> re.Match[str]:
    """Parts of a treatment that copies blocks: source, n, target, tuned."""
    match = _GRAMMAR.fullmatch(text)
    known = ", ".join(TREATMENTS)
    if not match or match["source"] not in SOURCES or match["target"] not in TARGETS:
        raise ValueError(
            f"Unknown treatment. Expected one of {known} (or with a number for n, as in B4B+), or a source, a policy "
            f"and a target, as in A:k4t3n1:B. Received: --treatment={text}"
        )
    if target not in (None, match["target"]):
        raise ValueError(
            f"--target contradicts the treatment, whose last letter is the target. Leave --target out. "
            f"Received: --treatment={text} --target={target}"
        )
    return match


def _written(text: str, written: int, n: int | str | None) -> int:
    """The number in a treatment such as `A4B`, which `n` must not contradict; a name cannot be compared yet."""
    if isinstance(n, int) and n != written:
        raise ValueError(f"--n contradicts the treatment. Leave --n out. Received: --treatment={text} --n={n}")
    return written


def _copied(text: str, n: int | str | None, blocks: int | None) -> int | None:
    """The number of blocks to copy, compared with the model's as far as both are known."""
    if n is None:
        most = f" to --n={blocks - 1}" if blocks else " or more"
        raise ValueError(
            f"--treatment={text} needs the number of blocks to copy. Expected --n=1{most}. Received no --n."
        )
    if isinstance(n, str):
        return None
    if blocks is None and n < 1:
        raise ValueError(f"n must be at least 1. Received: n={n}")
    if blocks is not None and not 1 <= n <= blocks - 1:
        raise ValueError(
            f"n must be 1 to {blocks - 1}: the network has {blocks} blocks, and the last, its head, is always trained. "
            f"Received: n={n}"
        )
    return n


def _refuse_contradictions(
    text: str, match: re.Match[str], n: int | None, blocks: int | None, preserve: int, release_step: int
) -> None:
    """Raises ValueError if the parts of a treatment cannot go together."""
    if match["source"] in RANDOM and match["tuned"]:
        raise ValueError(
            f"Random weights which are trained are a base. Use --treatment=base --target={match['target']}. "
            f"Received: --treatment={text}"
        )
    if match["target"] == "all" and match["source"] not in RANDOM:
        raise ValueError(
            f"A network trained on all classes has no other half to copy from; only base, Rnall and Snall are defined "
            f"on all. Received: --treatment={text}"
        )
    if preserve and (match["source"] in RANDOM or match["tuned"]):
        raise ValueError(
            f"--preserve goes with frozen blocks of a trained source, such as AnB. "
            f"Received: --treatment={text} --preserve={preserve}"
        )
    if preserve < 0:
        raise ValueError(f"--preserve must be at least 0. Received: preserve={preserve}")
    if None not in (n, blocks) and n + preserve > blocks - 1:
        raise ValueError(
            f"--n plus --preserve must be at most {blocks - 1}: the network has {blocks} blocks, and its head is "
            f"always new. Received: n={n} preserve={preserve}"
        )
    if release_step and not preserve:
        raise ValueError(
            f"--release_step is the first step of preserved blocks: it needs --preserve. Received: {release_step}"
        )


def for_target(role: Treatment, target: str) -> Treatment:
    """Returns the treatment of `target` that a role, written for target B, stands for.

    Args:
        role: A treatment of target B: source A stands for the other half, source B for the target's own.
        target: "A", "B", or "all", which only bases and random sources can have.

    Raises:
        ValueError: If the role is not written for B, or all classes have no other half.

    Example:
        >>> [for_target(parse(text), "A").label for text in ("A4B", "B4B+", "R4B")]
        ['B4A', 'A4A+', 'R4A']
    """
    if role.target != "B":
        raise ValueError(
            f"Roles are written for target B, with source A for the other half and B for the target's own; the targets "
            f"are given by --targets. Received: {role.label}"
        )
    if target == "all" and role.source in HALVES:
        raise ValueError(
            f"A network trained on all classes has no other half to copy from; only base, RnB and SnB go with "
            f"target all. Received: {role.family}"
        )
    return _exchanged(role, target) if target == "A" else dataclasses.replace(role, target=target)


def role(treatment: Treatment) -> str:
    """Returns the family of a treatment as written for target B, which networks of both directions have in common.

    Example:
        >>> [role(parse(text)) for text in ("A4B", "B4A", "A4A+", "R4all")]
        ['AnB', 'AnB', 'BnB+', 'RnB']
        >>> role(base("A"))
        'base'
    """
    written = _exchanged(treatment, "B") if treatment.target == "A" else dataclasses.replace(treatment, target="B")
    return written.family


def _exchanged(treatment: Treatment, target: str) -> Treatment:
    """The treatment of the other half: A for B and B for A, wherever they stand."""
    other = {"A": "B", "B": "A"}
    source, longer_by = (other.get(letter, letter) for letter in (treatment.source, treatment.longer_by))
    return dataclasses.replace(treatment, target=target, source=source, longer_by=longer_by)


def required_bases(treatment: Treatment) -> tuple[Treatment, ...]:
    """Returns the bases that must be trained first: the source, then the one to compare with.

    Example:
        >>> [network.label for network in required_bases(parse("A4B"))]
        ['baseA', 'baseB']
    """
    if treatment.is_base:
        return (base(treatment.target),) if treatment.longer_by else ()
    targets = [target for target in (treatment.source_base, treatment.target) if target]
    return tuple(base(target) for target in dict.fromkeys(targets))


def longer_base(treatment: Treatment) -> Treatment | None:
    """Returns the base with the steps of a network and its source together; None where these are not known.

    Example:
        >>> longer_base(parse("A4B")).label
        'baseB-plusA'
    """
    if treatment.source not in HALVES or treatment.pretrained:
        return None
    return dataclasses.replace(base(treatment.target), longer_by=treatment.source)


def variant(images_per_class: int = 0, preserve: int = 0, release_step: int = 0) -> str:
    """Returns the settings of a network that are not at their defaults, in words.

    Example:
        >>> variant(images_per_class=10, preserve=2)
        '2 preserved, 10 images per class'
        >>> variant(release_step=500), variant()
        ('released at step 500', '')
    """
    parts = [f"{preserve} preserved"] if preserve else []
    parts += [f"released at step {release_step}"] if release_step else []
    parts += [f"{images_per_class} image{'' if images_per_class == 1 else 's'} per class"] if images_per_class else []
    return ", ".join(parts)
