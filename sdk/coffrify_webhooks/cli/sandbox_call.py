"""The call that lets a running sandbox trigger something."""

import http.client
import json
import urllib.error
import urllib.request
from typing import Any

from .failure import Failed, Unusable

__all__ = ["call_sandbox"]

_PATIENCE = 60.0
_WRONG = (400, 404)


def call_sandbox(where: str, content: dict[str, Any], key: str) -> Any:
    """Let a sandbox trigger something; return what it answers. Raises Failed and Unusable."""
    url = f"{where}/control/trigger"
    headers = {"Content-Type": "application/json"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    try:
        request = urllib.request.Request(url, json.dumps(content).encode(), headers)  # noqa: S310
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=_PATIENCE) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        kind = Unusable if error.code in _WRONG else Failed
        with error:  # it holds the connection
            message = _message(error, where, key)
        raise kind(message) from None
    except TimeoutError:
        raise Failed(f"the sandbox at {where} did not answer in {_PATIENCE:g} s") from None
    except OSError:
        raise Failed(
            f"no sandbox answers at {where}; start one with "
            "`coffrify-webhooks sandbox`, or say where it is: --sandbox URL"
        ) from None
    except (ValueError, http.client.HTTPException):
        raise Failed(
            f"what answers at {where} is not a sandbox; say where the sandbox is: --sandbox URL"
        ) from None


def _message(error: urllib.error.HTTPError, where: str, key: str) -> str:
    try:
        told = json.load(error)["error"]
        code, message = told["code"], str(told["message"])
    except (ValueError, LookupError, TypeError):
        return f"what answers there is not a sandbox ({error.code})"
    if code != "unauthorized":
        return message
    why = "has another API key" if key else "asks for its API key"
    return f"the sandbox at {where} {why}; give it: --api-key KEY"
