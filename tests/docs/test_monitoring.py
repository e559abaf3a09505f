"""The page about monitoring: its metrics and queries exist, its Sentry setup tells no payload."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from tests.docs.test_as_a_reader import blocks
from tests.docs.test_tables import codes, column, rows

from coffrify_webhooks import Receiver, Retries, Router, sign
from coffrify_webhooks.observe import Notice
from coffrify_webhooks.otel import instrument
from coffrify_webhooks.otel.metrics import METRICS
from coffrify_webhooks.stores.memory import MemoryStore

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "monitoring.md"
DASHBOARD = ROOT / "docs" / "coffrify-webhooks-dashboard.json"
SECRET = "whsec_" + "ab" * 16
WORD = re.compile(r"\b(?:messaging|coffrify_webhooks|error)_\w+")
PRIVATE = "hunter2-of-the-payload"


@pytest.fixture(scope="module")
def exported() -> tuple[set[str], set[str]]:
    """The names of the series and of their labels, as Prometheus reads them."""
    registry = CollectorRegistry()
    meters = MeterProvider([PrometheusMetricReader(registry=registry)])
    router, sent = Router(), list[Any]()

    class Engine:
        def dispatch(self, message: Any) -> None:
            sent.append(json.loads(json.dumps(message)))

    receiver = Receiver(
        SECRET,
        router=router,
        store=MemoryStore(),
        dispatcher=Engine(),
        retries=Retries(attempts=2),
    )
    instrument(receiver, meter_provider=meters)

    @router.on("ping")
    def fail(event: Any) -> None:
        raise LookupError

    for number in range(2):
        body = json.dumps({"id": f"evt_{number}", "type": "ping"}).encode()
        receiver.receive(body, sign(body, SECRET))
    receiver.receive(body, {})
    with pytest.raises(Exception, match="a handler raised"):
        receiver.execute(sent[0])
    text = generate_latest(registry).decode()
    meters.shutdown()
    samples = [each for family in text_string_to_metric_families(text) for each in family.samples]
    return {each.name for each in samples}, {label for each in samples for label in each.labels}


def rules() -> list[dict[str, str]]:
    """Those of the page's alerts, as Prometheus reads them."""
    [text] = re.findall(
        r"^```yaml\n(groups:.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    [group] = yaml.safe_load(text)["groups"]
    found: list[dict[str, str]] = group["rules"]
    return found


def queries() -> list[str]:
    """Those of the dashboard's panels, and of the alerts."""
    board = json.loads(DASHBOARD.read_text("utf-8"))
    panels = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    alerts = [rule["expr"] for rule in rules()]
    assert len(panels) == len({panel["id"] for panel in board["panels"]}) + 3
    return [*panels, *alerts]


def test_every_query_names_series_and_labels_that_exist(
    exported: tuple[set[str], set[str]],
) -> None:
    """As OpenTelemetry's exporter for Prometheus writes them."""
    names, labels = exported
    for query in queries():
        assert query.count("(") == query.count(")"), query
        found = WORD.findall(query)
        assert found, query
        assert set(found) <= names | labels, query
        assert set(found) & names, query


def test_what_the_dashboard_asks_and_shows_beside_exists(
    exported: tuple[set[str], set[str]],
) -> None:
    """The variable that chooses a receiver, and the labels in the legends."""
    names, labels = exported
    board = json.loads(DASHBOARD.read_text("utf-8"))
    [asked] = [each["query"]["query"] for each in board["templating"]["list"] if "label" in each]
    series, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", asked).groups()  # type: ignore[union-attr]
    assert series in names
    assert label in labels
    for panel in board["panels"]:
        for target in panel["targets"]:
            shown = re.findall(r"{{(\w+)}}", target["legendFormat"])
            assert set(shown) <= labels
            assert all(
                f"by (le, {each})" in target["expr"] or f"by ({each})" in target["expr"]
                for each in shown
            )


def test_each_of_the_five_alerts_has_its_line_in_the_table() -> None:
    """And no rule has a backslash, which a table's code would show, and Prometheus refuse."""
    table = rows("monitoring.md", "| Alert | Fires | What to do |")
    assert column(table) == [rule["alert"] for rule in rules()]
    assert len(table) == 5
    assert all("\\" not in query for query in queries())


def test_every_metric_is_listed_and_in_the_dashboard(exported: tuple[set[str], set[str]]) -> None:
    """With the name that it has in Prometheus."""
    table = rows("notices.md", "| Metric | In Prometheus | What it is | Other labels |")
    assert column(table) == [metric.name for metric in METRICS]
    shown = "".join(queries())
    for name in column(table, 1):
        assert {name, f"{name}_bucket"} & exported[0], name
        assert name in shown


def test_the_attributes_of_a_span_are_all_listed() -> None:
    """Each that the code sets, and no other."""
    folder = ROOT / "sdk" / "coffrify_webhooks" / "otel"
    source = "".join((folder / f"{each}.py").read_text("utf-8") for each in ("spans", "names"))
    written = set(re.findall(r'"((?:messaging|error|coffrify_webhooks)\.[\w.]+)"', source))
    listed = codes([row[0] for row in rows("monitoring.md", "| Attribute of a span | Holds |")])
    assert written - {"messaging.operation", "coffrify_webhooks.linked"} == set(listed)


def test_the_alarms_of_the_command_are_all_listed() -> None:
    """Each option by which a monitor can make it fail."""
    from coffrify_webhooks.cli.events_stats import stats

    options = [opt for each in stats.params for opt in each.opts if opt.startswith("--fail")]
    table = rows("monitoring.md", "| Option | Fails if |")
    assert [each.split()[0] for each in column(table)] == options


DRIVER = """
import json, os, sys
import sentry_sdk
from sentry_sdk.transport import Transport
import sentry_setup
from flask import Flask
from coffrify_webhooks import Receiver, Router, sign
from coffrify_webhooks.flask import CoffrifyWebhooks

class Kept(Transport):
    events = []
    def capture_envelope(self, envelope):
        found = envelope.get_event()
        if found is not None:
            self.events.append(found)

os.environ["SENTRY_DSN"] = "http://key@127.0.0.1:9/1"
sentry_sdk_init = sentry_sdk.init
sentry_sdk.init = lambda **options: sentry_sdk_init(transport=Kept, **options)
sentry_setup.set_up()
router = Router()

@router.on("*", name="book")
def book(event):
    raise LookupError("not found")

@router.on("*", name="mail")
def mail(event):
    raise LookupError("not found")

secret, private = sys.stdin.read().split()  # Sentry quotes source lines and arguments
receiver = Receiver(secret, router=router, store="memory:")
app = Flask("example")
CoffrifyWebhooks(app, receiver)
for number in range(3):
    text = dict(id=f"evt_{number}", type="ping", data=dict(note=private))
    body = json.dumps(text).encode()
    headers = sign(body, secret)
    if number < 2:
        assert receiver.receive(body, headers).status == 500
    else:  # Sentry's integration looks at the request too
        answer = app.test_client().post("/webhooks/coffrify", data=body, headers=headers)
        assert answer.status_code == 500
json.dump(Kept.events, sys.stdout, default=str)
"""


def test_sentry_has_one_event_for_each_failure_and_no_payload(tmp_path: Path) -> None:
    """Grouped by handler and code; neither a payload nor a secret is in it."""
    [setup] = [each for each in blocks(PAGE) if each.startswith("# sentry_setup.py")]
    (tmp_path / "sentry_setup.py").write_text(setup, "utf-8")
    ran = subprocess.run(
        [sys.executable, "-c", DRIVER],
        input=f"{SECRET} {PRIVATE}",
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr
    events = json.loads(ran.stdout)
    prints = [tuple(each["fingerprint"]) for each in events]
    both = [("handler_failed", name, "handler_failed") for name in ("book", "mail")]
    assert prints == both * 3
    assert events[-1]["request"]["url"].endswith("/webhooks/coffrify")
    assert PRIVATE not in ran.stdout
    assert SECRET not in ran.stdout


def test_notices_have_the_level_that_the_page_says() -> None:
    """Operations are below what a log shows by default."""
    assert Notice("handler", "default", "text", phase="failed").level == 10
