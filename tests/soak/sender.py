"""Threads that send all kinds of deliveries as fast as they are answered."""

import http.client
import json
import random
import socket
import threading
from collections import Counter

from coffrify_webhooks import sign

__all__ = ["PATH", "Sender"]

PATH = "/webhooks/coffrify"
KINDS = ["new"] * 14 + ["again"] * 2 + ["forged", "garbage", "large", "hangs up"]
OTHER = "whsec_" + "0f" * 32
_ERRORS = (OSError, http.client.HTTPException)


class Sender(threading.Thread):
    """One connection's worth of traffic; a refused event is sent until it is acknowledged."""

    def __init__(self, port: int, secret: str, number: int) -> None:
        super().__init__(name=f"sender {number}")
        self.port, self.secret, self.number = port, secret, number
        self.acknowledged: list[str] = []
        self.answers: Counter[str] = Counter()
        self.stopping = threading.Event()
        self.errors: list[BaseException] = []
        self._random = random.Random(number)
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def run(self) -> None:
        try:
            while not self.stopping.is_set():
                self._send_one(self._random.choice(KINDS))
        except BaseException as error:
            self.errors.append(error)
        finally:
            self._connection.close()

    def _send_one(self, kind: str) -> None:
        if kind == "hangs up":
            with socket.create_connection(("127.0.0.1", self.port), 60) as sent:
                head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n{{"
                sent.sendall(head.encode())
            return
        name = f"evt_{self.number}_{len(self.acknowledged)}_{self._random.getrandbits(48)}"
        if kind == "again" and self.acknowledged:
            name = self._random.choice(self.acknowledged[-1000:])
        body = json.dumps({"id": name, "type": "transfer.created", "data": {"id": "t"}}).encode()
        if kind == "large":
            body = b" " * 1_100_000
        if kind == "garbage":
            body = self._random.randbytes(300)
        secret = OTHER if kind in ("forged", "garbage") else self.secret
        while not self.stopping.is_set():
            status = self._post(body, sign(body, secret))
            self.answers[f"{kind} {status}"] += 1
            if kind not in ("new", "again"):
                return
            if status == 200:
                if kind == "new":
                    self.acknowledged.append(name)
                return

    def _post(self, body: bytes, headers: dict[str, str]) -> int:
        try:
            self._connection.request("POST", PATH, body, headers)
            response = self._connection.getresponse()
            response.read()
        except _ERRORS:  # the server closes a connection whose large body it does not read
            self._connection.close()
            return 0
        return response.status
