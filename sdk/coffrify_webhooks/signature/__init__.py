"""What may be believed: secrets, keys, headers and the verifier, on the standard library alone."""

from .secret import Secret
from .verifier import Verifier, sign, verify

__all__ = ["Secret", "Verifier", "sign", "verify"]
