"""`GET /openapi.json`: this API, described from the structs that it is made of."""

from typing import Any

import msgspec
from litestar import Request, get

from tasuki.records import Replicate

__all__ = ["openapi"]

NAMED = "#/components/schemas/{name}"
SENDING = "/api/v1/replicate"


@get("/openapi.json", include_in_schema=False)
async def openapi(request: Request[Any, Any, Any]) -> dict[str, Any]:
    """This API as OpenAPI. The body of `replicate`, which is read as bytes, is described here."""
    described: dict[str, Any] = request.app.openapi_schema.to_schema()
    (reference,), structs = msgspec.json.schema_components((Replicate,), ref_template=NAMED)
    described["components"]["schemas"] |= structs
    content = {kind: {"schema": reference} for kind in ("application/json", "application/msgpack")}
    described["paths"][SENDING]["post"]["requestBody"] = {"required": True, "content": content}
    return described
