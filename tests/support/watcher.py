"""Detect what a page must never do: run injected code, violate its CSP, or call other hosts."""

from __future__ import annotations

from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Dialog, Request

# wp-admin shows avatars and pictures from other hosts, which do not answer in a test.
_OF_WORDPRESS = (".gravatar.com", ".w.org", ".wordpress.org", ".wp.org")


class Watcher:
    """Collect violations on every page of a browser context."""

    def __init__(self, context: BrowserContext) -> None:
        self.complaints: list[str] = []
        context.on("dialog", self._dialog)
        context.on("request", self._request)
        context.on("console", self._console)
        context.on("weberror", lambda error: self.complaints.append(f"script: {error.error}"))

    def _dialog(self, dialog: Dialog) -> None:
        self.complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _request(self, request: Request) -> None:
        host = urlsplit(request.url).hostname or "127.0.0.1"
        if host != "127.0.0.1" and not f".{host}".endswith(_OF_WORDPRESS):
            self.complaints.append(f"request: {request.url}")

    def _console(self, message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            self.complaints.append(f"rule: {message.text}")
