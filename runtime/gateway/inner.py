"""The inner port's ASGI application: workers' answers, and figures for whoever scrapes inside."""

from starlette.types import ASGIApp, Receive, Scope, Send

from runtime.wire.answers import ANSWERS_PATH


class InnerApp:
    """Serves the inner port, which no client can reach."""

    def __init__(self, answers: ASGIApp, platform: ASGIApp) -> None:
        self._answers = answers
        self._platform = platform

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["method"] == "POST" and scope["path"].startswith(ANSWERS_PATH):
            await self._answers(scope, receive, send)
        else:
            await self._platform(scope, receive, send)
