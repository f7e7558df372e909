"""What obstore needs of a Google Cloud Storage and fake-gcs-server lacks.

obstore puts by Google's XML API. Of that, fake-gcs-server knows only PUTs to signed URLs, answers
them without the headers that tell what was made, and heeds no condition.
"""

from __future__ import annotations

import asyncio
import json
import re
import urllib.error
import urllib.request
from asyncio import StreamReader

from tests.servers.faults import Faults
from tests.servers.http_bytes import Head, answer_body

_JSON_API = ("/storage/", "/upload/", "/resumable/", "/_internal/")


class Front(Faults):
    """Stands before fake-gcs-server, and gives it what it understands."""

    async def before(self, head: Head) -> int | None:
        """Refuse a PUT whose condition does not hold. Two at the same time may both be let in."""
        status = await super().before(head)
        wanted = head.headers.get("x-goog-if-generation-match")
        if status is None and wanted is not None and _is_xml_put(head):
            there = await asyncio.to_thread(self._generation, head.first[1])
            return None if wanted == there else 412
        return status

    def forwarded(self, head: Head) -> bytes:
        """Mark a PUT of the XML API as signed; name the host that the XML API is served under."""
        method, path, version = head.first
        if _is_xml_put(head):
            path += f"{'&' if '?' in path else '?'}X-Goog-Algorithm=GOOG4-RSA-SHA256"
        _, _, headers = head.raw.partition(b"\r\n")
        host = ":".join(map(str, self.target)).encode()
        headers = re.sub(rb"(?im)^host:[^\r]*", b"Host: " + host, headers, count=1)
        return f"{method} {path} {version}\r\n".encode("latin-1") + headers

    async def replaced(self, head: Head, answer: Head, server: StreamReader) -> bytes | None:
        """Tell in headers, as the XML API does, what a PUT has made."""
        if not (_is_xml_put(head) and answer.status == 200):
            return None
        made = json.loads(b"".join([piece async for piece in answer_body(server, answer)]))
        lines = ["HTTP/1.1 200 OK", f'ETag: "{made["etag"]}"', "Content-Length: 0"]
        return "\r\n".join([*lines, f"x-goog-generation: {made['generation']}", "", ""]).encode()

    def _generation(self, path: str) -> str:
        """Look up the generation of an object; "0" is that of none."""
        bucket, _, name = path.partition("?")[0].lstrip("/").partition("/")
        host, port = self.target
        url = f"http://{host}:{port}/storage/v1/b/{bucket}/o/{name.replace('/', '%2F')}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return str(json.load(answer)["generation"])
        except urllib.error.HTTPError as error:
            error.close()
            return "0"


def _is_xml_put(head: Head) -> bool:
    return head.first[0] == "PUT" and not head.first[1].startswith(_JSON_API)
