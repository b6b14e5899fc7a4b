# SPDX-License-Identifier: MIT
"""Headless Chromium as a visitor. The daemon comes from tests/e2e."""

import pathlib
import shutil
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

pytest.register_assert_rewrite("harness")

from harness import need_program  # noqa: E402  the path comes first
from harness.fixtures import *  # noqa: E402,F401,F403  fixtures and hooks of the end-to-end tests

SWITCHES = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--disable-sync", "--user-agent=Mozilla/5.0 (X11; Linux x86_64) Chrome/1.0", "--disable-dev-shm-usage", "--hide-scrollbars")


class Browser:
    """A Chromium with an empty profile, driven by chromedriver."""

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
