"""Why a request is refused: `diagnose` searches for the change that would make it verify."""

from .diagnosis import Cause, Diagnosis
from .examine import diagnose

__all__ = ["Cause", "Diagnosis", "diagnose"]
