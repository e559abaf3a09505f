"""Bodies as programs of other languages, gateways and parsers spoil them."""

import base64
import gzip
import html
import json
import zlib
from urllib.parse import quote, quote_plus, urlencode

from tests.doctor.real_event import (
    BODY,
    GO,
    GSON,
    NET,
    PHP,
    PRETTY,
    PYTHON,
    TEXT,
    VALUE,
    by_length,
    compact,
    likely,
    sent,
    signed,
)

DOUBLES = GSON.replace(":3,", ":3.0,").replace(":12,", ":12.0,").replace("1048576", "1048576.0")
EMPTY = b'{"id":"evt_1","type":"ping","data":{}}'
PRICES = b'{"id":"evt_1","type":"a.b","data":{"price":10.50,"count":2,"rate":1.0}}'
OFFSET = b'{"id":"evt_1","type":"a.b","data":{"at":"2025-01-01T00:00:00+00:00"}}'
SPREAD = b'{ "id" : "evt_1", "type" : "a.b", "data" : { "a" : [ 1, 2 ] } }'
RESERIALISED = [
    sent(name, "body_reserialised", body.encode())
    for name, body in {
        "json.dumps": PYTHON,
        "json_encode": PHP,
        "json_encode, unescaped letters": TEXT.replace("/", "\\/").replace("1e-7", "1.0e-7"),
        "JSON_PRETTY_PRINT": json.dumps(VALUE, indent=4).replace("/", "\\/"),
        "to_json of Ruby": TEXT.replace("1e-7", "1.0e-07"),
        "to_json of Rails": GO.replace("1e-7", "1.0e-07"),
        "json.Marshal": GO,
        "Gson": GSON,
        "Gson, into a Map": DOUBLES,
        "Jackson": TEXT.replace("1e-7", "1.0E-7"),
        "Jackson, indented": json.dumps(VALUE, indent=2, separators=(",", " : ")),
        "System.Text.Json": NET,
        "Newtonsoft": TEXT.replace("1e-7", "1E-07").replace(":12,", ":12.0,"),
        "a date's zeros dropped": TEXT.replace(".120Z", ".12Z"),
        "a date's zone as an offset": TEXT.replace(".120Z", ".120+00:00"),
        "serde_json": TEXT.replace(":12,", ":12.0,"),
        "Jason": TEXT.replace("1e-7", "1.0e-7"),
        "jq": json.dumps(VALUE, indent=2, ensure_ascii=False) + "\n",
        "jq -c": TEXT.replace("1e-7", "1e-07") + "\n",
        "a database's numbers": TEXT.replace("1e-7", "0.0000001"),
        "json.dumps of json.dumps": json.dumps(PYTHON),
        "a string in a string in a string": json.dumps(json.dumps(TEXT)),
    }.items()
]
FROM_OTHERS = [
    sent("of Python, by JavaScript", "body_reserialised", BODY, signed(PYTHON.encode())),
    sent("of PHP, by Python", "body_reserialised", PYTHON.encode(), signed(PHP.encode())),
    sent("of PHP, by JavaScript", "body_reserialised", BODY, signed(PHP.encode())),
    sent("of Go, by JavaScript", "body_reserialised", BODY, signed(GO.encode())),
    sent("of Go, by Python", "body_reserialised", PYTHON.encode(), signed(GO.encode())),
    sent("indented, by Go", "body_reserialised", GO.encode(), signed(PRETTY)),
    sent("indented, by Python", "body_reserialised", PYTHON.encode(), signed(PRETTY)),
    sent(
        "PHP's empty array",
        "body_reserialised",
        EMPTY.replace(b"{}", b"[]"),
        signed(EMPTY),
    ),
    sent(
        "some prices' zeros dropped",
        "body_reserialised",
        PRICES.replace(b"10.50", b"10.5"),
        signed(PRICES),
    ),
    sent(
        "a fraction dropped of one key",
        "body_reserialised",
        PRICES.replace(b"1.0}", b"1}").replace(b"10.50", b"10"),
        signed(PRICES.replace(b"10.50", b"10")),
    ),
    sent(
        "blanks around each token",
        "body_reserialised",
        b'{"id":"evt_1","type":"a.b","data":{"a":[1,2]}}',
        signed(SPREAD),
    ),
    sent(
        "sorted, and in a database's order before",
        "body_reserialised",
        b'{"data":{"a":1,"bbb":3,"cc":2},"id":"evt_1","type":"a.b"}',
        signed(b'{"id":"evt_1","type":"a.b","data":{"a":1,"cc":2,"bbb":3}}'),
    ),
    likely(
        sent(
            "jsonb",
            "body_reserialised",
            json.dumps(by_length(VALUE), ensure_ascii=False).replace("1e-07", "0.0000001").encode(),
        )
    ),
]
PRINTED = [
    likely(sent(name, "body_reserialised", body.encode()))
    for name, body in {
        "inspect of Ruby": '{"id"=>"evt_9f3", "type"=>"transfer.created"}',
        "print_r of PHP": "Array\n(\n    [id] => evt_9f3\n    [type] => a.b\n)\n",
        "toString of Java": "{id=evt_9f3, type=transfer.created}",
        "fmt.Print of Go": "map[data:map[id:tr_77] id:evt_9f3]",
        "YAML": "id: evt_9f3\ntype: transfer.created\n",
        "String() of JavaScript": "[object Object]",
    }.items()
]
FRAMED = b"%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n" % (99, BODY[:99], len(BODY) - 99, BODY[99:])
FORM: dict[str, str] = {
    name: value for name, _, value in (pair.partition("=") for pair in TEXT.split("&"))
}
WAYS = [
    sent("base64 in lines", "body_base64", base64.encodebytes(BODY)),
    sent("base64 twice", "body_base64", base64.b64encode(base64.b64encode(BODY))),
    sent(
        "base64 in a JSON string",
        "body_base64",
        json.dumps(base64.b64encode(BODY).decode()).encode(),
    ),
    sent("hexadecimal", "body_base64", BODY.hex().encode()),
    sent("bytea of PostgreSQL", "body_base64", b"\\x" + BODY.hex().encode()),
    sent("raw deflate", "body_compressed", zlib.compress(BODY)[2:-4]),
    sent("chunks left in", "body_altered", FRAMED),
    sent(
        "the whole request as the body", "body_altered", b"POST /w HTTP/1.1\r\nA: b\r\n\r\n" + BODY
    ),
    sent("read twice", "body_altered", BODY + BODY),
    sent("the first byte lost", "body_truncated", BODY[1:]),
    sent("the first bytes lost", "body_truncated", BODY[4:]),
    likely(sent("the first half lost", "body_truncated", BODY[80:])),
    likely(sent("only the first packet", "body_truncated", BODY[:150])),
    sent("a mark misread as Latin-1", "body_bom", "\u00ef\u00bb\u00bf".encode() + BODY),
    sent("UTF-16 without a mark", "body_charset_changed", TEXT.encode("utf-16-le")),
    sent("UTF-16, big-endian", "body_charset_changed", TEXT.encode("utf-16-be")),
    *(
        sent(f"read as {charset}", "body_charset_changed", BODY.decode(charset).encode())
        for charset in ("cp1252", "mac-roman", "cp850", "cp437", "iso8859-15", "koi8-r")
    ),
    sent(
        "read as Latin-1 twice",
        "body_charset_changed",
        BODY.decode("latin-1").encode().decode("latin-1").encode(),
    ),
    sent("written as Windows-1252", "body_charset_changed", TEXT.encode("cp1252")),
    likely(
        sent(
            "gzip read as text",
            "body_charset_changed",
            gzip.compress(BODY).decode("utf-8", "replace").encode(),
        )
    ),
    sent(
        "a form with a token", "body_form_encoded", urlencode({"payload": TEXT, "t": "a"}).encode()
    ),
    sent("a form with %20", "body_form_encoded", b"body=" + quote(TEXT).encode()),
    sent("escaped as a whole", "body_form_encoded", quote_plus(TEXT).encode()),
    sent("cut by a parser of forms", "body_form_encoded", json.dumps(FORM).encode()),
    sent("plus became a blank", "body_form_encoded", OFFSET.replace(b"+", b" "), signed(OFFSET)),
    sent("quotes of a page", "body_altered", html.escape(TEXT).encode()),
    sent("addslashes", "body_altered", TEXT.replace('"', '\\"').encode()),
    sent("in an object's field", "body_altered", compact({"body": VALUE}).encode()),
    sent(
        "in an event of EventBridge", "body_altered", compact({"id": "1", "detail": VALUE}).encode()
    ),
    sent("in a list", "body_altered", b"[" + BODY + b"]"),
    sent("the parameters of Rails", "body_altered", compact({**VALUE, "webhook": VALUE}).encode()),
    sent(
        "a CloudEvent",
        "body_base64",
        json.dumps({"id": "1", "data_base64": base64.b64encode(BODY).decode()}).encode(),
    ),
    sent(
        "curl's --data of a file",
        "body_newline_removed",
        PRETTY.replace(b"\n", b""),
        signed(PRETTY),
    ),
]

BODIES = [*RESERIALISED, *FROM_OTHERS, *PRINTED, *WAYS]
