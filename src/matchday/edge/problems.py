"""Problems: every error of the HTTP door, as RFC 9457 says them."""

import msgspec
from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"


class ProblemDetails(msgspec.Struct, frozen=True, omit_defaults=True):
    """What went wrong, for programs and for people."""

    type: str
    title: str
    status: int
    reason: str
    """The name to act on; the end of ``type``."""
    detail: str = ""
    """Names what is wrong and the remedy."""
    field: str = ""
    """The field that is wrong, where one is."""
    price: str = ""
    """Of price_moved: the price now."""
    generation: int = -1
    """Of price_moved and generation_stale: the generation now."""


class Problem(Exception):
    """Raised by a door; answered as ProblemDetails."""

    def __init__(self, status: int, reason: str, detail: str = "", *, field: str = "", price: str = "",
                 generation: int = -1, retry_after_s: int = 0) -> None:  # fmt: skip
        super().__init__(f"{reason}: {detail}")
        self.details = ProblemDetails(
            f"/problems/{reason}",
            reason.replace("_", " ").capitalize(),
            status,
            reason,
            detail,
            field,
            price,
            generation,
        )
        self.retry_after_s = retry_after_s

    def response(self) -> Response:
        """As it goes out."""
        headers = {"Retry-After": str(self.retry_after_s)} if self.retry_after_s else {}
        body = msgspec.json.encode(self.details)
        return Response(body, self.details.status, headers, MEDIA_TYPE)
