"""AWS Lambda, by the real Mangum and apig-wsgi, and a Google Cloud Function by its framework."""

import asyncio
import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.adapters.suite import SECRET, make_body
from tests.adapters.test_any_framework import PATH, Shop

from coffrify_webhooks import sign
from coffrify_webhooks.asgi import CoffrifyWebhooksMiddleware as ASGIMiddleware
from coffrify_webhooks.asgi import WebhookEndpoint
from coffrify_webhooks.wsgi import CoffrifyWebhooksMiddleware as WSGIMiddleware

Event = dict[str, Any]
Handler = Callable[[Event, Any], dict[str, Any]]


def rest_api(headers: dict[str, str], **body: Any) -> Event:
    """An API gateway's REST API: payload format 1.0, with each header twice."""
    return {
        "resource": "/{proxy+}",
        "path": PATH,
        "httpMethod": "POST",
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "requestContext": {
            "resourcePath": "/{proxy+}",
            "httpMethod": "POST",
            "path": f"/prod{PATH}",
            "stage": "prod",
            "identity": {"sourceIp": "192.0.2.1"},
        },
        **body,
    }


def http_api(headers: dict[str, str], **body: Any) -> Event:
    """An API gateway's HTTP API: payload format 2.0, names in lower case."""
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": PATH,
        "rawQueryString": "",
        "headers": {name.lower(): value for name, value in headers.items()},
        "requestContext": {
            "domainName": "id.execute-api.eu-west-1.amazonaws.com",
            "http": {
                "method": "POST",
                "path": PATH,
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": "Coffrify",
            },
            "stage": "$default",
        },
        **body,
    }


def function_url(headers: dict[str, str], **body: Any) -> Event:
    """A function URL: payload format 2.0 too, under a host of its own."""
    event = http_api({**headers, "host": "id.lambda-url.eu-west-1.on.aws"}, **body)
    event["requestContext"]["domainName"] = "id.lambda-url.eu-west-1.on.aws"
    event["requestContext"]["authentication"] = None
    return event


def load_balancer(headers: dict[str, str], **body: Any) -> Event:
    """An application load balancer's target group."""
    return {
        "requestContext": {"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:eu-west-1:1:x"}},
        "httpMethod": "POST",
        "path": PATH,
        "queryStringParameters": {},
        "headers": headers,
        **body,
    }


@pytest.fixture
def loop() -> Iterator[None]:
    """The loop that Mangum runs on."""
    with asyncio.Runner() as runner:
        asyncio.set_event_loop(runner.get_loop())
        yield
    asyncio.set_event_loop(None)


def mangum_endpoint(shop: Shop) -> Handler:
    from mangum import Mangum

    return Mangum(WebhookEndpoint(shop.receiver), lifespan="off")


def mangum_middleware(shop: Shop) -> Handler:
    from mangum import Mangum

    async def refuse(scope: Any, receive: Any, send: Any) -> None:
        raise LookupError

    app = ASGIMiddleware(refuse, shop.receiver)
    return Mangum(app, lifespan="off")


def apig_wsgi(shop: Shop) -> Handler:
    from apig_wsgi import make_lambda_handler

    def refuse(environ: Any, start_response: Any) -> Any:
        raise LookupError

    return make_lambda_handler(WSGIMiddleware(refuse, shop.receiver))


GATEWAYS = [rest_api, http_api, function_url, load_balancer]
HANDLERS = [mangum_endpoint, mangum_middleware, apig_wsgi]


@pytest.mark.usefixtures("loop")
@pytest.mark.parametrize("encoded", [False, True], ids=["text", "base64"])
@pytest.mark.parametrize("gateway", GATEWAYS)
@pytest.mark.parametrize("build", HANDLERS)
def test_a_delivery_through_a_gateway_is_handled_once(
    build: Callable[[Shop], Handler], gateway: Callable[..., Event], *, encoded: bool
) -> None:
    """Signed over the bytes that the sender sent; what is forged is refused."""
    shop = Shop()
    handler = build(shop)
    body = json.dumps({**json.loads(make_body()), "note": "é"}, ensure_ascii=False).encode()
    text = b64encode(body).decode() if encoded else body.decode()
    headers = {"Host": "example.com", "Content-Type": "application/json", **sign(body, SECRET)}
    event = gateway(headers, body=text, isBase64Encoded=encoded)
    answers = [read(handler(event, None)) for _ in range(2)]
    assert answers == [(200, {"outcome": "handled"}), (200, {"outcome": "duplicate"})]
    forged = gateway({**headers, **sign(body, "another")}, body=text, isBase64Encoded=encoded)
    assert read(handler(forged, None))[0] == 400
    assert shop.seen == ["evt_1"]


def read(answer: dict[str, Any]) -> tuple[int, Any]:
    """Return the status and the document of a function's answer."""
    body = answer["body"]
    return answer["statusCode"], json.loads(
        b64decode(body) if answer.get("isBase64Encoded") else body
    )


def test_a_cloud_function_takes_deliveries_by_the_receiver(tmp_path: Path) -> None:
    """In the functions framework, which gives it Flask's request."""
    from functions_framework import create_app

    (tmp_path / "main.py").write_text(f"""
from coffrify_webhooks import Receiver, Router
router = Router()
router.on("*")(lambda event: None)
receiver = Receiver("{SECRET}", router=router, store="memory:", max_body=10_000)

def coffrify(request):
    headers, method = [*request.headers.items()], request.method
    length = request.headers.get("Content-Length")
    reply = receiver.refuse_early(headers, method=method, content_length=length)
    if reply is None:
        reply = receiver.receive(request.get_data(), headers, method=method)
    return reply.body, reply.status, reply.headers
""")
    client = create_app("coffrify", str(tmp_path / "main.py")).test_client()
    body = make_body()
    large = body.ljust(10_001)
    answers = [
        client.post("/", data=body, headers=sign(body, SECRET)),
        client.post("/any/path", data=body, headers=sign(body, SECRET)),
        client.post("/", data=body, headers=sign(body, "another")),
        client.post("/", data=large, headers=sign(large, SECRET)),
        client.get("/"),
    ]
    assert [each.status_code for each in answers] == [200, 200, 400, 413, 405]
    assert answers[1].json == {"outcome": "duplicate"}
