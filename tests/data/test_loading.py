import gc
import hashlib
import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from PIL import Image

from ajuste_fino.data import loading
from ajuste_fino.data.content import ImageFile
from ajuste_fino.data.loading import ImageDataset, LabelledImageDataset, LoaderConfig, loader
from ajuste_fino.data.order import BalancedBatchSampler, EpochBatchSampler, SubsetBatchSampler
from ajuste_fino.data.sample import Sample
from ajuste_fino.data.transforms import Augmentation, Preprocessing
from ajuste_fino.errors import AjusteFinoError
from ajuste_fino.predict import no_progress
from tests.conftest import draw

PLAIN = Preprocessing(32, 36)


class Transform:
    """The plain view, made brighter by the number of the view."""

    depth = None

    def min_size(self, view):
        return 64

    def __call__(self, image, index, view):
        return PLAIN(image) + view


transform = Transform()


def test_the_order_is_a_function_of_seed_and_epoch():
    def positions(seed, epoch, views=1):
        order = EpochBatchSampler(10, 3, seed, views)
        order.set_epoch(epoch)
        return [n for batch in order for n in batch]

    assert positions(0, 0) == positions(0, 0)
    assert sorted(positions(0, 1)) == list(range(10))
    assert len({tuple(positions(s, e)) for s in (0, 1) for e in (0, 1)}) == 4
    assert sorted(n % 10 for n in positions(0, 0, views=4)) == list(range(10))
    assert {n // 10 for e in range(9) for n in positions(0, e, views=4)} == {0, 1, 2, 3}
    assert list(EpochBatchSampler(5, 2)) == [[0, 1], [2, 3], [4]]


@pytest.mark.parametrize(("count", "size"), [(9, 8), (9, 2), (8, 8), (10, 8), (9, 1), (1, 8), (1, 1), (17, 4), (2, 1)])
@pytest.mark.parametrize("kind", ["plain", "views", "balanced"])
def test_in_training_a_last_batch_of_one_joins_the_one_before(count, size, kind):
    if kind == "balanced":
        order = BalancedBatchSampler([n % 2 for n in range(count)], size, seed=0)
    else:
        order = EpochBatchSampler(count, size, 0, views=3 if kind == "views" else 1)
    batches = list(order)
    assert len(batches) == len(order)
    assert sum(len(batch) for batch in batches) == count
    assert size == 1 or count == 1 or min(len(batch) for batch in batches) > 1
    assert max(len(batch) for batch in batches) <= size + 1


def test_what_cannot_be_decoded_comes_back_by_its_position(tmp_path):
    (tmp_path / "bad.png").write_text("no")
    images = ImageDataset([draw(0, 0), ImageFile(tmp_path / "bad.png"), draw(1, 1)], transform)
    batch = images[[0, 1, 2, 5]]
    assert batch.pixels.shape == (3, 3, 32, 32)
    assert batch.positions == [0, 2, 5]
    assert [position for position, _ in batch.bad] == [1]
    assert torch.equal(batch.pixels[2], batch.pixels[1] + 1)  # view 1 of image 2
    assert len(images[[1]].pixels) == 0


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # torch tells of the death once more
@pytest.mark.parametrize("fatal", [0, 5])
@pytest.mark.parametrize("end", [lambda: os._exit(1), lambda: os.kill(os.getpid(), signal.SIGKILL)])
def test_a_process_that_dies_beside_a_gpu_is_told_with_the_files_it_may_have_had(tmp_path, monkeypatch, fatal, end):
    class Deadly(Transform):
        def __call__(self, image, index, view):
            return end() if index == fatal else super().__call__(image, index, view)

    monkeypatch.setattr(LoaderConfig, "processes", property(lambda self: self.workers))  # as where the device is no CPU
    for n in range(8):
        draw(0, n).save(tmp_path / f"{n}.png")
    images = ImageDataset([ImageFile(tmp_path / f"{n}.png") for n in range(8)], Deadly())
    config = LoaderConfig(torch.device("cpu"), 1, 2, no_progress)
    with pytest.raises(AjusteFinoError, match=rf"one of these files:(\n  .*)*/{fatal}.png"):
        list(config.batches(images, EpochBatchSampler(8, 1)))


def test_what_a_process_raises_is_not_its_death(tmp_path, monkeypatch):
    class Failing(Transform):
        def __call__(self, image, index, view):
            raise FileNotFoundError("x") if index else RuntimeError("y")

    monkeypatch.setattr(torch.utils.data._utils, "MP_STATUS_CHECK_INTERVAL", 0.2)  # torch waits as long for each worker's end
    monkeypatch.setattr(LoaderConfig, "processes", property(lambda self: self.workers))
    for n, kind in enumerate((RuntimeError, FileNotFoundError)):
        images = ImageDataset([draw(0, 0)] * 2, Failing())
        with pytest.raises(kind, match="Caught"):
            list(LoaderConfig(torch.device("cpu"), 1, 1, no_progress).batches(images, SubsetBatchSampler([n], 1)))
        gc.collect()  # the workers end here, and not in a later test


def test_workers_give_the_same_batches(tmp_path):
    images = ImageDataset([draw(n % 3, n) for n in range(10)], transform)
    many = list(loader(LabelledImageDataset(images, range(10)), EpochBatchSampler(10, 4, 0), 2))
    here = list(loader(LabelledImageDataset(images, range(10)), EpochBatchSampler(10, 4, 0), 0))
    assert all(torch.equal(a, c) and torch.equal(b, d) for (a, b), (c, d) in zip(many, here, strict=True))


def test_preprocessing_keeps_the_middle_and_squash_keeps_all():
    wide = Image.new("RGB", (120, 40), "red")
    wide.paste("blue", (40, 0, 80, 40))
    assert (PLAIN(wide)[:2] == 0).all()  # the blue middle alone
    squashed = Preprocessing(32, 32, squash=True)(wide)
    assert squashed.shape == (3, 32, 32)
    assert 0 < (squashed[0] > 128).float().mean() < 1


def test_a_long_strip_does_not_explode():
    strip = Image.new("RGB", (40_000, 2), "red")
    strip.paste("blue", (19_999, 0, 20_001, 2))
    assert PLAIN(strip).shape == (3, 32, 32)
    short = strip.crop((19_990, 0, 20_010, 2))
    assert torch.equal(PLAIN(strip), PLAIN(short))


def test_another_content_under_a_known_name_is_refused(tmp_path):
    draw(0, 0).save(tmp_path / "a.png")
    known = hashlib.sha256((tmp_path / "a.png").read_bytes()).hexdigest()
    images = ImageDataset([Sample(ImageFile(tmp_path / "a.png"), "a.png", "a", sha256=known)], transform)
    assert images[[0]].bad == []
    draw(1, 1).save(tmp_path / "a.png")
    assert "not what it was" in str(images[[0]].bad[0][1])


def test_normalise():
    pixels = torch.full((1, 3, 2, 2), 255, dtype=torch.uint8)
    assert torch.allclose(Preprocessing(2, 2, (0.5,) * 3, (0.25,) * 3).normalise(pixels), torch.full((1, 3, 2, 2), 2.0))


def test_an_augmentation_is_a_function_of_its_seed_and_leaves_torchs_generator_alone():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first, second, again = (Augmentation()(draw(0, 0), 32, seed) for seed in (1, 2, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, second)
    assert torch.equal(torch.get_rng_state(), before)


def test_threads_give_the_same_batches():
    sources = [draw(n % 3, n) for n in range(10)]
    one, many = (ImageDataset(sources, transform, threads=threads)[list(range(20))] for threads in (1, 4))
    assert torch.equal(one.pixels, many.pixels)
    assert one.positions == many.positions == list(range(20))


def test_views_of_one_image_are_made_from_one_decoding(tmp_path, monkeypatch):
    draw(0, 0).save(tmp_path / "x.png")
    decoded = []
    real = loading.read_image
    monkeypatch.setattr(loading, "read_image", lambda *a, **k: (decoded.append(a), real(*a, **k))[1])
    images = ImageDataset([ImageFile(tmp_path / "x.png"), draw(1, 1)], transform)
    assert len(images[[0, 2, 4, 1, 3]].pixels) == 5
    assert len(decoded) == 2


def test_augmentation_by_several_threads_is_the_same():
    varied = Augmentation()
    with ThreadPoolExecutor(4) as pool:
        many = list(pool.map(lambda seed: varied(draw(0, 0), 32, seed), range(40)))
    assert all(torch.equal(view, varied(draw(0, 0), 32, seed)) for seed, view in enumerate(many))
