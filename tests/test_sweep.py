import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ajuste_fino import sweep, trials
from ajuste_fino.errors import Diverged, UserError
from ajuste_fino.files import read_csv
from tests.conftest import FAST

SPACE = {"x": {"low": 0.0, "high": 1.0}, "kind": ["a", "b"], "n": {"low": 1, "high": 9}}
HELPER = """
import sys
import time
from pathlib import Path
from ajuste_fino import sweep
study = sweep.study(sys.argv[1] if "://" in sys.argv[1] else Path(sys.argv[1]), "s")
pause = lambda values: time.sleep(0.05 * values["x"]) or values["x"]
sweep.search(study, lambda values, number: pause(values), {"x": {"low": 0.0, "high": 1.0}}, 40, 0)
"""


def good(values, _number):
    return -((values["x"] - 0.3) ** 2) + (values["kind"] == "a")


def outcomes(study):
    return [(trial.params, trial.value) for trial in study.trials]


def test_a_seed_gives_the_same_search_and_another_a_different_one():
    found = []
    for seed in (0, 0, 1):
        study = sweep.study(None, "s")
        sweep.search(study, good, SPACE, 15, seed)
        found.append(outcomes(study))
    assert found[0] == found[1] != found[2]
    assert all(isinstance(params["n"], int) for params, _ in found[0])


def test_it_goes_on_from_its_journal_as_if_it_had_not_stopped(tmp_path):
    for count in (4, 10):
        sweep.search(sweep.study(tmp_path / "journal.log", "s"), good, SPACE, count, 0)
    whole = sweep.study(None, "s")
    sweep.search(whole, good, SPACE, 10, 0)
    assert outcomes(sweep.study(tmp_path / "journal.log", "s")) == outcomes(whole)


def test_any_seed_of_train_serves():
    sweep.search(sweep.study(None, "s"), good, SPACE, 2, 2**63 - 1)


def test_a_list_of_choices_stays_that_of_its_search():
    study = sweep.study(None, "s")
    sweep.search(study, good, SPACE, 2, 0)
    sweep.refuse_other_choices(study, SPACE)
    with pytest.raises(UserError, match=r"space\.kind must stay"):
        sweep.refuse_other_choices(study, {**SPACE, "kind": ["a", "c"]})


def test_what_diverges_counts_and_what_is_stopped_does_not(tmp_path):
    calls = []

    def objective(values, number):
        calls.append(number)
        if number == 2:
            raise Diverged("no number")
        if number == 3:
            raise KeyboardInterrupt
        return 0.5

    study = sweep.study(tmp_path / "journal.log", "s")
    with pytest.raises(KeyboardInterrupt):
        sweep.search(study, objective, SPACE, 4, 0)
    sweep.search(study, objective, SPACE, 4, 0)
    assert calls == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("storage", ["{}/journal.log", "sqlite:///{}/search.db"])
def test_two_processes_share_a_search_and_begin_no_trial_too_many(tmp_path, storage):
    where = storage.format(tmp_path)
    helpers = [subprocess.Popen([sys.executable, "-c", HELPER, where]) for _ in range(2)]
    assert [helper.wait(timeout=120) for helper in helpers] == [0, 0]
    found = sweep.study(where if "://" in where else Path(where), "s")
    values = [value for _, value in outcomes(found) if value is not None]
    assert len(values) == len(set(values)) == 40  # and neither repeats the other's proposals
    assert not [trial for trial in found.trials if trial.state.name == "RUNNING"]


def test_the_trial_of_a_killed_process_does_not_count(monkeypatch):
    monkeypatch.setattr(trials, "PAUSE", 0.01)
    study = sweep.study(None, "s")
    killed, at_work = study.ask(), study.ask()
    killed.set_user_attr(trials.SEEN, time.time() - trials.DEAD - 1)
    at_work.set_user_attr(trials.SEEN, time.time())
    timer = threading.Timer(0.2, lambda: study.tell(at_work, 0.5))
    timer.start()
    sweep.search(study, lambda values, _: values["x"], {"x": {"low": 0.0, "high": 1.0}}, 3, 0)
    timer.join()
    assert trials.finished(study) == 3 and len(study.trials) == 4


@pytest.mark.parametrize("storage", ["sqlite:////nowhere/x.db", "postgresql://127.0.0.1:1/x", "foo://x"])
def test_a_database_that_cannot_be_opened_is_one_message(storage):
    with pytest.raises(UserError, match="storage must be a database that Optuna can open"):
        sweep.study(storage, "s")


def test_the_importance_of_a_choice_that_decides():
    study = sweep.study(None, "s")
    sweep.search(study, lambda values, _: float(values["kind"] == "a"), SPACE, 20, 0)
    assert next(iter(sweep.importances(study))) == "kind"


@pytest.mark.parametrize(
    "choice",
    [
        [],
        3,
        {"low": 1},
        {"low": 2, "high": 1},
        {"low": 0, "high": 1, "log": True},
        {"low": "a", "high": 2},
        {"low": 1, "high": 5, "step": 0.5},
        {"low": 1, "high": 5, "step": -1},
        {"low": 1, "high": 5, "step": 1, "log": True},
    ],
)
def test_what_is_no_choice(choice):
    with pytest.raises(UserError, match=r"space\.x"):
        sweep.check({"x": choice})


def test_the_verb_reads_the_test_split_once_and_goes_on(photos, cli, tmp_path):
    out = tmp_path / "sweep"
    arguments = ["sweep", "data=folder", f"data.root={photos}", f"out={out}", *FAST]
    assert cli(*arguments, "trials=2")[0] == 0
    assert not list((out / "trials").rglob("predictions_test.csv"))
    assert not any("test/accuracy" in (out / "trials" / str(n) / "metrics.json").read_text() for n in (1, 2))
    best = json.loads((out / "metrics.json").read_text())
    assert (out / "best" / "predictions_test.csv").exists() and best["sweep/trials"] == 2
    assert cli(*arguments, "trials=3", "+space.features.pool=[1,2]", "~space.head")[0] == 0
    rows = read_csv(out / "trials.csv")
    assert len(rows) == 3
    assert (out / "search.png").exists() and (out / "best_2").exists()


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("space.head.hidden=3", "space.head.hidden must be a list of choices"),
        ("+space.foo=[1]", "space.foo is not a key of train"),
        ("+space.data.val=[0.1,0.2]", "would let the trials be judged by other images"),
        ("+space.out=[a,b]", "space.out cannot be searched"),
        ("~space.optimizer +space.optimizer=[adam,nope]", "optimizer must be one of"),
        ("trials=0", "trials"),
        ("foo=1", "The key foo is unknown to sweep"),
    ],
)
def test_what_the_verb_refuses(photos, cli, tmp_path, key, said):
    out = tmp_path / "sweep"
    code, _, err = cli("sweep", "data=folder", f"data.root={photos}", f"out={out}", *FAST, *key.split())
    assert code == 2 and said in err, err
    assert not out.exists()


def test_a_search_with_a_journal_elsewhere_goes_on_and_whole_ends_are_a_range_of_all_numbers(photos, cli, tmp_path):
    out, journal = tmp_path / "sweep", tmp_path / "journal.log"
    arguments = ["sweep", "data=folder", f"data.root={photos}", f"out={out}", f"storage={journal}", *FAST, "~space.head"]
    arguments += ["~space.optimizer", "+space.head.dropout={low:0,high:0.9}"]
    assert cli(*arguments, "trials=1")[0] == 0
    assert cli(*arguments, "trials=2")[0] == 0
    values = [float(row["head.dropout"]) for row in read_csv(out / "trials.csv")]
    assert len(values) == 2 and all(0 < value < 0.9 for value in values)
