"""The verbs of the command, and where the function of each is."""

from typing import NamedTuple


class Verb(NamedTuple):
    """What a verb does: `module:function`, called with the configuration and the folder of its results.

    `several` says whether `-m` may run it again and again. A verb with `names` is followed by one of them, each with a
    configuration of its own in `conf/VERB/`; `names` is what they are called, `default` the one that serves when none is given.
    Bare words on the command line are values of the key `words`, where a verb has one.
    """

    function: str
    help: str
    several: bool = True
    names: str = ""
    default: str = ""
    words: str = ""


VERBS = {
    "train": Verb("ajuste_fino.runs.train:train", "freeze a trained CNN, train a new head on a folder of images"),
    "evaluate": Verb("ajuste_fino.runs.evaluate:evaluate", "evaluate a trained model on its test split or on other images"),
    "predict": Verb("ajuste_fino.runs.predict:predict", "name what is on images", words="images"),
    "report": Verb("ajuste_fino.runs.report:report", "write the report of a run again, with maps of where the model looks"),
    "serve": Verb("ajuste_fino.runs.serve:serve", "a page on this machine that names what is on an image", several=False),
    "compare": Verb("ajuste_fino.runs.compare:compare", "several runs in one table and one figure", False, words="runs"),
    "data": Verb("ajuste_fino.runs.improve:data", "what the data of a run lacks: images, right labels", several=False),
    "suggest": Verb(
        "ajuste_fino.runs.label_next:suggest", "which unlabelled images to label next", several=False, words="images"
    ),
    "export": Verb("ajuste_fino.runs.export:export", "write a trained model as ONNX, compared with it image by image"),
    "audit": Verb("ajuste_fino.runs.audit:audit", "look for what is wrong with a folder of images"),
    "choose": Verb("ajuste_fino.runs.choose:choose", "compare trained backbones on a sample of your images", several=False),
    "extract": Verb("ajuste_fino.runs.extract:extract", "the features of all images as Parquet files, on many machines", False),
    "sweep": Verb("ajuste_fino.runs.sweep:sweep", "search for the values of some keys that train best", several=False),
    "find-lr": Verb("ajuste_fino.runs.find_lr:find_lr", "look for the learning rate of a phase of train", several=False),
    "lecture": Verb(
        "ajuste_fino.runs.lecture:lecture",
        "an experiment of the lecture: its figure, its table, its verdict",
        False,
        "experiment",
        "list",
    ),
    "fetch": Verb("ajuste_fino.runs.fetch:fetch", "bring a backbone's published weights to this machine"),
    "cache": Verb("ajuste_fino.runs.cache:cache", "what the feature cache holds; make it smaller", False, "action", "show"),
    "list": Verb("ajuste_fino.runs.listing:show", "show the backbones, optimizers, data sets and other names", several=False),
}
