"""Where the endpoint is."""

import pytest

from coffrify_webhooks import ConfigurationError
from coffrify_webhooks.http.url_path import UrlPath


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
def test_a_path_matches_below_the_root(path: str, root: str, *, ours: bool) -> None:
    """The path counts below the root, with or without one trailing slash."""
    assert UrlPath("/webhooks/coffrify").matches(path, root) is ours


@pytest.mark.parametrize(
    "path",
    ["/<x>", "/hooks/{tenant}", "/a b", "/a?b", "/a#b", "/a%20", "/a\n", "/a\x00", "/*", "/a\\b"],
)
def test_a_path_that_a_framework_would_read_otherwise_is_refused(path: str) -> None:
    """A pattern, a query, an escape or a blank is a ConfigurationError that shows the form."""
    with pytest.raises(ConfigurationError, match="one plain path"):
        UrlPath(path)


@pytest.mark.parametrize("path", ["", "webhooks", None, 5])
def test_a_path_begins_with_a_slash(path: str) -> None:
    """Anything else is a ConfigurationError."""
    with pytest.raises(ConfigurationError, match="slash"):
        UrlPath(path)
