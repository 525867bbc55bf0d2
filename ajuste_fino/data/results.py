"""Whether this program wrote a folder: told by what a file of it begins with, since many programs write a config.yaml."""

import re
from collections.abc import Callable, Set
from typing import NamedTuple

RUN = {"log.txt", "metrics.json", "metrics.csv", "audit.json", "split.csv", "bundle"}


class Sign(NamedTuple):
    """A file that only this program writes: its name, those of which one lies beside it, if need be, and how it begins."""

    file: str
    beside: set[str]
    begins: str


SIGNS = (
    Sign("config.yaml", RUN, r"(?=.*^out: )(?=.*^data:$)(?=.*^  on_bad_image: )"),  # a run, an evaluation, an audit
    Sign("split.csv", {"config.yaml"}, r"file,label,split,sha256$"),
    Sign("audit.json", {"config.yaml"}, r'\{\s*"root": .*^  "findings": '),
    Sign("SHA256SUMS", {"bundle.json"}, r"[0-9a-f]{64}  model\.safetensors\n[0-9a-f]{64}  bundle\.json$"),
    Sign("multirun.csv", {"1"}, r"run,overrides,"),  # several runs
    Sign("compare.csv", {"differences.csv"}, r"run,overrides,"),  # runs compared
    Sign("trials.csv", {"trials"}, r"trial,val/accuracy\b"),  # a search
    Sign("journal.log", set(), r'\{[^\n]*"study_name": ?"sweep"'),  # one that has just begun
    Sign("data.json", {"config.yaml"}, r'\{\s*"run": .*^  "learning_curve": '),
    Sign("suggest.csv", {"config.yaml"}, r"rank,file,predicted,probability,why$"),
    Sign("claim.json", {"figure.png"}, r'\{\s*"name": .*^  "claim": .*^  "verdict": .*^  "checks": '),  # an experiment
)


def is_results(names: Set[str], begins: Callable[[str], str]) -> bool:
    """Whether this program wrote a folder that has these names in it; only one with such names has a file opened.

    Args:
        begins: how the text of a file in it begins.

    Raises:
        OSError: where that file cannot be read.
    """
    there = (sign for sign in SIGNS if sign.file in names and (not sign.beside or sign.beside & names))
    return any(re.match(sign.begins, begins(sign.file), re.MULTILINE | re.DOTALL) for sign in there)
