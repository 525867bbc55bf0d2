import html
import json
import re

import pytest
from PIL import Image

from ajuste_fino.lecture import experiment, page, record
from ajuste_fino.lecture.findings import Check, Findings
from ajuste_fino.lecture.text import Texts

FAST = ("depths=[2,3]", "width=8", "epochs=1", "rates=[0.01]", "seeds=2")


def claim(folder):
    return json.loads((folder / "claim.json").read_text(encoding="utf-8"))


def test_an_experiment_leaves_a_figure_a_table_and_a_verdict(cli, tmp_path):
    code, _, err = cli("lecture", "relu", *FAST, "lang=es", f"out={tmp_path / 'relu'}")
    assert code == 0
    assert {path.name for path in (tmp_path / "relu").iterdir()} == {"figure.png", "table.csv", "claim.json"}
    with Image.open(tmp_path / "relu" / "figure.png") as figure:
        assert figure.size == (1280, 720)
    found = claim(tmp_path / "relu")
    assert found["verdict"] == "not judged at these settings"
    assert "no se juzga con estos ajustes" in err and "(esperado " in err and "Resultados: " in err
    assert found["settings"] == {"depths": [2, 3], "width": 8, "epochs": 1, "rates": [0.01], "seeds": 2}
    assert (found["title"], found["claim"]) == tuple(map(Texts.load("relu", "es"), ("title", "claim")))
    assert {"what", "value", "low", "high", "holds"} <= found["checks"][0].keys()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nope"], "The experiment nope is unknown"),
        (["relu", "seeds=0"], "seeds (a whole number of at least 1; got 0)"),
        (["relu", "width=1.5"], "width (a whole number"),
        (["relu", "depths=3"], "depths (a list as [2, 5, 10, 20]; got 3)"),
        (["relu", "depths=[]"], "depths (a list"),
        (["momentum", "tolerance=-1"], "tolerance (a number of at least 0; got -1)"),
        (["relu", "lang=fr"], "lang must be en or es; got fr"),
        (["relu", "foo=1"], "The key foo is unknown to lecture relu"),
        (["convolution", "kernel=4"], "kernel (odd; got 4)"),
        (["growth", "confidence=2"], "confidence (from 0.5 to 0.9999; got 2)"),
        (["pooling", "shifts=[70]"], "shifts (from 1 to 16; got [70])"),
        (["momentum", "alpha=1.5"], "alpha (from 0 to 0.99; got 1.5)"),
        (["depth", "depths=[3,4]"], "depths (at least 3 numbers; got [3, 4])"),
        (["depth", "depths=[3,3,5]"], "depths (rising; got [3, 3, 5])"),
        (["transfer", "labels=[0,5]"], "labels (rising; got [0, 5])"),
        (["transfer", "steps.head=0"], "steps (a whole number of at least 1; got 0)"),
        (["all", "only=[relu,nope]"], "only must name experiments"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(cli, tmp_path, arguments, message):
    code, _, err = cli("lecture", *arguments, f"out={tmp_path / 'out'}")
    assert (code, message in err) == (2, True), err
    assert not (tmp_path / "out").exists()


def test_a_broken_identity_is_a_failure_and_reported_after_writing(cli, tmp_path, monkeypatch):
    wrong = Check("differ", 1, 2, 2, identity=True, values={"layers": 2})
    module = experiment("receptive_field")
    real = module.measure
    monkeypatch.setattr(module, "measure", lambda **settings: Findings([wrong], real(**settings).rows, real(**settings).data))
    code, _, err = cli("lecture", "receptive_field", "depth=2", f"out={tmp_path / 'out'}")
    assert code == 1 and "layers of 2 where formula and measured field differ: 1" in err
    assert claim(tmp_path / "out")["verdict"] == "not judged at these settings"  # depth=2 is not the configuration's


def test_all_makes_one_page_that_asks_for_nothing_and_goes_on_where_it_stopped(cli, tmp_path, monkeypatch):
    out = tmp_path / "all"
    arguments = ("lecture", "all", "only=[convolution,receptive_field]", f"out={out}")
    assert cli(*arguments)[0] == 0
    page = (out / "index.html").read_text(encoding="utf-8")
    assert not re.search(r'(src|href)="(?!data:|#)', page)
    for name in ("convolution", "receptive_field"):
        assert Texts.load(name, "en")("claim") in html.unescape(page) and f"ajuste-fino lecture {name} lang=en" in page
    assert page.count("<img") == 2 and page.count("<svg") == 3
    (out / "receptive_field" / "claim.json").unlink()
    monkeypatch.setattr(experiment("convolution"), "measure", None)  # it is there, and not measured again
    assert cli(*arguments)[0] == 0
    assert (out / "receptive_field" / "claim.json").exists()


def test_a_value_that_is_no_number_is_reported_as_such(tmp_path):
    module = experiment("receptive_field")
    found = module.measure(kernel=3, depth=1, seed=0)
    odd = Findings([Check("stride_grows", float("nan"), 0, 1)], found.rows, found.data)
    record.write(module, odd, tmp_path, {}, Texts.load("receptive_field", "en"), 0.0)
    assert claim(tmp_path)["checks"][0]["value"] == "nan"
    page.write([tmp_path], tmp_path / "page.html", "en")
    assert ">nan<" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_all_is_refused_at_once_where_optuna_is_missing(cli, tmp_path, monkeypatch):
    monkeypatch.setattr("ajuste_fino.sweep.find_spec", lambda name: None)
    code, _, err = cli("lecture", "all", f"out={tmp_path / 'all'}")
    assert code == 2 and "ajuste-fino[sweep]" in err
    assert not (tmp_path / "all").exists()


def test_the_page_has_its_tables_and_verdicts_in_its_language(cli, tmp_path):
    out = tmp_path / "all"
    assert cli("lecture", "all", "only=[pooling]", "lang=es", f"out={out}")[0] == 0
    page = (out / "index.html").read_text(encoding="utf-8")
    assert all(word in page for word in (">REPRODUCIDO<", "<th>semilla</th>", "<td>promedio</td>", "<th>esperado</th>"))
    assert (out / "pooling" / "table.csv").read_text(encoding="utf-8").startswith("seed,pooling,shift,change")
    assert claim(out / "pooling")["verdict"] == "PASS"


def test_the_list_has_them_in_the_lectures_order(cli):
    code, out, _ = cli("lecture", "list", "lang=es")
    assert code == 0
    assert "afirmación" in out and "$" not in out and "\\frac" not in out
    assert out.index("features") < out.index("backprop") < out.index("transfer")
