"""Layouts of folders: those that are understood, those that are refused, and that the advice of a refusal leads on."""

import shutil

import pytest

from ajuste_fino.data import names, traps
from ajuste_fino.data.config import DataConfig
from ajuste_fino.data.inspection import inspect_folder
from ajuste_fino.data.scan import scan
from ajuste_fino.errors import UserError
from ajuste_fino.predict import no_progress
from tests.data.folders import classes, fill, found, pairs

WORDS = [
    (
        "train",
        "Train TRAIN training Training training_set TrainingSet trainset seg_train train_images train-data entrenamiento "
        "Trainieren trn treino Trainingsdaten Trainingsbilder trainings_daten lernen entrainement entraînement "
        "jeu_entrainement apprentissage treinamento dados_de_treino addestramento",
    ),
    (
        "val",
        "val Valid validation VALIDATION valid_set val_images validation-set dev eval validación Validacion "
        "Validierung Validierungsdaten validação validacao validazione",
    ),
    (
        "test",
        "test Test TEST testing Testing test_set TestSet testset seg_test test-images testdata prueba pruebas "
        "Testen tst teste Testdaten Testbilder essai jeu_essai dados_de_teste prova",
    ),
    ("", "tested contest latest attest testament training_dog trainer invalid value evil development cat test1 set images"),
]


@pytest.mark.parametrize(("split", "word"), [(split, word) for split, line in WORDS for word in line.split()])
def test_words_for_splits(split, word):
    assert names.split_of(word) == split


IN_SPLITS = [
    ("Trainieren", "Testen"),
    ("treino", "teste"),
    ("trn", "tst"),
    ("Trainingsdaten", "Testdaten"),
    ("lernen", "test"),
    ("entrainement", "essai"),
    ("Training", "Testing"),
    ("TRAIN", "TEST"),
    ("training_set", "test_set"),
    ("train_images", "test_images"),
    ("entrenamiento", "prueba"),
    ("seg_train/seg_train", "seg_test/seg_test"),
    ("train/train", "test/test"),
    ("train/images", "test/images"),
    ("train/images", "test"),
    ("birds_train", "birds_test"),
    ("birds_train/birds_train", "birds_test/birds_test"),
    ("train2017", "test2017"),
]


@pytest.mark.parametrize(("train", "test"), IN_SPLITS)
def test_splits_in_other_words_or_a_level_deeper_are_understood_and_said(tmp_path, train, test):
    fill(tmp_path, *(f"{split}/{label}" for split in (train, test) for label in ("cat", "dog")))
    assert classes(tmp_path) == pairs("train", "test")
    inspection = inspect_folder(DataConfig(tmp_path), 0, no_progress).with_splits()
    assert all(sample.file.startswith(test) == (sample.split == "test") for sample in inspection.samples)
    if train != "TRAIN":
        said = found(tmp_path)["splits by other names"]
        assert said.level == "warning"
        assert set(said.files) == {f"{train} → train", f"{test} → test"}


UNLABELLED = [
    ("seg_train/seg_train", "seg_test/seg_test", "seg_pred/seg_pred"),
    ("seg_train", "seg_test", "seg_pred"),
    ("train", "test", "predict"),
    ("train", "test", "unlabeled"),
    ("train", "test", "Unlabelled_Images"),
]


@pytest.mark.parametrize(("train", "test", "unlabelled"), UNLABELLED)
def test_images_without_a_class_beside_splits_are_passed_over_and_named(tmp_path, train, test, unlabelled):
    fill(tmp_path, *(f"{split}/{label}" for split in (train, test) for label in ("cat", "dog")), unlabelled)
    assert classes(tmp_path) == pairs("train", "test")
    named = found(tmp_path)["images without a class"]
    assert named.level == "warning" and named.files == [unlabelled.split("/")[0]]
    assert "holds images without a class" in str(named)


def test_unlabelled_may_be_a_class(tmp_path):
    assert classes(fill(tmp_path, "pred", "cat")) == {("pred", ""), ("cat", "")}


@pytest.mark.parametrize("splits", [("train", "test"), ("Training", "Testing"), ("train", "val", "test"), ("train_set", "dev")])
def test_splits_inside_the_classes_are_understood_and_said(tmp_path, splits):
    fill(tmp_path, *(f"{label}/{split}" for label in ("cat", "dog") for split in splits))
    assert classes(tmp_path) == pairs(*(names.split_of(split) for split in splits))
    assert f"dog/{splits[1]} → {names.split_of(splits[1])}" in found(tmp_path)["splits by other names"].files


def test_a_split_inside_a_class_counts_for_all_below(tmp_path):
    fill(tmp_path, "cat/train", "cat/test/monday", "dog/train", "dog/test/friday")
    assert classes(tmp_path) == pairs("train", "test")


@pytest.mark.parametrize("name", ["train", "val", "test"])
def test_a_class_inside_a_split_may_have_any_name(tmp_path, name):
    fill(tmp_path, f"train/{name}", "train/control", f"test/{name}", "test/control")
    assert classes(tmp_path) == {(label, split) for label in (name, "control") for split in ("train", "test")}
    assert "a split's name" not in found(tmp_path)


REFUSED = [
    # folders of images, what is said
    (["ok", "nok", "test"], "holds test, named as a split, beside nok, ok"),
    (["ok", "nok", "Test_Set"], "named as a split"),
    (["ok", "nok", "validation"], "named as a split"),
    (["cat", "dog", "train"], "named as a split"),
    (["cat", "dog", "Training", "Testing"], r"named as splits.*move them out of data.root\. .*class_Testing, class_Training"),
    (["bus", "car", "train"], "Where train is a split, move the images into the folders of their classes and remove it"),
    (["bus", "car", "photo test"], "move it out of data.root; predict takes it.*to class_photo_test,"),
    (
        ["bus", "car", "val", "test"],
        "move them out of data.root; predict takes them.*rename them, such as to class_test, class_",
    ),
    (["bus", "car", "train/a"], "Where it is a class, rename it, such as to class_train"),
    (["bus", "car", "train/a", "test/a"], "Where they are classes, rename them, such as to class_test, class_train"),
    (["cat_train", "cat_test"], "Where they are classes, rename them, such as to class_1, class_2"),
    (["cat", "dog", "test/cat", "test/dog"], "move the other folders into a folder train beside it"),
    (["cat", "test/cat"], "named as a split"),
    (["train", "test"], "splits without folders of classes"),
    (["Training", "Testing"], "splits without folders of classes"),
    (["Testing/a", "Validation/a"], "splits but none for training"),
    (["train/a", "val/a", "dev/a"], "rename one that is meant as another"),
    (["seg_train/a", "seg_test/a", "seg_more"], "splits and other folders side by side"),
    (["seg_train/a", "seg_test/a", "seg_pred/a"], "splits and other folders side by side"),
    (["seg_train/a", "seg_test/a", "pred", "more"], "into the splits: more\\."),
    (["photos/Training/a", "photos/Testing/a"], r"lies above the splits.*data\.root=\S+photos\."),
    (["x/photos/train/a", "x/photos/test/a"], r"lies above the splits.*data\.root=\S+x/photos\."),
    (["one/train/a", "one/test/a", "two/train/a", "two/test/a"], r"one of data\.root=\S+one, data\.root=\S+two\."),
    (["train/train/a", "train/val/a", "test/a"], "splits in a split, train"),
    (["cat/train", "cat/val", "dog"], "splits in its classes"),
    (
        [f"{label}/images/{split}" for label in ("cat", "dog") for split in ("train", "test")],
        "more than one level down.*into class/train, .*rename them .*: cat/images/t",
    ),
    (["cat/a/b/Training", "cat/a/b/Testing", "dog"], "more than one level down"),
    (["cat/a", "cat/a/test", "dog"], "more than one level down"),
    (["oefenen/a", "oefenen/b", "validation/a", "validation/b"], "name the folder of the training images train"),
    (["train/a", "train/b", "val/a", "toets/a", "toets/b"], "Name these folders val or test where they are splits.*: toets"),
    (["oefenen/a", "validation/a", "test/a"], "name the folder of the training images train"),
    (["cat/Training", "cat/Testing", "dog"], "splits in its classes"),
    (["cat", "cat/test", "dog", "dog/test"], "splits in its classes"),
    (["cat", "cat/test", "dog"], "splits in its classes"),
    (["cat/val", "cat/test", "dog/val", "dog/test"], "splits in its classes"),
]


@pytest.mark.parametrize(("folders", "said"), REFUSED)
def test_what_may_be_read_in_two_ways_is_refused(tmp_path, folders, said):
    with pytest.raises(UserError, match=rf"(?s){said}"):
        scan(fill(tmp_path, *folders))


CLASSES = [["valid", "invalid"], ["test", "control"], ["train", "bus"], ["ok", "nok", "valid"], ["rest", "run", "training"]]


@pytest.mark.parametrize("folders", CLASSES)
def test_classes_named_as_splits_stay_classes_where_they_hardly_are_splits_and_it_is_said(tmp_path, folders):
    fill(tmp_path, *folders)
    assert classes(tmp_path) == {(name, "") for name in folders}
    assert found(tmp_path)["a split's name"].level == "warning"


def move(root, *moves):
    for source, target in moves:
        if target is None:
            (root / source).rmdir()
            continue
        (root / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.move(root / source, root / target)
    return root


def table(root):
    rows = [f"{path.relative_to(root)},{path.relative_to(root).parts[0]}" for path in sorted(root.glob("*/**/*.png"))]
    (root / "t.csv").write_text("\n".join(["file,label", *rows]))
    return root / "t.csv"


SPLIT = ("train", "test")
ADVICE = [
    # folders, what the refusal advises, the classes and splits that come of it
    (["ok", "nok", "test"], lambda root: move(root, ("test", "../out")), {("ok", ""), ("nok", "")}),
    (["ok", "no", "test"], lambda root: move(root, ("test", "class_test")), {("ok", ""), ("no", ""), ("class_test", "")}),
    (["ok", "no", "test"], table, {("ok", ""), ("no", ""), ("test", "")}),
    (
        ["car", "bus", "train"],
        lambda root: move(root, *((f"train/{n}.png", f"bus/t{n}.png") for n in range(4)), ("train", None)),
        {("car", ""), ("bus", "")},
    ),
    (
        ["car", "bus", "train/ice"],
        lambda root: move(root, ("train", "class_train")),
        {("car", ""), ("bus", ""), ("class_train", "")},
    ),
    (
        ["car", "bus", "val", "photo test"],
        lambda root: move(root, ("val", "class_val"), ("photo test", "class_photo_test")),
        {("car", ""), ("bus", ""), ("class_val", ""), ("class_photo_test", "")},
    ),
    (
        ["car", "bus", "train", "test"],
        lambda root: move(root, ("train", "../train"), ("test", "../test")),
        {("car", ""), ("bus", "")},
    ),
    (
        ["cat_train", "cat_test"],
        lambda root: move(root, ("cat_train", "class_1"), ("cat_test", "class_2")),
        {("class_1", ""), ("class_2", "")},
    ),
    (
        ["cat_train", "cat_test"],
        lambda root: move(
            root, *((f"cat_{split}/{n}.png", f"cat_{split}/{'ab'[n % 2]}/{n}.png") for split in SPLIT for n in range(4))
        ),
        {(label, split) for label in "ab" for split in SPLIT},
    ),
    (["cat_train", "cat_test"], table, {("cat_train", ""), ("cat_test", "")}),
    (["car", "bus", "train/ice"], table, {("car", ""), ("bus", ""), ("train", "")}),
    (
        ["cat", "dog", "test/cat", "test/dog"],
        lambda root: move(root, ("cat", "train/cat"), ("dog", "train/dog")),
        pairs("train", "test"),
    ),
    (["x/y/train/cat", "x/y/train/dog", "x/y/test/dog"], lambda root: root / "x/y", pairs("train") | {("dog", "test")}),
    (["a/train/cat", "a/train/dog", "b/train/cat"], lambda root: root / "a", pairs("train")),
    (["train/cat", "train/dog", "eval/cat", "val/cat"], lambda root: move(root, ("eval", "test")), None),
    (["train/cat", "train/dog", "pred"], lambda root: move(root, ("pred", "../pred")), pairs("train")),
    (["train/train/cat", "train/train/dog", "train/val/cat", "test/cat"], lambda root: root / "train", None),
    (["cat", "cat/test", "dog"], lambda root: move(root, ("cat/test", "cat/tested")), pairs("")),
    (
        ["cat", "cat/test", "dog"],
        lambda root: move(root, ("cat/test", "test/cat"), ("cat", "train/cat"), ("dog", "train/dog")),
        pairs("train") | {("cat", "test")},
    ),
]


@pytest.mark.parametrize(("folders", "follow", "there"), ADVICE)
def test_the_advice_of_a_refusal_leads_on(tmp_path, folders, follow, there):
    root = fill(tmp_path / "root", *folders)
    with pytest.raises(UserError):
        scan(root)
    after = classes(follow(root))
    assert there is None or after == there


def test_files_that_are_not_read_count_for_the_class_they_lie_in(tmp_path):
    fill(tmp_path, "cat/images", "dog")
    (tmp_path / "images").mkdir()
    (tmp_path / "birds").mkdir()
    for file in ("cat/images/1.dng", "dog/2.dng", "birds/3.dng"):
        (tmp_path / file).write_text("")
    fix = found(tmp_path)["empty classes"].fix
    assert "birds holds 1 DNG" in fix and "images holds" not in fix


@pytest.mark.parametrize("level", ["images", "images/all", "root"])
def test_one_folder_that_holds_the_classes_is_named(tmp_path, level):
    fill(tmp_path, f"{level}/cat", f"{level}/dog")
    one = found(tmp_path)["one class"]
    assert f"data.root={tmp_path / level}." in one.fix and "cat, dog" in one.fix
    assert classes(tmp_path / level) == pairs("")


def test_a_folder_without_images_beside_the_one_that_holds_the_classes(tmp_path):
    fill(tmp_path, "images/cat", "images/dog")
    (tmp_path / "annotations").mkdir()
    assert f"data.root={tmp_path / 'images'}." in found(tmp_path)["empty classes"].fix


NESTED = [
    (["animals/cat", "animals/dog", "vehicles/car"], "warning", "animals: cat, dog"),
    (["setA/cat", "setA/dog", "setB/cat", "setB/dog"], "warning", "If setA, setB are splits, name that of the training images"),
    (["oefenen/a", "oefenen/b", "oefenen/c", "toets/a", "toets/b"], "warning", "If oefenen, toets are splits"),
    (["oefenen/a", "oefenen/b", "toets/a", "toets/b"], "warning", "If oefenen, toets are the classes,"),
    (["cat/front", "cat/back", "dog/front", "dog/back"], "warning", "back, front"),
    (["cat", "cat/front", "cat/back", "dog/front", "dog/back"], "note", "back, front"),
    (["cat/front", "cat/back", "dog/front"], "warning", "back, front"),
    (["cat/images", "cat/masks", "dog/images", "dog/masks"], "warning", "images, masks"),
    (["cat/rgb", "cat/Ground_Truth", "dog/rgb", "dog/Ground_Truth"], "warning", "Ground_Truth, rgb"),
    (["cat", "cat/cat_mask", "dog", "dog/cat_mask"], "warning", "cat_mask"),
    ([f"{label}/{n}" for label in ("cat", "dog") for n in range(12)], "warning", "7, 8, 9 and 2 more"),
    (["cat", "cat/deep", "dog"], "note", "cat: deep"),
    (["2023/cat", "2024/dog"], "warning", "2024: dog"),
    (["cat/cat", "dog/dog"], "note", "dog: dog"),
    (["cat/images", "dog/images"], "note", "images"),
    (["cat/car", "dog/car", "dog/testing"], "warning", "dog: car, testing"),
]


@pytest.mark.parametrize(("folders", "level", "said"), NESTED)
def test_folders_in_classes_are_said_to_count_for_the_top(tmp_path, folders, level, said):
    one = found(fill(tmp_path, *folders))["folders in classes"]
    assert one.level == level
    assert said in str(one) and "count for the class at the top" in str(one) and "toets." not in str(one)


ALIKE = [
    # class names, the trap, how they are told apart
    (["Cat", "cat"], "names by case", "Cat, cat"),
    (["cat", "cat "], "names alike", "'cat', 'cat '"),
    (["cat", "'cat'"], "names alike", "''cat'', 'cat'"),
    (["cat", " Cat"], "names alike", "' Cat', 'cat'"),
    (["caf\u00e9", "cafe\u0301"], "names alike", r"'cafe\u0301', 'caf\xe9'"),
    (["\uff43\uff41\uff54", "cat"], "names alike", "'cat', '\uff43\uff41\uff54'"),
    (["c\u200bat", "cat"], "names alike", r"'cat', 'c\u200bat'"),
    (["guinea pig", "guinea_pig", "Guinea-Pig"], "names alike", "'Guinea-Pig', 'guinea pig', 'guinea_pig'"),
    (["guinea\xa0pig", "guinea pig"], "names alike", r"'guinea pig', 'guinea\xa0pig'"),
    (["a  b", "a b"], "names alike", "'a  b', 'a b'"),
    (["\u0645\u06cc\u0631", "\u0645\u06cc\u200c\u0631"], "names alike", r"'\u0645\u06cc\u0631', '\u0645\u06cc\u200c\u0631'"),
    (["a\\ ", "a\\"], "names alike", r"'a\', 'a\ '"),
]


@pytest.mark.parametrize(("folders", "trap", "told"), ALIKE)
def test_class_names_that_look_the_same(tmp_path, folders, trap, told):
    one = found(fill(tmp_path, *folders))[trap]
    assert one.level == "warning"
    assert list(one.shown or one.files) == [told]
    assert set(one.files[0].split(", ")) == set(folders)


@pytest.mark.parametrize(
    "folders", [["1", "-1"], ["ano", "a\u00f1o"], ["a_b", "ab"], ["1", "01"], ["C", "C++"], ["cat", "cats"]]
)
def test_class_names_that_differ(tmp_path, folders):
    assert not {"names by case", "names alike"} & set(found(fill(tmp_path, *folders)))


def test_a_class_that_a_split_lacks_for_an_unseen_sign_is_told_so_that_one_sees_it(tmp_path):
    inspection = inspect_folder(DataConfig(fill(tmp_path, "train/a", "train/b", "test/a ", "test/b")), 0, no_progress)
    with pytest.raises(UserError, match="none of 'a '"):
        traps.refuse(traps.findings(inspection.with_splits(), traps.STRUCTURE))


@pytest.mark.parametrize("places", [["public/a", "private/b"], ["x/a/deep", "b"], ["x/a", "b"]])
def test_classes_a_level_too_deep_in_one_split_are_told(tmp_path, places):
    fix = found(fill(tmp_path, "train/a", "train/b", *(f"test/{place}" for place in places)))["absent from train"].fix
    assert "lie a level too deep; move them up, out of test/" in fix


@pytest.mark.parametrize(("empty", "split"), [("val", "val"), ("validation", "validation"), ("test", "test"), ("val/a", "val")])
def test_an_empty_split_is_told(tmp_path, empty, split):
    (fill(tmp_path, "train/a", "train/b") / empty).mkdir(parents=True)
    assert f"without an image: {split}." in found(tmp_path)["empty splits"].sentence
