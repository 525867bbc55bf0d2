"""Pages as a person opens them: in Chromium, without a network, light, dark and on a phone."""

import pytest

from ajuste_fino.report.run_report import write
from tests.report.browser import CHROMIUM, open_browser

SCREENS = [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")]

pytest.importorskip("playwright.sync_api", reason="playwright is not installed: the extra browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed: make browser")


@pytest.fixture(scope="module")
def browser():
    with open_browser() as found:
        yield found


@pytest.mark.parametrize("width, scheme", SCREENS)
@pytest.mark.parametrize("lang", ["en", "es"])
def test_the_report_opens_without_fault(run, browser, tmp_path, lang, width, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page, said, asked = browser.open(write(run[0], lang, out=tmp_path).as_uri(), width, scheme)
    assert (said(), asked()) == ([], [])
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    faults = [fault for fault in axe.run(page).response["violations"] if fault["impact"] in ("serious", "critical")]
    assert [(fault["id"], fault["nodes"][0]["html"]) for fault in faults] == []


def test_the_keyboard_reaches_the_verdict(run, browser, tmp_path):
    page, *_ = browser.open(write(run[0], out=tmp_path).as_uri(), 1280, "light")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the verdict"
    page.keyboard.press("Enter")
    assert page.url.endswith("#main")
