"""Where copied weights come from: random ones, those of a base, those of someone else."""

import dataclasses
import shutil

import pytest

from easy_study import RECIPE, cell, names
from tftransfer.execution import pretrained_base, studies
from tftransfer.pretrained import files
from tftransfer.records import record_files, record_warnings
from tftransfer.training import trainer


def test_random_frozen_blocks(study):
    integrity = study.ensure(cell("R3B")).record.content["integrity"]
    assert integrity["frozen_blocks"] == ["conv1", "conv2", "conv3"]
    assert integrity["frozen_blocks_unchanged"]
    assert names(study.root) == ["random0-R3B-seed0", "random0-baseB-seed0"]


def test_random_blocks_with_learnt_statistics_need_their_base(study_with_bases):
    study = study_with_bases
    record = study.ensure(cell("S3B")).record
    base = record_files.read(study.root / "random0-baseB-seed0")
    assert record.identity["source"]["weights"] == base.weights_digest
    assert record.content["integrity"]["frozen_blocks_unchanged"]


@pytest.mark.parametrize("kind", [".weights.h5", ".safetensors"])
def test_pretrained_weights_end_as_ones_own_base_with_the_same_weights(finished, store, tmp_path, kind):
    path = tmp_path / f"given{kind}"
    own = record_files.read(finished / "random0-A4B-seed0")
    pretrained_base.export(record_files.read(finished / "random0-baseA-seed0"), path, ("x", "y", "z"), "a test").write(
        path
    )
    described = files.opened(path)
    given = pretrained_base.load(path, described, RECIPE)
    assert "fc8" not in given.weights, "the head is not read"
    asked = cell("A4B")
    asked = dataclasses.replace(asked, treatment=dataclasses.replace(asked.treatment, pretrained=described.sha256))
    study = studies.Study(tmp_path / "study", store, say=lambda line: None, pretrained=given)
    shutil.copytree(finished / "random0-baseB-seed0", study.root / "random0-baseB-seed0")
    record = study.ensure(asked).record
    mark = f"w{described.sha256[:8]}"
    assert names(study.root) == [f"random0-A4B-{mark}-seed0", "random0-baseB-seed0"], "no base of A is trained"
    assert record.weights_digest == own.weights_digest, "bit by bit"
    assert record.result == own.result
    assert record.identity["source"] == {"pretrained": described.sha256}
    assert record.key != own.key
    assert own.identity["treatment"]["pretrained"] == "", "which is why older records keep their keys"
    integrity = record.content["integrity"]
    assert integrity["pretrained_source"]["file"] == path.name
    assert integrity["pretrained_source"]["provenance"] == "a test"
    assert integrity["target_classes_seen_by_source"] is None
    assert integrity["steps_of_source"] is None
    (text,) = [w.text for w in record_warnings.warnings_of(record.content) if "chance" not in w.text]
    assert f"which classes given{kind} was trained on cannot be compared: not one of their names" in text
    assert f"--treatment=AnB --n=4 --pretrained=given{kind}" in record.content["command"]
    assert (record.folder / "diagnostics.npz").read_bytes() == (own.folder / "diagnostics.npz").read_bytes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "train", pytest.fail)
        assert not studies.Study(study.root, store, say=pytest.fail, pretrained=given).ensure(asked).trained_here
