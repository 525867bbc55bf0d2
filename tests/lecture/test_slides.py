"""The page as a reader, a teacher and a printer have it: in Chromium, on a laptop and on a phone, in both languages."""

from itertools import pairwise

import pytest
from PIL import Image

from ajuste_fino.lecture import experiment, page, record
from ajuste_fino.lecture.text import Texts
from tests.report.browser import faults

NAMES = ("pooling", "relu")  # the second is not reproduced
ANIMATION = f"#{NAMES[0]} .animation img"
LAPTOP, PHONE = (1366, 768), (390, 844)
ON_A_SLIDE = ".shown > h2, .shown > .claim, .shown > .against, .shown .crop, .shown > .command code, .controls"


@pytest.fixture(scope="module")
def pages(measured, tmp_path_factory):
    """The page's address, by language."""
    return {lang: _page(tmp_path_factory.mktemp(lang), lang, measured).as_uri() for lang in ("en", "es")}


def _page(folder, lang, measured):
    for name in NAMES:
        record.write(experiment(name), measured(name), folder / name, {}, Texts.load(name, lang), 0.0)
    Image.new("RGB", (768, 432)).save(folder / NAMES[0] / record.ANIMATION)
    page.write([folder / name for name in NAMES], folder / "index.html", lang)
    return folder / "index.html"


@pytest.fixture
def opened(browser, pages):
    """`opened("en#slide-2", PHONE)` → the page; it says nothing, and asks for nothing."""
    found = []

    def open_page(address, size=LAPTOP, **options):
        lang, _, place = address.partition("#")
        found.append(browser.open(f"{pages[lang]}#{place}", size[0], height=size[1], **options))
        return found[-1][0]

    yield open_page
    for here, said, asked in found:
        assert (said(), asked()) == ([], [])
        here.context.close()


def boxes(here, selector):
    """The edges (left, top, right, bottom) of what is seen."""
    found = [one.bounding_box() for one in here.locator(selector).all() if one.is_visible()]
    return [(box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"]) for box in found]


def at(here):
    return here.evaluate("location.hash")


def fits(here, width):
    return here.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("size", [LAPTOP, PHONE])
@pytest.mark.parametrize("lang", ["en", "es"])
def test_page_and_slides_cut_nothing_off(opened, lang, size, measured):
    here, failed = opened(lang, size), len(measured(NAMES[1]).against)
    assert failed
    assert fits(here, size[0]) and len(boxes(here, "section")) == 3
    assert lang == "en" or faults(here) == []  # in one language, which takes half the time
    here.click("#present")
    for number in range(1, 4):
        assert here.inner_text("#place") == f"{number} / 3"
        assert fits(here, size[0]) and len(boxes(here, "section")) == 1
        parts = boxes(here, ON_A_SLIDE)
        assert len(parts) == (1 if number == 1 else 5 + (failed if number == 3 else 0))
        assert all(left >= 0 and right <= size[0] for left, _, right, _ in parts)
        if size == LAPTOP:
            assert here.evaluate("document.documentElement.scrollHeight") <= size[1]
            assert all(top >= 0 and bottom <= size[1] for _, top, _, bottom in parts)
            assert all(one[3] <= other[1] for one, other in pairwise(parts[:-1]))  # one below the other
        here.click("#next")
    figure, command, _ = parts[-3:]
    assert figure[2] - figure[0] > 0.8 * size[0] and command[1] - figure[3] < 30
    assert lang == "en" or faults(here) == []


def test_keys_move_and_a_reload_stays(opened):
    here = opened("en")
    here.keyboard.press("ArrowRight")  # the page is a page
    assert "slide" not in at(here)
    here.click("#present")
    for key, number in (
        ("ArrowRight", 2),
        ("PageDown", 3),
        ("ArrowDown", 3),  # there are no more
        ("ArrowLeft", 2),
        ("PageUp", 1),
        (" ", 2),
        ("Shift+Space", 1),
        ("End", 3),
        ("ArrowUp", 2),
        ("Home", 1),
        ("ArrowDown", 2),
    ):
        here.keyboard.press(key)
        assert at(here) == f"#slide-{number}" and here.inner_text("#place") == f"{number} / 3", key
    here.reload()
    assert len(boxes(here, "section")) == 1 and here.inner_text(".shown h2") == Texts.load(NAMES[0], "en")("title")
    assert here.evaluate("document.activeElement.tagName") == "H2"  # read aloud
    here.keyboard.press("Escape")
    assert at(here) == f"#{NAMES[0]}" and len(boxes(here, "section")) == 3


def test_links_buttons_and_the_way_back(opened):
    here = opened("en")
    here.click("#present")
    here.click(f'nav a[href="#{NAMES[1]}"]')
    assert at(here) == "#slide-3"
    here.focus("#previous")
    here.keyboard.press(" ")
    assert at(here) == "#slide-2" and here.evaluate("document.activeElement.id") == "previous"
    here.go_back()
    assert "slide" not in at(here) and len(boxes(here, "section")) == 3
    here.goto(here.url.partition("#")[0] + "#slide-99")
    assert at(here) == "#slide-3"
    here.click("#leave")
    assert at(here) == f"#{NAMES[1]}"


SWIPE = """([x, y]) => ["touchstart", "touchend"].forEach((name, n) => {
    const touch = new Touch({identifier: 1, target: document.body, clientX: 200 + n * x, clientY: 300 + n * y});
    document.body.dispatchEvent(new TouchEvent(name, {bubbles: true, touches: n ? [] : [touch], changedTouches: [touch]}));
})"""


def test_a_swipe_turns_the_page(opened):
    here = opened("en#slide-2", PHONE)
    for across, down, number in ((-20, 0, 2), (-120, 200, 2), (-120, 10, 3), (120, 10, 2), (120, 10, 1)):
        here.evaluate(SWIPE, [across, down])
        assert at(here) == f"#slide-{number}", (across, down)


def test_paper_has_all_sections_and_no_buttons(opened):
    here = opened("es", (688, 800))  # A4 without its margins
    for _ in ("page", "slides"):
        here.emulate_media(media="print")
        assert len(boxes(here, "section")) == 3 and len(boxes(here, ".crop, .command")) == 4
        assert boxes(here, "button, nav, output, details, .skip") == [] and fits(here, 688)
        here.emulate_media(media="screen")
        here.click("#present") if boxes(here, "#present") else None


def test_without_javascript_it_is_a_page(opened):
    here = opened("es#slide-2", java_script_enabled=False)
    assert len(boxes(here, "section")) == 3 and boxes(here, "button") == [] and boxes(here, ANIMATION)


def test_nothing_moves_where_the_reader_asked_for_that(opened):
    assert boxes(opened("en", reduced_motion="reduce"), ANIMATION) == []
