"""Reading tables: what is taken as it is, what is repaired and told, what is refused and where."""

import json

import pytest

from ftlab.common.errors import LabError
from ftlab.data import load_task

WORDS = ("red", "blue", "green", "black", "white", "amber", "pink", "grey", "gold", "lime")


def rows(n=20):
    """`n` different texts under two labels."""
    return [(f"the {WORDS[i % 10]} parcel number {i} came", "ab"[i % 2]) for i in range(n)]


def csv_lines(n=20, header="text,label"):
    return [header] + [f"{text},{label}" for text, label in rows(n)]


def write(folder, name, content, encoding="utf-8"):
    path = folder / name
    if isinstance(content, list):
        content = "\n".join(content) + "\n"
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return str(path)


def all_texts(task):
    return sorted([*task.train.text, *task.validation.text, *task.read_test().text])


def refusal(*arguments, **options):
    with pytest.raises(LabError) as caught:
        load_task(*arguments, **options)
    return str(caught.value)


def note_with(task, words):
    found = [note for note in task.notes if words in note]
    assert len(found) == 1, task.notes
    return found[0]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "\n".join(csv_lines())),
        ("crlf.csv", "\r\n".join(csv_lines()) + "\r\n"),
        ("bom.csv", "\ufeff" + "\n".join(csv_lines())),
        ("blank_lines.csv", "\n\n".join(csv_lines()) + "\n  \n"),
        ("a.tsv", "\n".join(line.replace(",", "\t") for line in csv_lines())),
        ("a.jsonl", "\n".join(json.dumps({"text": t, "label": label}) for t, label in rows())),
        ("a.json", json.dumps([{"text": t, "label": label} for t, label in rows()], indent=1)),
    ],
)
def test_every_format_gives_the_same_task_and_no_remarks(tmp_path, name, content):
    task = load_task(write(tmp_path, name, content))
    assert all_texts(task) == sorted(text for text, _ in rows())
    assert task.label_names == ["a", "b"]
    assert task.notes == [f"{name}: split at random into train, validation and test, 7:1:2."]


def test_texts_with_commas_quotes_and_line_breaks(tmp_path):
    lines = [*csv_lines(), '"He said ""no"",\r\nand left",a']
    assert 'He said "no",\nand left' in all_texts(load_task(write(tmp_path, "a.csv", lines)))


def test_semicolons_are_found(tmp_path):
    lines = [line.replace(",", ";") for line in csv_lines()]
    task = load_task(write(tmp_path, "a.csv", lines))
    assert len(all_texts(task)) == 20
    assert "semicolons" in note_with(task, "separated")


def test_quotation_marks_that_quote_nothing_in_tsv(tmp_path):
    lines = [line.replace(",", "\t") for line in csv_lines()]
    lines.append('"Fine" she said\tb')
    task = load_task(write(tmp_path, "a.tsv", lines))
    assert '"Fine" she said' in all_texts(task)
    assert note_with(task, "quotation marks")


def test_json_lines_under_the_name_json(tmp_path):
    lines = [json.dumps({"text": t, "label": label}) for t, label in rows()]
    assert len(all_texts(load_task(write(tmp_path, "a.json", lines)))) == 20


def test_latin_1_is_read_and_told_with_lines(tmp_path):
    lines = [*csv_lines(), "das Päckchen fehlt,a", "la lettre arrivée hier,b"]
    task = load_task(write(tmp_path, "a.csv", lines, "latin-1"))
    assert {"das Päckchen fehlt", "la lettre arrivée hier"} <= set(all_texts(task))
    assert "2 lines with non-ASCII characters (lines 22, 23)" in note_with(task, "Windows-1252")


def test_one_foreign_line_does_not_garble_the_others(tmp_path):
    raw = "\n".join([*csv_lines(), "schön war es,a", ""]).encode() + "très bien,b\n".encode(
        "cp1252"
    )
    task = load_task(write(tmp_path, "a.csv", raw))
    assert {"schön war es", "très bien"} <= set(all_texts(task))
    note = note_with(task, "Windows-1252")
    assert "line 23" in note
    assert "1 other line" in note


def test_marked_utf_16_is_read(tmp_path):
    task = load_task(write(tmp_path, "a.csv", [*csv_lines(), "schön war es,a"], "utf-16"))
    assert "schön war es" in all_texts(task)
    assert note_with(task, "UTF-16")


def test_half_an_emoji_does_not_reach_the_tokenizer(tmp_path):
    lines = [json.dumps({"text": t, "label": label}) for t, label in rows()]
    lines += [
        r'{"text": "cut \ud83d", "label": "a"}',
        r'{"text": "whole \ud83d\ude00", "label": "b"}',
    ]
    task = load_task(write(tmp_path, "a.jsonl", lines))
    assert {"cut \ufffd", "whole \U0001f600"} <= set(all_texts(task))
    assert "line 21" in note_with(task, "half characters")


REFUSED = {
    "empty": ("a.csv", "", ["a.csv is empty"]),
    "blank": ("a.csv", " \n\n", ["a.csv is empty"]),
    "header only": ("a.csv", "text,label\n", ["a.csv", "no rows"]),
    "no label column": ("a.csv", ["id,text", "1,hello"], ["a.csv", "'id', 'text'", "label_column"]),
    "no text column": ("a.csv", ["id,label", "1,x"], ["a.csv", "'id', 'label'", "text_column"]),
    "no header": (
        "a.csv",
        csv_lines()[1:],
        ["no text column", "'the red parcel number 0 came', 'a'"],
    ),
    "duplicate header": (
        "a.csv",
        ["text,label,text", "a,b,c"],
        ["a.csv, line 1", "'text'", "more than"],
    ),
    "too many fields": (
        "a.csv",
        [*csv_lines(5), "yes, please,a"],
        ["a.csv, line 7", "3 fields", "header has 2"],
    ),
    "too few fields": (
        "a.csv",
        [*csv_lines(5), "nothing"],
        ["a.csv, line 7", "1 field where", "2"],
    ),
    "line after a text of three lines": (
        "a.csv",
        ["text,label", '"one\ntwo\nthree",a', "x,y,z"],
        ["a.csv, line 5"],
    ),
    "open quote": ("a.csv", [*csv_lines(5), '"never,a', "x,b"], ["a.csv, line 7", "never closed"]),
    "lone quote": ("a.csv", [*csv_lines(5), '"a "b" c",a'], ["a.csv, line 7", "doubled"]),
    "NUL": ("a.csv", [*csv_lines(5), "x\0y,a"], ["a.csv, line 7", "NUL"]),
    "other encoding": (
        "a.csv",
        "\n".join([*csv_lines(5), "こんにちは、世界,a"]).encode("shift-jis"),
        ["a.csv, line 7", "UTF-8"],
    ),
    "broken JSON line": (
        "a.jsonl",
        ['{"text": "t", "label": "a"}'] * 36 + ['{"text": "t", "label": }', "{}"],
        ["a.jsonl, line 37", "Expecting value"],
    ),
    "no object": (
        "a.jsonl",
        ['{"text": "t", "label": "a"}', '["t", "a"]'],
        ["a.jsonl, line 2", "a list"],
    ),
    "broken JSON": ("a.json", '[{"text": "t"},\n {"text" "t"}]', ["a.json, line 2", "delimiter"]),
    "JSON object": ("a.json", '{"text": {"0": "t"}}', ["a.json", "a list of objects", "an object"]),
    "JSON item": ("a.json", '[{"text": "t", "label": 1}, 7]', ["a.json, item 2", "a number"]),
    "no items": ("a.json", "[]", ["a.json", "no rows"]),
    "list as label": (
        "a.jsonl",
        ['{"text": "t", "label": ["a"]}'],
        ["a.jsonl, line 1", "'label'", "a list"],
    ),
    "one label": ("a.csv", ["text,label", "x,a", "y,a", "z,a"], ["a.csv", "'a'", "two labels"]),
    "only blanks": ("a.csv", ["text,label", ",a", "x,"], ["a.csv", "both a text and a label"]),
    "every label once": ("a.csv", ["text,label", "x,a", "y,b", "z,c"], ["a.csv", "test split"]),
    "other suffix": ("a.xlsx", b"PK", ["a.xlsx", ".csv"]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_file_place_and_reason(tmp_path, case):
    name, content, words = REFUSED[case]
    message = refusal(write(tmp_path, name, content))
    assert [word for word in words if word not in message] == [], message
    assert "\n" not in message


def test_blank_texts_and_labels_are_dropped_and_told(tmp_path):
    lines = [*csv_lines(), ",a", "no label here,", "   ,b", ",", '"  ",a', ",b", ",a"]
    task = load_task(write(tmp_path, "a.csv", lines))
    assert all_texts(task) == sorted(text for text, _ in rows())
    assert "6 rows without text dropped (lines 22, 24, 25, 26, 27 and 1 more)" in note_with(
        task, "without text"
    )
    assert "1 row without label dropped (line 23)" in note_with(task, "without label")


def test_missing_and_null_cells_count_as_blank(tmp_path):
    lines = [json.dumps({"text": t, "label": label}) for t, label in rows()]
    lines += ['{"text": null, "label": "a"}', '{"label": "a"}', '{"text": "x", "label": NaN}']
    task = load_task(write(tmp_path, "a.jsonl", lines))
    assert len(all_texts(task)) == 20
    assert "2 rows" in note_with(task, "without text")


def test_long_texts_are_kept_whole(tmp_path):
    long = "word " * 2_000 + "end"
    task = load_task(write(tmp_path, "a.csv", [*csv_lines(), f"{long},a"]))
    assert long in all_texts(task)
    assert "line 22" in note_with(task, "max_length")


@pytest.mark.parametrize(
    ("values", "names"),
    [([0, 1], ["0", "1"]), ([True, False], ["false", "true"]), ([2.0, 0.5], ["0.5", "2"]),
     ([10, 9], ["9", "10"]), ([-1, 1], ["-1", "1"])],
)  # fmt: skip
def test_labels_of_any_type_become_names(tmp_path, values, names):
    lines = [json.dumps({"text": t, "label": values["ab".index(label)]}) for t, label in rows()]
    assert load_task(write(tmp_path, "a.jsonl", lines)).label_names == names


def test_mixed_types_are_told(tmp_path):
    lines = [json.dumps({"text": t, "label": 1 if label == "a" else "2"}) for t, label in rows()]
    task = load_task(write(tmp_path, "a.jsonl", lines))
    assert task.label_names == ["1", "2"]
    assert "a number in line 1, text in line 2" in note_with(task, "mixes types")


def test_labels_that_differ_in_case_are_told(tmp_path):
    lines = [*csv_lines(), *(f"other text {i},A" for i in range(4))]
    assert "'A', 'a'" in note_with(load_task(write(tmp_path, "a.csv", lines)), "case")


def test_columns_are_found_by_usual_names_in_their_order(tmp_path):
    lines = [f"7,{i},{line}" for i, line in enumerate(csv_lines()[1:])]
    task = load_task(write(tmp_path, "a.csv", ["class,id,Message,Intent", *lines]))
    assert task.label_names == ["a", "b"]
    assert "'Intent' taken; 'class'" in note_with(task, "taken")


def test_named_columns_win(tmp_path):
    lines = [f"x,{line}" for line in csv_lines()[1:]]
    path = write(tmp_path, "a.csv", ["text,what was said,reason", *lines])
    task = load_task(path, text_column="what was said", label_column="reason")
    assert all_texts(task) == sorted(text for text, _ in rows())


def test_a_named_column_that_is_absent(tmp_path):
    path = write(tmp_path, "a.csv", csv_lines())
    message = refusal(path, label_column="intent")
    assert "no column 'intent' (given as label_column)" in message
    assert "'text', 'label'" in message
    assert "both 'text'" in refusal(path, label_column="text", text_column="text")
