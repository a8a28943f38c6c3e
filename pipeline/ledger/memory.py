"""What is remembered from one run to the next: feeds, learned limits, what was done to inputs."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pipeline.domain.digest import Digest, Json, canonical_json
from pipeline.domain.record import RunId
from pipeline.ledger import queries_assets as sql
from pipeline.ledger import rows
from pipeline.ledger.book import Book


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """Limits learned of one provider with one key (by its fingerprint), and when."""

    provider: str
    key_fingerprint: str
    limits: Mapping[str, Json]
    at: datetime


class Memory:
    """``ledger.memory``: each call blocks, each that writes is one transaction and raises as `Ledger` says."""

    def __init__(self, book: Book) -> None:
        self._book = book

    def feed(self, manifest: str, source: str) -> dict[str, Digest] | None:
        """Row key to row digest of the feed last accepted; None when there never was one."""
        if self._book.row(sql.KNOWN_FEED, (manifest, source)) is None:
            return None
        return {key: Digest(digest.hex()) for key, digest in self._book.rows(sql.FEED, (manifest, source))}

    def record_feed(self, manifest: str, source: str, run_id: RunId, accepted: Mapping[str, Digest]) -> None:
        """Replaces the feed last accepted; only rows that differ are written."""
        with self._book.writing():
            before = self.feed(manifest, source) or {}
            number = self._book.rows(sql.PUT_FEED, (manifest, source, run_id, self._book.moment()))[0][0]
            self._book.change_many(sql.DROP_FEED_ROW, ((number, key) for key in before.keys() - accepted.keys()))
            self._book.change_many(
                sql.PUT_FEED_ROW,
                ((number, key, bytes.fromhex(digest)) for key, digest in accepted.items() if before.get(key) != digest),
            )

    def limits(self, provider: str, key_fingerprint: str) -> Learned | None:
        """What was learned of one provider with one key; None when nothing was."""
        row = self._book.row(sql.LIMITS, (provider, key_fingerprint))
        return _learned(provider, key_fingerprint, row[0], row[1]) if row else None

    def all_limits(self) -> tuple[Learned, ...]:
        """Everything learned, by provider."""
        return tuple(_learned(*row) for row in self._book.rows(sql.ALL_LIMITS))

    def record_limits(self, provider: str, key_fingerprint: str, learned: Mapping[str, Json]) -> None:
        """Replaces what was learned of one provider with one key."""
        with self._book.writing():
            text = canonical_json(dict(learned)).decode()
            self._book.change(sql.PUT_LIMITS, (provider, key_fingerprint, text, self._book.moment()))

    def record_inputs(self, inputs: Iterable[tuple[Digest, str, Sequence[str]]]) -> None:
        """Notes digest, source and what was done to each input before it was sent."""
        with self._book.writing():
            now = self._book.moment()
            self._book.change_many(
                sql.PUT_INPUT,
                (
                    (bytes.fromhex(digest), rows.clean(source), rows.texts(notes) or "[]", now)
                    for digest, source, notes in inputs
                ),
            )

    def input_sources(self, digest: Digest) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Where an input came from and what was done to it, once for each source it was seen at."""
        return tuple(
            (source, rows.lines(notes)) for source, notes in self._book.rows(sql.INPUT, (bytes.fromhex(digest),))
        )


def _learned(provider: str, key_fingerprint: str, text: str, at: int) -> Learned:
    return Learned(provider=provider, key_fingerprint=key_fingerprint, limits=json.loads(text), at=rows.moment(at))
