"""A realistic event, as programs of many languages write it, and signed without our code."""

import base64
import hashlib
import hmac
import json
from typing import Any

from tests.doctor.requests import Case

NOW = 1_764_000_000
KEY, OTHER_KEY = (hashlib.sha256(name).digest() for name in (b"real", b"other"))
SECRET, OTHER = f"whsec_{KEY.hex()}", f"whsec_{OTHER_KEY.hex()}"
TEXT_SECRET = "whsec_aB3dE5fG7hJ9kL1mN0pQrStU"
BASE64 = f"whsec_{base64.b64encode(KEY).decode()}"
TEXT = (
    '{"id":"evt_9f3","type":"transfer.created","created_at":"2025-11-24T16:00:00.120Z","data":'
    '{"url":"https://coffrify.com/t/a?x=1&y=2","title":"\u00c9t\u00e9 \u2014 <client> & co",'
    '"notes":null,"total":3,"ratio":0.1,"price":12,"tiny":1e-7,'
    '"files":[{"name":"r\u00e9sum\u00e9.pdf","size":1048576}]}}'
)
BODY = TEXT.encode()
VALUE = json.loads(TEXT)
PRETTY = json.dumps(VALUE, indent=2, ensure_ascii=False).encode() + b"\n"


def standard(body: bytes, key: bytes = KEY, time: int = NOW, name: str = "evt_9f3") -> Any:
    mac = hmac.new(key, f"{name}.{time}.".encode() + body, hashlib.sha256).digest()
    signature = "v1," + base64.b64encode(mac).decode()
    return {"webhook-id": name, "webhook-timestamp": str(time), "webhook-signature": signature}


def own(body: bytes, key: bytes = KEY, time: int = NOW) -> Any:
    mac = hmac.new(key, f"{time}.".encode() + body, hashlib.sha256).hexdigest()
    return {"X-Coffrify-Signature": f"t={time},v1={mac}"}


def signed(body: bytes, key: bytes = KEY, **more: str) -> Any:
    return {**standard(body, key), **own(body, key), **more}


HEADERS, STANDARD, OWN = signed(BODY), standard(BODY), own(BODY)
SIGNATURE, HEX = STANDARD["webhook-signature"], OWN["X-Coffrify-Signature"].partition("v1=")[2]


def compact(value: Any, **options: Any) -> str:
    """Write as JavaScript does."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), **options)
    return text.replace("1e-07", "1e-7")


def escaped(text: str, characters: str, form: str = "\\u{:04x}") -> str:
    return "".join(form.format(ord(each)) if each in characters else each for each in text)


def by_length(value: Any) -> Any:
    """Order keys as PostgreSQL's jsonb does."""
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: (len(key), key))
        return {key: by_length(value[key]) for key in keys}
    return [by_length(each) for each in value] if isinstance(value, list) else value


def sent(name: str, code: str, body: Any, headers: Any = HEADERS, **more: Any) -> Case:
    return Case(name, (code,), body, headers, more.pop("secrets", SECRET), **more)


def kept(name: str, code: str, text: Any, key: bytes = KEY, **more: Any) -> Case:
    return Case(name, (code,), BODY, signed(BODY, key), text, **more)


def headed(name: str, code: str, headers: Any, **more: Any) -> Case:
    return Case(name, (code,), BODY, headers, SECRET, **more)


def changed(name: str, text: str) -> Any:
    return {**STANDARD, name: text}


def likely(case: Case) -> Case:
    return case._replace(is_proven=False)


PHP = json.dumps(VALUE, separators=(",", ":")).replace("/", "\\/").replace("1e-07", "1.0e-7")
GO = escaped(TEXT, "<>&")
PYTHON = json.dumps(VALUE)
NET = "".join(
    each if each.isascii() and each not in "<>&'+`" else f"\\u{ord(each):04X}" for each in TEXT
).replace("1e-7", "1E-07")
GSON = escaped(TEXT, "<>&='").replace("1e-7", "1.0E-7")
