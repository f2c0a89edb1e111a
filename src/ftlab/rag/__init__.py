"""Retrieval: passages, their vectors, search, and answers from what was found."""

from ftlab.rag.answering import answer as answer_from
from ftlab.rag.encoders import Encoder, TrunkEncoder, fine_tune_encoder, load_encoder
from ftlab.rag.opening import embedded_uri, open_store
from ftlab.rag.own import own_need, read_case
from ftlab.rag.passages import Passage, chunk, read_folder, read_questions
from ftlab.rag.retrieval import Retriever, fuse, question_likelihood
from ftlab.rag.room import notes_prompt
from ftlab.rag.sparse import WordIndex, terms
from ftlab.rag.stores import Hit, Store, Where
from ftlab.rag.town import town_passages

__all__ = [
    "Encoder",
    "Hit",
    "Passage",
    "Retriever",
    "Store",
    "TrunkEncoder",
    "Where",
    "WordIndex",
    "answer_from",
    "chunk",
    "embedded_uri",
    "fine_tune_encoder",
    "fuse",
    "load_encoder",
    "notes_prompt",
    "open_store",
    "own_need",
    "question_likelihood",
    "read_case",
    "read_folder",
    "read_questions",
    "terms",
    "town_passages",
]
