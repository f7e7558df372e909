"""docs/queues.md says of URLs, messages and settings what is so; its recipe for S3 works."""

from __future__ import annotations

import json
import re
import uuid
from typing import Any

import boto3
import pytest

from docs.generate import ROOT
from optimizr.errors import PASSING
from optimizr.queue.address import FORMS, parse
from optimizr.sections import QueueSettings
from optimizr.source.messages import read
from optimizr.source.root import Root
from optimizr.units import format_seconds
from tests.conftest import Program, converted
from tests.make_pictures import photo
from tests.servers.sqs import REGION, Sqs

PAGE = (ROOT / "docs/queues.md").read_text()


def rows(title: str) -> list[list[str]]:
    """Give the cells of the first table below a title, without its head."""
    table = PAGE.split(f"## {title}\n", 1)[1].split("\n|", 1)[1].split("\n\n", 1)[0]
    lines = table.splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_every_form_of_url_is_in_the_table_and_can_be_read() -> None:
    told = [url for urls, *_ in rows("URLs") for url in re.findall(r"`([^`]+://[^`]*)`", urls)]
    assert {url.partition("://")[0] for url in told} == FORMS.keys()
    for url in told:
        if url.partition("://")[2]:
            parse("input", url.replace("HOST:PORT", "host:1"))


@pytest.mark.parametrize("example", [example for _, example in rows("Messages")])
def test_every_example_of_a_message_is_about_a_picture_below_the_root(example: str) -> None:
    (told,) = read(example.strip("`").encode(), {})
    key = Root.given(f"{told.base.partition('://')[0] or 's3'}://photos").key_of(told)
    assert key is not None
    assert key.startswith(b"2024/a")


def test_every_setting_is_in_the_table_with_its_default() -> None:
    told = {name.strip("`"): default for name, default, _ in rows("Settings")}
    fields = QueueSettings.model_fields
    assert told.keys() == {"root", *(f"queue.{name}" for name in fields)}
    for name, field in fields.items():
        default = field.default
        shown = "none" if default is None else str(default)
        if hasattr(default, "total_seconds"):
            shown = format_seconds(default.total_seconds())
        assert told[f"queue.{name}"].replace("60s", "1m") == shown.replace("60s", "1m")


def test_what_passes_is_named() -> None:
    (row,) = [what for what, _ in rows("What becomes of a message") if "in passing (" in what]
    assert set(re.findall(r"`(\w+)`", row)) == {str(reason) for reason in PASSING}


def blocks(title: str) -> list[Any]:
    """Give the JSON of a section, with account and region filled in."""
    section = PAGE.split(f"### {title}\n", 1)[1].split("\n### ", 1)[0]
    found = re.findall(r"```json\n(.*?)```", section, re.DOTALL)
    filled = [
        text.replace("<REGION>", REGION).replace("<ACCOUNT>", "123456789012") for text in found
    ]
    return [json.loads(text) for text in filled]


def test_the_recipe_for_s3_leads_from_the_bucket_to_the_webp(sqs: Sqs, optimizr: Program) -> None:
    """Against moto's S3 and SQS, of which the former sends notifications to the latter."""
    name = f"photos-{uuid.uuid4().hex}"
    policy, notification = json.loads(
        json.dumps(blocks("Amazon S3 and SQS")).replace(":photos", f":{name}")
    )
    client = sqs.client()
    client.create_queue(QueueName=name, Attributes={"Policy": json.dumps(policy)})
    s3 = boto3.client(
        "s3",
        endpoint_url=sqs.endpoint,
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        region_name=REGION,
    )
    where = {"LocationConstraint": REGION}
    for bucket in (name, f"{name}-webps"):
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=where)
    s3.put_bucket_notification_configuration(Bucket=name, NotificationConfiguration=notification)
    data = photo(40, 30).jpegsave_buffer()
    for key in ("a b+c.jpg", "ä/100%.jpg"):
        s3.put_object(Bucket=name, Key=key, Body=data)
    done = optimizr(
        *("run", "--input", f"sqs://{name}", "--root", f"s3://{name}"),
        *("--output", f"s3://{name}-webps", "--queue.idle-exit", "1s"),
        **{**sqs.environment(), "AWS_ENDPOINT_URL_S3": sqs.endpoint},
    )
    client.close()
    s3.close()
    assert done.returncode == 0, done.stderr
    assert converted(done) == {"a b+c.jpg", "ä/100%25.jpg"}
