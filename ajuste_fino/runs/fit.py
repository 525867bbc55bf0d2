"""Lightning runs the epochs; the best one's head is put back."""

import logging
import warnings
from pathlib import Path

import lightning.pytorch as pl
import torch
from lightning.pytorch.loggers import CSVLogger
from omegaconf import DictConfig

from ajuste_fino.callbacks.checkpoints import AtomicCheckpointIO, keep
from ajuste_fino.callbacks.guard import NonFinite
from ajuste_fino.callbacks.progress import Bar
from ajuste_fino.runs.console import console


def fit(cfg: DictConfig, out: Path, classifier: pl.LightningModule, module: pl.LightningDataModule) -> int:
    """Train, then load the epoch of the lowest validation loss; returns its number, from 1."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    logging.getLogger("lightning.pytorch.utilities.rank_zero").setLevel(logging.WARNING)
    trainer = pl.Trainer(
        max_epochs=cfg.epochs,
        accelerator=cfg.trainer.accelerator,
        devices=cfg.trainer.devices,
        num_nodes=cfg.trainer.num_nodes,
        strategy=cfg.trainer.strategy,
        logger=CSVLogger(out, name="", version=""),
        callbacks=[*keep(out / "checkpoints", cfg.patience), NonFinite(), Bar(console)],
        plugins=[AtomicCheckpointIO()],
        enable_model_summary=False,
        enable_progress_bar=False,
        num_sanity_val_steps=0,
        log_every_n_steps=1,  # figures are logged by epoch; a larger number only brings a warning
    )
    torch.manual_seed(cfg.seed)  # dropout's masks, whatever was drawn before
    _run(trainer, classifier, module)
    best = torch.load(out / "checkpoints" / "best.ckpt", weights_only=True)
    classifier.load_state_dict(best["state_dict"], strict=False)
    return best["epoch"] + 1


def _run(trainer: pl.Trainer, classifier: pl.LightningModule, module: pl.LightningDataModule) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")  # features are read, not decoded
        warnings.filterwarnings("ignore", message=".*exists and is not empty.*")  # ours, and checked to be empty before
        warnings.filterwarnings("ignore", message=".*in eval mode at the start of training.*")  # frozen, on purpose
        warnings.filterwarnings("ignore", message=".*LeafSpec.*")  # Lightning's own use of a name torch has renamed
        try:
            trainer.fit(classifier, module)
        except SystemExit as stop:
            if isinstance(stop.__context__, KeyboardInterrupt):  # Lightning turns Ctrl-C into exit code 1
                raise KeyboardInterrupt from stop
            raise
