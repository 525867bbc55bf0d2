"""Where a training step needs more memory than there is: begin the fit again, with half as many images in a batch."""

import gc
import shutil
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback
from omegaconf import DictConfig, open_dict
from torch import Tensor

from ajuste_fino import ranks
from ajuste_fino.classifier import Classifier
from ajuste_fino.console import log
from ajuste_fino.data.module import DataModule
from ajuste_fino.memory import is_full
from ajuste_fino.runs.run_folder import save_config


class Snapshot:
    """The values of whatever training may change in a model; `restore` brings them back to the bit.

    These are the parameters that any phase trains, and all buffers: those of frozen parts may be shared with trained ones.
    """

    def __init__(self, classifier: Classifier) -> None:
        self.classifier = classifier
        trained = [*classifier.head.parameters(), *classifier.plan.trained(-1)]
        self.parameters = [(parameter, parameter.detach().clone()) for parameter in trained]
        self.buffers = {name: buffer.detach().clone() for name, buffer in _buffers(classifier).items()}
        self.proofs = dict(classifier.plan.proofs)

    @torch.no_grad()
    def restore(self) -> None:
        """Write the values back, wherever their tensors are by now, and forget what was measured since."""
        for parameter, value in self.parameters:
            parameter.copy_(value)
            parameter.grad = None
        for name, buffer in _buffers(self.classifier).items():
            buffer.copy_(self.buffers[name])
        self.classifier.plan.proofs.clear()
        self.classifier.plan.proofs.update(self.proofs)
        for metric in (self.classifier.train_loss, self.classifier.val_loss, self.classifier.val_metrics):
            metric.reset()
        self.classifier.enter(0)


def _buffers(classifier: Classifier) -> dict[str, Tensor]:
    """By every name that each has: a move to a device and back has made several of one that was shared."""
    return dict(classifier.named_buffers(remove_duplicate=False))


class WhereFull(Callback):
    """Notes whether an error came from a validation, whose batches have a size of their own."""

    validating = False

    def on_exception(self, trainer: pl.Trainer, module: pl.LightningModule, exception: BaseException) -> None:
        self.validating = trainer.validating


class BackOff:
    """Makes the batches of a run smaller, and as many more of them one step of the optimizer.

    Args:
        cfg: of the run; the keys are changed in it, and in the run's `config.yaml`, so that `resume=` and `config=` go on so.
        arguments: of Lightning's Trainer, which are changed as well.
    """

    def __init__(self, cfg: DictConfig, arguments: dict[str, Any]) -> None:
        self.cfg, self.arguments = cfg, arguments

    def is_possible(self, error: Exception, where: WhereFull, classifier: Classifier, module: DataModule, out: Path) -> bool:
        """Whether smaller batches may help, in a run's own fit that began at its beginning.

        A run that is resumed goes on as it began, as does one of several processes; and a BatchNorm that learns has no
        variance of one image.
        """
        smallest = 1 if classifier.plan.batchnorm_frozen else 2
        own = ranks.count() == 1 and not self.cfg.get("resume") and (out / "config.yaml").is_file()
        return own and is_full(error) and not where.validating and module.batch_size >= 2 * smallest

    def __call__(self, classifier: Classifier, module: DataModule, out: Path, before: Snapshot) -> None:
        """Halve the batches, and make everything as it was before the fit."""
        size, batches = module.batch_size, int(self.arguments.get("accumulate_grad_batches") or 1)
        smaller = size // 2
        batches = max(round(size * batches / smaller), 1)
        self.arguments["accumulate_grad_batches"] = batches
        with open_dict(self.cfg):
            self.cfg.batch_size, self.cfg.trainer.accumulate_grad_batches = smaller, batches
        module.set_batch_size(smaller)
        _let_go(classifier, module)
        before.restore()
        if (out / "checkpoints").is_dir():
            shutil.rmtree(out / "checkpoints")
        (out / "metrics.csv").unlink(missing_ok=True)
        save_config(out, self.cfg)
        keys = f"batch_size={smaller} trainer.accumulate_grad_batches={batches}"
        log.warning(f"The memory is full with batch_size={size}. Training begins again with {keys}; pass these next time.")


def _let_go(classifier: Classifier, module: DataModule) -> None:
    """Give back the memory of the trainer that failed, of its optimizer and its gradients."""
    classifier.trainer = None
    module.trainer = None
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
