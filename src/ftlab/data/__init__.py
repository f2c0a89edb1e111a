"""Reads, checks, cleans, splits and tokenises what the reader brings: tasks, text and chats."""

from ftlab.data.chat import read_chat
from ftlab.data.features import bucketed_batches, collate, encode, encode_pairs
from ftlab.data.tasks import SHIPPED_TASKS, TOWN, Task, load_task, load_tasks
from ftlab.data.text import read_text

__all__ = [
    "SHIPPED_TASKS",
    "TOWN",
    "Task",
    "bucketed_batches",
    "collate",
    "encode",
    "encode_pairs",
    "load_task",
    "load_tasks",
    "read_chat",
    "read_text",
]
