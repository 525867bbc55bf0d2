"""Chromium for tests that open pages in it."""

import shutil
from contextlib import contextmanager

import pytest

CHROMIUM = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)


class Browser:
    """Opens pages, each with its own cookies; `open` gives the page, what its console said, and what it asked for."""

    def __init__(self, chromium):
        self.chromium = chromium

    def open(self, url, width, scheme="light", height=800, **options):
        size = {"width": width, "height": height}
        page = self.chromium.new_context(viewport=size, color_scheme=scheme, **options).new_page()
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


def faults(page):
    """What axe finds that is serious, and where first."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    serious = [found for found in axe.run(page).response["violations"] if found["impact"] in ("serious", "critical")]
    return [(found["id"], found["nodes"][0]["html"]) for found in serious]
