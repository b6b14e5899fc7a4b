# SPDX-License-Identifier: MIT
"""Firefox, without a window, by Marionette: the protocol that Firefox itself speaks (length, colon, JSON; by TCP).

Debian has no geckodriver, which only translates it.
"""

import json
import pathlib
import socket
import subprocess

from harness import DEADLINE, need_program, wait_until
from harness.process import clean_environment

PREFERENCES = {
    "app.normandy.enabled": False, "app.update.enabled": False, "browser.aboutwelcome.enabled": False, "browser.shell.checkDefaultBrowser": False,
    "browser.startup.homepage": "about:blank", "browser.startup.page": 0, "browser.tabs.remote.separateFileUriProcess": False,
    "captivedetect.canonicalURL": "", "datareporting.policy.dataSubmissionEnabled": False, "dom.min_background_timeout_value": 4,
    "extensions.update.enabled": False, "marionette.port": 0, "media.gmp-manager.updateEnabled": False, "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False, "services.settings.server": "data:,", "toolkit.telemetry.enabled": False,
    "security.sandbox.content.level": 0,
}


class FirefoxError(Exception):
    """An answer that is an error."""


class Firefox:
    """A Firefox with a profile in an empty directory."""

    name = "firefox"

    def __init__(self, profile):
        profile = pathlib.Path(profile)
        (profile / "user.js").write_text("".join(f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in PREFERENCES.items()))
        self.log = open(profile / "firefox.log", "wb")
        program = need_program("firefox-esr", "firefox-esr")
        self.process = subprocess.Popen([program, "--headless", "--marionette", "--no-remote", "--profile", profile], stdin=subprocess.DEVNULL,
                                        stdout=self.log, stderr=self.log, env=clean_environment({"HOME": str(profile), "MOZ_REMOTE_SETTINGS_DEVTOOLS": "1"}))
        ready = profile / "MarionetteActivePort"
        wait_until(lambda: ready.exists() and ready.read_text().strip(), "the port of Firefox", deadline=4 * DEADLINE)
        self.socket = socket.create_connection(("127.0.0.1", int(ready.read_text())), timeout=4 * DEADLINE)
        self.stream = self.socket.makefile("rb")
        self.receive()  # what it is
        self.number = 0
        self.command("WebDriver:NewSession", capabilities={"alwaysMatch": {"pageLoadStrategy": "normal"}})

    def receive(self):
        digits = b""
        while (byte := self.stream.read(1)) != b":":
            assert byte, "Firefox has ended"
            digits += byte
        return json.loads(self.stream.read(int(digits)))

    def command(self, name, **parameters):
        self.number += 1
        text = json.dumps([0, self.number, name, parameters]).encode()
        self.socket.sendall(b"%d:%s" % (len(text), text))
        kind, number, error, result = self.receive()
        assert (kind, number) == (1, self.number)
        if error:
            raise FirefoxError(f"{name}: {error['error']}: {error['message']}")
        return result.get("value") if isinstance(result, dict) else result

    def get(self, url):
        self.command("WebDriver:Navigate", url=url)

    def back(self):
        self.command("WebDriver:Back")

    def execute_script(self, script):
        return self.command("WebDriver:ExecuteScript", script=script, args=[])

    def execute_async_script(self, script):
        return self.command("WebDriver:ExecuteAsyncScript", script=script, args=[])

    def get_cookies(self):
        return self.command("WebDriver:GetCookies")

    def quit(self):
        try:
            self.command("Marionette:Quit", flags=["eForceQuit"])
        except (OSError, AssertionError):
            pass  # it was gone already
        try:
            self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.stream.close()
        self.socket.close()
        self.log.close()
