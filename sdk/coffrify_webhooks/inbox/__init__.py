"""An inbox: pages that show what a receiver's store holds, for any framework."""

from .app import Inbox, inbox_app
from .request import InboxRequest

__all__ = ["Inbox", "InboxRequest", "inbox_app"]
