"""Notes in a table."""

from datetime import datetime, timezone

from sqlalchemy import Column, DateTime, Integer, MetaData, String, Table, create_engine, delete, insert, select
from sqlalchemy.pool import StaticPool

_METADATA = MetaData()
_NOTES = Table(
    "notes",
    _METADATA,
    Column("number", Integer, primary_key=True),
    Column("text", String, nullable=False),
    Column("written", DateTime, nullable=False),
)


class Storage:
    """All notes of one database."""

    def __init__(self, url):
        in_memory = {"connect_args": {"check_same_thread": False}, "poolclass": StaticPool} if url == "sqlite://" else {}
        self._engine = create_engine(url, **in_memory)
        _METADATA.create_all(self._engine)

    def add(self, text):
        """Keep a note and return it."""
        written = datetime.now(timezone.utc).replace(tzinfo=None)
        with self._engine.begin() as connection:
            number = connection.execute(insert(_NOTES).values(text=text, written=written)).inserted_primary_key[0]
        return {"number": number, "text": text, "written": written.isoformat()}

    def search(self, words):
        """Return the notes that have the words in them, oldest first."""
        return self._notes(_NOTES.c.text.contains(words))

    def find(self, number):
        """Return one note, or nothing."""
        return next(iter(self._notes(_NOTES.c.number == number)), None)

    def _notes(self, condition):
        query = select(_NOTES).where(condition).order_by(_NOTES.c.number)
        with self._engine.connect() as connection:
            return [dict(row._mapping, written=row.written.isoformat()) for row in connection.execute(query)]

    def remove(self, number):
        """Forget a note; tell whether there was one."""
        with self._engine.begin() as connection:
            return connection.execute(delete(_NOTES).where(_NOTES.c.number == number)).rowcount == 1
