"""TrivialAugment beside torchvision's, random erasing, and what of an augmentation decides its views."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch
from torchvision.transforms.v2 import InterpolationMode, TrivialAugmentWide

from ajuste_fino.data.transforms import Augmentation, identity
from ajuste_fino.data.variations import BINS, OPERATIONS, erased, trivial_augment
from tests.conftest import draw

STRONG = Augmentation(trivial=True, erase=1.0)


def pixels(size=224, seed=0):
    small = torch.randint(256, (3, 16, 16), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)
    return torch.nn.functional.interpolate(small[None].float(), (size, size), mode="bilinear")[0].to(torch.uint8)


def seeded(seed):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def recorded(monkeypatch):
    """`recorded(seed)` → the operation that is drawn, and its magnitude with its sign."""
    calls = []
    for name, one in OPERATIONS.items():
        record = replace(one, apply=lambda x, m, name=name: (calls.append((name, m)), x)[1])
        monkeypatch.setitem(OPERATIONS, name, record)
    return lambda seed: (trivial_augment(pixels(8), seeded(seed)), calls[-1])[1]


def test_the_operations_are_those_of_torchvision():
    assert list(OPERATIONS) == list(TrivialAugmentWide._AUGMENTATION_SPACE)


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_has_the_magnitudes_and_the_pixels_of_torchvision(name):
    theirs, signed = TrivialAugmentWide._AUGMENTATION_SPACE[name]
    magnitudes, ours, x = theirs(BINS, 224, 224), OPERATIONS[name], pixels()
    steps = range(BINS) if magnitudes is not None else (0,)
    expected = torch.zeros(1) if magnitudes is None else magnitudes
    torch.testing.assert_close(torch.tensor([float(ours.magnitude(n)) for n in steps]), expected.float())
    assert ours.signed == signed
    for step in (0, 7, 18, 30) if magnitudes is not None else (0,):
        for sign in (1, -1) if signed else (1,):
            magnitude = sign * float(expected[step])
            wanted = TrivialAugmentWide()._apply_image_or_video_transform(x, name, magnitude, InterpolationMode.NEAREST, {})
            assert torch.equal(ours.apply(x, magnitude), wanted), (step, sign)


def test_every_operation_and_both_signs_are_drawn(recorded):
    drawn = {(name, magnitude > 0) for name, magnitude in (recorded(seed) for seed in range(300))}
    assert {name for name, _ in drawn} == set(OPERATIONS)
    assert {name for name, positive in drawn if not positive} >= {name for name, one in OPERATIONS.items() if one.signed}


def test_of_a_small_image_enough_is_left():
    x = torch.full((3, 32, 32), 255, dtype=torch.uint8)
    for name in ("TranslateX", "TranslateY"):
        assert (OPERATIONS[name].apply(x, 32) == 255).float().mean() > 0.8


@pytest.mark.parametrize("size", [8, 32, 224])
def test_a_rectangle_is_erased_and_the_rest_stays(size):
    x = torch.zeros(3, size, size, dtype=torch.uint8)
    for seed in range(30):
        changed = (erased(x, seeded(seed)) > 0).any(0)
        rows, columns = changed.any(1).nonzero()[:, 0], changed.any(0).nonzero()[:, 0]
        height, width = (int(found.max() - found.min()) + 1 for found in (rows, columns))
        assert changed.sum() >= 0.9 * height * width
        assert height * width <= size * size * 0.36 + size
    assert not x.any()


def test_how_often_a_rectangle_is_erased_is_as_asked_for():
    image, plain = draw(0, 0), Augmentation(1, 0, 0)
    count = sum(not torch.equal(Augmentation(1, 0, 0, erase=0.3)(image, 32, n), plain(image, 32, n)) for n in range(400))
    assert 80 < count < 160


def test_what_is_new_leaves_the_views_before_it_as_they_were():
    image = draw(1, 2)
    for seed in range(20):
        view = Augmentation()(image, 32, seed)
        changed = (Augmentation(erase=1.0)(image, 32, seed) != view).any(0)
        assert 0 < changed.float().mean() < 0.4


@pytest.mark.parametrize("varied", [STRONG, Augmentation(trivial=True), Augmentation(erase=0.5)])
def test_a_view_is_a_function_of_its_seed_whichever_thread_makes_it(varied):
    torch.manual_seed(0)
    before = torch.get_rng_state()
    with ThreadPoolExecutor(4) as pool:
        many = list(pool.map(lambda seed: varied(draw(0, 0), 32, seed), range(60)))
    assert all(torch.equal(view, varied(draw(0, 0), 32, seed)) for seed, view in enumerate(many))
    assert all(view.shape == (3, 32, 32) and view.dtype == torch.uint8 for view in many)
    assert torch.equal(torch.get_rng_state(), before)


def test_views_of_before_keep_their_keys_and_new_ones_have_others():
    before = {"scale": 0.6, "flip": 0.5, "color": 0.2, "version": 2}
    assert identity(Augmentation()) == before
    assert identity(Augmentation(trivial=False, erase=0)) == before
    assert identity(Augmentation(flip=0.0, color=0)) == {**before, "flip": 0.0, "color": 0}
    assert identity(STRONG) == {**before, "trivial": True, "erase": 1.0}
    assert identity(Augmentation(erase=0.1)) == {**before, "erase": 0.1}
