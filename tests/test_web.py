"""One picture from a web server, also from one whose certificate a private CA has signed."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme

from tests.conftest import Program
from tests.make_pictures import photo


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(folder: Path, ca: trustme.CA | None = None) -> Iterator[str]:
    """Serve a folder on loopback; give its URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    if ca is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ca.issue_cert("127.0.0.1").configure_cert(context)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        scheme = "http" if ca is None else "https"
        yield f"{scheme}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "web" / "a folder"
    path.mkdir(parents=True)
    photo(40, 30).jpegsave(str(path / "100% ü.jpg"))
    return tmp_path / "web"


PICTURE = "a%20folder/100%25%20%C3%BC.jpg"


def test_a_picture_is_read_by_its_url_and_then_it_is_up_to_date(
    folder: Path, optimizr: Program, tmp_path: Path
) -> None:
    with serving(folder) as url:
        args = ("run", "--input", f"{url}/{PICTURE}", "--output", tmp_path / "out")
        first, second = optimizr(*args), optimizr(*args)
    assert first.returncode == 0, first.stdout
    assert (tmp_path / "out" / "100% ü.jpg.webp").read_bytes()[:4] == b"RIFF"
    assert '"up_to_date"' in second.stdout


def test_a_url_that_leads_nowhere_fails_as_a_picture(
    folder: Path, optimizr: Program, tmp_path: Path
) -> None:
    with serving(folder) as url:
        done = optimizr("run", "--input", f"{url}/none.jpg", "--output", tmp_path / "out")
    assert done.returncode == 1
    assert '"reason": "not_found"' in done.stdout


def test_a_private_ca_is_trusted_where_its_certificates_are_named(
    folder: Path, optimizr: Program, tmp_path: Path
) -> None:
    ca = trustme.CA()
    bundle = tmp_path / "ca.pem"
    ca.cert_pem.write_to_path(str(bundle))
    with serving(folder, ca) as url:
        args = ("run", "--input", f"{url}/{PICTURE}", "--output", tmp_path / "out")
        give_up = ("--store.give-up-after", "1s")
        assert optimizr(*args, *give_up).returncode == 3
        for variable in ("REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE"):
            done = optimizr(*args, "--force", **{variable: str(bundle)})
            assert done.returncode == 0, done.stdout
        missing = optimizr(*args, AWS_CA_BUNDLE="none.pem")
    assert missing.returncode == 2
    assert "AWS_CA_BUNDLE: expected a file of certificates (PEM), got 'none.pem'" in missing.stderr
