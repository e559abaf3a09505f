"""A framework's settings, as a dict of the Receiver's options in capitals, made into a Receiver."""

from collections.abc import Mapping
from difflib import get_close_matches
from inspect import signature
from pathlib import Path
from typing import Any, NamedTuple, cast

from .errors import ConfigurationError
from .options import secrets_of
from .receiver import Receiver
from .stores import default_store
from .url_path import DEFAULT_PATH, UrlPath

__all__ = ["Endpoint", "endpoint"]

_OPTIONS = {
    name.upper(): name
    for name in signature(Receiver).parameters
    if name not in ("unknown", "clock")
}


class Endpoint(NamedTuple):
    """A receiver, and the path at which it is reached."""

    receiver: Receiver
    path: UrlPath


def endpoint(
    settings: Any, *, where: str, folder: Path, kind: type[Receiver] = Receiver
) -> Endpoint:
    """Return what `settings` describe: {"SECRETS": ..., "PATH": ..., "STORE": ..., ...}.

    where: what to call the settings in an error. folder: where the default store's file goes.
    Raises ConfigurationError for an unknown or unusable setting.
    """
    if not isinstance(settings, Mapping):
        raise ConfigurationError(f'{where} must be a dict, such as {{"SECRETS": ["whsec_..."]}}')
    options = dict(cast("Mapping[str, Any]", settings))
    path = UrlPath(options.pop("PATH", DEFAULT_PATH))
    for option in options:
        if option not in _OPTIONS:
            near = get_close_matches(str(option).upper(), _OPTIONS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are PATH, {', '.join(_OPTIONS)}"
            raise ConfigurationError(f"{where} has no option {option!r}; {hint}")
    options.setdefault("STORE", None)
    chosen: dict[str, Any] = {_OPTIONS[option]: value for option, value in options.items()}
    chosen["secrets"] = secrets_of(chosen.get("secrets"), f'{where} = {{"SECRETS": ...}}')
    if chosen["store"] is None:
        chosen["store"] = default_store(folder)
    receiver = kind(**chosen)
    receiver.settings_name = where
    return Endpoint(receiver, path)
