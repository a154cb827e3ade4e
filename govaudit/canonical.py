"""One canonical form for everything that has an identity: RFC 8785 JSON over NFC text, hashed by SHA-256.

In: plain JSON values (dict, list, str, int, float, bool, None). Out: bytes or a hex digest.
Two texts that differ only in Unicode normalisation are the same text; two that differ in one blank are not.
"""

from __future__ import annotations

import hashlib
import unicodedata
from pathlib import Path
from typing import Any

import rfc8785


def _nfc(value: Any) -> Any:
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value)
    if isinstance(value, dict):
        return {_nfc(key): _nfc(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_nfc(item) for item in value]
    return value


def canonical(value: Any) -> bytes:
    """RFC 8785 (JCS) bytes of a JSON value whose strings were put into Unicode NFC."""
    return rfc8785.dumps(_nfc(value))


def digest(value: Any) -> str:
    """SHA-256 of the canonical form, 64 lower-case hexadecimal digits."""
    return hashlib.sha256(canonical(value)).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, 64 lower-case hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
