"""What verifying a delivery costs, as ratios to the floor, side by side with the peers.

The floor is the hash itself: `hmac.digest` over the signed bytes, already joined, and one
comparison. Cases take turns in one process; each figure is the median of their CPU times.
"""

import hmac
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

# Or `requests`, which a peer imports, would be the benchmark of that name beside this one.
sys.path[0] = str(Path(__file__).resolve().parents[1])

import coffrify.webhooks
import standardwebhooks
import stripe

from coffrify_webhooks import Secret, Verifier, sign

ROUNDS = 60
CALLS = 400
HEX_SECRET = "whsec_" + "5e" * 32
BASE64_SECRET = "whsec_" + "Xl5eXl5eXl5eXl5eXl5eXl5eXl5eXl5eXl5eXl5eXl4="


def body_of(size: int) -> bytes:
    data = {"id": "tr_1", "notes": ""}
    envelope = {"id": "evt_1", "type": "transfer.created", "data": data}
    data["notes"] = "x" * (size - len(json.dumps(envelope)))
    return json.dumps(envelope).encode()


def cases(body: bytes) -> dict[str, Callable[[], object]]:
    key = bytes.fromhex("5e" * 32)
    ours = sign(body, Secret(HEX_SECRET, encoding="hex"))
    header = ours["X-Coffrify-Signature"]
    stamp = ours["webhook-timestamp"]
    joined = f"{stamp}.".encode() + body
    mac = hmac.digest(key, joined, "sha256")
    standard = {name: value for name, value in ours.items() if name.startswith("webhook-")}
    legacy = {"x-coffrify-signature": header}
    ten = {
        "Host": "example.com",
        "User-Agent": "sender",
        "Accept": "*/*",
        "Accept-Encoding": "gzip",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        **ours,
    }
    pinned = Verifier(Secret(HEX_SECRET, encoding="hex"))
    automatic = Verifier(HEX_SECRET)
    third = Verifier(
        ["one-secret-for-tests", "another-secret-for-tests", Secret(HEX_SECRET, encoding="hex")]
    )
    text = body.decode()
    by_stripe = stripe.WebhookSignature.generate_signature_header(text, "a text secret")
    peer = standardwebhooks.Webhook(BASE64_SECRET)
    by_peer = sign(body, Secret(BASE64_SECRET, encoding="base64"))
    forged = {"x-coffrify-signature": header[:-1] + ("0" if header[-1] != "0" else "1")}
    stale = {"x-coffrify-signature": "t=1000000000" + header[12:]}

    def refused(headers: dict[str, str]) -> None:
        try:
            pinned.verify(body, headers)
        except ValueError:
            raise
        except Exception:  # noqa: S110 - the refusal is what is measured
            pass

    return {
        "floor: hmac.digest + compare": lambda: hmac.compare_digest(
            hmac.digest(key, joined, "sha256"), mac
        ),
        "ours, X-Coffrify-Signature": lambda: pinned.verify(body, legacy),
        "ours, Standard Webhooks": lambda: pinned.verify(body, standard),
        "ours, ten mixed-case headers": lambda: pinned.verify(body, ten),
        "ours, secret read automatically": lambda: automatic.verify(body, legacy),
        "ours, third of three secrets": lambda: third.verify(body, legacy),
        "ours, a forgery refused": lambda: refused(forged),
        "ours, a stale one refused": lambda: refused(stale),
        "coffrify 0.2.0": lambda: coffrify.webhooks.verify(text, header, HEX_SECRET),
        "stripe": lambda: stripe.WebhookSignature.verify_header(
            text, by_stripe, "a text secret", 300
        ),
        "standardwebhooks": lambda: peer.verify(text, by_peer),
    }


def measure(body: bytes) -> dict[str, float]:
    functions = cases(body)
    times: dict[str, list[int]] = {name: [] for name in functions}
    for _ in range(ROUNDS):
        for name, function in functions.items():
            started = time.process_time_ns()
            for _ in range(CALLS):
                function()
            times[name].append(time.process_time_ns() - started)
    medians = {name: statistics.median(each) for name, each in times.items()}
    floor = medians["floor: hmac.digest + compare"]
    return {name: median / floor for name, median in medians.items()}


def main() -> None:
    small, large = measure(body_of(300)), measure(body_of(2000))
    print(f"{'verify, x floor':34} {'300 B':>7} {'2 KB':>7}")
    for name in small:
        print(f"{name:34} {small[name]:7.2f} {large[name]:7.2f}")


if __name__ == "__main__":
    main()
