"""Amazon S3, and what speaks like it: credentials and listing by boto3."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnection
from botocore.parsers import ResponseParserError
from obstore.auth.boto3 import Boto3CredentialProvider
from obstore.store import S3Store

from optimizr.sections import StoreSettings
from optimizr.store import Object
from optimizr.store.cloud.backend import Backend, Page
from optimizr.store.cloud.clients import CONNECT_SECONDS, ONCE, client_options
from optimizr.store.cloud.objects import Objects
from optimizr.store.cloud.refusals import NO_CREDENTIALS, Refusal
from optimizr.store.place import Place


def connect(place: Place, settings: StoreSettings) -> Backend:
    """Reach a bucket, with the credentials that boto3 finds. Raises Refusal."""
    with _translated():
        session = boto3.Session()
        client = _client(session, settings)
        credentials = session.get_credentials()
        if credentials is None:
            raise Refusal(401, NO_CREDENTIALS)
        endpoint = client.meta.endpoint_url
        is_amazon = ".amazonaws.com" in (urlsplit(endpoint).hostname or "")
        region = _region(client, place.bucket)
    store = S3Store(
        place.bucket,
        region=region,
        **({} if is_amazon else {"endpoint": endpoint}),
        virtual_hosted_style_request=False,
        disable_bulk_delete=True,  # not all that speak S3 have it
        # boto3 renews what ends within 15 minutes: to ask it less often would miss that.
        credential_provider=Boto3CredentialProvider(session, ttl=timedelta(minutes=5)),
        client_options=client_options(settings, endpoint),
        retry_config=ONCE,
    )

    def page(prefix: str, token: str | None, most: int) -> Page:
        return _page(client, place.bucket, prefix, token, most)

    def ends_before(span: timedelta) -> bool:
        return _ends_before(credentials, span)

    objects = Objects(store)
    return Backend(objects, page, objects.sign, ends_before)


def _client(session: Any, settings: StoreSettings) -> Any:
    """Make a client that asks once; buckets stand in the path wherever an endpoint is given."""
    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=settings.timeout.total_seconds(),
        retries={"total_max_attempts": 1},
        s3={"addressing_style": "path"} if settings.endpoint else None,
    )
    return session.client("s3", endpoint_url=settings.endpoint, config=config)


def _region(client: Any, bucket: str) -> str:
    """Ask where a bucket is: a request to another region is refused.

    Who may not ask is told all the same. Raises Refusal if there is no such bucket: some stores
    list nothing then, and make the bucket when the first object comes.
    """
    try:
        answer = client.head_bucket(Bucket=bucket)["ResponseMetadata"]
    except ClientError as error:
        answer = error.response["ResponseMetadata"]
        if answer.get("HTTPStatusCode") == 404:
            raise Refusal(404, "NoSuchBucket") from None
        if answer.get("HTTPStatusCode") not in (301, 400, 403):
            raise
    return str(answer["HTTPHeaders"].get("x-amz-bucket-region", client.meta.region_name))


def _page(client: Any, bucket: str, prefix: str, token: str | None, most: int) -> Page:
    more = {} if token is None else {"ContinuationToken": token}
    with _translated():
        answer = client.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=most, **more)
    objects = [
        Object(
            found["Key"].encode("utf-8", "surrogateescape"),
            found["Size"],
            found["ETag"],
            int(found["LastModified"].timestamp() * 1e9),
        )
        for found in answer.get("Contents", ())
    ]
    return Page(objects, answer.get("NextContinuationToken"))


def _ends_before(credentials: Any, span: timedelta) -> bool:
    """Tell whether credentials may end sooner; of those from outside only that they will end."""
    if hasattr(credentials, "refresh_needed"):
        return bool(credentials.refresh_needed(refresh_in=span.total_seconds()))
    return credentials.token is not None


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        status = error.response["ResponseMetadata"].get("HTTPStatusCode", 400)
        raise Refusal(status, error.response["Error"].get("Code", "")) from None
    except (HTTPClientError, NoConnection, ResponseParserError) as error:
        # None, none in time, a cut one, or what is no answer of S3's.
        raise Refusal(None, type(error).__name__) from None
    except (BotoCoreError, ValueError) as error:
        raise Refusal(400, type(error).__name__) from None
