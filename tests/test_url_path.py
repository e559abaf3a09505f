"""Where the endpoint is."""

import pytest

from coffrify_webhooks import ConfigurationError
from coffrify_webhooks.url_path import UrlPath


@pytest.mark.parametrize(
    ("path", "root", "ours"),
    [
        ("/webhooks/coffrify", "", True),
        ("/webhooks/coffrify/", "", True),
        ("/webhooks/coffrify//", "", False),
        ("/webhooks/coffrify/x", "", False),
        ("/webhooks", "", False),
        ("/api/webhooks/coffrify", "/api", True),
        ("/webhooks/coffrify", "/api", True),
        ("/api/webhooks/coffrify", "", False),
        ("/webhooks/coffrify", "/web", True),
        ("/webhooks/webhooks/coffrify", "/webhooks", True),
    ],
)
def test_matches(path: str, root: str, *, ours: bool) -> None:
    """The path counts below the root, with or without one trailing slash."""
    assert UrlPath("/webhooks/coffrify").matches(path, root) is ours


@pytest.mark.parametrize("path", ["", "webhooks", None, 5])
def test_a_path_begins_with_a_slash(path: str) -> None:
    """Anything else is a ConfigurationError."""
    with pytest.raises(ConfigurationError, match="slash"):
        UrlPath(path)
