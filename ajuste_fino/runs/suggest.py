"""Which key was meant by a key that is unknown."""

from collections.abc import Sequence
from difflib import SequenceMatcher

LIKELIEST = 10  # keys that a message names where none is close
CLOSE = 0.75  # likeness above which a key is taken for the one that was meant
SYNONYMS = {  # what other programs call a key of ours
    "optimizer.lr": "lr lr0 lr_max base_lr learning_rate learning_rate_init rate eta eta0",
    "optimizer.weight_decay": "wd l2 alpha decay",
    "config": "resume run cfg",
    "features.mode": "cache",
    "optimizer": "opt opt_func optim solver",
    "schedule": "scheduler lr_scheduler cos_lr",
    "run": "model weights checkpoint ckpt learner bundle load",
    "images": "data source image img input inputs files file path x",
    "top": "k topk top_k",
    "tta": "augment test_time_augmentation views n_views n",
    "backbone": "model arch architecture net network base_model estimator encoder",
    "choose.backbones": "backbone backbones candidates models model architectures",
    "choose.images": "sample samples n_images subset limit",
    "backbone.weights": "weights pretrained checkpoint ckpt",
    "epochs": "epoch n_epoch n_epochs num_epochs max_epochs max_iter n_iter nb_epochs",
    "batch_size": "batch bs batchsize train_batch_size",
    "workers": "n_jobs num_workers n_workers jobs threads",
    "seed": "random_state random_seed rng",
    "patience": "early_stopping n_iter_no_change early_stop",
    "ensemble": "n_estimators bagging",
    "data.root": "path root folder source dataset data_dir data_path train_dir dir images",
    "data.image_size": "imgsz img_size image_size img size input_size item_tfms",
    "data.resize": "resize resize_mode resize_method crop_mode method letterbox squish pad padding keep_aspect_ratio",
    "data.val": "valid_pct val_split val_size validation_fraction validation_split val",
    "data.test": "test_size test_split test",
    "data.folds": "cv folds kfold k_folds n_splits",
    "data.group": "group groups",
    "data.augment.flip": "fliplr flip hflip",
    "data.augment.scale": "scale crop",
    "data.augment.color": "hsv_h hsv_s hsv_v color jitter color_jitter",
    "data.augment.erase": "erasing random_erasing reprob",
    "data.augment.trivial": "auto_augment autoaugment trivial_augment randaugment",
    "augment": "augmentation augmentations aug aug_transforms batch_tfms transforms",
    "features.views": "views tta",
    "features.tap": "layer cut tap",
    "features.precision": "amp half fp16 precision",
    "head.dropout": "dropout drop ps drop_rate dropout_rate",
    "head.hidden": "hidden hidden_layer_sizes hidden_size lin_ftrs units",
    "phases": "freeze unfreeze frozen fine_tune finetune trainable freeze_epochs",
    "trainer.accelerator": "device gpu cuda gpus accelerator devices",
    "out": "project name output output_dir save_dir model_dir exist_ok results",
}
GONE = {
    "trainer.devices": "A run uses one device.",
    "trainer.num_nodes": "A run uses one machine.",
    "trainer.strategy": "A run uses one device.",
    "phases.name": "phases=NAME chooses a schedule, phases.schedule has it.",
}


def suggestion(key: str, known: Sequence[str]) -> str:
    """A sentence with the key that was meant; where no key is close, with the ten likeliest."""
    if key in GONE:
        return GONE[key]
    likeness = {one: _likeness(key.lower(), one) for one in known}
    ranked = sorted(known, key=lambda one: (-likeness[one], one not in SYNONYMS))
    if likeness[ranked[0]] >= CLOSE:
        return f"Did you mean {ranked[0]}?"
    return f"The likeliest of its {len(known)} keys: {', '.join(ranked[:LIKELIEST])}."


def of_bare_word(overrides: Sequence[str], position: int, known: Sequence[str]) -> str:
    """What to write in the place of an override without `=`: it may be a key, its value, or a piece of the one before."""
    word, before = overrides[position], overrides[max(position - 1, 0)]
    after = overrides[position + 1] if position + 1 < len(overrides) else "…"
    if "=" in overrides or any(one.endswith(",") for one in overrides):
        return "Leave out the spaces, as in optimizer=sgd,adam."
    key, _, value = word.partition(":")
    if key in known:
        return f"Write {key}={value or after}."
    if position and "=" in before:
        quoted = before.replace("=", "='", 1)
        return f"Where it belongs to the value before it, put that in quotes: {quoted} {word}'. Else leave it out."
    path = next((one for one in ("images", "run", "data.root", "limit_gb") if one in known), None)
    if path is None:
        return "Leave it out."
    return f"Pass {'data=folder ' if path == 'data.root' else ''}{path}={word}."


def _likeness(key: str, other: str) -> float:
    """How like a known key is, from 0 to 1, by its whole name, its last component or a synonym; a topic must agree."""
    (topic, _, last), (other_topic, _, other_last) = key.rpartition("."), other.lower().rpartition(".")
    names = [other_last, *SYNONYMS.get(other, "").split()]
    ends = max(SequenceMatcher(None, last, name).ratio() for name in names)
    whole = SequenceMatcher(None, key, other.lower()).ratio()
    return max(whole, ends if topic in ("", other_topic, other) else 0.8 * ends)
