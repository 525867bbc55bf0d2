"""`serve`: what is said of an image, the endpoint for programs, the page in a browser; nobody is told, nothing is leaked."""

import io
import json
import signal
import socket
import subprocess
import sys
from http.client import HTTPConnection
from importlib.util import find_spec
from types import SimpleNamespace

import pytest
import torch

from ajuste_fino.data.content import BadImage, ImageFile
from ajuste_fino.data.sample import Sample, evenly
from ajuste_fino.serve.examiner import Examiner
from ajuste_fino.serve.neighbours import Neighbours
from tests.conftest import draw
from tests.report.browser import CHROMIUM, open_browser

needs_gradio = pytest.mark.skipif(find_spec("gradio") is None, reason="gradio is not installed: the extra serve")


def png(label=0, seed=99):
    buffer = io.BytesIO()
    draw(label, seed).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def examiner(run):
    folder, predictor = run
    files = sorted((folder.parent / "photos").rglob("*.png"))
    samples = [Sample(ImageFile(path), path.name, path.parent.name) for path in files]
    with torch.inference_mode():
        features = predictor.extractor(predictor.pixels(files))
    return Examiner(predictor, Neighbours.of(samples, features))


def test_an_image_is_examined(examiner, run):
    found = examiner.examine(png(label=1))
    assert found.prediction == run[1].predict(png(label=1))
    assert len(found.nearest) == 6 and found.nearest[0][1] == found.prediction.label
    pytest.importorskip("captum")
    assert found.heat.size[0] >= 64


def test_a_training_image_is_its_own_nearest(examiner, run):
    path = next((run[0].parent / "photos").rglob("*.png"))
    features = run[1].extractor(run[1].pixels(path))[0]
    sample, cosine = examiner.neighbours.nearest(features.detach(), 1)[0]
    assert sample.content.path == path and cosine == pytest.approx(1, abs=1e-2)


def test_of_many_samples_some_are_taken_evenly():
    assert evenly(list(range(10)), 5) == [0, 2, 4, 6, 8]
    assert evenly(list(range(3)), 5) == [0, 1, 2]


def test_a_file_that_is_no_image_is_refused(examiner):
    with pytest.raises(BadImage):
        examiner.examine(b"no image")


@needs_gradio
def test_a_port_that_is_taken_is_told(cli, run):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, _, error = cli("serve", f"run={run[0]}", f"port={port}")
    assert code == 2 and f"got 127.0.0.1:{port}" in error


def test_without_gradio_the_extra_is_named(cli, run, monkeypatch):
    monkeypatch.setitem(sys.modules, "gradio", None)
    code, _, error = cli("serve", f"run={run[0]}")
    assert code == 2 and "ajuste-fino[serve]" in error


def test_an_old_gradio_is_refused(cli, run, monkeypatch):
    monkeypatch.setitem(sys.modules, "gradio", SimpleNamespace(__version__="3.18.0"))
    code, _, error = cli("serve", f"run={run[0]}")
    assert code == 2 and "serve needs gradio 6.7 or newer; got 3.18.0" in error


@pytest.fixture(scope="module")
def port(run):
    """A server of its own process; at the end it is stopped as a user or a system stops it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number = free.getsockname()[1]
    command = [sys.executable, "-m", "ajuste_fino", "serve", f"run={run[0]}", f"port={number}", "max_mb=1"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as server:
        lines = []
        for line in server.stderr:
            lines.append(line)
            if line.startswith("Ctrl-C stops it"):
                break
        assert server.poll() is None, lines
        for _ in range(200):
            with socket.socket() as tried:
                if not tried.connect_ex(("127.0.0.1", number)):
                    break
            signal.sigtimedwait([], 0.1)
        yield number
        server.send_signal(signal.SIGTERM)
        assert server.wait(20) == 143


def ask(port, method, path, body=None, headers=()):
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, body, dict(headers))
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer, content


@needs_gradio
def test_programs_get_json(port, run):
    answer, content = ask(port, "POST", "/predict", png(label=2))
    one, found = run[1].predict(png(label=2)), json.loads(content)
    assert answer.status == 200
    assert found["label"] == one.label and found["probability"] == pytest.approx(one.probability, abs=1e-5)
    assert [top["label"] for top in found["top"]] == [label for label, _ in one.top]


@needs_gradio
@pytest.mark.parametrize("content, status", [(b"", 400), (b"no image", 400), (png()[:200], 400), (b"0" * 1_200_000, 413)])
def test_a_bad_upload_gets_a_message(port, content, status):
    answer, said = ask(port, "POST", "/predict", content)
    assert answer.status == status and json.loads(said)["error"]


@needs_gradio
@pytest.mark.parametrize("path", ["/gradio_api/file=/etc/passwd", "/file=/etc/passwd", "/gradio_api/file=../../etc/passwd"])
def test_no_file_of_the_machine_is_given_away(port, path):
    answer, content = ask(port, "GET", path)
    assert answer.status in (403, 404) and b"root:" not in content


@needs_gradio
def test_a_page_of_elsewhere_reaches_nothing(port):
    assert ask(port, "POST", "/predict", png(), {"Host": "evil.example"})[0].status == 400
    assert "frame-ancestors" in ask(port, "GET", "/")[0].headers["content-security-policy"]


@needs_gradio
def test_nobody_is_told(port):
    assert json.loads(ask(port, "GET", "/config")[1])["analytics_enabled"] is False


@needs_gradio
@pytest.mark.skipif(CHROMIUM is None or find_spec("playwright") is None, reason="no Chromium: make browser")
def test_the_page_in_a_browser(port, tmp_path, run):
    (tmp_path / "new.png").write_bytes(png(label=1))
    here = f"http://127.0.0.1:{port}/"
    with open_browser() as browser:
        page, said, asked = browser.open(here, 1280, "light")
        page.locator("input[type=file]").first.set_input_files(tmp_path / "new.png")
        label = page.locator("[data-testid=label-output-value], .output-class").first
        label.wait_for(timeout=20_000)
        assert label.inner_text().strip() == run[1].predict(tmp_path / "new.png").label
        assert [url for url in asked() if not url.startswith((here, "blob:"))] == []
        assert said() == []
