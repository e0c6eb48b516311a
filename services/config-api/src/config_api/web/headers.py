"""Headers of every answer, and which pages of other sites may call."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from config_api.settings import ConfigApiSettings

_EVERYWHERE = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_ASKED_WITH = ("Accept-Language", "Authorization", "Content-Type", "Idempotency-Key", "If-Match", "Last-Event-ID")
_ANSWERED_WITH = ("Content-Disposition", "ETag", "Idempotent-Replayed", "Location", "Retry-After", "X-Request-Id")


def data_headers(settings: ConfigApiSettings) -> Mapping[str, str]:
    """For answers that no browser should show or frame."""
    return {
        **_EVERYWHERE,
        **_transport(settings),
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    }


def page_headers(settings: ConfigApiSettings) -> Mapping[str, str]:
    """For HTML: nothing inline, nothing from elsewhere; framed by the sites that are set alone."""
    ancestors = " ".join(settings.frame_ancestors) or "'none'"
    return {
        **_EVERYWHERE,
        **_transport(settings),
        "Content-Security-Policy": f"default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
        f"frame-ancestors {ancestors}",
    }


def _transport(settings: ConfigApiSettings) -> Mapping[str, str]:
    if settings.public_url.scheme != "https":
        return {}
    return {"Strict-Transport-Security": "max-age=31536000; includeSubDomains"}


def allow_origins(app: FastAPI, settings: ConfigApiSettings) -> None:
    """Let pages of these origins call with a token. Cookies are never theirs to send, so none are allowed."""
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.cors_origins),
            allow_credentials=False,
            allow_methods=["GET", "POST", "PUT", "DELETE"],
            allow_headers=[*_ASKED_WITH],
            expose_headers=[*_ANSWERED_WITH],
            max_age=600,
        )
