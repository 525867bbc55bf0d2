"""Pages as a person opens them: in Chromium, without a network, light, dark and on a phone."""

import subprocess
import sys

import pytest

from ajuste_fino.report.run_report import write
from tests.report.browser import faults

SCREENS = [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")]


@pytest.fixture(scope="module")
def reports(run, tmp_path_factory):
    """The reports of a run with all that they can have, by language."""
    folders = {lang: tmp_path_factory.mktemp(lang) for lang in ("en", "es")}
    for lang, folder in folders.items():
        keys = (f"run={run[0]}", f"out={folder}", f"lang={lang}", "draws=4", "workers=0")
        subprocess.run([sys.executable, "-m", "ajuste_fino", "report", *keys], check=True, capture_output=True)
    return {lang: folder / "report.html" for lang, folder in folders.items()}


@pytest.mark.parametrize("width, scheme", SCREENS)
@pytest.mark.parametrize("lang", ["en", "es"])
def test_the_report_opens_without_fault(browser, reports, lang, width, scheme):
    page, said, asked = browser.open(reports[lang].as_uri(), width, scheme)
    assert (said(), asked()) == ([], [])
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert faults(page) == []


def test_the_map_tells_of_a_dot_by_mouse_and_by_keyboard(browser, reports):
    page, said, _ = browser.open(reports["en"].as_uri(), 1280, "light")
    page.locator("#dots circle").first.click(force=True)
    first = page.inner_text("#dot-text")
    page.focus("#dots")
    for key in ("ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"):
        page.keyboard.press(key)
    assert ".png" in first and ".png" in page.inner_text("#dot-text") and said() == []


def test_the_keyboard_reaches_the_verdict(browser, run, tmp_path):
    page, *_ = browser.open(write(run[0], out=tmp_path).as_uri(), 1280, "light")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.url.endswith("#main")
