"""Which key is suggested to whoever comes from fastai, Ultralytics or scikit-learn."""

import pytest

from ajuste_fino.runs.conf import keys
from ajuste_fino.runs.suggest import SYNONYMS, suggestion

MEANT = {
    "train": {
        "lr": "optimizer.lr",
        "learning_rate": "optimizer.lr",
        "optimizer.learning_rate": "optimizer.lr",
        "model": "backbone",
        "arch": "backbone",
        "weights": "backbone.weights",
        "epoch": "epochs",
        "n_epochs": "epochs",
        "batch": "batch_size",
        "bs": "batch_size",
        "imgsz": "data.image_size",
        "data.path": "data.root",
        "source": "data.root",
        "device": "trainer.accelerator",
        "dropout": "head.dropout",
        "hidden_layers": "head.hidden",
        "freeze": "phases",
        "augmentation": "augment",
        "auto_augment": "data.augment.trivial",
        "tta": "features.views",
        "optim": "optimizer",
        "random_state": "seed",
        "valid_pct": "data.val",
        "momentm": "optimizer.momentum",
        "EPOCHS": "epochs",
    },
    "predict": {"source": "images", "model": "run", "weights": "run", "device": "trainer.accelerator"},
    "choose": {"models": "choose.backbones", "backbone": "choose.backbones", "n_images": "choose.images"},
    "evaluate": {"model": "run", "dataset": "data.root"},
}


@pytest.mark.parametrize(("verb", "word"), [(verb, word) for verb, words in MEANT.items() for word in words])
def test_the_key_that_is_meant_is_the_first_that_is_suggested(verb, word):
    assert suggestion(word, keys(verb)) == f"Did you mean {MEANT[verb][word]}?"


def test_where_nothing_is_close_ten_are_named():
    said = suggestion("xyzzy_plugh", keys("train"))
    assert said.startswith("The likeliest of its ")
    assert said.count(",") == 9


def test_synonyms_are_of_keys_that_there_are():
    assert set(SYNONYMS) <= {key for verb in MEANT for key in keys(verb)}
