"""Retrieval: passages, their vectors, search, and answers from what was found."""
