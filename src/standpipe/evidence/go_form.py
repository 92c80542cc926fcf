"""A JSON object as Vault would have written it, where another JSON writer was on the way. Pure.

Vault and OpenBao encode entries by Go's encoding/json: no spaces, and in strings ``< > &``, U+2028, U+2029 and control
characters as escapes ("HTML escape", pkg.go.dev/encoding/json#HTMLEscape). Another writer may put spaces between
members or resolve the escapes. That is undone here; numbers and the order of members stay as they are found. Whether
the result is what Vault wrote, the record's length and the seal's digest decide.
"""

from __future__ import annotations

import json
import re

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+"|[ \t\r\n]++')
_PLAIN = re.compile(rb'"[^\\<>&\x00-\x1f\xe2]*+"')  # 0xE2 begins U+2028 and U+2029
_ESCAPED = re.compile('["\\\\<>&\x00-\x1f\u2028\u2029]')
_SHORT = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}


def go_form(body: bytes) -> bytes:
    """Return an object (one that records.objects.is_object accepts) without spaces and with Go's escapes."""
    return _TOKEN.sub(_token, body)


def _token(match: re.Match[bytes]) -> bytes:
    token = match[0]
    if token[:1] != b'"':
        return b""
    if _PLAIN.fullmatch(token):
        return token
    text: str = json.loads(token)
    return b'"%b"' % _ESCAPED.sub(_escape, text).encode("utf-8", "surrogatepass")


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    return _SHORT.get(character) or f"\\u{ord(character):04x}"
