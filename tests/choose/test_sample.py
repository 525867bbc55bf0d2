from collections import Counter
from pathlib import Path

import pytest

from ajuste_fino.choose.sample import draw, too_few
from ajuste_fino.data.content import ImageFile
from ajuste_fino.data.sample import Sample


def samples(counts, group=""):
    return [
        Sample(ImageFile(Path(f"{label}/{n}")), f"{label}/{n}", label, "train", f"{label}{n:05}", group and f"{group}{n % 3}")
        for label, count in counts.items()
        for n in range(count)
    ]


@pytest.mark.parametrize(
    ("counts", "images", "drawn"),
    [
        ({"a": 100, "b": 50}, 30, {"a": 20, "b": 10}),
        ({"a": 10, "b": 5}, 30, {"a": 10, "b": 5}),
        ({"a": 996, "b": 4}, 100, {"a": 100, "b": 2}),  # at least two
        ({"a": 996, "b": 1}, 100, {"a": 100, "b": 1}),  # what there is
    ],
)
def test_each_class_has_its_share(counts, images, drawn):
    assert Counter(sample.label for sample in draw(samples(counts), images, 0)) == drawn


def test_the_draw_is_decided_by_contents_and_seed():
    given = samples({"a": 50, "b": 50})
    found = [sample.sha256 for sample in draw(given, 20, 0)]
    assert found == [sample.sha256 for sample in draw(given[::-1], 20, 0)]
    assert set(found) != {sample.sha256 for sample in draw(given, 20, 1)}


def test_of_copies_one_is_drawn():
    assert len(draw(samples({"a": 5, "b": 5}) * 2, 100, 0)) == 10


def test_classes_of_which_no_head_can_be_judged():
    assert too_few(samples({"a": 1, "b": 2}) + samples({"c": 1}) * 2) == ["a", "c"]
    assert too_few(samples({"a": 1, "b": 2}, group="one")) == ["a"]
