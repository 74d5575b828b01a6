"""The tab's HTTP interface: its files, its studies, one study's numbers. Every failure becomes a message."""

import contextlib
import functools
import importlib
import json
import logging
import pathlib
import threading
from collections.abc import Callable
from typing import Any

import werkzeug
from tensorboard import plugin_util
from tensorboard.plugins import base_plugin
from werkzeug import wrappers

from tftransfer.system import escaping
from tftransfer.tensorboard_plugin.folders import Folders

NAME = "tftransfer"
INSTALL = "pip install 'tftransfer[report]'"
STATIC = {"/index.js": "text/javascript", "/chart.js": "text/javascript", "/style.css": "text/css"}
_FOLDER = pathlib.Path(__file__).parent / "static"

Answer = tuple[int, dict[str, Any]]


class TransferPlugin(base_plugin.TBPlugin):
    """The tab *Transfer*.

    Args:
        context: TensorBoard's context. Only its logdir is read; its data provider tells the progress of networks.
    """

    plugin_name = NAME

    def __init__(self, context: base_plugin.TBContext) -> None:
        self._data = context.data_provider
        self._folders = Folders(context.logdir)
        self._curves: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._loader: threading.Thread | None = None

    def is_active(self) -> bool:
        """Whether there are records in the logdir."""
        active = self._folders.any()
        if active:
            self._load_early()
        return active

    def frontend_metadata(self) -> base_plugin.FrontendMetadata:
        """Returns the tab's entry module and name."""
        return base_plugin.FrontendMetadata(es_module_path="/index.js", tab_name="Transfer")

    def get_plugin_apps(self) -> dict[str, Callable]:
        """Returns the WSGI applications by path; there are no other paths."""
        files = {path: _file(path.removeprefix("/"), kind) for path, kind in STATIC.items()}
        return files | {"/studies": _json(self._studies), "/study": _json(self._study)}

    def _studies(self, request: wrappers.Request) -> Answer:
        studies = self._folders.all().values()
        return 200, {"studies": [{"name": study.name, "version": study.version} for study in studies]}

    def _load_early(self) -> None:
        """Loads pandas, which takes a second, while the browser draws TensorBoard's own page."""
        if self._loader is None:
            self._loader = threading.Thread(target=_load, daemon=True)
            self._loader.start()

    def _study(self, request: wrappers.Request) -> Answer:
        name = request.args.get("name", "")
        study = self._folders.all().get(name)
        if study is None:
            return 404, {"error": f"There is no such study in TensorBoard's logdir: {escaping.tensorboard(name)}"}
        try:
            if self._loader is not None:
                self._loader.join()  # half an import would be mistaken for a missing package
            from tftransfer.tensorboard_plugin import curves, progress
        except ImportError as error:
            return 501, {"error": f"This tab needs {error.name}. Install it beside TensorBoard: {INSTALL}"}
        with self._lock:  # several tabs may ask at once
            reader = self._curves.setdefault(name, curves.Curves())
            numbers = reader.read(study)
        environ = request.environ
        unfinished = progress.of(study, self._data, plugin_util.context(environ), plugin_util.experiment_id(environ))
        return 200, numbers | {
            "name": name,
            "version": study.version,
            "steps": reader.steps,
            "unfinished": unfinished,
        }


def _load() -> None:
    """Loads what the numbers need; a missing package is reported when they are asked for."""
    with contextlib.suppress(ImportError):
        importlib.import_module(f"{__package__}.curves")


def _json(answer: Callable[[wrappers.Request], Answer]) -> Callable:
    """Returns an application for a function; an exception becomes a message, so that TensorBoard goes on."""

    @functools.wraps(answer)
    def respond(request: wrappers.Request) -> wrappers.Response:
        try:
            code, content = answer(request)
            text = json.dumps(content, allow_nan=False)
        except Exception as error:
            logging.getLogger(__name__).exception("The tab Transfer failed.")
            message = escaping.tensorboard(f"The tab failed: {type(error).__name__}: {error}", escaping.MOST_OF_TEXT)
            code, text = 500, json.dumps({"error": message})
        return _response(text.encode(), "application/json", code)

    return _read_only(respond)


def _file(name: str, kind: str) -> Callable:
    """Returns an application that serves one file, whatever the request."""
    return _read_only(lambda request: _response((_FOLDER / name).read_bytes(), f"{kind}; charset=utf-8", 200))


def _read_only(respond: Callable[[wrappers.Request], wrappers.Response]) -> Callable:
    """Returns an application that refuses all methods but GET and HEAD."""

    @wrappers.Request.application
    def application(request: wrappers.Request) -> wrappers.Response:
        if request.method not in ("GET", "HEAD"):
            raise werkzeug.exceptions.MethodNotAllowed(["GET", "HEAD"])
        return respond(request)

    return application


def _response(content: bytes, kind: str, code: int) -> wrappers.Response:
    headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache, must-revalidate"}
    return wrappers.Response(content, code, headers, content_type=kind)
