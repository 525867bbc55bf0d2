"""What can be wrong with a folder: a rule for each trap, from an inspected folder to findings."""

from collections.abc import Callable, Iterator, Sequence

from ajuste_fino.data.inspection import Inspection
from ajuste_fino.data.traps import classes, copies, files, names
from ajuste_fino.data.traps.depth import depth
from ajuste_fino.data.traps.finding import LEVELS, Finding

Rule = Callable[[Inspection], Iterator[Finding]]
# what names and hashes alone show, before anything is decoded
STRUCTURE: tuple[Rule, ...] = (classes.empty, classes.absent, copies.leaks)
# how the folders were understood
LAYOUT: tuple[Rule, ...] = (names.splits, names.nested)
BEFORE_DECODING: tuple[Rule, ...] = (
    *STRUCTURE,
    *LAYOUT,
    files.passed_over,
    files.table,
    files.unknown,
    copies.within,
    classes.tiny,
    classes.imbalance,
    names.same,
    names.by_number,
)
FILES: tuple[Rule, ...] = (files.bad_files, *LAYOUT, files.passed_over, files.table, files.disguised, depth)
JUDGING: tuple[Rule, ...] = (*FILES, copies.within)  # of images that judge a model
RULES: tuple[Rule, ...] = (
    *FILES,
    *STRUCTURE,
    copies.near,
    copies.within,
    classes.tiny,
    classes.imbalance,
    names.same,
    names.by_number,
    files.unknown,
    files.odd_modes,
    files.odd_sizes,
)
AUDIT: tuple[Rule, ...] = (*RULES, copies.mislabelled)  # each image beside each: too slow to be done before every run

__all__ = [
    "AUDIT",
    "BEFORE_DECODING",
    "FILES",
    "JUDGING",
    "LEVELS",
    "RULES",
    "STRUCTURE",
    "Finding",
    "Rule",
    "findings",
    "refuse",
]


def findings(inspection: Inspection, rules: Sequence[Rule] = RULES) -> list[Finding]:
    """All that the rules find, errors first."""
    found = [finding for rule in rules for finding in rule(inspection)]
    return sorted(found, key=lambda finding: LEVELS.index(finding.level))


def refuse(found: Sequence[Finding]) -> None:
    """Raise the errors among the findings as one.

    Raises:
        UserError: where there is one.
    """
    errors = [finding for finding in found if finding.level == "error"]
    if errors:
        raise errors[0].raised(also=errors[1:])
