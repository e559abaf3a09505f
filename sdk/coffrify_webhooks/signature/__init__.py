"""What may be believed: secrets, keys, headers and the verifier, on the standard library alone."""

from .secret import Secret
from .signing import sign
from .verifier import Verifier, verify

__all__ = ["Secret", "Verifier", "sign", "verify"]
