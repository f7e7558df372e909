"""What tests rely on in the servers they talk to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.servers import gcs
from tests.servers.azurite import Azure
from tests.servers.fixtures import AsIdentity
from tests.servers.gcs import Gcs
from tests.servers.seaweed import S3, connect
from tests.servers.shared import run_root, shared


def refused(call: Any, **arguments: Any) -> int:
    """Make a call that must fail; give its status."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    status: int = caught.value.response["ResponseMetadata"]["HTTPStatusCode"]
    return status


def test_seaweed_refuses_a_wrong_secret(s3: S3) -> None:
    bucket = s3.new_bucket()
    wrong = connect(s3.endpoint, s3.access_key, "wrong")
    assert refused(wrong.client.list_objects_v2, Bucket=bucket) == 403
    wrong.client.close()


def test_seaweed_lets_a_reader_read_and_never_write(s3: S3, s3_as: AsIdentity) -> None:
    bucket, reader = s3.new_bucket("pictures"), s3_as("reader")
    s3.client.put_object(Bucket=bucket, Key="a.jpg", Body=b"bytes")
    assert reader.client.get_object(Bucket=bucket, Key="a.jpg")["Body"].read() == b"bytes"
    assert reader.client.list_objects_v2(Bucket=bucket)["KeyCount"] == 1
    assert refused(reader.client.put_object, Bucket=bucket, Key="b.jpg", Body=b"") == 403


def test_seaweed_lets_a_writer_write_to_its_own_buckets_alone(s3: S3, s3_as: AsIdentity) -> None:
    own, other, writer = s3.new_bucket("webps"), s3.new_bucket("pictures"), s3_as("writer")
    writer.client.put_object(Bucket=own, Key="a.webp", Body=b"bytes")
    assert refused(writer.client.put_object, Bucket=other, Key="a.webp", Body=b"") == 403
    assert refused(writer.client.list_objects_v2, Bucket=other) == 403


def test_seaweed_honours_conditions_of_a_put(s3: S3) -> None:
    bucket = s3.new_bucket()
    put = {"Bucket": bucket, "Key": "a.webp"}
    etag = s3.client.put_object(**put, Body=b"first", IfNoneMatch="*")["ETag"]
    assert refused(s3.client.put_object, **put, Body=b"second", IfNoneMatch="*") == 412
    assert refused(s3.client.put_object, **put, Body=b"second", IfMatch='"0123"') == 412
    assert s3.client.get_object(**put)["Body"].read() == b"first"
    s3.client.put_object(**put, Body=b"second", IfMatch=etag)
    assert s3.client.get_object(**put)["Body"].read() == b"second"


def test_seaweed_serves_who_has_a_presigned_url_and_no_other(s3: S3) -> None:
    bucket = s3.new_bucket()
    s3.client.put_object(Bucket=bucket, Key="a b.webp", Body=b"bytes")
    url = s3.client.generate_presigned_url(
        "get_object", Params={"Bucket": bucket, "Key": "a b.webp"}, ExpiresIn=60
    )
    with urllib.request.urlopen(url) as answer:
        assert answer.read() == b"bytes"
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(url.partition("?")[0])
    assert caught.value.code == 403
    caught.value.close()


def test_buckets_of_tests_are_their_own(s3: S3) -> None:
    assert s3.new_bucket() != s3.new_bucket()


def test_fake_gcs_gives_and_lists_what_was_put(fake_gcs: Gcs) -> None:
    bucket = fake_gcs.new_bucket()
    fake_gcs.ask("POST", f"/upload/storage/v1/b/{bucket}/o?uploadType=media&name=a.webp", b"bytes")
    assert fake_gcs.ask("GET", f"/storage/v1/b/{bucket}/o/a.webp?alt=media") == b"bytes"
    listed = json.loads(fake_gcs.ask("GET", f"/storage/v1/b/{bucket}/o"))["items"]
    assert [item["name"] for item in listed] == ["a.webp"]


def test_fake_gcs_tells_what_an_xml_put_made_and_heeds_its_condition(fake_gcs: Gcs) -> None:
    url = f"{fake_gcs.endpoint}/{fake_gcs.new_bucket()}/d%2Fa.webp"
    headers = {"x-goog-if-generation-match": "0", "Cache-Control": "max-age=60"}
    put = urllib.request.Request(url, b"bytes", headers, method="PUT")
    with urllib.request.urlopen(put) as answer:
        made = answer.headers
    with urllib.request.urlopen(url) as answer:
        assert answer.read() == b"bytes"
        assert answer.headers["Cache-Control"] == "max-age=60"
        for name in ("ETag", "x-goog-generation"):
            assert made[name] == answer.headers[name]
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(put)
    assert caught.value.code == 412
    caught.value.close()
    put.add_header("x-goog-if-generation-match", made["x-goog-generation"])
    with urllib.request.urlopen(put) as answer:
        assert answer.status == 200


@pytest.mark.skipif(gcs.program() is None, reason="fake-gcs-server is not installed")
def test_a_server_lasts_until_its_last_living_holder_has_gone(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    name = f"of-{os.getpid()}"
    with shared(tmp_path_factory, name, gcs.command) as facts:
        with shared(tmp_path_factory, name, gcs.command) as same:
            assert same == facts
        server = Gcs(facts["endpoint"])
        assert server.new_bucket()
        # One that crashed has not let go of it.
        crashed = subprocess.Popen([sys.executable, "-c", ""])
        crashed.wait()
        state_file = run_root(tmp_path_factory) / f"server-{name}" / "state.json"
        state = json.loads(state_file.read_text())
        state["holders"].append(crashed.pid)
        state_file.write_text(json.dumps(state))
    with pytest.raises(urllib.error.URLError):
        server.new_bucket()


def test_azurite_gives_and_lists_what_was_put(azure: Azure) -> None:
    container = azure.new_container()
    azure.ask("PUT", f"/{container}/a.webp", b"bytes", x_ms_blob_type="BlockBlob")
    assert azure.ask("GET", f"/{container}/a.webp") == b"bytes"
    listed = azure.ask("GET", f"/{container}?restype=container&comp=list")
    assert b"<Name>a.webp</Name>" in listed
