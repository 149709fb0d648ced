"""Routes of job providers: list, validate and configure them, and receive their webhooks."""

from typing import Any

import msgspec
from litestar import Response, get, post, put
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath

from tasuki.errors import RemoteRejected, RemoteUnavailable
from tasuki.jobs import InvalidSignature, Jobs, ProviderAccount, ProviderView, UnreadableMessage, redact_config
from tasuki.server.auth.guards import PUBLIC, requires
from tasuki.server.auth.principal import Scope
from tasuki.server.http.problems import HttpProblem, Problem
from tasuki.server.routes.jobs.job_requests import (
    PROBLEM_RESPONSES,
    AuthenticatedRequest,
    parse_body,
    read_body,
    translate_job_errors,
)
from tasuki.server.workers.receiver import StreamReceiver

__all__ = ["PROVIDER_ROUTES"]

MAX_WEBHOOK_BYTES = 1024 * 1024
RETRY_SECONDS = 30


class ProviderList(msgspec.Struct, frozen=True):
    """Job providers with their status."""

    providers: list[ProviderView]


class WebhookAccepted(msgspec.Struct, frozen=True):
    """The webhook was accepted, now or before."""

    status: str = "ok"


@get("/api/cloud/providers", summary="Where jobs run", opt=requires(Scope.READ), responses={
    200: ResponseSpec(ProviderList, description="All providers"),
})  # fmt: skip
async def providers(jobs: Jobs) -> ProviderList:
    """Return each provider, whether it is configured, and whether it is reachable."""
    return ProviderList(await jobs.list_providers())


@get(
    ["/api/cloud/providers/{name:str}/validate", "/api/cloud/{name:str}/validate"], summary="Does it take our key?",
    opt=requires(Scope.WRITE), responses={200: ResponseSpec(ProviderAccount, description="Whether it does"), **PROBLEM_RESPONSES},
)  # fmt: skip
async def validate(jobs: Jobs, name: FromPath[str]) -> ProviderAccount:
    """Return whether the provider accepts the configured key, and the account of the key."""
    with translate_job_errors("provider_not_found"):
        return await jobs.validate(name)


@get("/api/cloud/providers/{name:str}/config", summary="How a provider is set up", opt=requires(Scope.ADMIN), responses={
    200: ResponseSpec(dict[str, Any], description="Without secrets"), **PROBLEM_RESPONSES,
})  # fmt: skip
async def config(jobs: Jobs, name: FromPath[str]) -> dict[str, Any]:
    """Return the configuration of a provider; of a secret, only whether it is set."""
    with translate_job_errors("provider_not_found"):
        return redact_config(jobs.get_config(name))


@put("/api/cloud/providers/{name:str}/config", summary="Set a provider up", opt=requires(Scope.ADMIN), responses={
    200: ResponseSpec(dict[str, Any], description="As it is now, without secrets"), **PROBLEM_RESPONSES,
})  # fmt: skip
async def configure(request: AuthenticatedRequest, jobs: Jobs, receiver: StreamReceiver, name: FromPath[str]) -> dict[str, Any]:
    """Change the named settings; null removes a setting made by this call before."""
    changes: dict[str, Any] = parse_body(await read_body(request, receiver), dict[str, Any])
    with translate_job_errors("provider_not_found"):
        await jobs.configure(name, changes)
        return redact_config(jobs.get_config(name))


@post("/api/webhooks/{provider:str}", status_code=200, summary="News of a provider", opt=requires(PUBLIC), responses={
    200: ResponseSpec(WebhookAccepted, description="Taken, or taken before"),
    400: ResponseSpec(Problem, description="Signed, and no job"),
    401: ResponseSpec(Problem, description="Not signed by the provider, or not now"),
    404: PROBLEM_RESPONSES[404],
    413: PROBLEM_RESPONSES[413],
    503: ResponseSpec(Problem, description="Send it again: the provider's key can't be had now"),
})  # fmt: skip
async def webhook(
    request: AuthenticatedRequest, jobs: Jobs, receiver: StreamReceiver, provider: FromPath[str]
) -> Response[WebhookAccepted]:
    """Accept a webhook with the provider's job object, signed as in Standard Webhooks.

    Repeated webhooks change nothing.
    """
    body = await read_body(request, receiver, MAX_WEBHOOK_BYTES)
    headers = {key: request.headers.get(key, "") for key in ("webhook-id", "webhook-timestamp", "webhook-signature")}
    try:
        with translate_job_errors("provider_not_found"):
            await jobs.receive_webhook(provider, headers, body)
    except InvalidSignature as error:
        raise HttpProblem(401, str(error), error="bad_signature") from error
    except UnreadableMessage as error:
        raise HttpProblem(400, error.message, error="unreadable") from error
    except (RemoteUnavailable, RemoteRejected) as error:
        raise HttpProblem(503, error.message, error="no_key", retry_after_seconds=RETRY_SECONDS) from error
    return Response(WebhookAccepted())


PROVIDER_ROUTES = [providers, validate, config, configure, webhook]
