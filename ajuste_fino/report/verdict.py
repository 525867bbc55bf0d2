"""The verdict on a model: its accuracy, how sure that is, and what to think of it."""

from dataclasses import dataclass
from typing import Any

from ajuste_fino.report.judged import Interval
from ajuste_fino.report.run_files import RunFiles
from ajuste_fino.texts import Texts

WIDE = 0.1  # of an interval that says little
ROUNDING = 1e-6  # of accuracies that were kept in single precision


@dataclass(frozen=True)
class Verdict:
    """An accuracy and its interval, beside the accuracy of the largest class alone.

    `is_point`: all or none of the images are right, so that the interval is Wilson's.
    """

    files: RunFiles
    accuracy: float
    interval: Interval
    is_point: bool
    majority: float
    largest: str

    @classmethod
    def of(cls, files: RunFiles) -> "Verdict":
        accuracy = files.of_split("accuracy")
        is_point = accuracy in (0, 1)
        wilson = Interval(files.of_split("accuracy_low"), files.of_split("accuracy_high"))
        largest = max(files.judged.labels, key=lambda label: files.of_split(f"support/{label}"))
        interval = wilson if is_point else files.judged.interval()
        return cls(files, accuracy, interval, is_point, files.of_split("majority_accuracy"), largest)

    def context(self, texts: Texts) -> dict[str, Any]:
        """What the template shows."""
        images, right = len(self.files.judged), int(self.files.judged.right.sum())
        how = texts("how_wilson", right=right, images=images) if self.is_point else texts("how_bootstrap")
        return {
            "accuracy": self.accuracy,
            "low": self.interval.low,
            "high": self.interval.high,
            "majority": self.majority,
            "how": how,
            "split": self.files.split,
            "images": images,
            "sentences": [(good, texts(key, **values)) for good, key, values in self._sentences()],
            "facts": [(texts(key), value) for key, value in self._facts()],
        }

    def _sentences(self) -> list[tuple[bool, str, dict[str, Any]]]:
        """Whether it is good, the key of its text, and its values."""
        metrics, (low, high) = self.files.metrics, self.interval
        largest = {"label": self.largest, "majority": f"{100 * self.majority:.1f} %"}
        better = "one_class" if len(self.files.judged.labels) == 1 else "useful" if low > self.majority else "useless"
        found: list[tuple[bool, str, dict[str, Any]]] = [(better == "useful", better, largest)]
        if self.files.split == "test" and "val/accuracy" in metrics:
            fits = low - ROUNDING <= metrics["val/accuracy"] <= high + ROUNDING
            said = {"accuracy": f"{100 * metrics['val/accuracy']:.1f} %"}
            found += [(fits, "validation" if fits else "validation_apart", said)]
        found += [(False, "no_test", {})] if self.files.split == "val" else []
        found += [(False, "wide", {"images": len(self.files.judged)})] if high - low > WIDE else []
        found += [(False, "skipped", {"count": metrics["images/skipped"]})] if metrics.get("images/skipped") else []
        return found + ([(False, "stopped", {})] if metrics.get("stopped") else [])

    def _facts(self) -> list[tuple[str, str]]:
        metrics, counts = self.files.metrics, self.files.audit.get("classes", {}).values()
        found = [("macro_f1", f"{self.files.of_split('macro_f1'):.4f}"), ("majority", f"{self.majority:.4f}")]
        found += [("val_accuracy", f"{metrics['val/accuracy']:.4f}")] if "val/accuracy" in metrics else []
        found += [("ece", f"{self.files.of_split('ece'):.4f}")] if f"{self.files.split}/ece" in metrics else []
        found += [("epoch", str(metrics["epoch"]))] if "epoch" in metrics else []
        found += [("seconds", f"{metrics['time/total_s']:.1f}")] if "time/total_s" in metrics else []
        sizes = [sum(one[split] for one in counts) for split in ("train", "val", "test")]
        return found + ([("images_by_split", ", ".join(f"{n:,}" for n in sizes))] if counts else [])
