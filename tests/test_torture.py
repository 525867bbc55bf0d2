"""Each hazard of scripts/torture.py, with a few tries of each."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

import hazards
import torture
from hazards import mutants

SLOW = {"corrupt-images": 2}  # tries, where those of --quick take longer than a test may


@pytest.mark.parametrize("name", hazards.HAZARDS)
def test_a_hazard(name):
    one = hazards.HAZARDS[name]
    result = torture.in_own_places(one, SLOW.get(name, one.quick), seed=1)
    if result.state == "not there yet":
        pytest.skip(result.figure)
    assert result.state == "reached", result.figure


def test_a_hazard_that_is_missed_or_breaks_is_in_the_table(monkeypatch, tmp_path, capsys):
    from hazards.registry import NotYet, Outcome, hazard

    monkeypatch.setattr(hazards.registry, "HAZARDS", {})

    @hazard("missed", "9 of 9", size=9, quick=1)
    def missed(work, size, rng):
        """What is measured"""
        return Outcome(False, f"0 of {size}")

    @hazard("broken", "9 of 9", size=9, quick=1)
    def broken(work, size, rng):
        """What breaks"""
        raise ValueError("why")

    @hazard("absent", "9 of 9", size=9, quick=1)
    def absent(work, size, rng):
        """What is not there"""
        raise NotYet("no such verb")

    monkeypatch.setattr(torture, "HAZARDS", hazards.registry.HAZARDS)
    monkeypatch.setattr(sys, "argv", ["torture.py", "--quick", "--json", str(tmp_path / "t.json")])
    assert torture.main() == 1
    out = capsys.readouterr().out
    assert "0 of 1" in out
    assert "ValueError: why" in out
    assert "0 reached, 2 missed, 1 not there yet of 3" in out
    assert (tmp_path / "t.json").read_text().count('"state"') == 3


def test_a_name_that_is_no_hazards_is_refused(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["torture.py", "no-such"])
    with pytest.raises(SystemExit):
        torture.main()


@pytest.mark.parametrize("kind", mutants.FORMATS)
def test_the_same_seed_is_the_same_damage(kind):
    def damaged(seed):
        return list(mutants.mutants(kind, 20, np.random.default_rng(seed)))

    assert damaged(3) == damaged(3)
    assert damaged(3) != damaged(4)
