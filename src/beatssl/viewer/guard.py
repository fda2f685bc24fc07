"""What every request passes first: it comes to this machine's own name, from the viewer's own page, with the token,
and sends no more, and no slower, than it may. Every answer forbids scripts and frames of others."""

import asyncio
import hmac
import json
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from beatssl.viewer.refusal import Refused

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

TOKEN_HEADER = b"x-beatssl-token"
BODY_BYTES = 8 * 2**20
"""Most bytes of a body that is no file."""
IDLE_S = 20.0
"""Longest wait for the next bytes of a body."""
BODY_S = 300.0
"""Longest time that a body may take."""

HEADERS = (
    (b"content-security-policy",
     b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
     b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)  # fmt: skip


class Guard:
    """ASGI middleware around the viewer. `hosts` are the values of Host that are answered, such as "127.0.0.1:8765".

    The page itself holds nothing and needs no token; all below /api does. It travels in a header of its own, which no
    other page can set, and in the fragment of the printed address, which no browser sends.
    """

    def __init__(
        self, app: App, token: str, hosts: Iterable[str], file_bytes: int, idle_s: float = IDLE_S,
        body_s: float = BODY_S,
    ) -> None:  # fmt: skip
        self.app, self.token = app, token.encode()
        self.hosts = frozenset(host.encode() for host in hosts)
        self.origins = frozenset(b"http://" + host for host in self.hosts)
        self.file_bytes, self.idle_s, self.body_s = file_bytes, idle_s, body_s

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        try:
            limit = self._checked(scope)
        except Refused as refused:
            await _answer(refused, _secured(send))
            return
        await self.app(scope, self._limited(receive, limit), _secured(send))

    def _checked(self, scope: Message) -> int:
        """Most bytes of this request's body. Raises Refused for a request that is not answered."""
        headers: list[tuple[bytes, bytes]] = list(scope["headers"])
        values = {name: [value for other, value in headers if other == name] for name, _ in headers}
        if len(host := values.get(b"host", [])) != 1 or host[0].lower() not in self.hosts:
            raise Refused(421, "host", "this address is not the one that beatssl serve printed; use that one")
        if any(origin.lower() not in self.origins for origin in values.get(b"origin", [])):
            raise Refused(403, "origin", "only the viewer's own page may ask this")
        if any(site not in (b"same-origin", b"none") for site in values.get(b"sec-fetch-site", [])):
            raise Refused(403, "origin", "only the viewer's own page may ask this")
        path = str(scope["path"])
        if path.startswith("/api/"):
            given = values.get(TOKEN_HEADER, [b""])
            if len(given) != 1 or not hmac.compare_digest(given[0], self.token):
                raise Refused(401, "token", "open the whole address that beatssl serve printed, with its token")
        limit = self.file_bytes if path == "/api/records" else BODY_BYTES
        for length in values.get(b"content-length", []):
            if not length.isdigit() or len(length) > 15 or int(length) > limit:
                raise too_large(limit)
        return limit

    def _limited(self, receive: Receive, limit: int) -> Receive:
        """`receive` that raises Refused once a body is too large or too slow."""
        got, ends, done = 0, time.monotonic() + self.body_s, False

        async def next_message() -> Message:
            nonlocal got, done
            if done:  # no body any more: this waits for the end of the connection
                return await receive()
            wait_s = min(self.idle_s, ends - time.monotonic())
            try:
                message = await asyncio.wait_for(receive(), max(wait_s, 0.0))
            except TimeoutError:
                raise Refused(408, "slow", "the file came too slowly; try again") from None
            got += len(message.get("body", b""))
            if got > limit:
                raise too_large(limit)
            done = not message.get("more_body", False)
            return message

        return next_message


def too_large(limit: int) -> Refused:
    """The refusal of a body."""
    return Refused(413, "too-large", f"more than {limit:,} bytes; serve takes larger files with --max-mb")


async def _answer(refused: Refused, send: Send) -> None:
    body = json.dumps({"reason": refused.reason, "message": refused.message}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()),
               (b"connection", b"close")]  # fmt: skip
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _secured(send: Send) -> Send:
    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = {name for name, _ in HEADERS}
            kept = [(name, value) for name, value in message.get("headers", []) if name.lower() not in own]
            message = {**message, "headers": [*kept, *HEADERS]}
        await send(message)

    return with_headers
