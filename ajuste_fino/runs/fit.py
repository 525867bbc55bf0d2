"""Run the epochs with Lightning, then load the weights of the best one."""

import logging
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import lightning.pytorch as pl
from lightning.pytorch.strategies import DDPStrategy
from omegaconf import DictConfig

from ajuste_fino import ranks
from ajuste_fino.callbacks.checkpoints import BEST, AtomicCheckpointIO, load_checkpoint
from ajuste_fino.callbacks.deadline import Deadline
from ajuste_fino.callbacks.threads import PhaseThreads
from ajuste_fino.classifier import Classifier
from ajuste_fino.data.module import DataModule
from ajuste_fino.memory import tell_when_full
from ajuste_fino.phases import Moment, Phases
from ajuste_fino.predict import device
from ajuste_fino.runs import factories
from ajuste_fino.runs.backoff import BackOff, Snapshot, WhereFull
from ajuste_fino.runs.compiled import compiled
from ajuste_fino.runs.resume import Resumed
from ajuste_fino.threads import flops_of_step, own_threads, worth

EXPECTED = (  # what Lightning warns of, and why it may
    ".*dataloader is not resumable.*",  # it is: the order begins where the checkpoint was written
    ".*does not have many workers.*",  # features are read, not decoded
    ".*exists and is not empty.*",  # the run folder, which was checked to be empty before
    ".*in eval mode at the start of training.*",  # frozen, on purpose
    ".*LeafSpec.*",  # Lightning's own use of a name that torch has renamed
    ".*sync_dist=True.*",  # torchmetrics has computed what is logged from all processes
    ".*broadcast_buffers. is deprecated.*",  # what torch would have instead is not in each version that serves
    ".*did not find any unused parameters.*",  # in the last phase there are none
)


class Kept(NamedTuple):
    """The number of what was kept, from 1, of how many that were tried, epochs or values of C, and its validation metrics."""

    number: int
    tried: int
    validation: dict[str, float]
    C: float | None = None
    monitor: str = "val/loss"
    phase: str = ""
    early: bool = False

    def metrics(self) -> dict[str, float]:
        """Return it as a run's `metrics.json` has it."""
        which = {"epoch": self.number, "epochs_trained": self.tried} if self.C is None else {"logistic/C": self.C}
        return {**which, **self.validation}

    def summary(self, patience: int) -> str:
        """Return the sentence that a run says of it."""
        if self.C is not None:
            return f"Of {self.tried} values, C = {self.C:g} has the lowest validation loss and is kept"
        kept = f"Epoch {self.number} of {self.tried}{self.phase} has the {best_of(self.monitor)} and is kept"
        return kept + (f", as the next {patience} (patience) were no better" if self.early else "")


def best_of(monitor: str) -> str:
    """`val/macro_f1` → `highest validation macro F1`."""
    names = {
        "loss": "lowest validation loss",
        "accuracy": "highest validation accuracy",
        "macro_f1": "highest validation macro F1",
    }
    return names.get(monitor.removeprefix("val/"), f"best {monitor}")


class Ended(NamedTuple):
    """How many epochs were trained, what stopped the training before its end, if anything did, and whether that was planned."""

    epochs: int
    stopped: BaseException | None
    early: bool


class Fit:
    """A Trainer as the configuration wants it; wrong callbacks and loggers are refused when this is made."""

    def __init__(self, cfg: DictConfig, epochs: int, monitor: str, deadline: Deadline | None = None) -> None:
        self.epochs, self.monitor, self.deadline = epochs, monitor, deadline
        self.phases = len(cfg.phases.schedule)
        self.on_cpu = device(cfg.trainer.accelerator).type == "cpu"
        self.callbacks, self.loggers, self.arguments = factories.trainer(cfg, monitor)
        self.compiles = bool(cfg.get("compile"))
        self.back_off = BackOff(cfg, self.arguments)

    def __call__(
        self, classifier: Classifier, module: DataModule, out: Path, resumed: Resumed | None = None
    ) -> tuple[Kept, BaseException | None]:
        """Train, then load the best epoch; also return what stopped the training after it.

        Where a training step fills the memory, training begins again with smaller batches.
        """
        ended = self._until_it_fits(classifier, module, out, resumed)
        best = ranks.from_first(lambda: _best(out / "checkpoints" / BEST, ended.stopped))
        classifier.load_state_dict(best["state_dict"], strict=False)
        epoch = int(best["epoch"]) + 1
        phase = _said(classifier.plan.phases, epoch - 1)
        tried = max(epoch, ended.epochs)
        return Kept(epoch, tried, best["validation"], None, self.monitor, phase, ended.early), ended.stopped

    def train(self, classifier: Classifier, module: DataModule, out: Path) -> None:
        """Train, and leave the weights as the last epoch left them, as a phase that follows finds them."""
        ended = self._until_it_fits(classifier, module, out, None)
        if ended.stopped is not None:
            raise ended.stopped

    def _until_it_fits(self, classifier: Classifier, module: DataModule, out: Path, resumed: Resumed | None) -> Ended:
        """Train, again in smaller batches where the memory was full."""
        for name in ("lightning.pytorch", "lightning.pytorch.utilities.rank_zero"):
            logging.getLogger(name).setLevel(logging.WARNING)
        before = Snapshot(classifier)
        while (ended := self._train(classifier, module, out, resumed)) is None:
            self.back_off(classifier, module, out, before)
        return ended

    def _train(self, classifier: Classifier, module: DataModule, out: Path, resumed: Resumed | None) -> Ended | None:
        """Train; None: the memory is full, and smaller batches may help."""
        where = WhereFull()
        trainer = self._trainer(out, where)
        try:
            with own_threads() as most:
                if self.on_cpu:  # beside a GPU there is no need to count
                    threads = [worth(flops / ranks.count(), most) for flops in _flops(classifier, module)]
                    trainer.callbacks.insert(0, PhaseThreads(threads))  # type: ignore[attr-defined]
                if resumed is not None:
                    resumed.prepare(trainer, module)
                with compiled(classifier.plan, self.compiles):
                    stopped = _run(trainer, classifier, module, resumed)
                if resumed is not None and stopped is None:
                    resumed.say_if_nothing_is_left(trainer)
        except (RuntimeError, MemoryError) as error:
            if self.back_off.is_possible(error, where, classifier, module, out):
                return None
            key, size = ("features.batch_size", module.val_size) if where.validating else ("batch_size", module.batch_size)
            with tell_when_full(key, size):
                raise
        return Ended(trainer.current_epoch, stopped, _stopped_early(trainer))

    def _trainer(self, out: Path, where: WhereFull) -> pl.Trainer:
        several = {"strategy": self._ddp(), "use_distributed_sampler": False} if ranks.count() > 1 else {}
        return pl.Trainer(
            max_epochs=self.epochs,
            default_root_dir=out,
            logger=[make(out) for make in self.loggers],
            callbacks=[where, *(make() for make in self.callbacks), *([] if self.deadline is None else [self.deadline])],
            plugins=[AtomicCheckpointIO()],
            enable_model_summary=False,
            enable_progress_bar=False,
            num_sanity_val_steps=0,
            log_every_n_steps=1,  # metrics are logged by epoch; a larger number only brings a warning
            **{**self.arguments, **several},
        )

    def _ddp(self) -> DDPStrategy:
        """Each process has a copy; frozen buffers are the same in all, and what only later phases train has no gradients."""
        return DDPStrategy(find_unused_parameters=self.phases > 1, broadcast_buffers=False)


def _best(path: Path, stopped: BaseException | None) -> dict[str, Any]:
    """Read the checkpoint of the best epoch; where training was stopped before there was one, be stopped."""
    if stopped is not None and not path.is_file():
        raise stopped
    return load_checkpoint(path)


def _stopped_early(trainer: pl.Trainer) -> bool:
    """Whether training ended because it no longer improved."""
    found = trainer.early_stopping_callback
    return found is not None and found.stopped_epoch > 0


def _said(phases: Phases, epoch: int) -> str:
    """Of which phase an epoch, from 0, is, where there are several."""
    number = phases.at(epoch).phase
    return "" if len(phases) == 1 else f", of phase {number + 1} of {len(phases)} (train_from={phases[number].train_from}),"


def _flops(classifier: Classifier, module: DataModule) -> list[float]:
    """Estimate the operations of a training step in each phase."""
    found = []
    for number, (dataset, _) in enumerate(module.train):
        classifier.moment = Moment(number, 0)
        found.append(flops_of_step(classifier, dataset[[0]][0], module.batch_size))
    classifier.enter(0)
    return found


def _run(trainer: pl.Trainer, classifier: Classifier, module: DataModule, resumed: Resumed | None) -> BaseException | None:
    """Train; return what stopped it."""
    with warnings.catch_warnings():
        for message in EXPECTED:
            warnings.filterwarnings("ignore", message=message)
        try:
            trainer.fit(classifier, module, ckpt_path=None if resumed is None else resumed.path)
        except (KeyboardInterrupt, SystemExit) as stop:
            # Lightning turns Ctrl-C into exit code 1
            return stop.__context__ if isinstance(stop.__context__, KeyboardInterrupt) else stop
    return None
