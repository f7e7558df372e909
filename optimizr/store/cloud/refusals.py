"""What a store answers instead of what it was asked for, in terms that all clouds share."""

from __future__ import annotations

import re

from optimizr.patience import Refused

NO_CREDENTIALS = "NoCredentials"
"""Our own word for it, among the services' words."""


class Refusal(Refused):
    """What a store answered instead of what it was asked for; known to `store` only.

    `status` is of HTTP, None if there was no answer; `code` is the service's own word.
    """

    def __init__(self, status: int | None, code: str = "") -> None:
        super().__init__(status, code)
        self.status = status
        self.code = code

    def __str__(self) -> str:
        if self.code == NO_CREDENTIALS:
            return "no credentials are found"
        if self.status is None:
            return self.code or "no answer"
        return f"HTTP {self.status} {self.code}".rstrip()

    @property
    def is_passing(self) -> bool:
        """Tell whether it may be over in a moment: no answer, throttling, a server's own error.

        409 is S3's and Azure's answer to writes at the same moment.
        """
        if self.status is None or self.status in (408, 409, 429):
            return True
        if self.status >= 500 and self.status != 501:  # what is not implemented will not be soon
            return True
        return self.code in ("RequestTimeout", "SlowDown", "ServerBusy", "TooManyRequests")

    @property
    def is_of_credentials(self) -> bool:
        """Tell whether it is the credentials that are refused, whatever is asked for."""
        return self.status == 401 or self.code in _CREDENTIALS

    @property
    def is_of_bucket(self) -> bool:
        """Tell whether there is no such bucket."""
        return self.code in ("NoSuchBucket", "ContainerNotFound", "ContainerBeingDeleted")


_CREDENTIALS = frozenset(
    {
        "AuthenticationFailed",
        "AuthorizationHeaderMalformed",
        "ExpiredToken",
        "InvalidAccessKeyId",
        "InvalidAuthenticationInfo",
        "InvalidToken",
        NO_CREDENTIALS,
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
        "TokenRefreshRequired",
    }
)
_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>(\w+)</Code>")
_KIND = re.compile(r"kind: (Connect|Timeout|Interrupted)\b")
_SAID = {"Connect": "no connection", "Timeout": "no answer in time", "Interrupted": "a cut answer"}
_CONFLICTS = ("ConditionalRequestConflict", "OperationAborted")
"""Of S3, with 409: others write there just now. obstore says of it that there is an object."""
_STATUSES = {
    "PermissionDeniedError": 403,
    "UnauthenticatedError": 401,
    "AlreadyExistsError": 412,
    "PreconditionError": 412,
    "NotModifiedError": 304,
    "FileNotFoundError": 404,
    "NotSupportedError": 501,
}


def refusal_of(error: Exception) -> Refusal:
    """Translate an error of obstore, by its class, and where that says little by its text.

    The text itself goes no further: with Azure it may hold a URL that is signed.
    """
    text = str(error)
    status = _STATUSES.get(type(error).__name__)
    found, code, kind = _STATUS.search(text), _CODE.search(text), _KIND.search(text)
    if found is not None and (status is None or (code and code[1] in _CONFLICTS)):
        status = int(found[1])
    if status is None and code is None:
        return Refusal(None, _SAID[kind[1]] if kind is not None else "no answer")
    if "RangeNotSupported" in text:
        return Refusal(501, "RangeNotSupported")
    return Refusal(status, code[1] if code is not None else "")
