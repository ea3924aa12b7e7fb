"""What a run leaves to the next one: jobs that still work, and creates that were sent twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, insert, select

from reverse_etl.ledger.entries import Doubt
from reverse_etl.ledger.rows import Rows
from reverse_etl.ledger.tables import DOUBT, JOB, key_columns


@dataclass(frozen=True, slots=True)
class OpenJob:
    """A bulk job that nobody has completed."""

    object: str
    job_id: str
    run_id: str


@dataclass(frozen=True, slots=True)
class JobRows:
    """Bulk jobs, which outlive a killed run."""

    rows: Rows

    def begin(self, object_name: str, job_id: str) -> None:
        """Record a job before anything is uploaded to it."""
        columns = self.rows.owned(job_id=job_id, object=object_name, state="open")
        with self.rows.writing() as connection:
            connection.execute(
                insert(JOB).values(
                    **columns, run_id=self.rows.scope.run_id, began_at=self.rows.now()
                )
            )

    def end(self, job_id: str) -> None:
        """Forget a job whose rows have their outcomes, or will be looked up."""
        with self.rows.writing() as connection:
            connection.execute(delete(JOB).where(*self.rows.where(JOB), JOB.c.job_id == job_id))

    def open(self) -> list[OpenJob]:
        """Jobs that have not been completed, oldest first."""
        query = (
            select(JOB.c.object, JOB.c.job_id, JOB.c.run_id)
            .where(*self.rows.where(JOB))
            .order_by(JOB.c.began_at)
        )
        with self.rows.engine.connect() as connection:
            return [
                OpenJob(row.object, row.job_id, row.run_id) for row in connection.execute(query)
            ]


@dataclass(frozen=True, slots=True)
class DoubtRows:
    """Keys of which there may be two records."""

    rows: Rows

    def note(self, rule: str, doubts: Sequence[Doubt]) -> None:
        """Record keys whose create is about to be sent again."""
        with self.rows.writing() as connection:
            for doubt in doubts:
                columns = {
                    "source_key": doubt.source_key, "near": dict(doubt.near),
                    "run_id": self.rows.scope.run_id,
                }  # fmt: skip
                key = self.rows.owned(rule=rule, key=doubt.key)
                statement = self.rows.insert(DOUBT).values(**key, **columns)
                connection.execute(
                    statement.on_conflict_do_update(index_elements=key_columns(DOUBT), set_=columns)
                )

    def of(self, rule: str) -> list[Doubt]:
        """The doubtful keys of a rule."""
        query = (
            select(DOUBT).where(*self.rows.where(DOUBT), DOUBT.c.rule == rule).order_by(DOUBT.c.key)
        )
        with self.rows.engine.connect() as connection:
            return [
                Doubt(row.key, row.source_key, row.near, row.run_id)
                for row in connection.execute(query)
            ]

    def end(self, rule: str, keys: Sequence[str]) -> None:
        """Forget keys of which there is one record."""
        if not keys:
            return
        with self.rows.writing() as connection:
            for key in keys:
                connection.execute(
                    delete(DOUBT).where(
                        *self.rows.where(DOUBT), DOUBT.c.rule == rule, DOUBT.c.key == key
                    )
                )
