"""Chromium for tests that open pages in it."""

import shutil
from contextlib import contextmanager

CHROMIUM = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)


class Browser:
    """Opens pages, each with its own cookies; `open` gives the page, what its console said, and what it asked for."""

    def __init__(self, chromium):
        self.chromium = chromium

    def open(self, url, width, scheme):
        page = self.chromium.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme).new_page()
        said, asked = [], []
        page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(url)
        return page, lambda: said, lambda: [one for one in asked if not one.startswith(("file:", "data:"))]


@contextmanager
def open_browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield Browser(chromium)
        chromium.close()
