"""The handlers of the shop in the pictures, whose errors name this file."""

from coffrify_webhooks import Event, Router

__all__ = ["Handlers"]


class Handlers:
    """Handlers on a router of their own, one of which fails for some types of events."""

    def __init__(self) -> None:
        self.failing: frozenset[str] = frozenset()
        self.router = Router()
        self.router.on("transfer.*", name="shop.webhooks:keep_books")(self.keep_books)
        self.router.on("*", name="shop.webhooks:tell_team")(self.tell_team)

    def keep_books(self, event: Event) -> None:
        """Succeed."""

    def tell_team(self, event: Event) -> None:
        """Fail for the types in `failing`."""
        if event.type in self.failing:
            raise TimeoutError
