"""Weights that networks copy: those of a base in memory or on disk, random ones, pretrained ones."""

from tftransfer import seeds
from tftransfer.execution.pretrained_base import PretrainedBase
from tftransfer.experiment import treatments
from tftransfer.experiment.plan import Cell
from tftransfer.records.record_files import DONE, Record
from tftransfer.training import trainer, untrained_sources, weights
from tftransfer.transfer import Weights


class SourceWeights:
    """The weights that the networks of a study copy from; those of a base stay in memory once they were needed.

    Args:
        pretrained: Weights that someone else trained, for networks whose treatment has their SHA-256.
    """

    def __init__(self, pretrained: PretrainedBase | None = None) -> None:
        self._pretrained = pretrained
        self._bases: dict[str, Weights] = {}

    def keep(self, base: Cell, trained: Weights) -> None:
        """Takes the weights of a base that was trained just now."""
        self._bases[base.name] = trained

    def load(self, base: Cell, record: Record) -> Weights | None:
        """Returns the weights of a base from its folder, None if they are missing or not the recorded ones."""
        trained = weights.read(record, base.config, len(base.classes))
        if trained is not None:
            self._bases[base.name] = trained
        return trained

    def has(self, base: Cell, record: Record) -> bool:
        """Whether a base's weights are in memory, or in its folder as recorded."""
        return base.name in self._bases or self.load(base, record) is not None

    def pretrained_for(self, cell: Cell) -> PretrainedBase | None:
        """Returns the pretrained weights that a network copies in the place of a base of the study."""
        return self._pretrained if cell.treatment.pretrained else None

    def add(self, cell: Cell, task: trainer.Task, sources: dict[str, Weights]) -> str | None:
        """Puts the weights that a network copies from into `sources`, once for a group; returns their name there.

        Args:
            cell: The network.
            task: Images of its target, on which random weights get their moving statistics.
            sources: Weights by name.
        """
        treatment = cell.treatment
        if treatment.is_base:
            return None
        if treatment.source == "R":
            if "random" not in sources:
                made = untrained_sources.random_weights(cell.config, task.split, treatment.target)
                sources["random"] = untrained_sources.with_own_statistics(cell.config, task, made)
            return "random"
        if treatment.pretrained:
            sources["pretrained"] = self._pretrained.weights
            return "pretrained"
        trained = self._bases[cell.source.name]
        if treatment.source == "S":
            if "statistics" not in sources:
                kept = untrained_sources.statistics(cell.config)
                seed = seeds.of_split(cell.config.seed, task.split)
                made = untrained_sources.weights_like(trained, seed, treatment.target, kept)
                sources["statistics"] = untrained_sources.with_own_statistics(cell.config, task, made)
            return "statistics"
        sources[cell.source.name] = trained
        return cell.source.name

    def compared_with(self, cell: Cell, reference: Record | None) -> tuple[Weights | None, Weights | None]:
        """Returns the weights of a network's source and of its target's base, where these are at hand.

        Args:
            cell: The network.
            reference: Record of its target's base, None if it is that base itself.
        """
        source = None
        if cell.treatment.pretrained:
            source = self._pretrained.weights
        elif cell.treatment.source in treatments.HALVES:
            source = self._bases.get(cell.source.name)
        if reference is None or reference.status != DONE:
            return source, None
        base = self._bases.get(cell.reference.name)
        return source, base if base is not None else self.load(cell.reference, reference)
