"""MixUp and CutMix beside torchvision's, and what of a batch decides what becomes of it."""

import pytest
import torch
from scipy import stats
from torchvision.transforms import v2

from ajuste_fino import mixing
from ajuste_fino.features.extractor import _to_255
from ajuste_fino.mixing import Mix, beta, blended, cut

Y = torch.tensor([0, 2, 1, 2, 0, 1])
SHAPES = [(6, 3, 32, 32), (6, 3, 17, 40), (6, 64, 7, 7)]


def floats(*shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


def pixels(*shape):
    return torch.randint(256, shape, generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.83, 1.0])
def test_mixup_is_that_of_torchvision(monkeypatch, shape, share):
    x, theirs = floats(*shape), v2.MixUp(num_classes=3)
    monkeypatch.setattr(theirs, "make_params", lambda _: {"lam": share})
    monkeypatch.setattr(mixing, "beta", lambda *_: share)
    torch.testing.assert_close(Mix(3, mixup=1.0)(x, Y, 0), tuple(theirs(x, Y)))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", range(5))
def test_cutmix_is_that_of_torchvision(monkeypatch, shape, seed):
    x, theirs, (height, width) = pixels(*shape), v2.CutMix(num_classes=3), shape[2:]
    share, across, down = (float(one) for one in torch.rand(3, generator=torch.Generator().manual_seed(seed)))
    places = iter([int(across * width), int(down * height)])
    monkeypatch.setattr(theirs, "_dist", type("Fixed", (), {"sample": staticmethod(lambda _: share)}))
    monkeypatch.setattr(torch, "randint", lambda *_, **__: torch.tensor([next(places)]))
    wanted, truth = theirs(x, Y)
    ours, left = cut(x, share, across, down)
    assert torch.equal(ours, wanted)
    torch.testing.assert_close(blended(torch.nn.functional.one_hot(Y, 3).float(), left), truth)


@pytest.mark.parametrize("alpha", [0.001, 0.05, 0.2, 0.4, 1.0, 2.5, 8.0, 100.0])
def test_shares_are_distributed_as_beta(alpha):
    generator = torch.Generator().manual_seed(0)
    drawn = [beta(alpha, generator) for _ in range(2000)]
    assert all(0 <= one <= 1 for one in drawn)
    for limit in (1e-6, 0.01, 0.2, 0.4, 0.5, 0.7, 0.99):  # between the ends, which are reached to the last digit
        below = sum(one <= limit for one in drawn) / len(drawn)
        assert abs(below - stats.beta(alpha, alpha).cdf(limit)) < 0.045  # four standard deviations


@pytest.mark.parametrize(("first", "second"), [(0.0, 0.0), (0.0, 0.3), (1 - 2**-53, 0.25), (1 - 2**-53, 0.5), (1e-300, 0.25)])
def test_no_draw_gives_anything_but_a_share(monkeypatch, first, second):
    for alpha in (0.001, 0.2, 1.0, 50.0):
        draws = iter([first, second])
        monkeypatch.setattr(mixing, "_uniform", lambda _, draws=draws: next(draws))
        assert 0 <= beta(alpha, torch.Generator()) <= 1


@pytest.mark.parametrize(
    "x", [pixels(6, 3, 32, 32), floats(6, 3, 32, 32), floats(6, 8, 7, 7), floats(6, 12)], ids=lambda x: x.shape
)
@pytest.mark.parametrize("mix", [Mix(3, 0.4), Mix(3, 0, 1.0), Mix(3, 0.2, 1.0), Mix(3)])
def test_all_that_is_random_is_a_function_of_the_seed(mix, x):
    before, kept = torch.get_rng_state(), x.clone()
    first, again = mix(x, Y, 5), mix(x, Y, 5)
    assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(x, kept)
    assert len({mix(x, Y, seed)[1].numpy().tobytes() for seed in range(9)}) > 1 or not mix or (x.ndim == 2 and not mix.mixup)
    torch.testing.assert_close(first[1].sum(1), torch.ones(6))
    assert first[1].shape == (6, 3) and first[0].shape == x.shape


@pytest.mark.parametrize("mix", [Mix(3, 0.4), Mix(3, 0, 1.0), Mix(3, 0.4, 1.0)])
def test_what_comes_out_of_pixels_is_what_the_extractor_takes(mix):
    x = pixels(6, 3, 32, 32)
    x[:2] = 255
    x[2:4] = 0
    for seed in range(50):
        mixed, _ = mix(x, Y, seed)
        assert _to_255(mixed, 32).max() <= 255  # it raises an error for floats beyond 0 … 1
        assert mixed.dtype == torch.uint8 or mix.mixup


@pytest.mark.parametrize("shape", [(6, 12), (6, 8, 1, 1), (6, 8, 2, 2)])
def test_what_cannot_be_cut_is_blended_or_left_alone(shape):
    x = floats(*shape)
    untouched, truth = Mix(3, 0, 1.0)(x, Y, 1)
    assert torch.equal(untouched, x)
    assert torch.equal(truth.argmax(1), Y) and truth.max(1).values.eq(1).all()
    assert not torch.equal(Mix(3, 1.0, 1.0)(x, Y, 1)[0], x)


def test_where_both_are_on_each_has_its_half_of_the_batches():
    cuts = sum(Mix(3, 1.0, 1.0)(pixels(6, 3, 8, 8), Y, seed)[0].dtype == torch.uint8 for seed in range(400))
    assert 160 < cuts < 240


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_maps_and_features_keep_their_type_and_layout(dtype):
    x = floats(6, 4, 8, 8).to(dtype).contiguous(memory_format=torch.channels_last)
    for mix in (Mix(3, 1.0), Mix(3, 0, 1.0)):
        mixed, truth = mix(x, Y, 2)
        assert mixed.dtype == dtype and truth.dtype == torch.float32
        assert mixed.is_contiguous(memory_format=torch.channels_last)


def test_a_batch_of_one_is_mixed_with_itself_and_so_stays():
    x, truth = Mix(3, 1.0)(floats(1, 5), Y[:1], 3)
    assert torch.equal(x, floats(1, 5)) and truth.tolist() == [[1, 0, 0]]


def test_only_what_is_on_is_true():
    assert [bool(Mix(2, *one)) for one in ((0, 0), (0.2, 0), (0, 1.0))] == [False, True, True]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("mix", [Mix(3, 0.4), Mix(3, 0, 1.0), Mix(3, 0.2, 1.0)])
def test_a_gpu_gives_the_same_numbers(mix):
    for x in (pixels(6, 3, 32, 32), floats(6, 12)):
        for here, there in zip(mix(x, Y, 4), mix(x.cuda(), Y.cuda(), 4), strict=True):
            torch.testing.assert_close(there.cpu(), here)
