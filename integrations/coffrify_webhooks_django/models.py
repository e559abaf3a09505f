"""The store's tables as Django sees them; the store itself reads and writes them by SQL."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from coffrify_webhooks.stores.statements import EVENTS, MARKS, SCHEMA

__all__ = ["SchemaVersion", "StoreIndex", "WebhookEvent", "WebhookMark"]

_APP = "coffrify_webhooks"


class StoreIndex(models.Index):
    """An index with the name that it has in every other relational store."""

    max_name_length = 63  # what the databases allow; 30 is Oracle's


class WebhookEvent(models.Model):
    """An event and its status. Only the store changes it."""

    event_key: models.CharField[str, str] = models.CharField(max_length=64, primary_key=True)
    receiver: models.CharField[str, str] = models.CharField(max_length=255)
    event_id: models.CharField[str, str] = models.CharField("id", max_length=255)
    event_type: models.CharField[str, str] = models.CharField("type", max_length=255)
    status: models.CharField[str, str] = models.CharField(max_length=16)
    token: models.CharField[str, str] = models.CharField(max_length=64)
    lease_until: models.FloatField[float, float] = models.FloatField()
    attempts: models.IntegerField[int, int] = models.IntegerField()
    digest: models.CharField[str, str] = models.CharField(max_length=64)
    received_at: models.FloatField[float, float] = models.FloatField()
    touched_at: models.FloatField[float, float] = models.FloatField()
    finished: models.TextField[str, str] = models.TextField()
    error: models.TextField[str, str] = models.TextField()
    delivery: models.TextField[str, str] = models.TextField()
    body: models.BinaryField[bytes | None, bytes | None] = models.BinaryField(null=True)

    class Meta:
        app_label = _APP
        db_table = EVENTS
        default_permissions = ("view",)
        permissions: ClassVar = [
            ("replay_webhookevent", "Can replay webhook events"),
            ("forget_webhookevent", "Can forget webhook events"),
        ]
        indexes: ClassVar = [
            StoreIndex(fields=["status", "touched_at"], name=f"{EVENTS}_by_status"),
        ]

    def __str__(self) -> str:
        return f"{self.event_type} {self.event_id}"


class WebhookMark(models.Model):
    """How far a handler has come with one object. Only the store changes it."""

    mark_key: models.CharField[str, str] = models.CharField(max_length=64, primary_key=True)
    token: models.CharField[str, str] = models.CharField(max_length=64)
    lease_until: models.FloatField[float, float] = models.FloatField()
    state: models.TextField[str, str] = models.TextField()
    touched_at: models.FloatField[float, float] = models.FloatField()

    class Meta:
        app_label = _APP
        db_table = MARKS
        default_permissions = ()
        indexes: ClassVar = [
            StoreIndex(fields=["touched_at"], name=f"{MARKS}_by_touched_at"),
        ]

    def __str__(self) -> str:
        return self.mark_key


class SchemaVersion(models.Model):
    """Which version of the tables this is."""

    version: models.IntegerField[int, int] = models.IntegerField(primary_key=True)

    class Meta:
        app_label = _APP
        db_table = SCHEMA
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.version)
