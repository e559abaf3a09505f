"""Makes a screenshot small: as a PNG with a palette of 256 colours."""

import base64
import struct
import zlib
from collections import Counter
from pathlib import Path

from playwright.sync_api import Browser

__all__ = ["shrink"]

_UNPACK = """async (png) => {
  const image = await createImageBitmap(await (await fetch(`data:image/png;base64,${png}`)).blob());
  const canvas = new OffscreenCanvas(image.width, image.height);
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const bytes = context.getImageData(0, 0, image.width, image.height).data;
  const reader = new FileReader();
  reader.readAsDataURL(new Blob([bytes]));
  await new Promise((done) => { reader.onload = done; });
  return [image.width, image.height, reader.result.split(",")[1]];
}"""


def shrink(browser: Browser, png: bytes, file: Path) -> None:
    """Write a picture in the 256 colours that are nearest to its own."""
    page = browser.new_page()
    width, height, text = page.evaluate(_UNPACK, base64.b64encode(png).decode())
    page.close()
    pixels = memoryview(base64.b64decode(text)).cast("I")
    counted = Counter(pixels)
    palette = _palette(counted)
    index = {colour: _nearest(colour, palette) for colour in counted}
    rows = (
        bytes(map(index.__getitem__, pixels[y * width : (y + 1) * width])) for y in range(height)
    )
    data = b"".join(b"\0" + row for row in rows)
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    colours = b"".join(colour.to_bytes(4, "little")[:3] for colour in palette)
    chunks = (
        (b"IHDR", header),
        (b"PLTE", colours),
        (b"IDAT", zlib.compress(data, 9)),
        (b"IEND", b""),
    )
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks))


def _palette(counted: Counter[int]) -> list[int]:
    """Choose colours that are common, or unlike those that were chosen before."""
    lost = dict.fromkeys(counted, 3 * 255**2)
    chosen: list[int] = []
    while lost and len(chosen) < 256:
        best = max(lost, key=lambda colour: lost[colour] * counted[colour] ** 0.5)
        chosen.append(best)
        lost = {colour: min(far, _distance(colour, best)) for colour, far in lost.items()}
        lost = {colour: far for colour, far in lost.items() if far}
    return chosen


def _nearest(colour: int, palette: list[int]) -> int:
    return min(range(len(palette)), key=lambda place: _distance(colour, palette[place]))


def _distance(one: int, other: int) -> int:
    pairs = zip(one.to_bytes(4, "little"), other.to_bytes(4, "little"), strict=True)
    return sum((a - b) ** 2 for a, b in pairs)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
