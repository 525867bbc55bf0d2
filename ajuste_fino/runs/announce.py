"""The first line of a command: what will be done, said before torch is imported."""

from collections.abc import Callable, Sequence

from omegaconf import DictConfig, OmegaConf

from ajuste_fino.runs.console import log, start_log

SENTENCES: dict[str, Callable[[DictConfig], str]] = {
    "train": lambda cfg: f"Training on {_data(cfg)}, backbone {cfg.backbone.name}, epochs={cfg.epochs}",
    "sweep": lambda cfg: f"Searching, trials={cfg.trials}, on {_data(cfg)}, backbone {cfg.backbone.name}",
    "find-lr": lambda cfg: f"Looking for a learning rate on {_data(cfg)}, backbone {cfg.backbone.name}",
    "extract": lambda cfg: _merging(cfg) if cfg.merge else f"Extracting features of {_data(cfg)} into {cfg.out}",
    "choose": lambda cfg: f"Choosing a backbone for {_data(cfg)}",
    "serve": lambda cfg: f"Serving {_given(cfg, 'run')}",
    "compare": lambda cfg: f"Comparing {len(cfg.runs) if OmegaConf.is_list(cfg.runs) else 1} runs",
    "audit": lambda cfg: f"Looking for what is wrong with {_data(cfg)}",
    "evaluate": lambda cfg: f"Evaluating {_given(cfg, 'run')} on {_given(cfg, 'data.root', 'the split it set aside')}",
    "report": lambda cfg: f"Reporting on {_given(cfg, 'run')}",
    "predict": lambda cfg: f"Predicting images={_images(cfg)} with run={_given(cfg, 'run')}",
    "data": lambda cfg: f"Looking at the data of {_given(cfg, 'run')}",
    "suggest": lambda cfg: f"Choosing k={cfg.k} of images={_images(cfg)} to label, by run={_given(cfg, 'run')}",
    "export": lambda cfg: f"Exporting run={_given(cfg, 'run')}",
    "fetch": lambda cfg: f"Fetching the weights of {cfg.backbone.name}",
    "lecture": lambda cfg: f"Running {cfg.command.name} of the lecture",
}


def announce(config: str, cfg: DictConfig, warnings: Sequence[str] = ()) -> None:
    """Say what a verb is about to do; those that answer at once say nothing.

    Args:
        config: the verb, or `VERB/NAME`.
        warnings: what is odd about the command line.
    """
    sentence = SENTENCES.get(config.partition("/")[0])
    if sentence and config != "lecture/list":
        start_log()
        log.info(f"{sentence(cfg)}. Loading libraries …")
        for warning in warnings:
            log.warning(warning)


def _data(cfg: DictConfig) -> str:
    return _given(cfg, "data.root", "the embedded digits" if cfg.data.name == "digits" else "data.root")


def _merging(cfg: DictConfig) -> str:
    return f"Putting the features of all shards into {cfg.out}"


def _images(cfg: DictConfig) -> str:
    """What `images=` names; of a list, which a shell's pattern can make long, how many."""
    value = OmegaConf.select(cfg, "images", throw_on_missing=False)
    if not OmegaConf.is_list(value):
        return _given(cfg, "images")
    return f"{len(value)} paths" if len(value) != 1 else str(value[0])


def _given(cfg: DictConfig, key: str, otherwise: str = "") -> str:
    value = OmegaConf.select(cfg, key, throw_on_missing=False)
    return otherwise or f"{key}=…" if value is None else str(value)
