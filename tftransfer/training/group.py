"""A group of networks as one functional model: frozen sources are trunks, networks are towers.

The networks of a group see the same batches. A trunk runs once a batch; a tower with n frozen blocks leaves it behind
block n, a tower without frozen blocks starts at the input. Towers share nothing that trains, so each ends where it
would have ended alone. The graph is cut at blocks; nothing here knows an architecture.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras

from tftransfer import seeds, transfer
from tftransfer.models.blocks import Block, blocks, every_layer
from tftransfer.models.cloning import Replace, clone_with_seeds
from tftransfer.models.layers import StepNoise
from tftransfer.training import batch_norm as normalisation
from tftransfer.transfer import Weights


@dataclasses.dataclass(frozen=True)
class Network:
    """One network of a group, as data.

    Attributes:
        name: Unique in the group, plain letters, digits and `-`: names its tower, its output and its weights.
        source: Key of the weights that its first blocks are copied from; None for a base.
        copied: Blocks copied, from the input.
        frozen: How many of them, from the input, keep their weights; the others train on.
        release_step: Step from which on those others train; 0 means at once.
    """

    name: str
    source: str | None = None
    copied: int = 0
    frozen: int = 0
    release_step: int = 0


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
        model: The combined model, `(batch, height, width, channels)` to a dict of logits by network name.
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
            outputs[network.name] = _as_float32(tower(entry), network.name)  # (batch, classes)
            self._copied_weights[network.name] = self._copy(network, sources)
        self.model = keras.Model(inputs, outputs, name="group")

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
        start = self.blocks[network.frozen - 1].output if network.frozen else self.template.input
        role = "base" if network.source is None else "top"
        held = self._held_layers(network) if self.batch_norm == "inference" else ()

        def instead(path: str, layer: keras.Layer) -> keras.Layer | None:
            return normalisation.held(layer, network.release_step) if path.partition("/")[0] in held else None

        return self._clone(keras.Model(start, self.template.output), network.name, role, instead)

    def _held_layers(self, network: Network) -> tuple[str, ...]:
        """Returns the layers of a network that train from a later step on."""
        if not network.release_step:
            return ()
        return tuple(layer for block in self.blocks[network.frozen : network.copied] for layer in block.layers)

    def _copy(self, network: Network, sources: Mapping[str, Weights]) -> Weights:
        """Copies the blocks that train from their source into the tower; returns all copied blocks' weights."""
        if network.source is None:
            return {}
        copied = _only(sources[network.source], self.blocks[: network.copied])
        inside = _only(sources[network.source], self.blocks[network.frozen : network.copied])
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

    def trained_rates(self, rates: Mapping[str, float]) -> dict[str, float]:
        """Returns the rates of blocks by `network/layer`, for the layers that train."""
        return {
            f"{network.name}/{layer}": rates[block.name]
            for network in self.networks
            for block in self.blocks[network.frozen :]
            for layer in block.layers
            if block.name in rates and self._towers[network.name].get_layer(layer).weights
        }

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
        start = self._copied_weights[name]
        copied = self.blocks[: self._network(name).copied]
        return {block.name: tuple(layer for layer in block.layers if layer in start) for block in copied}

    def trained_parameter_count(self, name: str) -> int:
        """Returns the number of a network's parameters that train."""
        return sum(math.prod(variable.shape) for variable in self._towers[name].trainable_variables)


def _as_float32(logits: Any, name: str) -> Any:
    """Returns logits `(batch, classes)` in float32: under half precision a model's head may give fewer bits."""
    if logits.dtype in ("float32", "float64"):
        return logits
    return keras.layers.Activation("linear", dtype="float32", name=f"{name}-float32")(logits)


def _only(weights: Weights, of: Sequence[Block]) -> dict[str, list[Any]]:
    """Returns the weights of the layers in some blocks."""
    names = {layer for block in of for layer in block.layers}
    return {layer: arrays for layer, arrays in weights.items() if layer in names}
