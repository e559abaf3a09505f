"""Run the handlers now, or hand the event to an engine: the protocol of a dispatcher.

Without a dispatcher the handlers run inline: the sender waits for them, and its retries are the
queue. With one, every event is handed over, and a worker calls `Receiver.execute`.
"""

from .protocol import Dispatcher, Message

__all__ = ["Dispatcher", "Message"]
