"""The XMP stamp of delivered copies: says that a picture was made by a trained model, and comes off without a trace.

``stamped`` puts one XMP packet into the container (PNG: an iTXt chunk, JPEG: an APP1 segment, WebP: an ``XMP `` chunk);
pixels and every other byte stay as they were received. ``unstamped`` is its exact inverse, so that a stamped copy is
still known by the digest of the picture it was made from. The word is IPTC's Digital Source Type
(https://cv.iptc.org/newscodes/digitalsourcetype/), where image hosts and search engines look for it.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import Final

_TEXT: Final = (
    b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
    b' xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:CreatorTool="pipeline"'
    b' Iptc4xmpExt:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"/>'
    b"</rdf:RDF></x:xmpmeta>"
)
PACKET: Final = _TEXT + b'<?xpacket end="w"?>'
_PACKET_AND_HEADER: Final = _TEXT + b'<?xpacket end="r"?>'
"""In a WebP file whose extended header is ours too: it goes when the packet goes."""

MOST: Final = 4096
"""Bytes by which a stamped copy is longer at most."""


def _png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


_PNG: Final = _png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + PACKET)
_PNG_AT: Final = 33
"""After the signature and IHDR, whose length is fixed."""

_JPEG_NAME: Final = b"http://ns.adobe.com/xap/1.0/\0"
_JPEG: Final = b"\xff\xe1" + struct.pack(">H", 2 + len(_JPEG_NAME) + len(PACKET)) + _JPEG_NAME + PACKET


def stamped(data: bytes) -> bytes:
    """*data* with the stamp. The same bytes for a GIF, and for a picture that has XMP of its own or that is odd."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        has_own = b"XML:com.adobe.xmp" in data
        return data if has_own or len(data) < _PNG_AT else data[:_PNG_AT] + _PNG + data[_PNG_AT:]
    if data.startswith(b"\xff\xd8"):
        at = _jpeg_place(data)
        return data if at is None or _JPEG_NAME in data else data[:at] + _JPEG + data[at:]
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return _webp_stamped(data)
    return data


def unstamped(data: bytes) -> bytes:
    """*data* without the stamp; the same bytes where there is none."""
    if data[_PNG_AT : _PNG_AT + len(_PNG)] == _PNG:
        return data[:_PNG_AT] + data[_PNG_AT + len(_PNG) :]
    if data.startswith(b"\xff\xd8"):
        at = _jpeg_place(data)
        found = at is not None and data[at : at + len(_JPEG)] == _JPEG
        return data[:at] + data[at + len(_JPEG) :] if at is not None and found else data
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return _webp_unstamped(data)
    return data


def _jpeg_place(data: bytes) -> int | None:
    """Behind JFIF and Exif, which want to be first; None for a broken file."""
    at = 2
    while len(data) >= at + 4 and data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if not (marker == 0xE0 or (marker == 0xE1 and data[at + 4 : at + 8] == b"Exif")):
            return at
        at += 2 + length
    return None


def _webp_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Names and contents; nothing for a file whose chunks do not fill it exactly."""
    found, at = [], 12
    while len(data) >= at + 8:
        name, length = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        found.append((name, data[at + 8 : at + 8 + length]))
        at += 8 + length + length % 2
    if at == len(data) == int.from_bytes(data[4:8], "little") + 8:
        yield from found


def _webp_chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def _webp_file(chunks: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WEBP" + chunks


def _webp_stamped(data: bytes) -> bytes:
    chunks = list(_webp_chunks(data))
    if not chunks or any(name == b"XMP " for name, _ in chunks):
        return data
    name, body = chunks[0]
    if name == b"VP8X" and len(body) == 10:
        marked = _webp_chunk(name, bytes([body[0] | 4]) + body[1:])
        return _webp_file(marked + data[12 + len(marked) :] + _webp_chunk(b"XMP ", PACKET))
    header = _webp_header(name, body)
    if header is None:
        return data
    return _webp_file(_webp_chunk(b"VP8X", header) + data[12:] + _webp_chunk(b"XMP ", _PACKET_AND_HEADER))


def _webp_header(name: bytes, body: bytes) -> bytes | None:
    """The extended header of a simple file (WebP container specification): flags, then width and height less one."""
    if name == b"VP8 " and len(body) >= 10:
        width, height = (int.from_bytes(body[at : at + 2], "little") & 0x3FFF for at in (6, 8))
        alpha = False
    elif name == b"VP8L" and len(body) >= 5:
        bits = int.from_bytes(body[1:5], "little")
        width, height, alpha = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, bool(bits >> 28 & 1)
    else:
        return None
    flags = 4 | (0x10 if alpha else 0)
    return bytes([flags, 0, 0, 0]) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")


def _webp_unstamped(data: bytes) -> bytes:
    for packet in (PACKET, _PACKET_AND_HEADER):
        tail = _webp_chunk(b"XMP ", packet)
        if not data.endswith(tail) or data[12:16] != b"VP8X":
            continue
        if packet is _PACKET_AND_HEADER:
            return _webp_file(data[30 : -len(tail)])
        return _webp_file(data[12:20] + bytes([data[20] & ~4]) + data[21 : -len(tail)])
    return data
