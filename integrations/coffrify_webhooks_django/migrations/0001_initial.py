"""Makes the tables as every relational store of coffrify-webhooks does, or takes over its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.db import migrations, models

from coffrify_webhooks_django import tables
from coffrify_webhooks_django.models import StoreIndex

if TYPE_CHECKING:
    from django.apps.registry import Apps
    from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def make_tables(_: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    tables.make(editor.connection.alias)


def drop_tables(_: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    tables.drop(editor.connection.alias)


class Migration(migrations.Migration):
    initial = True
    dependencies: ClassVar = []
    operations: ClassVar = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunPython(
                    make_tables, drop_tables, hints={"model_name": "webhookevent"}
                ),
            ],
            state_operations=[
                migrations.CreateModel(
                    name="SchemaVersion",
                    fields=[
                        ("version", models.IntegerField(primary_key=True, serialize=False)),
                    ],
                    options={
                        "db_table": "coffrify_webhooks_schema",
                        "default_permissions": (),
                    },
                ),
                migrations.CreateModel(
                    name="WebhookEvent",
                    fields=[
                        (
                            "event_key",
                            models.CharField(max_length=64, primary_key=True, serialize=False),
                        ),
                        ("receiver", models.CharField(max_length=255)),
                        ("event_id", models.CharField(max_length=255, verbose_name="id")),
                        ("event_type", models.CharField(max_length=255, verbose_name="type")),
                        ("status", models.CharField(max_length=16)),
                        ("token", models.CharField(max_length=64)),
                        ("lease_until", models.FloatField()),
                        ("attempts", models.IntegerField()),
                        ("digest", models.CharField(max_length=64)),
                        ("received_at", models.FloatField()),
                        ("touched_at", models.FloatField()),
                        ("finished", models.TextField()),
                        ("error", models.TextField()),
                        ("delivery", models.TextField()),
                        ("body", models.BinaryField(null=True)),
                    ],
                    options={
                        "db_table": "coffrify_webhooks_events",
                        "default_permissions": ("view",),
                        "permissions": [
                            ("replay_webhookevent", "Can replay webhook events"),
                            ("forget_webhookevent", "Can forget webhook events"),
                        ],
                        "indexes": [
                            StoreIndex(
                                fields=["status", "touched_at"],
                                name="coffrify_webhooks_events_by_status",
                            ),
                        ],
                    },
                ),
            ],
        ),
    ]
