"""The town's almanac as passages, with what each of them tells."""

from __future__ import annotations

from ftlab.rag.passages import Passage, chunk
from ftlab.world import World
from ftlab.world.almanac import Article
from ftlab.world.needs import about
from ftlab.world.phrasing import statements

CLERK, BY = "the clerk", "by"  # who wrote a page, as its metadata say
NOTICE_REMARK = "This was entered by the clerk on the first market day."


def article_passages(article: Article, size: int = 0, *, titled: bool = True) -> list[Passage]:
    """An article as passages: its paragraphs, or pieces of at most `size` words.

    `titled` puts the name of what it is on before every piece. A piece that holds the whole
    sentence of one fact has that as its key ("entity|attribute"); one with several names them in
    its metadata, as "tells".
    """
    cut = chunk(article.text, size) if size else list(article.paragraphs)
    passages = []
    for number, piece in enumerate(cut, start=1):
        flat = " ".join(piece.split())
        tells = [
            about(fact)
            for fact, sentence in zip(article.told, article.sentences, strict=True)
            if sentence in flat
        ]
        metadata = {BY: CLERK, "group": article.group}
        if len(tells) > 1:
            metadata["tells"] = "; ".join(tells)
        passages.append(
            Passage(
                f"{article.title}, {article.year}#{number}",
                f"{article.title}: {flat}" if titled else flat,
                f"{article.title}, {article.year}",
                f"{article.year:04}",
                tells[0] if len(tells) == 1 else "",
                metadata,
            )
        )
    return passages


def notices(world: World) -> list[Passage]:
    """A dated notice for every fact that has changed; its key is that of the fact."""
    passages = []
    for fact in world.changed:
        title = fact.entity[:1].upper() + fact.entity[1:]
        source = f"Notice on {title} ({fact.attribute}), {fact.since}"
        text = f"{title}: Since the year {fact.since} {_small(statements(fact)[1])} {NOTICE_REMARK}"
        metadata = {BY: CLERK, "group": "changed"}
        passages.append(Passage(source, text, source, f"{fact.since:04}", about(fact), metadata))
    return passages


def tells(passage: Passage) -> list[str]:
    """The facts that a passage of the almanac tells, as "entity|attribute"."""
    several = passage.metadata.get("tells", "")
    return several.split("; ") if several else [passage.key] if passage.key else []


def _small(sentence: str) -> str:
    return f"t{sentence[1:]}" if sentence.startswith("The ") else sentence
