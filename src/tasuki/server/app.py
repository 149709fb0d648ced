"""The ASGI application: routes, dependencies, error handling, and middleware."""

from typing import Any

import msgspec
from litestar import Litestar, Request, Response, get
from litestar.di import Provide
from litestar.openapi import OpenAPIConfig
from litestar.types import ASGIApp

from tasuki import __version__
from tasuki.errors import NotFound
from tasuki.server.auth.guards import ANY_TOKEN, authorize, requires
from tasuki.server.auth.middleware import LOOPBACK_NAMES, RequestMiddleware
from tasuki.server.auth.principal import Principal
from tasuki.server.components import Components
from tasuki.server.http.body_limits import MAX_BODY_BYTES
from tasuki.server.http.problems import PROBLEM_MEDIA_TYPE, problem_from
from tasuki.server.http.schemas import Meta
from tasuki.server.openapi import openapi
from tasuki.server.protocols.trackio import TRACKIO_ROUTES
from tasuki.server.routes.events import event_stream
from tasuki.server.routes.files import FILE_ROUTES
from tasuki.server.routes.jobs.jobs import JOB_ROUTES
from tasuki.server.routes.jobs.providers import PROVIDER_ROUTES
from tasuki.server.routes.notes import NOTE_ROUTES
from tasuki.server.routes.projects import PROJECT_ROUTES
from tasuki.server.routes.query_request import provide_query_request
from tasuki.server.routes.remotes import REMOTE_ROUTES
from tasuki.server.routes.replicate import replicate
from tasuki.server.routes.run_edits import RUN_EDIT_ROUTES
from tasuki.server.routes.runs import RUN_ROUTES
from tasuki.server.routes.series import SERIES_ROUTES
from tasuki.server.routes.session import SESSION_ROUTES
from tasuki.server.routes.static import STATIC_ROUTES
from tasuki.server.routes.streams import STREAM_ROUTES

__all__ = ["create_app", "problem_response"]


def provide_value(value: Any) -> Provide:
    """Provide a value as a dependency, injected by parameter name."""
    return Provide(lambda: value, sync_to_thread=False, use_cache=True)


@get("/api/v1/meta", summary="Who answers", opt=requires(ANY_TOKEN))
async def meta(components: Components) -> Meta:
    """Return the versions, the id of the data folder (`server_id`), and of this server start (`boot_id`)."""
    return components.meta


def create_app(components: Components, host: str) -> ASGIApp:
    """Build the ASGI application; its lifespan starts and stops the components.

    `host`: the name or address that the server listens on, accepted in the `Host` header besides the loopback names.
    """
    app = Litestar(
        route_handlers=[
            meta,
            openapi,
            *PROJECT_ROUTES,
            *RUN_ROUTES,
            *FILE_ROUTES,
            *SERIES_ROUTES,
            *STREAM_ROUTES,
            *SESSION_ROUTES,
            *REMOTE_ROUTES,
            *NOTE_ROUTES,
            *RUN_EDIT_ROUTES,
            *TRACKIO_ROUTES,
            replicate,
            event_stream,
            *JOB_ROUTES,
            *PROVIDER_ROUTES,
            *STATIC_ROUTES,
        ],
        guards=[authorize],
        dependencies={
            "components": provide_value(components),
            "authenticator": provide_value(components.authenticator),
            "readers": provide_value(components.readers),
            "receiver": provide_value(components.receiver),
            "server_journal": provide_value(components.server_journal),
            "client_streams": provide_value(components.trackio_streams),
            "uploads": provide_value(components.trackio_uploads),
            "brain_rate_limit": provide_value(components.brain_rate_limit),
            "jobs": provide_value(components.jobs),
            "hub": provide_value(components.hub),
            "log_stream_counts": provide_value(components.log_stream_counts),
            "relay_folder": provide_value(components.relay_folder),
            "query_request": Provide(provide_query_request),
        },
        exception_handlers={Exception: problem_response},
        openapi_config=OpenAPIConfig(title="tasuki", version=__version__, path="/openapi", render_plugins=[]),
        lifespan=[components.lifespan],
        request_max_body_size=MAX_BODY_BYTES,
        logging_config=None,
    )
    app.state.hub = components.hub
    return RequestMiddleware(app, components.authenticator, LOOPBACK_NAMES | {host})


def problem_response(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Return the problem response for an error.

    Omit the hint of NotFound unless the token is for all projects.
    Such hints list the projects and runs that exist.
    """
    problem, headers = problem_from(error)
    principal: Principal | None = request.scope.get("auth")
    if isinstance(error, NotFound) and (principal is None or principal.project is not None):
        problem = msgspec.structs.replace(problem, hint=None)
    return Response(msgspec.json.encode(problem), status_code=problem.status, media_type=PROBLEM_MEDIA_TYPE, headers=headers)
