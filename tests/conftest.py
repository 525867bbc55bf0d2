"""Small images drawn here, a cache of the tests' own, and the command line called in this process."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.report.browser import CHROMIUM, open_browser


@pytest.fixture(autouse=True, scope="session")
def cache(tmp_path_factory):
    """Every test writes its cache here, never into the user's."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    """An empty cache for one test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "own-cache"))
    return tmp_path / "own-cache"


def draw(label: int, seed: int, side: int = 40) -> Image.Image:
    """An image whose class is its colour and the direction of its stripes."""
    rng = np.random.default_rng([label, seed])
    y, x = np.mgrid[:side, :side]
    wave = np.sin((x if label % 2 else y) * (0.3 + 0.3 * label) + rng.uniform(0, 6))
    pixels = rng.normal(0, 12, (side, side, 3)) + 100
    pixels[..., label % 3] += 80 * (wave > 0)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def shapes(label: int, seed: int) -> Image.Image:
    """An image of broad random shapes, as different from others as photographs are."""
    rng = np.random.default_rng([label, seed])
    cells = rng.uniform(0, 255, (9, 9, 3)).astype(np.uint8)
    return Image.fromarray(cells).resize((160, 120), Image.Resampling.BICUBIC)


def draw_folder(root: Path, classes=("1", "2", "10"), each: int = 12, suffix: str = ".png", first: int = 0) -> Path:
    for label, name in enumerate(classes):
        (root / name).mkdir(parents=True, exist_ok=True)
        for n in range(each):
            draw(label, first + n).save(root / name / f"{n:02}{suffix}")
    return root


@pytest.fixture
def photos(tmp_path):
    """36 images of the classes 1, 2 and 10."""
    return draw_folder(tmp_path / "photos")


@pytest.fixture
def without_heif(monkeypatch):
    """As if pillow-heif were not installed."""
    from ajuste_fino.data import heif

    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    heif.is_installed.cache_clear()
    yield
    heif.is_installed.cache_clear()


@pytest.fixture
def cli(monkeypatch, capsys):
    """`cli("train", "epochs=2")` → exit code, standard output, standard error.

    Where images of a folder are trained on and no backbone is named, it is the embedded one, ten times as fast as the default.
    """

    def call(*arguments):
        from ajuste_fino import cli as module

        named = any(str(argument).startswith(("backbone=", "backbone.name=", "config=")) for argument in arguments)
        quick = ["backbone=embedded"] if "data=folder" in arguments and arguments[0] in ("train", "sweep") and not named else []
        monkeypatch.setattr(sys, "argv", ["ajuste-fino", *map(str, arguments), *quick])
        monkeypatch.setattr(module.signal, "signal", lambda *_: None)
        monkeypatch.setattr(module, "leave", sys.exit)
        monkeypatch.setattr(module.gc, "freeze", lambda: None)  # this process has more to come
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            module.main()
        out, err = capsys.readouterr()
        return stop.value.code, out, err

    return call


FAST = ("backbone.weights=none", "epochs=2", "workers=0")


@pytest.fixture(scope="session")
def run(tmp_path_factory, cache):
    """A finished run on drawn photographs, through the Python call: its folder and its model."""
    from ajuste_fino import fine_tune

    root = draw_folder(tmp_path_factory.mktemp("session") / "photos")
    out = root.parent / "run"
    model = fine_tune(root, out=str(out), epochs=3, workers=0, **{"backbone": "embedded", "backbone.weights": "none"})
    return out, model


@pytest.fixture(scope="module")
def browser():
    """Chromium, where it is installed and something drives it. Not for the whole session: its driver's loop hinders others."""
    pytest.importorskip("playwright.sync_api", reason="playwright is not installed: the extra browser")
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed: make browser")
    with open_browser() as found:
        yield found
