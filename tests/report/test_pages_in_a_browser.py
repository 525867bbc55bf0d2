"""Pages as a person opens them: in Chromium, without a network, light, dark and on a phone."""

import shutil

import pytest

from ajuste_fino.report.run_report import write

CHROMIUM = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)
SCREENS = [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")]

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: make browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed: make browser")


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def opened(browser):
    """A page, what its console said and what it asked for elsewhere."""
    contexts = []

    def open_page(path, width, scheme):
        contexts.append(browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme))
        page, said, asked = contexts[-1].new_page(), [], []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri())
        return page, said, [url for url in asked if not url.startswith(("file:", "data:"))]

    yield open_page
    for context in contexts:
        context.close()


@pytest.mark.parametrize("width, scheme", SCREENS)
@pytest.mark.parametrize("lang", ["en", "es"])
def test_the_report_opens_without_fault(run, opened, tmp_path, lang, width, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page, said, asked = opened(write(run[0], lang, out=tmp_path), width, scheme)
    assert (said, asked) == ([], [])
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    faults = [fault for fault in axe.run(page).response["violations"] if fault["impact"] in ("serious", "critical")]
    assert [(fault["id"], fault["nodes"][0]["html"]) for fault in faults] == []


def test_the_keyboard_reaches_the_verdict(run, opened, tmp_path):
    page, *_ = opened(write(run[0], out=tmp_path), 1280, "light")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the verdict"
    page.keyboard.press("Enter")
    assert page.url.endswith("#main")
