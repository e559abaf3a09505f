"""System checks of where the endpoint stands: what in front of it would take deliveries away."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.checks import CheckMessage
from django.core.checks import Warning as CheckWarning
from django.middleware.common import CommonMiddleware
from django.middleware.security import SecurityMiddleware
from django.urls import NoReverseMatch, Resolver404, get_script_prefix, resolve, reverse
from django.utils.module_loading import import_string

from coffrify_webhooks.errors import ConfigurationError

from .conf import current_endpoint
from .middleware import CoffrifyWebhooksMiddleware

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["check_placement", "served_path"]

_FIRST = 'Put "coffrify_webhooks.django.CoffrifyWebhooksMiddleware" first in MIDDLEWARE.'
_READERS = frozenset(("body", "POST", "FILES", "read", "readline", "readlines"))
_AFTER = frozenset(
    ("process_view", "process_response", "process_exception", "process_template_response")
)
"""Methods of a middleware that Django calls after ours has answered, or not at all."""


def check_placement(app_configs: Any = None, **_: Any) -> list[CheckMessage]:
    """W003 to W006: a redirect, a reader of bodies, a double, another URL in front of us."""
    try:
        path = current_endpoint().path
    except ConfigurationError:
        return []  # told by check_settings
    stack = list(_middleware())
    ours = [place for place, each in enumerate(stack) if _is(each, CoffrifyWebhooksMiddleware)]
    url = _url()
    if not ours and url is None:
        return []
    before = stack[: ours[0]] if ours else stack
    found = [*_redirects(before, None if ours else url)]
    if ours:
        found += _readers(before)
    if len(ours) > 1 or (ours and url is not None and path.matches(url)):
        found.append(
            _warning(
                "the webhook endpoint is served twice at one path: by CoffrifyWebhooksMiddleware, "
                + ("listed twice" if len(ours) > 1 else "and by the URL, which is never reached"),
                "Remove one of the two.",
                "W005",
            )
        )
    elif url is not None and not _is_reached(url):
        found.append(
            _warning(
                f"another URL pattern takes what is sent to {url}, so deliveries do not reach the "
                "webhook view; if that view answers 200, they are lost",
                'Put include("coffrify_webhooks.django.urls") before it in urlpatterns.',
                "W006",
            )
        )
    return found


def served_path() -> str | None:
    """Return the path of the endpoint below the application's root; None if none is served."""
    if any(_is(each, CoffrifyWebhooksMiddleware) for each in _middleware()):
        return current_endpoint().path.text or "/"
    return _url()


def _redirects(before: list[Any], url: str | None) -> Iterator[CheckMessage]:
    """Tell of redirects, which the sender does not follow; url: of the view, if that is meant."""
    remedy = _FIRST
    secure = settings.SECURE_SSL_REDIRECT and any(_is(each, SecurityMiddleware) for each in before)
    if url is not None:
        whole = (get_script_prefix() + url.lstrip("/")).lstrip("/")  # as that middleware sees it
        remedy = rf'Or add r"^{whole.rstrip("/")}/?$" to SECURE_REDIRECT_EXEMPT.'
        exempt = any(re.search(each, whole) for each in settings.SECURE_REDIRECT_EXEMPT)
        secure = secure and not exempt and not settings.SECURE_PROXY_SSL_HEADER
        remedy = f"Set SECURE_PROXY_SSL_HEADER if a proxy ends TLS. {remedy}"
    if secure:
        yield _warning(
            "SecurityMiddleware redirects deliveries that arrive by http, as from a proxy that "
            "ends TLS, and the sender does not follow (SECURE_SSL_REDIRECT)",
            remedy,
            "W003",
        )
    if settings.PREPEND_WWW and any(_is(each, CommonMiddleware) for each in before):
        yield _warning(
            "CommonMiddleware redirects deliveries to www., and the sender does not follow "
            "(PREPEND_WWW)",
            _FIRST,
            "W003",
        )


def _readers(before: list[Any]) -> Iterator[CheckMessage]:
    for each in before:
        if not each.__module__.startswith("django.") and _reads_body(each):
            yield _warning(
                f"{each.__module__}.{each.__qualname__} stands before CoffrifyWebhooksMiddleware "
                "and seems to read the body of requests, of any size and before their signature "
                "is verified; a body that it reads as a stream or a form is lost",
                _FIRST,
                "W004",
            )


def _reads_body(middleware: Any) -> bool:
    """Look in its source, as far as there is one, for what reads a request."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(middleware)))
    except (OSError, TypeError, SyntaxError):
        return False
    todo: list[ast.AST] = [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name in _AFTER:
            continue
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id == "request"
            and node.attr in _READERS
        ):
            return True
        todo.extend(ast.iter_child_nodes(node))
    return False


def _middleware() -> Iterator[Any]:
    for name in settings.MIDDLEWARE:
        try:
            yield import_string(name)
        except ImportError:
            continue  # Django tells of it


def _is(middleware: Any, kind: type) -> bool:
    return isinstance(middleware, type) and issubclass(middleware, kind)


def _url() -> str | None:
    """Return where the view is, below the application's root, if the project has it."""
    try:
        url = reverse("coffrify_webhooks:webhook")
        return "/" + url.removeprefix(get_script_prefix()).lstrip("/")
    except (NoReverseMatch, AttributeError, TypeError, ImportError):
        return None


def _is_reached(url: str) -> bool:
    try:
        found = resolve(url)
    except Resolver404:
        return True  # translated
    return found.url_name == "webhook" and "coffrify_webhooks" in found.app_names


def _warning(text: str, hint: str, number: str) -> CheckMessage:
    return CheckWarning(text, hint=hint, id=f"coffrify_webhooks.{number}")
