"""`application = with_webhooks(get_asgi_application())` in a project's asgi.py."""

from coffrify_webhooks.extras import needs

with needs("django"):
    from coffrify_webhooks_django.asgi import with_webhooks

__all__ = ["with_webhooks"]
