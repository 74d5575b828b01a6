import dataclasses
import io
import pathlib
import socket
import threading

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import api_pb2, plugin_data_pb2

import fake_study
from tftransfer.experiment import plan, splits, treatments
from tftransfer.experiment.config import Config
from tftransfer.records import event_files, filter_grid

WALL_TIME = 1.7e9


def content():
    cell = plan.Cell(treatments.parse("A4B+"), splits.random_split(12, 0), Config(learning_rate=0.25))
    return {
        "name": cell.name,
        "status": "done",
        "result": {"top1": 0.5, "top5": 1.0, "minus_base": 0.125, "cross_entropy": 2.0},
        "cost": {"seconds": 12.0, "train_steps": 30},
        "identity": cell.identity("f", None),
    }


def hparams(folder):
    events = EventAccumulator(str(folder)).Reload()
    return {
        tag: plugin_data_pb2.HParamsPluginData.FromString(data)
        for tag, data in events.PluginTagToContent("hparams").items()
    }


def test_a_network_is_one_row_with_the_declared_columns_and_metrics(tmp_path):
    event_files.write_experiment(tmp_path, WALL_TIME)
    file = event_files.EventFile(tmp_path / "a")
    file.scalars(10, event_files.row({"loss": 1.5, "val_top1": 0.25, "top1": None}, 6), WALL_TIME)
    event_files.write_result(file, "study", content(), WALL_TIME)
    file.close()
    experiment = next(iter(hparams(tmp_path).values())).experiment
    declared = [info.name for info in experiment.hparam_infos]
    assert declared == [*event_files.TREATMENT_COLUMNS, *event_files.RECIPE_COLUMNS]
    shown = [info.name for info in experiment.hparam_infos if info.differs]
    assert sorted(shown) == ["n", "seed", "split", "target", "treatment"], (
        "what TensorBoard shows unless told otherwise"
    )
    assert [info.name.tag for info in experiment.metric_infos] == list(event_files.METRICS)
    (session,) = [
        data.session_start_info for data in hparams(tmp_path / "a").values() if data.HasField("session_start_info")
    ]
    assert set(session.hparams) == set(declared)
    assert session.hparams["treatment"].string_value == "AnB+"
    assert session.hparams["n"].number_value == 4
    assert session.hparams["frozen"].bool_value is False
    assert session.hparams["learning_rate"].number_value == 0.25
    assert session.group_name == "A4B+: random0-A4B-tuned-seed0 in study", (
        "so that TensorBoard never averages two networks"
    )


def test_filters_hide_no_value_that_can_occur(tmp_path):
    event_files.write_experiment(tmp_path, WALL_TIME)
    (content_,) = hparams(tmp_path).values()
    infos = {info.name: info for info in content_.experiment.hparam_infos}
    allowed = {name: list(info.domain_discrete.values) for name, info in infos.items()}
    boxes = {name: values for name, values in allowed.items() if 0 < len(values) < 10}
    assert set(boxes) == {"target", "base", "frozen"}, (
        "TensorBoard shows boxes for fewer than ten values, and hides all others"
    )
    assert [value.string_value for value in boxes["target"]] == list(treatments.TARGETS)
    assert len(allowed["treatment"]) >= 10
    assert len(allowed["split"]) >= 10
    families = {treatments.parse(name, n=None if name == "base" else 1, target="B" if name == "base" else None).family
                for name in treatments.TREATMENTS}  # fmt: skip
    assert {value.string_value for value in allowed["treatment"]} >= families
    numbers = [name for name, info in infos.items() if info.type == api_pb2.DATA_TYPE_FLOAT64]
    values = event_files.columns(content()["identity"])
    assert numbers
    assert all(type(values[name]) in (int, float) for name in numbers)


def test_scalars_are_read_back(tmp_path):
    file = event_files.EventFile(tmp_path)
    for step, top1 in ((10, 0.25), (20, 0.5)):
        file.scalars(step, event_files.row({"loss": 1.5, "val_top1": top1, "top1": None}, 6), WALL_TIME)
    event_files.write_result(file, "study", content(), WALL_TIME)
    file.close()
    events = EventAccumulator(str(tmp_path)).Reload()
    assert set(events.Tags()["scalars"]) == {"train/loss", "validation/top1", *event_files.METRICS}
    assert [(e.step, e.value) for e in events.Scalars("validation/top1")] == [(10, 0.25), (20, 0.5)]
    assert [(e.step, e.value) for e in events.Scalars("final/minus_base")] == [(30, 0.125)]


def test_the_experiment_is_declared_once(tmp_path):
    event_files.write_experiment(tmp_path, WALL_TIME)
    event_files.write_experiment(tmp_path, WALL_TIME)
    assert len(list(tmp_path.glob("events*"))) == 1


def test_filters_and_figures_are_pictures(tmp_path):
    filters = np.random.default_rng(0).integers(0, 256, (6, 5, 5, 3)).astype(np.uint8)
    file = event_files.EventFile(tmp_path / "network")
    event_files.write_filters(file, filters, WALL_TIME)
    file.close()
    event_files.write_experiment(tmp_path, WALL_TIME)
    for shade in (0, 255):
        png = filter_grid.png(np.full((7, 9, 3), shade, np.uint8))
        event_files.write_figure(tmp_path, png, WALL_TIME)
    assert len(list(tmp_path.glob("events*"))) == 2, "the experiment, and the last figure only"
    for folder, tag, size in (("network", "filters/first_layer", (100, 52)), ("", "study/top1_by_treatment", (9, 7))):
        events = EventAccumulator(str(tmp_path / folder)).Reload()
        assert tag in events.PluginTagToContent("images")
        (event,) = events.Tensors(tag)
        width, height, shown = event.tensor_proto.string_val
        picture = Image.open(io.BytesIO(shown))
        assert (int(width), int(height)) == picture.size == size


def test_a_figure_does_not_hide_that_the_experiment_is_undeclared(tmp_path):
    event_files.write_figure(tmp_path, filter_grid.png(np.zeros((2, 2, 3), np.uint8)), WALL_TIME)
    event_files.write_experiment(tmp_path, WALL_TIME)
    assert next(iter(hparams(tmp_path).values())).experiment.hparam_infos


def test_event_files_of_an_earlier_attempt_are_removed(tmp_path):
    event_files.EventFile(tmp_path).close()
    (tmp_path / "record.json").touch()
    event_files.clear(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["record.json"]


@pytest.mark.parametrize("column", event_files.RECIPE_COLUMNS)
def test_recipe_columns_are_parts_of_the_recipe(column):
    assert column in Config(copied_lr_multiplier=0.5).recipe()
    assert {field.name for field in dataclasses.fields(Config)} | {"least_steps"} >= {column}


def test_a_length_that_was_chosen_has_no_least_number_of_steps():
    cell = plan.Cell(treatments.parse("A4B+"), splits.random_split(12, 0), Config(epochs=3.0))
    assert event_files.columns(cell.identity("f", None))["least_steps"] == 0
    assert event_files.columns(cell.identity("f", None))["copied_lr_multiplier"] == 1


@pytest.mark.parametrize(
    ("label", "source", "shown"),
    [
        ("A:k4t3n1:B", fake_study.WEIGHTS, ("A:ktn:B-w1a2b3c4d", "k4t3n1", "x.h5", False)),
        ("A4B", "motifs", ("AnB", "", "motifs", False)),
        ("B4B+", None, ("BnB+", "", "B", False)),
    ],
)
def test_policy_source_and_base_are_columns(label, source, shown):
    cell = fake_study.cell(label, source=source)
    content = fake_study.content(cell, 0.5)
    content["integrity"]["pretrained_source"] = {"file": "x.h5"}
    names = ("treatment", "policy", "source", "base")
    values = event_files.columns(content["identity"], content)
    assert tuple(values[name] for name in names) == shown
    assert event_files.columns(content["identity"], content | {"reference": {"key": "k"}})["base"]


def test_no_recipe_value_is_left_out():
    shown = {*event_files.TREATMENT_COLUMNS, *event_files.RECIPE_COLUMNS}
    assert set(Config().recipe()) <= shown


def test_events_are_on_the_disk_at_once_and_name_no_host(tmp_path):
    threads = threading.active_count()
    file = event_files.EventFile(tmp_path)
    file.scalars(1, {"train/loss": 1.0}, 1.7e9)
    assert threading.active_count() == threads, "no thread that would tell of a full disk too late"
    (path,) = tmp_path.iterdir()
    seen = EventAccumulator(str(path)).Reload()
    assert seen.Scalars("train/loss")[0].value == 1.0
    assert socket.gethostname() not in path.name.split(".")
    file.close()


def test_a_full_disk_is_an_os_error(tmp_path, monkeypatch):
    monkeypatch.setattr(pathlib.Path, "open", lambda *_: open("/dev/full", "wb"))  # noqa: SIM115
    with pytest.raises(OSError, match="No space left on device"):
        event_files.EventFile(tmp_path)


@pytest.mark.parametrize(("classes", "shown"), [(6, True), (5, False), (2, False)])
def test_top_5_of_five_classes_or_fewer_is_not_shown(tmp_path, classes, shown):
    file = event_files.EventFile(tmp_path)
    file.scalars(10, event_files.row({"loss": 1.5, "val_top1": 0.5, "val_top5": 1.0}, classes), WALL_TIME)
    few = content()
    few["identity"]["data"]["class_count"] = classes
    event_files.write_result(file, "study", few, WALL_TIME)
    file.close()
    tags = set(EventAccumulator(str(tmp_path)).Reload().Tags()["scalars"])
    assert ({"validation/top5", "final/top5"} <= tags) == shown
    assert bool({"validation/top5", "final/top5"} & tags) == shown
    assert {"validation/top1", "final/top1"} <= tags
