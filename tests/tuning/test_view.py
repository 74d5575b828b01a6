from fake_trials import trial
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2

from tftransfer.tuning import space, view
from tftransfer.tuning.study import DIVERGED


def test_a_trial_is_a_row_of_hparams(tmp_path):
    view.write_study(tmp_path, 1.7e9)
    view.write_study(tmp_path, 1.7e9)
    view.write_trial(tmp_path / "a", trial(7, 0.25), 1.7e9)
    view.write_trial(tmp_path / "a", trial(7, 0.5, 12.0), 1.7e9)
    view.write_trial(tmp_path / "b", trial(8, status=DIVERGED), 1.7e9)

    def read(folder):
        events = EventAccumulator(str(folder)).Reload()
        content = events.PluginTagToContent("hparams").values()
        return events, [plugin_data_pb2.HParamsPluginData.FromString(data) for data in content]

    _, (declared,) = read(tmp_path)
    assert [info.name for info in declared.experiment.hparam_infos] == list(reversed(space.TUNED))
    assert [info.name.tag for info in declared.experiment.metric_infos] == ["tune/top1", "tune/seconds"]
    events, found = read(tmp_path / "a")
    (session,) = [data.session_start_info for data in found if data.HasField("session_start_info")]
    assert set(session.hparams) == set(space.TUNED)
    assert {tag: events.Scalars(tag)[-1].value for tag in events.Tags()["scalars"]} == {
        "tune/top1": 0.5,
        "tune/seconds": 12,
    }
    events, found = read(tmp_path / "b")
    assert events.Tags()["scalars"] == ["tune/seconds"]
    assert {data.session_end_info.status for data in found if data.HasField("session_end_info")} == {2}, "a failure"
