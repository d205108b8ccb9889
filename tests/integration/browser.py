# Copyright: metal.kvm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody at a web browser: logs in to Cockpit, waits until a page says a word, and leaves what they saw.

    browser.py URL USER PASSWORD WORD SCREENSHOT

Prints the page's text. Chromium is driven through the WebDriver protocol.
"""

from __future__ import annotations

import base64
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import typing as t
import urllib.request

WORDS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--window-size=1280,900"),
)
TIMEOUT = 60.0

# The page is made of frames; its text is that of them all.
TEXT = """
const frames = Array.from(document.querySelectorAll("iframe")).map(frame => frame.contentDocument.body);
return [document.body, ...frames].map(body => body ? body.innerText : "").join("\\n");
"""
# Logs in once, and says that guests may well be emulated here.
ACT = """
const user = document.getElementById("login-user-input"), button = document.getElementById("login-button");
if (user && user.offsetParent && !user.value && !button.disabled) {
    user.value = arguments[0];
    document.getElementById("login-password-input").value = arguments[1];
    button.click();
}
for (const frame of document.querySelectorAll("iframe"))
    for (const other of frame.contentDocument.querySelectorAll("button"))
        if (other.textContent == "Ignore") other.click();
"""


class Browser:
    """One window, by the address of its driver."""

    def __init__(self, driver: str, profile: str) -> None:
        options = {"binary": "/usr/bin/chromium", "args": [*WORDS, f"--user-data-dir={profile}"]}
        wanted = {"acceptInsecureCerts": True, "goog:chromeOptions": options}
        self.address = driver
        made = self.ask("POST", "", {"capabilities": {"alwaysMatch": wanted}})
        self.address = f"{driver}/{made['sessionId']}"

    def ask(self, method: str, path: str, body: t.Any = None) -> t.Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.address + path, data, {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            return json.load(answer)["value"]

    def script(self, text: str, *arguments: str) -> t.Any:
        return self.ask("POST", "/execute/sync", {"script": text, "args": arguments})

    def visit(self, url: str, user: str, password: str, word: str) -> str:
        """What the page says once it has the word, or when time is up."""
        self.ask("POST", "/url", {"url": url})
        deadline = time.monotonic() + TIMEOUT
        while True:
            text = str(self.script(TEXT))
            if word in text or time.monotonic() > deadline:
                return text
            self.script(ACT, user, password)
            time.sleep(0.3)


def main() -> None:
    url, user, password, word, screenshot = sys.argv[1:]
    with tempfile.TemporaryDirectory() as profile:
        words = ["chromedriver", "--port=0"]
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as driver:
            assert driver.stdout is not None
            try:
                port = next(found for line in driver.stdout if (found := re.search(r"on port (\d+)\.$", line)))[1]
                browser = Browser(f"http://127.0.0.1:{port}/session", profile)
                try:
                    print(browser.visit(url, user, password, word))  # noqa: T201
                    pathlib.Path(screenshot).write_bytes(base64.b64decode(browser.ask("GET", "/screenshot")))
                finally:
                    browser.ask("DELETE", "")
            finally:
                driver.kill()


if __name__ == "__main__":
    main()
