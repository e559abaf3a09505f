"""Texts that cannot be a signing secret, and what to do about each.

These functions return and never raise: crash reporters keep the locals of a frame that an error
leaves, and here one of them is the text.
"""

from .placeholders import is_placeholder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "API_KEYS",
    "OTHERS_KEYS",
    "PREFIX",
    "QUOTES",
    "SIGNATURES",
    "fault_of",
    "is_address",
    "is_visible",
]

PREFIX = "whsec_"
QUOTES = "\"'`\u2018\u2019\u201c\u201d\u00ab\u00bb"
API_KEYS = ("cof_", "cfy_")
OTHERS_KEYS = (
    *("sk_live_", "sk_test_", "rk_live_", "rk_test_", "pk_live_", "pk_test_"),
    *("ghp_", "gho_", "ghs_", "github_pat_", "glpat-", "xoxb-", "xoxp-", "xapp-", "eyJhbGci"),
    *("npm_", "hvs.", "dp.st.", "SG.", "whsk_", "whpk_"),
)
"""What keys of other services begin with."""
SIGNATURES = ("sha256=", "sha1=", "sha512=", "sha256:", "t=")
"""In lower case, as the next."""
_REFERENCES = (
    *("arn:", "ssm:", "ssm-secure:", "secretsmanager:", "secretmanager:", "vault:", "kms:"),
    *("env:", "file:", "enc:", "enc[", "enc(", "{cipher}", "$ansible_vault", "/run/secrets/"),
    *("resolve:", "keyvault:", "@microsoft.keyvault(", "$env:", "process.env.", "os.environ"),
    *("/var/run/secrets/", "./", "../", "~/"),
)
"""What a tool replaces by the secret, where it is told to."""
_PIN = 'if it really is the secret, pin it: Secret(..., encoding="text")'


def fault_of(text: "Any", encoding: str) -> str:
    """Say why a text cannot be a secret, or return nothing."""
    if not isinstance(text, str):
        return f"a secret must be a str, not {type(text).__name__}"
    trimmed = text.strip()
    if not any(map(is_visible, trimmed if encoding != "text" else trimmed.replace("\0", ""))):
        return "the secret is empty; copy it from the Coffrify dashboard"
    if trimmed == PREFIX:
        return f"the secret is only the prefix {PREFIX!r}; copy all of it from the dashboard"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "the secret is not valid text (it has lone surrogates)"
    return "" if encoding == "text" else _mistake(trimmed, is_pinned=encoding != "auto")


def _mistake(text: str, *, is_pinned: bool) -> str:  # one return for each mistake
    """Say which mistake a text looks like that no delivery would ever match."""
    rest = text.removeprefix(PREFIX)
    if len(text) == 1 and not is_pinned:
        return (
            "the secret is a single character: a text was given where a list of texts belongs, or "
            f"the other way round; {_PIN}"
        )
    other = _what_else(text)
    if other:
        return f"the secret is {other}, or {_PIN}"
    if not is_pinned and is_placeholder(rest, whole=rest == text):
        return f"the secret is a placeholder; copy the real one from the dashboard, or {_PIN}"
    if text[0] in QUOTES or text[-1] in QUOTES:
        return f"the secret is in quotes, which an env file may have kept; drop them, or {_PIN}"
    if text == "v1" or text.startswith(("v1,", "v1=", "v1a,")):
        return (
            "the secret begins with 'v1', the version of a signature; the secret is what follows "
            f"'v1,', or {_PIN}"
        )
    if not all(map(is_visible, text)):
        return (
            "the secret has a space or an invisible character inside; copy it again from the "
            f"dashboard, or {_PIN}"
        )
    has_other_prefix = rest == text and text[:5].lower() == "whsec" and not text[5:6].isalnum()
    if has_other_prefix or text[-1] in ";,":
        return (
            f"the secret is not written as the dashboard shows it, with {PREFIX!r} before it and "
            f"nothing after it; copy it again, or {_PIN}"
        )
    if PREFIX in rest:
        return (
            f"the secret holds {PREFIX!r} in its middle; give that part alone, or several secrets "
            f"as a list, or {_PIN}"
        )
    return ""


def _what_else(text: str) -> str:
    """Say what a text is that by its beginning is something else, and what to give instead."""
    if text.startswith(API_KEYS):
        return (
            "an API key of Coffrify, and deliveries are signed with the endpoint's signing secret, "
            f"which begins {PREFIX!r}; give that one"
        )
    if text.startswith(OTHERS_KEYS):
        return (
            "a key or token of another service; give the signing secret of the Coffrify endpoint, "
            f"which begins {PREFIX!r}"
        )
    if text.lower().startswith(SIGNATURES):
        return "a signature; give the secret with which signatures are made"
    if is_address(text):
        return "an address that nothing looks up; give the text to which it refers"
    return ""


def is_address(text: str) -> bool:
    """Tell whether a text says where a secret is, as to a tool that puts it in."""
    lower = text.lower()
    is_of_google = lower.startswith("projects/") and "/secrets/" in lower
    return is_of_google or "://" in text or lower.startswith(_REFERENCES)


def is_visible(character: str) -> bool:
    """Tell whether a character can be seen, so that it may be part of a secret."""
    return character.isprintable() and not character.isspace()
