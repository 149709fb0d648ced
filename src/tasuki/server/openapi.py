"""`GET /openapi.json`: the OpenAPI description, generated from the request and response structs."""

from typing import Any

import msgspec
from litestar import Request, get

from tasuki.records import ReplicateRequest, RunEdit
from tasuki.server.auth.guards import ANY_TOKEN, requires
from tasuki.server.http.note_payloads import CorrectionPayload, IngestRequest, SyncRequest
from tasuki.server.http.schemas import StopRequestBody, SubmitRequest, SyncJobsRequest

__all__ = ["openapi"]

SCHEMA_REF_TEMPLATE = "#/components/schemas/{name}"
REQUEST_BODIES: dict[str, tuple[type[msgspec.Struct], ...]] = {
    "/api/v1/replicate": (ReplicateRequest,),
    "/api/v1/ingest": (IngestRequest, CorrectionPayload),
    "/api/v1/sync": (SyncRequest,),
    "/api/cloud/jobs/submit": (SubmitRequest,),
    "/api/cloud/jobs/sync": (SyncJobsRequest,),
    "/api/v1/runs/{id}/stop": (StopRequestBody,),
    "/api/v1/runs/{id}": (RunEdit,),
}
NON_POST_METHODS = {"/api/v1/runs/{id}": "patch"}
"""Of those that are no POST."""
OPTIONAL_BODIES = {"/api/v1/runs/{id}/stop"}
MSGPACK_BODIES = {"/api/v1/replicate"}


@get("/openapi.json", include_in_schema=False, opt=requires(ANY_TOKEN))
async def openapi(request: Request[Any, Any, Any]) -> dict[str, Any]:
    """Return the OpenAPI document.

    Add the request bodies, which handlers read as bytes and litestar cannot infer.
    """
    described: dict[str, Any] = request.app.openapi_schema.to_schema()
    for path, kinds in REQUEST_BODIES.items():
        references, structs = msgspec.json.schema_components(kinds, ref_template=SCHEMA_REF_TEMPLATE)
        described["components"]["schemas"] |= structs
        schema = references[0] if len(references) == 1 else {"anyOf": list(references)}
        types = ["application/json", *(["application/msgpack"] if path in MSGPACK_BODIES else [])]
        content = {kind: {"schema": schema} for kind in types}
        described["paths"][path][NON_POST_METHODS.get(path, "post")]["requestBody"] = {
            "required": path not in OPTIONAL_BODIES,
            "content": content,
        }
    return described
