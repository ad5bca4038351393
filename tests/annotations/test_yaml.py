"""Names of classes in YAML: lists and numbered names, as they are written."""

import pytest

pytest.importorskip("yaml", reason="needs the extra [slides]")

from stnclf.annotations._yaml import class_names_of_yaml

TWO = {0: "mitosis", 1: "other"}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("names: [mitosis, other]", TWO),
        ("names: ['mitosis' , \"other\",] # two", TWO),
        ("nc: 2\nnames: [\n  mitosis,  # positive\n# a note\n  other\n]\ntrain: x", TWO),
        ("names: [mitosis,\n        other]\n", TWO),
        ("names:\n  [mitosis, other]\n", TWO),
        ("names: {0: mitosis, 1: other}", TWO),
        ('names: {"0":"mitosis","1":"other"}', TWO),
        ('{"nc": 2, "names": ["mitosis", "other"]}', TWO),
        ("names: {\n  0: mitosis,\n  1: other,\n}\n", TWO),
        ("names:\n  - mitosis  # positive\n  - other\n", TWO),
        ("names:\n- mitosis\n\n# negative\n- other\nnc: 2", TWO),
        ("names:  # two\n  0: mitosis  # positive\n  # negative\n  1: other\nnc: 2\n", TWO),
        ("names:\r\n  '0': 'mitosis'\r\n  \"1\": other\r\n", TWO),
        ("'names':\n  -   mitosis\n  - other\n...\n", TWO),
        ("names: ['tumour, big', 'lymphocyte']", {0: "tumour, big", 1: "lymphocyte"}),
        ("names:\n - tumour, big\n - a [b]{c}", {0: "tumour, big", 1: "a [b]{c}"}),
        ("names: ['it''s', \"a \\\"b\\\" \\\\ \\u00e4\\x41\"]", {0: "it's", 1: 'a "b" \\ \u00e4A'}),
        ("names:\n  - 'it''s'\n  - \"a, \\\"b\\\"\" # c\n", {0: "it's", 1: 'a, "b"'}),
        ("names: ['a # b', c#d, \"#e\"]", {0: "a # b", 1: "c#d", 2: "#e"}),
        ("names:\n  - 'a # b'\n  - c#d\n  - \"#e\"\n", {0: "a # b", 1: "c#d", 2: "#e"}),
        ("names: {3: 'a: b', 7: c:d}", {3: "a: b", 7: "c:d"}),
        ("names:\n  3: 'a: b'\n  7: c:d", {3: "a: b", 7: "c:d"}),
        (
            "names: [mitotic figure,\n  mitotic\n  figure]",
            {0: "mitotic figure", 1: "mitotic figure"},
        ),
        ("names: [1, no, -x]", {0: "1", 1: "no", 2: "-x"}),
        ("names:\n  - a\n  -\n  - ~\n  - 'c'", {0: "a", 3: "c"}),
        ("\n# a\n  nc: 2\n  names:\n  - mitosis\n # b\n  - other\n", TWO),
        ("names: []", {}),
        ("names:\nnc: 2", {}),
        ("nc: 2\ndownload: |\n  names: [a]\nmy_names: [b]\n# names: [c]", {}),
        ("", {}),
    ],
)
def test_lists_and_numbered_names(text, names):
    assert class_names_of_yaml(text) == names


@pytest.mark.parametrize(
    "text",
    [
        "names: coco.names",
        "names: [a, [b, c]]",
        "names: [a, {b: c}]",
        "names: [0: a]",
        "names: {mitosis: 0}",
        "names: {0 a}",
        "names: |\n  a\n  b\n",
        "names:\n  - a: b\n",
        "names:\n  mitosis: 0\n",
        "names:\n  a\n",
        '{"names": {"a": 0}}',
    ],
)
def test_names_that_are_not_understood_are_an_error(text):
    with pytest.raises(
        ValueError, match=r"'names' have .* wants .*\['mitosis', 'other'\]"
    ) as caught:
        class_names_of_yaml(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "names: *classes",
        "names: [a, b",
        "names: [a, 'b]",
        "names: [a] b",
        "names: ['a' b]",
        "names:\n  - 'a' b\n",
        'names:\n  - "a \\q"\n',
        "names:\n  0: a\n  - b\n",
        "names: [\x01]",
    ],
)
def test_what_is_no_yaml_is_an_error(text):
    with pytest.raises(ValueError, match=r"^is no YAML: ") as caught:
        class_names_of_yaml(text)
    assert "\n" not in str(caught.value)
