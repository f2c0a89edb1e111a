"""Tasks: fair splits, label sets, samples, and where the data may come from."""

import pytest
from conftest import refused
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from ftlab.common.errors import LabError
from ftlab.data import SHIPPED_TASKS, load_task, load_tasks
from ftlab.data.cleaning import normalise
from ftlab.data.tasks import LETTERS_SIZES, TOWN_SIZES
from ftlab.world.corrections import corrections

SIZES = {"a": 100, "b": 50, "c": 20}


def texts(label, n, word="text"):
    return [(f"{word} {i} of kind {label}", label) for i in range(n)]


def save(path, pairs, header="text,label"):
    path.write_text("\n".join([header, *(",".join(pair) for pair in pairs)]) + "\n")
    return str(path)


@pytest.fixture
def three_labels(tmp_path):
    return save(
        tmp_path / "three.csv", [pair for label, n in SIZES.items() for pair in texts(label, n)]
    )


def parts(task):
    return {"train": task.train, "validation": task.validation, "test": task.read_test()}


def note_with(task, words):
    found = [note for note in task.notes if words in note]
    assert len(found) == 1, task.notes
    return found[0]


def test_split_is_7_1_2_for_every_label(three_labels):
    task = load_task(three_labels)
    shares = {"train": 0.7, "validation": 0.1, "test": 0.2}
    for side, frame in parts(task).items():
        counts = {task.label_names[label]: n for label, n in frame.label.value_counts().items()}
        assert counts == {label: round(shares[side] * n) for label, n in SIZES.items()}


def test_labels_match_their_texts(three_labels):
    task = load_task(three_labels)
    for frame in parts(task).values():
        assert list(frame.columns) == ["text", "label"]
        names = [task.label_names[label] for label in frame.label]
        assert [text[-1] for text in frame.text] == names


def test_split_depends_on_the_seed_alone(three_labels):
    first, again, other = (load_task(three_labels, seed=seed) for seed in (3, 3, 4))
    assert first.train.equals(again.train)
    assert first.read_test().equals(again.read_test())
    assert set(first.read_test().text) != set(other.read_test().text)


def test_reads_of_the_test_part_are_counted(three_labels):
    task = load_task(three_labels)
    assert (task.test_size, task.test_reads) == (34, 0)
    frame = task.read_test()
    frame["label"] = -1
    assert set(task.read_test().label) == {0, 1, 2}
    assert task.test_reads == 2


def test_texts_that_differ_in_trifles_stay_on_one_side(tmp_path):
    twins = [(f"Where is parcel {i}?!", "ab"[i % 2]) for i in range(30)]
    twins += [(f"  where is PARCEL {i}", "ab"[i % 2]) for i in range(30)]
    for seed in range(5):
        task = load_task(save(tmp_path / "a.csv", twins), seed=seed)
        sides = [{normalise(text) for text in frame.text} for frame in parts(task).values()]
        assert sum(map(len, sides)) == 30
        assert len(set.union(*sides)) == 30
    assert "30 rows repeating" in note_with(task, "repeating")


def test_one_text_under_two_labels_is_told(tmp_path):
    path = save(tmp_path / "a.csv", [*texts("a", 10), *texts("b", 10), ("Text 3 of kind A", "b")])
    assert "1 text with different labels (lines 5, 22)" in note_with(load_task(path), "different")


def test_a_label_seen_once_is_trained_on_and_told(tmp_path):
    path = save(tmp_path / "a.csv", [*texts("a", 10), *texts("b", 10), ("odd one out", "rare")])
    task = load_task(path)
    assert "odd one out" in set(task.train.text)
    assert task.label_names == ["a", "b", "rare"]
    assert "'rare'; line 22" in note_with(task, "seen only once")


def test_most_frequent_labels(three_labels, tmp_path):
    task = load_task(three_labels, labels=2)
    assert task.label_names == ["a", "b"]
    assert {text[-1] for frame in parts(task).values() for text in frame.text} == {"a", "b"}
    assert "2 most frequent of 3 labels kept, 150 of 170 rows" in note_with(task, "frequent")
    sizes = {"x": 30, "a": 10, "m": 20}
    uneven = save(tmp_path / "uneven.csv", [p for k, n in sizes.items() for p in texts(k, n)])
    assert load_task(uneven, labels=2).label_names == ["m", "x"]
    tied = save(tmp_path / "tied.csv", [p for label in "dbca" for p in texts(label, 10)])
    assert load_task(tied, labels=3).label_names == ["a", "b", "c"]
    task = load_task(three_labels, labels=9)
    assert task.label_names == ["a", "b", "c"]
    assert "fewer than 9" in note_with(task, "all kept")


@pytest.mark.parametrize("labels", [1, -2])
def test_impossible_numbers_of_labels(three_labels, labels):
    with pytest.raises(LabError, match="labels must be 0"):
        load_task(three_labels, labels=labels)


def test_samples_are_nested_and_balanced(three_labels):
    task = load_task(three_labels)
    samples = [task.sample_per_class(n, seed=5) for n in (2, 4, 8)]
    assert [dict(sample.label.value_counts()) for sample in samples] == [
        {0: n, 1: n, 2: n} for n in (2, 4, 8)
    ]
    small, middle, large = (set(sample.text) for sample in samples)
    assert small < middle < large
    assert set(task.sample_per_class(2, seed=6).text) != small
    assert task.sample_per_class(0, seed=5).equals(task.train)
    assert dict(task.sample_per_class(30, seed=5).label.value_counts()) == {0: 30, 1: 30, 2: 14}
    with pytest.raises(LabError, match="not -1"):
        task.sample_per_class(-1, seed=5)


def folder_of(tmp_path, **files):
    for side, pairs in files.items():
        save(tmp_path / f"{side}.csv", pairs)
    return str(tmp_path)


TRAIN, TEST = texts("a", 40) + texts("b", 40), texts("a", 10, "new") + texts("b", 10, "new")


def test_folder_with_train_and_test(tmp_path):
    task = load_task(folder_of(tmp_path, train=TRAIN, test=TEST))
    assert set(task.read_test().text) == {text for text, _ in TEST}
    assert dict(task.validation.label.value_counts()) == {0: 5, 1: 5}
    assert len(task.train) == 70


@pytest.mark.parametrize("name", ["validation", "valid", "dev"])
def test_a_validation_file_is_used(tmp_path, name):
    extra = texts("a", 3, "third") + texts("b", 3, "third")
    task = load_task(folder_of(tmp_path, train=TRAIN, test=TEST, **{name: extra}))
    assert list(task.validation.text) == [text for text, _ in extra]
    assert len(task.train) == 80


def test_texts_of_test_are_taken_out_of_train(tmp_path):
    leak = [("NEW 3: of kind a", "a"), ("new 4 of kind b", "b")]
    task = load_task(folder_of(tmp_path, train=[*TRAIN, *leak], test=TEST))
    everything = {normalise(text) for frame in (task.train, task.validation) for text in frame.text}
    assert not everything & {normalise(text) for text in task.read_test().text}
    assert "2 texts also in test.csv" in note_with(task, "also in")
    with pytest.raises(LabError, match="every text in it is also in test"):
        load_task(folder_of(tmp_path, train=TEST, test=TEST))


def test_labels_of_test_alone(tmp_path):
    task = load_task(folder_of(tmp_path, train=TRAIN, test=[*TEST, ("odd", "new label")]))
    assert task.label_names == ["a", "b"]
    assert task.test_size == 20
    assert "'new label'; line 22" in note_with(task, "train lacks")
    shouted = [(text, label.upper()) for text, label in TEST]
    with pytest.raises(LabError, match=r"test.csv: 20 rows of 20 with labels that train lacks"):
        load_task(folder_of(tmp_path, train=TRAIN, test=shouted))


def test_without_labelled_test_part_validation_stands_in(tmp_path):
    hidden = [(text, "") for text, _ in TEST]
    task = load_task(folder_of(tmp_path, train=TRAIN, test=hidden, validation=TEST))
    assert task.test_size == 20
    assert dict(task.validation.label.value_counts()) == {0: 5, 1: 5}
    assert "validation.csv" in note_with(task, "stands in")


def test_folders_that_do_not_fit(tmp_path):
    save(tmp_path / "test.csv", TEST)
    with pytest.raises(LabError, match=r"no train file .*'test\.csv'"):
        load_task(str(tmp_path))
    save(tmp_path / "train.csv", TRAIN)
    save(tmp_path / "train.tsv", TRAIN)
    with pytest.raises(LabError, match=r"both train\.csv and train\.tsv"):
        load_task(str(tmp_path))
    (tmp_path / "train.tsv").unlink()
    save(tmp_path / "test.csv", TEST, header="text,answer")
    with pytest.raises(LabError, match=r"test\.csv: no column 'label'.*'answer'"):
        load_task(str(tmp_path))


def with_split(pairs, sides):
    return [(*pair, side) for pair, side in zip(pairs, sides, strict=True)]


def test_a_split_column_decides(tmp_path):
    sides = ["train"] * 6 + ["validation"] * 2 + ["test"] * 2
    pairs = with_split(texts("a", 10), sides) + with_split(texts("b", 10), sides)
    task = load_task(save(tmp_path / "a.csv", pairs, "text,label,split"))
    assert {len(task.train), len(task.validation), task.test_size} == {12, 4}
    assert set(task.read_test().text) == {f"text {i} of kind {k}" for i in (8, 9) for k in "ab"}
    pairs[11] = (*pairs[11][:2], "tset")
    with pytest.raises(LabError, match=r"a\.csv, line 13: column 'split' is 'tset'"):
        load_task(save(tmp_path / "a.csv", pairs, "text,label,split"))
    pairs = with_split(texts("a", 10) + texts("b", 10), ["north"] * 20)
    assert load_task(save(tmp_path / "a.csv", pairs, "text,label,split")).test_size == 4


def test_a_name_that_is_nothing(tmp_path):
    with pytest.raises(LabError, match=r"no file or folder 'tickets2\.csv'.*tickets, reviews"):
        load_task("tickets2.csv")
    with pytest.raises(LabError, match="no file or folder"):
        load_task(str(tmp_path / "absent" / "folder"))
    with pytest.raises(LabError, match="no file or folder ''"):
        load_task("")


def test_the_inbox_is_a_task_with_a_test_part_that_is_nearly_the_truth():
    task = load_task("letters", seed=1)
    assert (len(task.train), len(task.validation), task.test_size) == LETTERS_SIZES
    assert len(task.label_names) == 8
    assert not task.train.equals(load_task("letters", seed=2).train)


@pytest.mark.parametrize(("name", "rows", "labels"), [("tickets", 600, 8), ("reviews", 400, 2)])
def test_shipped_tasks_load_by_name(name, rows, labels):
    task = load_task(name)
    assert name in SHIPPED_TASKS
    assert len(task.train) + len(task.validation) + task.test_size >= rows
    assert len(task.label_names) >= labels
    assert task.notes == []


def test_the_town_is_three_tasks_of_one_label_scheme():
    tasks = load_tasks("town", seed=2)
    assert list(tasks) == ["near", "far", "dialect"]
    for name, task in tasks.items():
        assert task.name == name
        assert task.label_names == tasks["near"].label_names
        sides = parts(task)
        assert [len(side) for side in sides.values()] == list(TOWN_SIZES)
        assert task.test_size == TOWN_SIZES[2]
        for side in sides.values():
            assert list(side.columns) == ["text", "label"]
            assert set(side.label) == set(range(len(task.label_names)))
            assert list(side.index) == list(range(len(side)))
        again = load_task(name, seed=2)
        assert again.train.equals(task.train)
        assert not load_task(name, seed=3).train.equals(task.train)


def test_labels_of_the_town_are_the_clerks():
    task = load_task("far", seed=1)
    for rows, made in zip(parts(task).values(), corrections("far", TOWN_SIZES, 1), strict=True):
        named = [(row.text, task.label_names[row.label]) for row in rows.itertuples()]
        assert named == made


def test_any_other_task_is_one(three_labels):
    (task,) = load_tasks(three_labels, labels=2, seed=5).values()
    alone = load_task(three_labels, labels=2, seed=5)
    assert task.name == alone.name == "three"
    assert task.label_names == alone.label_names == ["a", "b"]
    assert task.train.equals(alone.train)
    assert list(load_tasks("reviews")) == ["reviews"]
    refused(lambda: load_tasks("no such file.csv"), "no such file.csv")


@pytest.mark.parametrize("distance", ["near", "dialect"])
def test_counting_words_is_near_chance_where_the_things_are_new(distance):
    """One in six is chance. In the dialect all things occur in train, and counting does help."""
    task = load_task(distance)
    model = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
        LogisticRegression(C=10, max_iter=2000),
    ).fit(task.train.text, task.train.label)
    test = task.read_test()
    accuracy = (model.predict(test.text) == test.label).mean()
    assert accuracy < 0.35 if distance == "near" else accuracy > 0.5
    assert task.train.label.value_counts(normalize=True).max() < 0.25


def test_texts_per_label_shorten_only_what_is_learned_from() -> None:
    whole, few = (load_tasks("reviews", texts_per_label=n, seed=3)["reviews"] for n in (0, 7))
    assert list(few.train.label.value_counts()) == [7] * len(few.label_names)
    assert set(few.train.text) < set(whole.train.text)
    assert few.validation.equals(whole.validation)
    assert few.test_size == whole.test_size


@pytest.mark.parametrize("made", ["town", "near", "letters"])
@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"labels": 4}, "task_labels 4 cannot be used"),
        ({"text_column": "body"}, "text_column 'body' cannot be used"),
        ({"label_column": "kind", "labels": 2}, "label_column 'kind' and task_labels 2 cannot"),
    ],
)
def test_what_the_town_makes_refuses_a_choice_of_columns_or_labels(made, given, words):
    refused(lambda: load_tasks(made, **given), words)


def test_shipped_tasks_keep_the_most_frequent_labels_and_the_named_columns():
    (task,) = load_tasks("tickets", text_column="text", labels=3).values()
    assert len(task.label_names) == 3
    assert set(task.train.label) == set(task.read_test().label) == {0, 1, 2}
    refused(lambda: load_tasks("tickets", text_column="body"), "no column 'body'")


@pytest.mark.parametrize("made", ["town", "letters"])
def test_what_the_town_makes_is_shortened_like_any_other(made):
    for task in load_tasks(made, texts_per_label=5).values():
        assert list(task.train.label.value_counts()) == [5] * len(task.label_names)
