"""Answers for a load balancer, a container runtime and a monitoring system."""

from __future__ import annotations

import hmac

from flask import Blueprint, Response, abort, current_app, request

from app import prometheus
from app.domain import metrics, system
from app.models.base import utcnow

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


@bp.get("/metrics")
def measured() -> Response:
    """Return the metrics for Prometheus, if the request has AURA_METRICS_TOKEN; otherwise 404."""
    config = current_app.config["AURA"]
    sent = request.headers.get("Authorization", "").encode("utf-8", "replace")
    expected = f"Bearer {config.metrics_token}".encode()
    if not config.metrics_token or not hmac.compare_digest(sent, expected):
        abort(404)
    body = prometheus.as_text(metrics.read_metrics(config, utcnow()))
    answer = Response(body, content_type=prometheus.CONTENT_TYPE)
    answer.cache_control.no_store = True
    return answer


def _answer(word: str, status: int) -> Response:
    answer = Response(f"{word}\n", status, mimetype="text/plain")
    answer.cache_control.no_store = True
    return answer
