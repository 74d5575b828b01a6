"""TensorBoard as a process of its own, and a headless Chromium that looks at it."""

import contextlib
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).parents[2]
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--window-size=1500,1000",
)  # fmt: skip
# Starts TensorBoard with the tab, which is not installed here, and without TensorFlow, which takes ten seconds to load.
LAUNCHER = """
import sys, types
sys.modules["tensorboard.compat.notf"] = types.ModuleType("tensorboard.compat.notf")
from tensorboard import default, program
from tftransfer.tensorboard_plugin import TransferPlugin
board = program.TensorBoard(plugins=[*default.get_static_plugins(), TransferPlugin])
board.configure(argv=["tensorboard", *sys.argv[1:]])
board.main()
"""
# Every element that matches, in shadow roots too.
DEEP = """
const found = (root) => [...root.querySelectorAll("*")].flatMap((element) => [
    ...(element.matches(arguments[0]) ? [element] : []), ...(element.shadowRoot ? found(element.shadowRoot) : [])]);
return found(document);
"""


def _wait(condition, seconds, what):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.1)
    raise AssertionError(f"waited {seconds} s in vain for {what}")


@contextlib.contextmanager
def tensorboard(logdir, command=(sys.executable, "-c", LAUNCHER), path=ROOT, cwd=ROOT):
    """Runs TensorBoard on a logdir, for this machine only, and gives its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--logdir", str(logdir), "--host", "127.0.0.1", "--port", str(port), "--reload_interval", "1"]
    log = pathlib.Path(logdir).parent / f"tensorboard-{port}.log"
    with log.open("w") as file:
        process = subprocess.Popen(
            [*command, *options], stdout=file, stderr=file, cwd=cwd, env=os.environ | {"PYTHONPATH": str(path)}
        )

    def answers():
        assert process.poll() is None, log.read_text()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True

    try:
        _wait(answers, 120, "TensorBoard")
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.terminate()
        process.wait(30)


class Browser:
    """Chromium on one page.

    Args:
        driver: Selenium's.
        shots: Folder of screenshots.
    """

    def __init__(self, driver, shots):
        self.driver, self._shots = driver, shots

    def open(self, address):
        self.driver.get(address)

    def all(self, selector):
        """Returns the elements that match, in shadow roots too."""
        return self.driver.execute_script(DEEP, selector)

    def texts(self, selector):
        """Returns the texts of the elements that match, hidden ones too."""
        js = f"const all = (function () {{ {DEEP} }}).apply(null, arguments);"
        return self.driver.execute_script(
            js + 'return all.map((element) => element.textContent.replace(/\\s+/g, " ").trim());', selector
        )

    def wait(self, condition, what, seconds=120):
        """Waits until `condition()` is true, through redraws of the page, and returns it."""
        from selenium.common import exceptions

        def settled():
            with contextlib.suppress(exceptions.StaleElementReferenceException, exceptions.JavascriptException):
                return condition()

        try:
            return _wait(settled, seconds, what)
        except AssertionError:
            self.shot("failed")
            raise

    def one(self, selector, text=None, seconds=120):
        """Waits for an element, with a text if one is given."""

        def found():
            wanted = [e for e in self.all(selector) if text is None or text in " ".join(e.text.split())]
            return wanted[0] if wanted else None

        return self.wait(found, f"{selector} {text or ''}", seconds)

    def shot(self, name):
        """Keeps a screenshot."""
        self.driver.save_screenshot(str(self._shots / f"{name}.png"))

    def errors(self):
        """Returns what the browser's console calls an error."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A headless Chromium; screenshots go to TFTRANSFER_SCREENSHOTS, else to pytest's folder."""
    webdriver = pytest.importorskip("selenium.webdriver")
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    driver_path = shutil.which("chromedriver")
    if not chromium or not driver_path:
        pytest.skip("needs chromium and chromedriver in PATH")
    shots = pathlib.Path(os.environ.get("TFTRANSFER_SCREENSHOTS") or tmp_path_factory.mktemp("screenshots"))
    shots.mkdir(parents=True, exist_ok=True)
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver_path))
    try:
        yield Browser(driver, shots)
    finally:
        driver.quit()
