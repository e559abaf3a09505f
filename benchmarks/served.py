"""What a request costs a real server, x the bare route: uvicorn with h11, or uvloop and httptools.

The figure is the server's own CPU time, as /proc tells it (Linux). `--json` prints JSON.
"""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

# Or `requests`, which others import, would be the benchmark of that name beside this one.
sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.measuring import SECRET, Delivery, Table, deliveries

APPLICATION = """
import os
from coffrify_webhooks import Receiver, Router
from coffrify_webhooks.starlette import webhook_route
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

router = Router()

@router.on("transfer.created")
async def handle(event): pass

async def bare(request):
    await request.body()
    return Response(b'{"outcome": "handled"}', media_type="application/json")

receiver = Receiver(os.environ["SECRET"], store=os.environ["STORE"], router=router)
app = Starlette(routes=[Route("/bare", bare, methods=["POST"]), webhook_route(receiver, "/hook")])
"""
TARGETS = {"h11": (1.9, 3.2), "httptools": (3.6, 7.6)}
CONNECTIONS = 4
WARM_UP, SECONDS = 0.6, 3.5


def cpu_of(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def request_of(delivery: Delivery, path: str) -> bytes:
    body, headers = delivery
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode() + body


async def send(port: int, path: str, seconds: float, source: Iterator[Delivery]) -> int:
    """Send from several connections for so long; return how many were answered by a 200."""
    answered, ends = 0, time.perf_counter() + seconds

    async def worker() -> None:
        nonlocal answered
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while time.perf_counter() < ends and (each := next(source, None)) is not None:
            writer.write(request_of(each, path))
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            if b" 200 " not in head[:14]:
                raise SystemExit(head.decode())
            await reader.readexactly(int(head.split(b"content-length:")[1].split()[0]))
            answered += 1
        writer.close()

    await asyncio.gather(*(worker() for _ in range(CONNECTIONS)))
    return answered


def measure(loop: str, protocol: str, store: str, path: str, some: list[Delivery]) -> float:
    """Return the server's CPU time for a request, in us."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    options = ["--port", str(port), "--loop", loop, "--http", protocol, "--no-access-log"]
    server = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "served_app:app", *options, "--log-level", "warning"],
        env={**os.environ, "SECRET": SECRET, "STORE": store},
    )
    try:
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
            except OSError:
                time.sleep(0.1)
            else:
                break
        source = iter(some)
        asyncio.run(send(port, path, WARM_UP, source))
        before = cpu_of(server.pid)
        answered = asyncio.run(send(port, path, SECONDS, source))
        return (cpu_of(server.pid) - before) / answered * 1e6
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(10)


def main() -> None:
    os.chdir(tempfile.mkdtemp())
    Path("served_app.py").write_text(APPLICATION)
    table = Table("A request that uvicorn serves, async handler, x the bare route")
    some = list(deliveries(9000))
    for loop, protocol in (("asyncio", "h11"), ("uvloop", "httptools")):
        if find_spec(loop) is None:
            print(f"{loop} is not installed: left out", file=sys.stderr)
            continue
        bare = measure(loop, protocol, "memory:", "/bare", some)
        table.row(f"{protocol}, bare", bare, "us")
        stores = ("memory:", f"sqlite:///{protocol}.db")
        for store, target in zip(stores, TARGETS[protocol], strict=True):
            ours = measure(loop, protocol, store, "/hook", some)
            table.row(f"{protocol}, {store.partition(':')[0]}", ours / bare, "x bare", target)
    table.end()


if __name__ == "__main__":
    main()
