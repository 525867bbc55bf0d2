"""Run the epochs with Lightning, then load the weights of the best one."""

import logging
import warnings
from pathlib import Path

import lightning.pytorch as pl
import torch
from omegaconf import DictConfig

from ajuste_fino.callbacks.checkpoints import AtomicCheckpointIO
from ajuste_fino.runs import factories

EXPECTED = (  # what Lightning warns of, and why it may
    ".*does not have many workers.*",  # features are read, not decoded
    ".*exists and is not empty.*",  # the run folder, which was checked to be empty before
    ".*in eval mode at the start of training.*",  # frozen, on purpose
    ".*LeafSpec.*",  # Lightning's own use of a name that torch has renamed
)


class Fit:
    """A Trainer as the configuration wants it; wrong callbacks and loggers are refused when this is made."""

    def __init__(self, cfg: DictConfig) -> None:
        self.epochs, self.seed = cfg.epochs, cfg.seed
        self.callbacks, self.loggers, self.arguments = factories.trainer(cfg)

    def __call__(self, classifier: pl.LightningModule, module: pl.LightningDataModule, out: Path) -> int:
        """Train, then load the epoch of the lowest validation loss; returns its number, from 1."""
        for name in ("lightning.pytorch", "lightning.pytorch.utilities.rank_zero"):
            logging.getLogger(name).setLevel(logging.WARNING)
        trainer = pl.Trainer(
            max_epochs=self.epochs,
            devices=1,
            num_nodes=1,
            logger=[make(out) for make in self.loggers],
            callbacks=[make() for make in self.callbacks],
            plugins=[AtomicCheckpointIO()],
            enable_model_summary=False,
            enable_progress_bar=False,
            num_sanity_val_steps=0,
            log_every_n_steps=1,  # metrics are logged by epoch; a larger number only brings a warning
            **self.arguments,
        )
        torch.manual_seed(self.seed)  # dropout's masks, whatever was drawn before
        _run(trainer, classifier, module)
        best = torch.load(out / "checkpoints" / "best.ckpt", weights_only=True)
        classifier.load_state_dict(best["state_dict"], strict=False)
        return int(best["epoch"]) + 1


def _run(trainer: pl.Trainer, classifier: pl.LightningModule, module: pl.LightningDataModule) -> None:
    with warnings.catch_warnings():
        for message in EXPECTED:
            warnings.filterwarnings("ignore", message=message)
        try:
            trainer.fit(classifier, module)
        except SystemExit as stop:
            if isinstance(stop.__context__, KeyboardInterrupt):  # Lightning turns Ctrl-C into exit code 1
                raise KeyboardInterrupt from stop
            raise
