"""What a Celery worker finds by `app.autodiscover_tasks()`: the receiver whose events it handles.

Other engines look for such a module as well; for them it does nothing.
"""

from collections.abc import Mapping
from typing import Any, cast

from django.conf import settings

from .conf import SETTING, current_endpoint

__all__: list[str] = []


def _is_celery(options: Any) -> bool:
    if not isinstance(options, Mapping):
        return False
    dispatcher = cast("Mapping[str, Any]", options).get("DISPATCHER")
    if isinstance(dispatcher, str):
        return dispatcher.startswith("celery:")
    return type(dispatcher).__module__ == "coffrify_webhooks.dispatch.celery"


if _is_celery(getattr(settings, SETTING, None)):
    current_endpoint()
