"""Tables of evaluations, as text and as Markdown."""

import pytest

from stnclf.report import classification_table, evaluate, summary_table
from tests.report.test_evaluation import Y_PRED, Y_TRUE, example


def test_classification_table_has_a_row_for_each_class_of_each_method():
    results = {"STN": evaluate(Y_TRUE, Y_PRED), "CNN": evaluate(Y_TRUE, Y_TRUE)}
    lines = classification_table(results).splitlines()
    assert len(lines) == 2 + 2 * 4
    assert lines[2].split() == ["STN", "g", "1.000", "0.800", "0.889", "5"]
    assert lines[3].split() == ["m", "0.400", "0.667", "0.500", "3"]
    assert lines[5].split() == ["avg", "/", "total", "0.620", "0.600", "0.594", "10"]
    assert lines[9].split()[-4:] == ["1.000", "1.000", "1.000", "10"]


def test_summary_table_has_a_dash_where_nothing_is_known():
    results = {
        "STN": example(predict_seconds=0.26),
        "SVC": example(centers_pred=None, fit_seconds=None),
    }
    header, _, stn, svc, guess = summary_table(results).splitlines()
    assert "within 8 px" in header
    assert stn.split()[1:] == [
        *("0.600", "0.489", "0.463"),
        *("11.0", "5.0", "60.0", "%", "12.3", "0.3"),
    ]
    assert svc.split()[1:] == ["0.600", "0.489", "0.463", *"-----"]
    assert guess.startswith("centre guess")
    assert guess.split()[2:5] == ["-", "-", "-"]
    assert float(guess.split()[5]) == pytest.approx(results["SVC"]["center_guess"]["mean"], abs=0.1)


def test_markdown_tables_are_regular():
    for table in (classification_table, summary_table):
        lines = table({"a|b": example()}, fmt="markdown").splitlines()
        columns = {line.replace(r"\|", "").count("|") for line in lines}
        assert len(columns) == 1
        assert set(lines[1]) <= set("|-: ")
        assert r"a\|b" in lines[2]


@pytest.mark.parametrize("table", [classification_table, summary_table])
def test_bad_table_arguments_are_named(table):
    with pytest.raises(ValueError, match="results must hold"):
        table({})
    with pytest.raises(ValueError, match="fmt must be 'text' or 'markdown', got 'html'"):
        table({"STN": example()}, fmt="html")
