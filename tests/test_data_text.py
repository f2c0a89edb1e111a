"""Plain text and chats."""

import json

import pytest

from ftlab.common.errors import LabError
from ftlab.data import read_chat, read_text


def write(folder, name, content, encoding="utf-8"):
    path = folder / name
    path.write_bytes("\n".join([content] if isinstance(content, str) else content).encode(encoding))
    return path


def test_plain_text(tmp_path):
    write(tmp_path, "b.txt", "second\r\nline")
    write(tmp_path, "a.md", "first")
    write(tmp_path, "c.csv", "not text")
    assert read_text(tmp_path) == ["first", "second\nline"]
    assert read_text(tmp_path / "a.md") == ["first"]
    notes = []
    assert read_text(write(tmp_path, "d.txt", "Grüße", "latin-1"), notes) == ["Grüße"]
    assert "d.txt" in notes[0]
    (tmp_path / "empty").mkdir()
    with pytest.raises(LabError, match=r"no \.txt"):
        read_text(tmp_path / "empty")
    with pytest.raises(LabError, match="No such file"):
        read_text(tmp_path / "absent")


def chat_line(*pairs):
    return json.dumps({"messages": [{"role": role, "content": text} for role, text in pairs]})


GOOD_CHAT = chat_line(("system", "Be brief."), ("user", "Hello?"), ("assistant", "Yes."))


def test_chats(tmp_path):
    chats = read_chat(write(tmp_path, "chat.jsonl", [GOOD_CHAT, "", GOOD_CHAT]))
    assert len(chats) == 2
    assert chats[0][2] == {"role": "assistant", "content": "Yes."}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"messages": [', "not valid JSON"),
        ('{"text": "x"}', "no \"messages\" list (its keys are: 'text')"),
        ('{"messages": ["hi"]}', "message 1: expected an object"),
        (chat_line(("user", "a"), ("robot", "b")), "message 2: role is 'robot'"),
        (chat_line(("user", "a"), ("assistant", " ")), "message 2: its content is blank"),
        (chat_line(("user", "a"), ("system", "b"), ("assistant", "c")), "message 2: a system"),
        (chat_line(("user", "a")), "no assistant message"),
    ],
)  # fmt: skip
def test_broken_chats_are_refused_with_their_line(tmp_path, line, reason):
    with pytest.raises(LabError) as caught:
        read_chat(write(tmp_path, "chat.jsonl", [GOOD_CHAT] * 36 + [line]))
    assert str(caught.value).startswith("chat.jsonl, line 37")
    assert reason in str(caught.value)
