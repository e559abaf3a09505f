"""Makes the table of marks, for handlers that ask for order."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.db import migrations, models

from coffrify_webhooks_django import tables
from coffrify_webhooks_django.models import StoreIndex

if TYPE_CHECKING:
    from django.apps.registry import Apps
    from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def make_table(_: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    tables.make(editor.connection.alias)


def drop_table(_: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    tables.drop_marks(editor.connection.alias)


class Migration(migrations.Migration):
    dependencies: ClassVar = [("coffrify_webhooks", "0001_initial")]
    operations: ClassVar = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunPython(make_table, drop_table, hints={"model_name": "webhookmark"}),
            ],
            state_operations=[
                migrations.CreateModel(
                    name="WebhookMark",
                    fields=[
                        (
                            "mark_key",
                            models.CharField(max_length=64, primary_key=True, serialize=False),
                        ),
                        ("token", models.CharField(max_length=64)),
                        ("lease_until", models.FloatField()),
                        ("state", models.TextField()),
                        ("touched_at", models.FloatField()),
                    ],
                    options={
                        "db_table": "coffrify_webhooks_marks",
                        "default_permissions": (),
                        "indexes": [
                            StoreIndex(
                                fields=["touched_at"],
                                name="coffrify_webhooks_marks_by_touched_at",
                            ),
                        ],
                    },
                ),
            ],
        ),
    ]
