"""A group of networks as one functional model: frozen sources are trunks, networks are towers.

The networks of a group see the same batches. A trunk runs once a batch; a tower leaves it after its longest run of
frozen blocks from the input, and starts at the input if there is none. Frozen blocks above trained ones lie in the
tower. Towers share nothing that trains, so each ends where it would have ended alone. The graph is cut at blocks;
nothing here knows an architecture.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras

from tftransfer import seeds, transfer
from tftransfer.experiment import policies
from tftransfer.models.blocks import Block, blocks, every_layer
from tftransfer.models.cloning import Replace, clone_with_seeds
from tftransfer.models.layers import StepNoise
from tftransfer.models.shortened import shortened
from tftransfer.training import batch_norm as normalisation
from tftransfer.transfer import Weights


@dataclasses.dataclass(frozen=True)
class Network:
    """One network of a group, as data.

    Attributes:
        name: Unique in the group, plain letters, digits and `-`: names its tower, its output and its weights.
        source: Key of the weights that its kept and tuned blocks are copied from; None for a base.
        policy: Decisions on its blocks from the input, as run lengths (`experiment.policies`): `k4` keeps four, `k3t2`
            tunes two more. Blocks that it does not name are new.
        release_step: Step from which on tuned blocks train; 0 means at once.
    """

    name: str
    source: str | None = None
    policy: str = ""
    release_step: int = 0

    @property
    def decisions(self) -> str:
        """One letter for each block that the policy names."""
        return policies.decisions(self.policy)

    @property
    def frozen(self) -> int:
        """Number of frozen blocks from the input, up to the first that is not frozen: those in a trunk."""
        return policies.frozen_from_input(self.decisions)

    @property
    def left(self) -> int | None:
        """Number of blocks below its head if blocks are dropped; None if none is."""
        return self.decisions.index(policies.DROP) if policies.DROP in self.policy else None


class Group:
    """Networks of one target half, seed and recipe, as one model.

    Args:
        template: Functional model with a head for the half's classes; only its architecture is used.
        networks: The networks, names unique.
        sources: Weights by layer name of every source that a network names.
        seed: Seed of the networks, from `seeds.of_split`: initial weights and dropout derive from it.
        target: Letter of the half.
        block_names: Blocks of the template, its own by default.
        batch_norm: In frozen blocks, "inference" uses and keeps the source's moving statistics; "adapt" normalises
            with those of each batch, as in training, and lets the moving ones follow the target's images. So in
            blocks that wait for their release.

    Attributes:
        model: The combined model, `(batch, height, width, channels)` to a dict of logits by network name;
            `training.features` replaces it by one that begins at the trunks' features.
        variables: Those of the combined model from images, trunks included.
        networks: As given.
        template: As given.
        blocks: Its blocks.
        batch_norm: As given.

    Raises:
        ValueError: If a source's weights do not fit the template.
    """

    def __init__(
        self,
        template: keras.Model,
        networks: Sequence[Network],
        sources: Mapping[str, Weights],
        seed: int,
        target: str,
        block_names: Sequence[str] | None = None,
        batch_norm: str = "inference",
    ) -> None:
        self.networks = tuple(networks)
        self.template = template
        self.batch_norm = batch_norm
        self.blocks = blocks(template, block_names)
        self._seed, self._target = seed, target
        inputs = keras.Input(template.input_shape[1:])  # (batch, height, width, channels)
        self._trunks = {key: self._trunk(key, sources[key]) for key in self._frozen_sources()}
        # By source and depth "n", what block n makes: (batch, height, width, channels), or (batch, units).
        cuts = {key: trunk(inputs) for key, trunk in self._trunks.items()}
        self._towers: dict[str, keras.Model] = {}
        self._copied_weights: dict[str, Weights] = {}
        outputs = {}
        for network in self.networks:
            tower = self._tower(network)
            self._towers[network.name] = tower
            entry = cuts[network.source][str(network.frozen)] if network.frozen else inputs
            outputs[network.name] = as_float32(tower(entry), network.name)  # (batch, classes)
            self._copied_weights[network.name] = self._copy(network, sources)
        self.model = keras.Model(inputs, outputs, name="group")
        self.variables = list(self.model.variables)

    @property
    def trunks(self) -> Mapping[str, keras.Model]:
        """Models from images to dicts of what leaves them, by source; the names in a dict are depths, such as "4"."""
        return self._trunks

    @property
    def towers(self) -> Mapping[str, keras.Model]:
        """Models from what leaves a trunk, or from images, to logits `(batch, classes)`, by network."""
        return self._towers

    def _frozen_sources(self) -> dict[str, int]:
        """Returns the sources that need a trunk, and how many blocks of it."""
        depth: dict[str, int] = {}
        for network in self.networks:
            if network.frozen:
                depth[network.source] = max(depth.get(network.source, 0), network.frozen)
        return depth

    def _trunk(self, key: str, weights: Weights) -> keras.Model:
        """Returns the frozen blocks of a source, with an output at every cut that a network needs."""
        depths = sorted({network.frozen for network in self.networks if network.source == key} - {0})
        outputs = {str(n): self.blocks[n - 1].output for n in depths}
        name = f"trunk-{list(self._frozen_sources()).index(key)}"
        trunk = self._clone(keras.Model(self.template.input, outputs), name, role="trunk")
        transfer.copy_layers(_only(weights, self.blocks[: depths[-1]]), trunk)
        trunk.trainable = False
        if self.batch_norm == "adapt":
            normalisation.let_statistics_follow(trunk)
        return trunk

    def _tower(self, network: Network) -> keras.Model:
        """Returns the part of a network that trains, with initial weights of its own."""
        whole = self.template if network.left is None else shortened(self.template, self.blocks, network.left)
        start = self.blocks[network.frozen - 1].output if network.frozen else whole.input
        role = "base" if network.source is None else "top"
        held = self._held_layers(network) if self.batch_norm == "inference" else ()

        def instead(path: str, layer: keras.Layer) -> keras.Layer | None:
            return normalisation.held(layer, network.release_step) if path.partition("/")[0] in held else None

        tower = self._clone(keras.Model(start, whole.output), network.name, role, instead)
        self._freeze(tower, network)
        return tower

    def _freeze(self, tower: keras.Model, network: Network) -> None:
        """Freezes the kept blocks of a tower, which lie above others that train; gradients run through them."""
        for block in self._blocks_of(network, policies.KEEP)[network.frozen :]:
            for layer in map(tower.get_layer, block.layers):
                layer.trainable = False
                if self.batch_norm == "adapt":
                    normalisation.let_statistics_follow(layer)

    def _blocks_of(self, network: Network, letters: str) -> list[Block]:
        """Returns the blocks of a network on which its policy decides so."""
        decisions = network.decisions.ljust(len(self.blocks), policies.NEW)
        return [block for block, letter in zip(self.blocks, decisions, strict=True) if letter in letters]

    def _held_layers(self, network: Network) -> tuple[str, ...]:
        """Returns the layers of a network that train from a later step on."""
        if not network.release_step:
            return ()
        return tuple(layer for block in self._blocks_of(network, policies.TUNE) for layer in block.layers)

    def _copy(self, network: Network, sources: Mapping[str, Weights]) -> Weights:
        """Copies the blocks outside a trunk from their source into the tower; returns all copied blocks' weights."""
        if network.source is None:
            return {}
        blocks_copied = self._blocks_of(network, policies.KEEP + policies.TUNE)
        copied = _only(sources[network.source], blocks_copied)
        inside = _only(sources[network.source], blocks_copied[network.frozen :])
        transfer.copy_layers(inside, self._towers[network.name])
        return copied

    def _clone(self, model: keras.Model, name: str, role: str, instead: Replace = lambda *_: None) -> keras.Model:
        """Returns a copy of `model` whose randomness derives from (seed, role, target, layer)."""

        def seed_for(*names: str) -> int:
            return seeds.derive(self._seed, *names)

        return clone_with_seeds(
            model,
            name,
            initial=lambda layer, weight: seed_for("init", role, self._target, layer, weight),
            noise=lambda layer: seed_for("dropout", layer),
            instead=instead,
        )

    def _network(self, name: str) -> Network:
        return next(network for network in self.networks if network.name == name)

    def trained_rates(self, rates: Mapping[str, float], copied: float = 1.0) -> dict[str, float]:
        """Returns the factors on the rates of layers that train, by `network/layer`, where they are not 1.

        Args:
            rates: Factors by block.
            copied: Factor on those of tuned blocks.
        """
        found = {
            f"{network.name}/{layer}": rates.get(block.name, 1.0) * factor
            for network in self.networks
            for letters, factor in ((policies.TUNE, copied), (policies.NEW, 1.0))
            for block in self._blocks_of(network, letters)
            for layer in self._trained_layers(network, block)
            if self._towers[network.name].get_layer(layer).weights
        }
        return {name: factor for name, factor in found.items() if factor != 1}

    def _trained_layers(self, network: Network, block: Block) -> list[str]:
        """Returns the layers of a block that trains; a head that stands lower has not all layers of the whole one."""
        present = {layer.name for layer in self._towers[network.name].layers}
        return [layer for layer in block.layers if layer in present]

    def release_steps(self) -> dict[str, int]:
        """Returns the step from which on layers train, by `network/layer`, where that is not the first."""
        return {
            f"{network.name}/{layer}": network.release_step
            for network in self.networks
            if network.release_step
            for layer in self._held_layers(network)
            if self._towers[network.name].get_layer(layer).weights
        }

    def follow(self, steps: Callable[[], Any]) -> None:
        """Takes a function that returns the steps done: moving statistics that are held wait for it."""
        for tower in self._towers.values():
            normalisation.follow(tower, steps)

    def seek(self, step: int) -> None:
        """Sets the number of steps already done, which all noise depends on."""
        for part in (*self._trunks.values(), *self._towers.values()):
            for layer in every_layer(part):
                if isinstance(layer, StepNoise):
                    layer.seek(step)

    def statistics(self) -> dict[str, tuple[int, ...]]:
        """Returns the places of moving statistics in the weights of each layer that has some."""
        return transfer.statistics_of(self.template)

    def weights(self, name: str) -> dict[str, list[Any]]:
        """Returns all weights of a network by layer name, its frozen blocks included."""
        network = self._network(name)
        frozen = {}
        if network.frozen:
            frozen = _only(transfer.weights_of(self._trunks[network.source]), self.blocks[: network.frozen])
        return frozen | transfer.weights_of(self._towers[name])

    def copied_weights(self, name: str) -> Weights:
        """Returns the weights that were copied into a network at the start, by layer name."""
        return self._copied_weights[name]

    def copied_layers(self, name: str) -> dict[str, tuple[str, ...]]:
        """Returns the weight layers of each copied block."""
        return self._weight_layers(name, policies.KEEP + policies.TUNE)

    def frozen_layers(self, name: str) -> dict[str, tuple[str, ...]]:
        """Returns the weight layers of each frozen block."""
        return self._weight_layers(name, policies.KEEP)

    def _weight_layers(self, name: str, letters: str) -> dict[str, tuple[str, ...]]:
        start, chosen = self._copied_weights[name], self._blocks_of(self._network(name), letters)
        return {block.name: tuple(layer for layer in block.layers if layer in start) for block in chosen}

    def trained_parameter_count(self, name: str) -> int:
        """Returns the number of a network's parameters that train."""
        return sum(math.prod(variable.shape) for variable in self._towers[name].trainable_variables)


def as_float32(logits: Any, name: str) -> Any:
    """Returns logits `(batch, classes)` in float32: under half precision a model's head may give fewer bits."""
    if logits.dtype in ("float32", "float64"):
        return logits
    return keras.layers.Activation("linear", dtype="float32", name=f"{name}-float32")(logits)


def _only(weights: Weights, of: Sequence[Block]) -> dict[str, list[Any]]:
    """Returns the weights of the layers in some blocks."""
    names = {layer for block in of for layer in block.layers}
    return {layer: arrays for layer, arrays in weights.items() if layer in names}
