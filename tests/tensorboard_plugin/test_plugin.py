import json
import pathlib
import re
import subprocess
import sys

import pytest
from tensorboard.backend import application
from tensorboard.plugins import base_plugin
from werkzeug.test import Client

import fake_runs
import tftransfer
from tftransfer.records import record_files
from tftransfer.tensorboard_plugin import TransferPlugin, plugin

HOME = "/data/plugin/tftransfer"
STATIC = pathlib.Path(plugin.__file__).parent / "static"
HTML = "<img src=x onerror=alert(1)>"


@pytest.fixture
def logdir(tmp_path):
    for cell in fake_runs.cells(["AnB"], [1, 2]):
        record_files.write(tmp_path / "logdir" / "study" / cell.name, fake_runs.content(cell))
    return tmp_path / "logdir"


def client(logdir):
    """Returns a client of a whole TensorBoard with only this tab: its routes, its checks of headers."""
    tab = TransferPlugin(base_plugin.TBContext(logdir=str(logdir)))
    return Client(application.TensorBoardWSGI([tab]))


def test_the_tab_is_active_only_if_there_are_records(logdir, tmp_path):
    assert TransferPlugin(base_plugin.TBContext(logdir=str(logdir))).is_active() is True
    assert TransferPlugin(base_plugin.TBContext(logdir=str(tmp_path / "nothing"))).is_active() is False
    assert TransferPlugin(base_plugin.TBContext()).is_active() is False


def test_tensorboard_lists_the_tab(logdir):
    listed = client(logdir).get("/data/plugins_listing").json["tftransfer"]
    assert (listed["enabled"], listed["tab_name"]) == (True, "Transfer")
    assert listed["loading_mechanism"]["module_path"].endswith(f"{HOME}/index.js")


def test_studies_and_numbers_are_json(logdir):
    tensorboard = client(logdir)
    (listed,) = tensorboard.get(f"{HOME}/studies").json["studies"]
    answer = tensorboard.get(f"{HOME}/study", query_string={"name": "study"})
    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    assert answer.json["version"] == listed["version"]
    assert answer.json["finished"] == 4
    assert answer.json["steps"] == 400
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("name", plugin.STATIC)
def test_own_files_are_served_and_all_are_named(logdir, name):
    answer = client(logdir).get(f"{HOME}{name}")
    assert answer.data == (STATIC / name[1:]).read_bytes()
    assert answer.mimetype == plugin.STATIC[name]
    assert {f"/{path.name}" for path in STATIC.iterdir()} == set(plugin.STATIC)


@pytest.mark.parametrize(
    "path",
    [
        "/../plugin.py", "/%2e%2e/plugin.py", "/..%2fplugin.py", "/static/../index.js", "/index.js/../../plugin.py",
        "//etc/passwd", "/%2fetc%2fpasswd", "/index.js%00", "/%00", "/record.json", "/static/index.js", "/",
    ],
)  # fmt: skip
def test_nothing_else_is_served(logdir, path):
    answer = client(logdir).get(f"{HOME}{path}")
    assert answer.status_code in (301, 302, 308, 400, 404), answer.data[:200]
    assert b"import" not in answer.data
    assert b"root:" not in answer.data


@pytest.mark.parametrize(
    "name", ["", "../logdir/study", "..", ".", "/etc", "study/", "study\0", "nothing", HTML, "study/../study", "\udcff"]
)
def test_only_studies_that_are_listed_can_be_asked_for(logdir, name):
    record_files.write(logdir.parent / "secret" / "x", fake_runs.content(fake_runs.cells([])[0]))
    for asked in (name, f"../secret/{name}"):
        query = {"name": asked.encode("utf-8", "surrogateescape")}
        answer = client(logdir).get(f"{HOME}/study", query_string=query)
        assert answer.status_code == 404
        assert "no such study" in answer.json["error"]


@pytest.mark.parametrize("path", ["/index.js", "/studies", "/study"])
def test_nothing_can_be_sent(logdir, path):
    for method in ("POST", "PUT", "DELETE"):
        assert client(logdir).open(f"{HOME}{path}", method=method).status_code == 405


def test_every_failure_becomes_a_message(logdir, monkeypatch, caplog):
    def fail(*_):
        raise RuntimeError(HTML)

    monkeypatch.setattr("tftransfer.tensorboard_plugin.progress.of", fail)
    answer = client(logdir).get(f"{HOME}/study?name=study")
    assert (answer.status_code, answer.mimetype) == (500, "application/json")
    assert answer.json["error"] == f"The tab failed: RuntimeError: {HTML}"
    assert "RuntimeError" in caplog.text, "the traceback is in TensorBoard's log"
    monkeypatch.setattr("tftransfer.tensorboard_plugin.folders.Folders.all", fail)
    assert client(logdir).get(f"{HOME}/studies").status_code == 500


def test_a_missing_extra_is_named_with_the_command(logdir, monkeypatch):
    for name in [
        m for m in sys.modules if m.startswith(("tftransfer.analysis", "tftransfer.tensorboard_plugin.curves"))
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr(tftransfer.tensorboard_plugin, "curves", raising=False)
    monkeypatch.setitem(sys.modules, "pandas", None)
    tensorboard = client(logdir)
    assert tensorboard.get("/data/plugins_listing").json["tftransfer"]["enabled"], "the tab is there, to say so"
    assert tensorboard.get(f"{HOME}/studies").status_code == 200
    answer = tensorboard.get(f"{HOME}/study?name=study")
    assert answer.status_code == 501
    assert "pip install 'tftransfer[report]'" in answer.json["error"]
    assert "pandas" in answer.json["error"]


def test_names_from_records_are_data(tmp_path):
    cell = fake_runs.cells([])[0]
    study = tmp_path / "logdir" / HTML.replace("/", "")
    record_files.write(study / HTML, fake_runs.content(cell, name=HTML, status="diverged"))
    (study / "<b>").mkdir()
    (study / "<b>" / "record.json").write_text("{")
    tensorboard = client(tmp_path / "logdir")
    (listed,) = tensorboard.get(f"{HOME}/studies").json["studies"]
    answer = tensorboard.get(f"{HOME}/study", query_string={"name": listed["name"]})
    assert answer.mimetype == "application/json"
    assert answer.json["excluded"] == [f"{HTML}: diverged"]
    assert "<b>" in answer.json["problems"][0]


def test_the_page_never_makes_markup_of_data_and_asks_nobody_else():
    code = "".join((STATIC / name[1:]).read_text() for name in plugin.STATIC)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function", code)
    addresses = set(re.findall(r"https?://[^\"'\s]+", code))
    assert addresses == {"http://www.w3.org/2000/svg"}, "a name space, not a request"


def test_the_tab_never_loads_tensorflow_and_pandas_only_where_there_are_records(logdir):
    code = f"""
import json, sys
from tensorboard.plugins import base_plugin
from werkzeug.test import Client
from tftransfer.tensorboard_plugin import TransferPlugin
tab = TransferPlugin(base_plugin.TBContext(logdir={str(logdir)!r}))
before = [m for m in ("tensorflow", "keras", "pandas") if m in sys.modules]
assert tab.is_active()  # from now on a thread loads pandas, so that it is there when somebody looks
answer = Client(tab.get_plugin_apps()["/study"]).get("/?name=study").json
print(json.dumps([before, answer["finished"], [m for m in ("tensorflow", "keras") if m in sys.modules]]))
"""
    root = pathlib.Path(tftransfer.__file__).parent.parent
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=True)
    assert json.loads(done.stdout) == [[], 4, []]
