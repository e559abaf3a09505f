"""The audit trail: one row for each thing that happened to a transfer."""

from django.db import models


class Entry(models.Model):
    """One event of one transfer."""

    event_id = models.CharField(max_length=255, unique=True)
    signed_at = models.DateTimeField()
    transfer = models.CharField(max_length=255, db_index=True)
    what = models.CharField(max_length=255)

    class Meta:
        """The newest come first."""

        ordering = ("-signed_at",)

    def __str__(self) -> str:
        return f"{self.what} {self.transfer}"
