"""Record of a file or of a logged value that is not a number."""

from typing import Annotated

import msgspec

from tasuki.records.schema.record import Record

__all__ = ["File"]


class File(Record, frozen=True, kw_only=True, tag="file"):
    """A file, or a value that is not a number.

    Its content is here if it is a short text, else in `blobs` by sha256.

    Of one `path` there may be several records: what the latest of them leaves out, an earlier one says. One without is alone.
    `form` is what it is shown as: file, image, video, audio, html, object3d, table, histogram, markdown, trace, text or json.
    """

    path: str | None = None
    key: str | None = None
    step: Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    form: str | None = None
    caption: str | None = None
    sha256: str | None = None
    size: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] | None = None
    media_type: str | None = None
    content: str | None = None
