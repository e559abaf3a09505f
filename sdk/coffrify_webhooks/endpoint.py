"""A framework's settings, as a dict of the Receiver's options in capitals, made into a Receiver."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from inspect import signature
from pathlib import Path
from typing import Any, NamedTuple, cast

from .errors import ConfigurationError, shown
from .http.url_path import DEFAULT_PATH, UrlPath
from .options import flag, secrets_of
from .receiver import Receiver
from .signature.secret import Sealed, seal, unseal
from .stores import default_store
from .stores.url import hide_password, mask_text

__all__ = ["Endpoint", "endpoint", "hide_other", "receiver_of"]

_OPTIONS = {
    name.upper(): name
    for name in signature(Receiver).parameters
    if name not in ("unknown", "clock")
}

_OWN = ("PATH", "HEALTH")
"""Settings of the endpoint that the Receiver does not have."""


def hide_other(receiver: Any) -> Any:
    """Return what was given for a receiver, sealed if it is none: it may be the secret."""
    return receiver if isinstance(receiver, Receiver) else seal(receiver)


def receiver_of(hidden: "Receiver | Sealed | None") -> Receiver:
    """Return the receiver that `hide_other` was given, one of the default settings for None.

    Raises ConfigurationError for anything else, such as a secret.
    """
    if hidden is None:
        return Receiver()
    if isinstance(hidden, Receiver):
        return hidden
    raise ConfigurationError(
        f"receiver must be a Receiver, not {type(unseal(hidden)).__name__}; give "
        "Receiver(secrets=...), which takes the other options too"
    )


class Endpoint(NamedTuple):
    """A receiver, and the path at which it is reached."""

    receiver: Receiver
    path: UrlPath
    health: bool = False
    """Whether to answer monitors, by GET at the path and `/health`."""


def endpoint(settings: Any, *, folder: Path, kind: type[Receiver]) -> Endpoint:
    """Return what `settings` describe: {"SECRETS": ..., "PATH": ..., "STORE": ..., ...}.

    folder: where the default store's file goes. kind: its settings_name names these settings.
    Raises ConfigurationError for an unknown or unusable setting.
    """
    where = kind.settings_name
    if not isinstance(cast("object", settings), Mapping):
        del settings
        raise ConfigurationError(f'{where} must be a dict, such as {{"SECRETS": ["whsec_..."]}}')
    # A misspelt option may be the secret: all is sealed, and no name for it is left here.
    given = {mask_text(key): seal(value) for key, value in settings.items()}
    del settings
    for option in given:
        if option not in _OWN and option not in _OPTIONS:
            near = get_close_matches(str(option).upper(), [*_OPTIONS, *_OWN], n=1)
            known = ", ".join((*_OWN, *_OPTIONS))
            hint = f"did you mean {near[0]}?" if near else f"there are {known}"
            raise ConfigurationError(f"{where} has no option {shown(option)}; {hint}")
    with _words_of(where):
        secrets = secrets_of(given.pop("SECRETS", None), f'{where} = {{"SECRETS": ...}}')
    options = {option: hide_password(option, unseal(value)) for option, value in given.items()}
    with _words_of(where):
        path = UrlPath(options.pop("PATH", DEFAULT_PATH))
        health = flag("health", options.pop("HEALTH", False))
    chosen: dict[str, Any] = {_OPTIONS[option]: value for option, value in options.items()}
    if chosen.get("store") is None:
        chosen["store"] = default_store(folder)
    with _words_of(where):
        return Endpoint(kind(cast("Any", secrets), **chosen), path, health)


@contextmanager
def _words_of(where: str) -> Generator[None]:
    """Let an error that begins with an option name it as the settings do: SETTINGS["OPTION"]."""
    try:
        yield
    except ConfigurationError as error:
        text = str(error)
        option = text.partition(" ")[0].partition("=")[0]
        if option.upper() in _OWN or option in _OPTIONS.values():
            error.args = (f'{where}["{option.upper()}"]{text.removeprefix(option)}',)
        raise
