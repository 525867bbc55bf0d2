import io

import numpy as np
import pytest
import torch
from PIL import Image

from ajuste_fino.data.content import ImageFile
from ajuste_fino.data.images import load_image, read_image
from ajuste_fino.data.inputs import sources
from ajuste_fino.errors import UserError
from tests.conftest import draw

PIXELS = np.asarray(draw(1, 0))
TENSOR = torch.from_numpy(PIXELS.copy()).permute(2, 0, 1)


@pytest.fixture
def file(tmp_path):
    draw(1, 0).save(tmp_path / "a.png")
    return tmp_path / "a.png"


def pixels(source):
    return np.asarray(read_image(source)[1])


@pytest.mark.parametrize(
    "value",
    [
        PIXELS,
        PIXELS[::-1][::-1],
        PIXELS.astype(np.float32) / 255,
        PIXELS.astype(np.float64) / 255,
        TENSOR,
        TENSOR / 255,
        (TENSOR / 255).double().requires_grad_(),
        Image.fromarray(PIXELS),
    ],
    ids=lambda value: f"{type(value).__name__}-{getattr(value, 'dtype', '')}",
)
def test_numbers_are_the_image_they_were_made_from(value):
    assert np.array_equal(pixels(sources(value)), PIXELS)


@pytest.mark.parametrize("value", [PIXELS[..., 0], TENSOR[:1], TENSOR[:1] / 255], ids=["array", "uint8", "float"])
def test_one_channel_is_grey(value):
    assert np.array_equal(pixels(sources(value)), PIXELS[..., [0, 0, 0]])


@pytest.mark.parametrize("how", [bytes, bytearray, memoryview, io.BytesIO, "path", "text", "file"])
def test_files_by_path_by_content_and_open(file, how):
    content = file.read_bytes()
    with file.open("rb") as opened:
        value = {"path": file, "text": str(file), "file": opened}.get(how) or how(content)
        found = sources(value)
    assert np.array_equal(pixels(found), np.asarray(load_image(file)))


def test_a_folder_is_its_images_in_the_order_people_count_and_a_list_may_mix(tmp_path, monkeypatch):
    for name in ("10.png", "9.png", ".hidden.png", "a.txt", "sub/1.JPG", ".cache/1.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "loop").symlink_to(tmp_path)
    names = lambda found: [one.path.name if isinstance(one, ImageFile) else type(one).__name__ for one in found]  # noqa: E731
    assert names(sources(tmp_path)) == ["9.png", "10.png", "1.JPG"]
    assert names(sources((PIXELS, [tmp_path / "sub", b"x"]))) == ["Image", "1.JPG", "ImageBytes"]
    assert names(sources(tmp_path.glob("*.png"))) != []
    assert sources([]) == []
    monkeypatch.chdir(tmp_path)
    assert names(sources("*.png")) == names(sources(f"{tmp_path}/?*.png")) == ["9.png", "10.png"]
    assert names(sources("[as]*")) == ["a.txt", "1.JPG"]
    assert all(one.path.is_absolute() for one in sources("*.png"))


@pytest.mark.parametrize("name", ["[x].png", "s*r.png", "a=b.png", "-x.png", "é ñ.png", "#1.png"])
def test_a_file_of_that_very_name_is_no_pattern(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).touch()
    assert sources(name) == ImageFile(tmp_path / name)


REFUSED = [
    (None, "got NoneType"),
    (3, "got int"),
    ({"a": 1}, "got dict"),
    ({"a.png"}, "got set"),
    ([PIXELS, [None]], r"images\[1\]\[0\] must be an image"),
    ("", "must name an image"),
    ("/no/such.png", "must be an existing path"),
    ("/no/*.png", "must match at least one file"),
    ("https://example.org/a.jpg", "must be on this machine"),
    ("s3://bucket/a.jpg", "must be on this machine"),
    ("data:image/png;base64," + "A" * 999, "must be on this machine.{0,200}$"),
    ("iVBORw0KGgo" * 99, "must be an existing path .{0,200}Pass the content of a file as bytes"),
    (io.StringIO("text"), "must be read as bytes; got str"),
    (PIXELS.astype(int), "must be uint8, or floats in .0, 1.; got int64"),
    (PIXELS > 9, "got bool"),
    (PIXELS.astype(np.float32), "must be floats in .0, 1.; got float32 from"),
    (TENSOR / 255 - 0.5, "float32 from -0"),
    (TENSOR * float("nan"), "from nan"),
    (PIXELS[None], r"must be an array \(H, W, 3\) or \(H, W\); got \(1, 40, 40, 3\).*list\(x\)"),
    (PIXELS.transpose(2, 0, 1), "Channels come last"),
    (np.dstack([PIXELS, PIXELS[..., 0]]), "must be an array"),
    (PIXELS[:0], "must be an array"),
    (np.array(["a.png"]), "must be an array"),
    (TENSOR[None], r"must be a tensor \(3, H, W\)"),
    (TENSOR.permute(1, 2, 0), "Channels come first"),
    (TENSOR[0], "must be a tensor"),
]


@pytest.mark.parametrize(("value", "message"), REFUSED, ids=range(len(REFUSED)))
def test_all_else_is_refused_by_name(value, message):
    with pytest.raises(UserError, match=message):
        sources(value)


def test_a_folder_without_images_is_refused(tmp_path):
    with pytest.raises(UserError, match="must hold at least one image"):
        sources(tmp_path)
