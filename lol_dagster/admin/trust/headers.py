"""What every response tells the browser: nothing from elsewhere, nothing inline, nothing kept."""

from __future__ import annotations

from flask import Flask, Response, request

POLICY = "; ".join(
    (
        "default-src 'none'",
        "style-src 'self'",
        "script-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def add_headers(app: Flask) -> None:
    @app.after_request
    def harden(response: Response) -> Response:
        response.headers.update(HEADERS)
        # Our own style and script have their content's print in the address.
        may_be_kept = request.endpoint == "static" and "v" in request.args
        response.headers["Cache-Control"] = (
            "private, max-age=31536000, immutable"
            if may_be_kept and response.status_code == 200
            else "no-store"
        )
        return response
