"""`coffrify-webhooks endpoints`: the sender's endpoints, from the command line."""

from .command import endpoints

__all__ = ["endpoints"]
