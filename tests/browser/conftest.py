# SPDX-License-Identifier: MIT
"""Chromium and Firefox, without a window, as visitors; the daemon comes from tests/e2e."""

import fcntl
import pathlib
import shutil
import subprocess
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

pytest.register_assert_rewrite("harness")

from harness import need_program, wait_until  # noqa: E402  the path comes first
from marionette import Firefox  # noqa: E402
from harness.fixtures import *  # noqa: E402,F401,F403  fixtures and hooks of the end-to-end tests

SWITCHES = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--disable-sync", "--user-agent=Mozilla/5.0 (X11; Linux x86_64) Chrome/1.0", "--disable-dev-shm-usage", "--hide-scrollbars")


class Browser:
    """A Chromium with an empty profile, driven by chromedriver."""

    name = "chromium"

    def __init__(self, profile):
        webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is missing (apt-get install python3-selenium)")
        options = webdriver.ChromeOptions()
        options.binary_location = need_program("chromium", "chromium")
        for switch in (*SWITCHES, f"--user-data-dir={profile}"):
            options.add_argument(switch)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        service = webdriver.chrome.service.Service(need_program("chromedriver", "chromium-driver"))
        self.driver = webdriver.Chrome(options=options, service=service)

    def look(self, daemon, path, *, width=1024, height=768, scheme="light", is_phone=False):
        """Opens a page of the daemon on a screen of this size."""
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                    {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": is_phone})
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
        self.complaints()  # drops those of the last page, whose daemon may have ended
        self.driver.get("http://%s:%d%s" % (*daemon.address, path))
        return self

    def text(self):
        return self.driver.execute_script("return document.body.innerText")

    def run(self, script):
        return self.driver.execute_script(script)

    def complaints(self):
        """The errors in the console: of the page, of the policy, of missing files. A missing icon is not an error of the page."""
        return [entry["message"] for entry in self.driver.get_log("browser") if "favicon.ico" not in entry["message"]]

    def screenshot(self, name):
        path = pathlib.Path(SCREENSHOTS) / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        assert self.driver.save_screenshot(str(path))
        return path

    def finish(self):
        self.driver.quit()


class Reader:
    """Somebody with a browser, Chromium or Firefox, who opens pages, follows links and goes back."""

    def __init__(self, driver, name):
        self.driver = driver
        self.name = name

    def open(self, site, path):
        self.driver.get("http://%s:%d%s" % (*site.address, path))
        return self

    def back(self):
        self.driver.back()

    def run(self, script):
        return self.driver.execute_script(script)

    def run_async(self, script):
        """The script calls done(value), then or later."""
        return self.driver.execute_async_script("const done = arguments[arguments.length - 1];" + script)

    def wait(self, script, what=None):
        """Until the expression is true in the page; returns its value."""
        return wait_until(lambda: self.run(f"return {script}"), lambda: f"{what or script}; the page: {self.run('return document.body.outerHTML')[:3000]}")


#: The directory of the pictures, for manual review.
SCREENSHOTS = BUILD / "tests" / "browser"  # noqa: F405


@pytest.fixture(scope="module")
def browser():
    """One browser for all tests of a file, because its start is slow."""
    profile = tempfile.mkdtemp(prefix="vc-browser-")
    made = Browser(profile)
    yield made
    made.finish()
    shutil.rmtree(profile, ignore_errors=True)


@pytest.fixture(scope="module", params=["chromium", "firefox"])
def reader(request):
    """Each test that uses it runs in both browsers."""
    profile = tempfile.mkdtemp(prefix="vc-browser-")
    driver = Browser(profile).driver if request.param == "chromium" else Firefox(profile)
    yield Reader(driver, request.param)
    driver.quit()
    shutil.rmtree(profile, ignore_errors=True)


@pytest.fixture(scope="session")
def npm():
    """The folder of the frameworks, which `npm ci` takes from the registry: the ones that package-lock.json names, and no others."""
    source = pathlib.Path(__file__).parent
    folder = BUILD / "tests" / "browser" / "npm"  # noqa: F405
    wanted = (source / "package-lock.json").read_bytes()
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        installed = folder / "installed.json"
        if not installed.exists() or installed.read_bytes() != wanted:
            for name in ("package.json", "package-lock.json", ".npmrc"):
                shutil.copy(source / name, folder / name)
            done = subprocess.run([need_program("npm", "npm"), "ci"], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
            installed.write_bytes(wanted)
    return folder / "node_modules"
