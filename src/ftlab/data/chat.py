"""Chat records: one conversation a line of a JSON Lines file."""

from __future__ import annotations

from pathlib import Path

from ftlab.common.errors import LabError
from ftlab.data.jsonl import json_kind, parse_json_lines
from ftlab.data.text import read_decoded
from ftlab.data.wording import quoted

ROLES = ("system", "user", "assistant")


def read_chat(path: str | Path, notes: list[str] | None = None) -> list[list[dict[str, str]]]:
    """Conversations of a JSON Lines file, one {"messages": [{"role", "content"}, ...]} a line.

    Returns one list of messages a line, each with "role" (system, user or assistant) and "content".
    Remarks on the encoding are appended to `notes`. LabError names file, line and reason: a line
    that is not such an object, an unknown role, blank content, a system message that is not the
    first, or no assistant message (nothing could be learned from it).
    """
    path = Path(path).expanduser()
    text = read_decoded(path, [] if notes is None else notes)
    return [
        _conversation(record, f"{path.name}, line {number}")
        for number, record in parse_json_lines(text, path.name)
    ]


def _conversation(record: dict[str, object], where: str) -> list[dict[str, str]]:
    messages = record.get("messages")
    if not isinstance(messages, list) or not messages:
        raise LabError(f'{where}: no "messages" list (its keys are: {quoted(record) or "none"}).')
    checked = []
    for number, message in enumerate(messages, start=1):
        at = f"{where}, message {number}"
        if not isinstance(message, dict):
            raise LabError(
                f"{at}: expected an object with role and content, found {json_kind(message)}."
            )
        role, content = message.get("role"), message.get("content")
        if role not in ROLES:
            raise LabError(f"{at}: role is {quoted([str(role)])}, not one of {', '.join(ROLES)}.")
        if not isinstance(content, str) or not content.strip():
            raise LabError(f"{at}: its content is blank or is not text.")
        if role == "system" and number > 1:
            raise LabError(f"{at}: a system message can only come first.")
        checked.append({"role": role, "content": content})
    if all(message["role"] != "assistant" for message in checked):
        raise LabError(f"{where}: no assistant message, so there is nothing to train on.")
    return checked
