"""A `FaultServer` that takes a number of requests at a time, or per token bucket, and refuses the others with a 429."""

from __future__ import annotations

from typing import Any

from aiohttp import web
from fault_server import FaultServer


class LimitedServer(FaultServer):
    """`admits`: requests at a time. `bucket`: (capacity, per second), told in OpenAI's headers unless `silent`."""

    def __init__(self, admits: int | None = None, bucket: tuple[float, float] | None = None) -> None:
        self.admits = admits
        self.bucket = bucket
        self.silent = False
        self.under_way = self.refused = 0
        self.crowd: list[int] = []  # requests under way as each one was admitted
        self._level, self._filled_at = (bucket[0] if bucket else 0.0), 0.0
        super().__init__()

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        if self.admits is not None and self.under_way >= self.admits or not self._pay():
            self.refused += 1
            await request.read()
            return web.json_response({"error": {}}, status=429, headers=self._left())
        self.under_way += 1
        self.crowd.append(self.under_way)
        headers = self._left()  # as it was when this request was admitted
        try:
            response = await super()._chat(request)
            response.headers.update(headers)
            return response
        finally:
            self.under_way -= 1

    def _pay(self) -> bool:
        if self.bucket is None:
            return True
        capacity, rate = self.bucket
        now = self._loop.time()
        elapsed, self._filled_at = now - self._filled_at, now
        self._level = min(capacity, self._level + elapsed * rate)
        if self._level < 1:
            return False
        self._level -= 1
        return True

    def _left(self) -> dict[str, Any]:
        if self.bucket is None or self.silent:
            return {}
        capacity, rate = self.bucket
        return {
            "x-ratelimit-limit-requests": str(int(capacity)),
            "x-ratelimit-remaining-requests": str(int(self._level)),
            "x-ratelimit-reset-requests": f"{(capacity - self._level) / rate * 1000:.0f}ms",
        }
