"""Replicate: predictions and trainings, by its HTTP API (https://replicate.com/docs/reference/http)."""

import base64
import binascii
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import msgspec
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from tasuki.clock import SYSTEM_CLOCK, Clock
from tasuki.errors import (
    ConfigError,
    ConnectionFailed,
    NotFound,
    RateLimited,
    RemoteMisconfigured,
    RemoteUnavailable,
    RequestRejected,
)
from tasuki.jobs.providers.prices import REPLICATE_PRICES
from tasuki.jobs.providers.protocol import ProviderAccount, ProviderJob, ProviderPage, is_large
from tasuki.jobs.storage.requests import JobRequest, restart_from_inputs
from tasuki.records import Job, JobStatus, Observation
from tasuki.retry_after import parse_retry_after
from tasuki.settings import ReplicateSettings

__all__ = ["ReplicateProvider", "parse_job", "parse_pause"]

STATES = {  # https://replicate.com/docs/reference/http#predictions.get
    "starting": JobStatus.QUEUED,
    "processing": JobStatus.RUNNING,
    "succeeded": JobStatus.COMPLETED,
    "failed": JobStatus.FAILED,
    "canceled": JobStatus.CANCELLED,
    "aborted": JobStatus.CANCELLED,
}
ABORTED_MESSAGE = "its deadline came before it began (aborted)"
KINDS = ("predictions", "trainings")
CREATE_RATE = RateLimitItemPerMinute(600)
DEFAULT_RATE = RateLimitItemPerMinute(3000)
TIMEOUT_SECONDS = 10.0
RESET_PATTERN = re.compile(r"resets in ~?\s*(\d+(?:\.\d+)?)\s*s")
MAX_PAUSE_SECONDS = 3600.0
MAX_RUN_SECONDS = 1e9
WEBHOOK_EVENTS = ["start", "logs", "completed"]


class ReplicateProvider:
    """One account. Without an API key, raise an error instead of calling."""

    name = "replicate"
    title = "Replicate"
    defers_submission = False

    def __init__(self, settings: ReplicateSettings, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self.settings = settings
        self.clock = clock
        self.account: str | None = None
        self.keys: list[bytes] = []
        self.hardware = settings.hardware
        self.prices: Mapping[str, float] = REPLICATE_PRICES | settings.prices
        self.rate_limiter = MovingWindowRateLimiter(MemoryStorage())
        self.base_url = settings.base_url.rstrip("/")
        headers = {"Authorization": f"Bearer {settings.token}", "User-Agent": "tasuki"}
        limits = httpx.Limits(max_connections=16, keepalive_expiry=60)
        self.client = httpx.AsyncClient(headers=headers, timeout=TIMEOUT_SECONDS, limits=limits, trust_env=False)

    async def close(self) -> None:
        """Close the connections."""
        await self.client.aclose()

    def may_know_job(self, job: Job, /) -> bool:
        """Return whether the provider has given the job an id."""
        return job.external_id is not None

    def check_request(self, request: JobRequest, /) -> None:
        """Accept everything: Replicate itself refuses what it cannot run."""

    def build_retry_metadata(self, job: Job, request: JobRequest | None, restart: str | None, /) -> dict[str, Any]:
        """Return the metadata of a new attempt: a prediction starts over."""
        return restart_from_inputs(job, request, restart)

    async def validate(self) -> ProviderAccount:
        """Call `GET /v1/account`."""
        found = await self.call("GET", "/v1/account")
        self.account = str(found.get("username") or "")
        return ProviderAccount(valid=True, user_info={key: found[key] for key in ("username", "name", "type") if key in found})

    async def prepare(self, _: Job, request: JobRequest) -> JobRequest:
        """Upload large data URIs as files; replace them by their addresses."""
        if request.env:
            raise ConfigError("Replicate takes inputs, and no environment", hint='{"inputs": {...}}')
        inputs = dict(request.inputs)
        for name, value in inputs.items():
            if is_large(value):
                inputs[name] = await self.upload(name, value)
        return msgspec.structs.replace(request, inputs=inputs)

    async def upload(self, name: str, uri: str) -> str:
        """Upload one file; return its address."""
        kind, content = parse_data_uri(uri)
        answer = await self.call("POST", "/v1/files", files={"content": (name, content, kind)})
        return str(answer["urls"]["get"])

    async def submit(self, job: Job, request: JobRequest) -> ProviderJob:
        """Submit a prediction, or a training if the job's metadata names a `destination`."""
        version = str(job.metadata.get("version") or self.settings.version or "")
        if not version:
            raise ConfigError("no model version is named", hint='metadata={"version": "..."}, or providers.replicate.version')
        body: dict[str, Any] = {"input": request.inputs}
        if webhook := request.webhook_url or self.settings.webhook_url:
            body |= {"webhook": webhook, "webhook_events_filter": WEBHOOK_EVENTS}
        if destination := job.metadata.get("destination"):
            body["destination"] = destination
            model = "/".join(quote(part, safe="") for part in str(job.metadata.get("model", "")).split("/"))
            path = f"/v1/models/{model}/versions/{quote(version, safe='')}/trainings"
        else:
            body["version"] = version
            path = "/v1/predictions"
        return parse_response(await self.call("POST", path, json=body, rate=CREATE_RATE))

    async def fetch_job(self, job: Job) -> ProviderJob:
        """Call `GET /v1/predictions/{id}`, or the same of a training."""
        return parse_response(await self.call("GET", build_job_path(job)))

    async def list_jobs(self, cursor: str | None) -> ProviderPage:
        """Return predictions, then trainings."""
        kind, _, address = (cursor or KINDS[0]).partition(" ")
        found = await self.call("GET", address or f"/v1/{kind}")
        results = found.get("results")
        following = found.get("next")
        sights = [parse_response(one) for one in results if isinstance(one, dict)] if isinstance(results, list) else []
        if isinstance(following, str) and following:
            return ProviderPage(sights, f"{kind} {following}")
        return ProviderPage(sights, KINDS[1] if kind == KINDS[0] else None)

    async def cancel(self, job: Job) -> ProviderJob:
        """Call `POST …/cancel`."""
        return parse_response(await self.call("POST", f"{build_job_path(job)}/cancel"))

    async def fetch_webhook_keys(self) -> list[bytes]:
        """Call `GET /v1/webhooks/default/secret`; the previous key stays valid for a while."""
        key = parse_key(str((await self.call("GET", "/v1/webhooks/default/secret")).get("key", "")))
        self.keys = [key, *(one for one in self.keys if one != key)][:2]
        return self.keys

    def parse_webhook(self, body: dict[str, Any]) -> ProviderJob:
        """Parse a message: its body is the prediction or training."""
        return parse_job(body)

    async def call(
        self, method: str, path: str, *, rate: RateLimitItemPerMinute = DEFAULT_RATE, json: Any = None, files: Any = None
    ) -> dict[str, Any]:
        """Send one request and return its JSON. The API key goes to the provider's own address only."""
        if not self.settings.token:
            raise RemoteMisconfigured("no key for Replicate is set", hint="export REPLICATE_API_TOKEN=r8_...")
        if not self.rate_limiter.hit(rate, self.name):
            raise RateLimited("we have asked as often as Replicate allows within a minute", retry_after_seconds=5)
        url = path if "://" in path else f"{self.base_url}{path}"
        if urlsplit(url)[:2] != urlsplit(self.base_url)[:2]:
            raise RemoteUnavailable(f"Replicate names a page at another address: {url[:200]}")
        try:
            answer = await self.client.request(method, url, json=json, files=files)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise ConnectionFailed(f"Replicate can't be reached: {error}") from error
        except httpx.HTTPError as error:
            raise RemoteUnavailable(f"Replicate does not answer: {type(error).__name__} {error}".rstrip()) from error
        return decode_response(answer)


def decode_response(response: httpx.Response) -> dict[str, Any]:
    """Return the JSON of a response, or raise the error that it stands for."""
    status = response.status_code
    detail = get_error_detail(response)
    if status == httpx.codes.TOO_MANY_REQUESTS:
        pause = parse_pause(response.headers, response.text, SYSTEM_CLOCK.now_us())
        raise RateLimited(f"Replicate has had enough: {detail}", retry_after_seconds=pause)
    if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        raise RemoteMisconfigured(f"Replicate does not take our key: {detail}", hint="export REPLICATE_API_TOKEN=r8_...")
    if status == httpx.codes.NOT_FOUND:
        raise NotFound(f"Replicate has no such thing: {detail}")
    if status >= httpx.codes.INTERNAL_SERVER_ERROR or status < httpx.codes.OK:
        raise RemoteUnavailable(f"Replicate is in trouble: {status} {detail}")
    if not response.is_success:
        raise RequestRejected(f"Replicate refuses that: {status} {detail}")
    try:
        return msgspec.json.decode(response.content, type=dict[str, Any]) if response.content else {}
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RemoteUnavailable(f"Replicate's answer is no JSON: {error}") from error


def parse_response(body: Mapping[str, Any]) -> ProviderJob:
    """Parse a job in a response. Raise RemoteUnavailable if it holds none."""
    try:
        return parse_job(body)
    except ValueError as error:
        raise RemoteUnavailable(f"Replicate's answer can't be read: {error}") from error


def get_error_detail(response: httpx.Response) -> str:
    """Return a short description of an error response."""
    if response.is_success:
        return ""
    try:
        found = msgspec.json.decode(response.content, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return response.text[:200]
    return str(found.get("detail") or found.get("title") or "")[:200]


def parse_pause(headers: Mapping[str, str], text: str, now_us: int) -> float | None:
    """Return the seconds to wait: what Retry-After says, else what the text says, else None."""
    seconds = parse_retry_after(headers.get("retry-after"), now_us, max_seconds=MAX_PAUSE_SECONDS)
    if seconds is None and (found := RESET_PATTERN.search(text)):
        seconds = min(float(found[1]), MAX_PAUSE_SECONDS)
    return seconds


def build_job_path(job: Job) -> str:
    """Return the path of a job."""
    kind = KINDS[1] if job.metadata.get("kind") == "training" else KINDS[0]
    return f"/v1/{kind}/{quote(job.external_id or '', safe='')}"


def parse_job(body: Mapping[str, Any]) -> ProviderJob:
    """Parse a prediction or training. Raise ValueError without an id. An unknown status stays unknown."""
    external_id, word = body.get("id"), body.get("status")
    if not isinstance(external_id, str) or not external_id or not isinstance(word, str):
        raise ValueError("a prediction has an `id` and a `status`")
    status = STATES.get(word)
    measured = body.get("metrics")
    seconds = measured.get("predict_time") if isinstance(measured, dict) else None
    error = ABORTED_MESSAGE if word == "aborted" else body.get("error")
    observation = Observation(
        time=0,
        status=status,
        raw_status=word,
        external_id=external_id,
        started=parse_time(body.get("started_at")),
        ended=parse_time(body.get("completed_at")),
        error_message=error if isinstance(error, str) and error else None,
        output_url=find_output_url(body.get("output")),
        metadata=build_metadata(body),
    )
    logs = body.get("logs")
    return ProviderJob(
        observation,
        logs=logs if isinstance(logs, str) else None,
        created=parse_time(body.get("created_at")),
        seconds=float(seconds) if isinstance(seconds, (int, float)) and abs(seconds) < MAX_RUN_SECONDS else None,
        inputs=body["input"] if isinstance(body.get("input"), dict) else None,
    )


def build_metadata(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts to keep of a job's origin: model, version, whether it is a training."""
    found: dict[str, Any] = {key: body[key] for key in ("model", "version") if isinstance(body.get(key), str)}
    urls = body.get("urls")
    if isinstance(urls, dict) and "/trainings/" in str(urls.get("get")):
        found["kind"] = "training"
    return found


def find_output_url(output: Any) -> str | None:
    """Return the first address in an output."""
    if isinstance(output, str):
        return output if output.startswith(("http://", "https://")) else None
    values = output.values() if isinstance(output, dict) else output if isinstance(output, list) else ()
    return next((url for url in map(find_output_url, values) if url), None)


def parse_time(text: Any) -> int | None:
    """Parse a time of the API as microseconds UTC; None if invalid."""
    try:
        moment = datetime.fromisoformat(text)
        return round(moment.timestamp() * 1_000_000) if moment.tzinfo else None
    except (TypeError, ValueError, OverflowError):
        return None


def parse_data_uri(uri: str) -> tuple[str, bytes]:
    """Return media type and content of a data URI. Raise ConfigError if invalid."""
    head, comma, content = uri[len("data:") :].partition(",")
    kind, _, encoding = head.partition(";")
    try:
        data = base64.b64decode(content, validate=True) if encoding.endswith("base64") else content.encode()
    except binascii.Error as error:
        raise ConfigError(f"a data URI can't be read: {error}") from error
    if not comma:
        raise ConfigError("a data URI has no comma")
    return kind or "application/octet-stream", data


def parse_key(text: str) -> bytes:
    """Return the key after `whsec_`. Raise RemoteUnavailable if invalid."""
    try:
        return base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except binascii.Error as error:
        raise RemoteUnavailable("Replicate's key for webhooks can't be read") from error
