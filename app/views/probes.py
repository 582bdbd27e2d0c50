"""Answers for a load balancer or a container runtime: whether Aura is alive, and can serve."""

from __future__ import annotations

from flask import Blueprint, Response, current_app

from app.domain import system

bp = Blueprint("probes", __name__)


@bp.get("/healthz")
def alive() -> Response:
    """Answer as long as this process handles requests; ask neither database nor queue."""
    return _answer("ok", 200)


@bp.get("/readyz")
def ready() -> Response:
    """Answer 200 if a request could be served completely, otherwise 503 with the part."""
    obstacle = system.find_obstacle(current_app.config["AURA"])
    return _answer(obstacle or "ok", 503 if obstacle else 200)


def _answer(word: str, status: int) -> Response:
    answer = Response(f"{word}\n", status, mimetype="text/plain")
    answer.cache_control.no_store = True
    return answer
