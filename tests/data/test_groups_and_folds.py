"""Groups stay whole, folds cover everything once, and what cannot be is said."""

from collections import Counter, defaultdict

import pytest

from ajuste_fino.data.config import DataConfig
from ajuste_fino.data.folds import folds
from ajuste_fino.data.group import assign_groups
from ajuste_fino.data.manifest import load_manifest
from ajuste_fino.data.sample import Sample
from ajuste_fino.errors import UserError
from ajuste_fino.predict import no_progress
from tests.conftest import draw


@pytest.fixture
def people(tmp_path):
    """Two classes, twelve people, each with three images of each class."""
    for label in range(2):
        (tmp_path / "people" / "ab"[label]).mkdir(parents=True)
        for person in range(12):
            for n in range(3):
                path = tmp_path / "people" / "ab"[label] / f"person{person:02}_{n}.png"
                draw(label, 100 * person + n).save(path)
    return tmp_path / "people"


def table(people, column="person", missing=None):
    rows = [f"file,label,{column}"]
    for path in sorted(people.rglob("*.png")):
        who = "" if path.name == missing else path.name.split("_")[0]
        rows.append(f"{path.relative_to(people)},{path.parent.name},{who}")
    (people / "table.csv").write_text("\n".join(rows) + "\n")
    return people / "table.csv"


def sides(samples):
    of = defaultdict(set)
    for sample in samples:
        of[sample.file.split("/")[1].split("_")[0]].add(sample.split)
    return of


@pytest.mark.parametrize("by", ["expression", "column"])
def test_a_person_is_on_one_side(people, by):
    root, group = (people, r"(person\d+)") if by == "expression" else (table(people), "person")
    samples = load_manifest(DataConfig(root, group=group), 0, no_progress).samples
    assert all(len(one) == 1 for one in sides(samples).values())
    assert Counter(sample.split for sample in samples) == {"train": 42, "val": 18, "test": 12} or all(
        n >= 6 for n in Counter(sample.split for sample in samples).values()
    )
    assert {(s.split, s.label) for s in samples} == {(split, label) for split in ("train", "val", "test") for label in "ab"}
    other = load_manifest(DataConfig(root, group=group, seed=1), 0, no_progress).samples
    assert sides(other) != sides(samples)


def test_without_a_group_people_are_mixed(people):
    assert any(len(one) > 1 for one in sides(load_manifest(DataConfig(people), 0, no_progress).samples).values())


def test_shares_are_kept_as_nearly_as_groups_allow(people):
    count = Counter(s.split for s in load_manifest(DataConfig(people, group=r"(person\d+)"), 0, no_progress).samples)
    assert abs(count["train"] - 43) <= 6
    assert abs(count["val"] - 14) <= 6
    assert abs(count["test"] - 14) <= 6


def test_groups_that_share_a_image_are_one(people):
    (people / "a" / "person00_copy.png").write_bytes((people / "a" / "person01_0.png").read_bytes())
    samples = load_manifest(DataConfig(people, group=r"(person\d+)"), 0, no_progress).samples
    of = sides(samples)
    assert of["person00"] == of["person01"]


def test_given_splits_that_part_a_group_are_refused(people):
    lines = table(people).read_text().splitlines()
    lines = [f"{lines[0]},split", *(f"{line},{('train', 'val', 'test')[n % 3]}" for n, line in enumerate(lines[1:]))]
    (people / "table.csv").write_text("\n".join(lines) + "\n")
    with pytest.raises(UserError, match="data.group must lie in one split; got 12 in several"):
        load_manifest(DataConfig(people / "table.csv", group="person"), 0, no_progress)


@pytest.mark.parametrize(
    ("group", "message"),
    [
        ("person", "must be a regular expression on the path"),
        ("(person", "must be a regular expression .missing"),
        (r"(a)(b)", "one pair of parentheses"),
        (r"(?:person)\d+()x", "must give every image a group"),
        (r"(person0\d)", "36 have none|12 have none"),
    ],
)
def test_expressions_that_cannot_be(people, group, message):
    with pytest.raises(UserError, match=message):
        load_manifest(DataConfig(people, group=group), 0, no_progress)


def test_columns_that_cannot_be(people):
    with pytest.raises(UserError, match=r"must be a column of table.csv; got persona. Did you mean person\?"):
        load_manifest(DataConfig(table(people), group="persona"), 0, no_progress)
    with pytest.raises(UserError, match="(?s)every image a group.*person03_1.png"):
        load_manifest(DataConfig(table(people, missing="person03_1.png"), group="person"), 0, no_progress)


def test_too_few_groups(people):
    with pytest.raises(UserError, match="at least one group for each split; got 2"):
        load_manifest(DataConfig(people, group=r"^(a|b)/"), 0, no_progress)


def samples(classes="ab", each=10, group=None):
    made = [Sample(None, f"{c}{n}", c, "train", f"{ord(c):032x}{n:032x}") for c in classes for n in range(each)]
    return assign_groups(made, group, None)


@pytest.mark.parametrize(("each", "count"), [(10, 5), (7, 3), (3, 3), (9, 2)])
def test_each_image_is_judged_once(each, count):
    judged = Counter()
    for divided in folds(samples(each=each), count, 0.2, 0):
        assert len(divided) == 2 * each
        by_split = defaultdict(set)
        for sample in divided:
            by_split[sample.split].add(sample.file)
        assert {sample.label for sample in divided if sample.split == "train"} == {"a", "b"}
        assert not by_split["test"] & (by_split["train"] | by_split["val"])
        judged.update(by_split["test"])
    assert set(judged.values()) == {1}
    assert len(judged) == 2 * each


def test_folds_are_as_large_as_each_other():
    sizes = [sum(s.split == "test" for s in divided) for divided in folds(samples("abcd", 7), 5, 0.2, 0)]
    assert max(sizes) - min(sizes) <= 1


def test_folds_keep_groups():
    made = samples("ab", 12, r"(\d)$")  # ten groups, each in both classes
    for divided in folds(made, 5, 0.2, 0):
        of = defaultdict(set)
        for sample in divided:
            of[sample.group].add(sample.split)
        assert all(len(one) == 1 for one in of.values())


def test_folds_that_cannot_be():
    with pytest.raises(UserError, match="larger than the number of different images of a class; got 11"):
        list(folds(samples(), 11, 0.2, 0))
    with pytest.raises(UserError, match="at least two different images of every class; got one of c"):
        list(folds([*samples(), *samples("c", 1)], 2, 0.2, 0))
    with pytest.raises(UserError, match="groups"):
        list(folds(samples(group=r"^(\w)"), 2, 0.2, 0))
