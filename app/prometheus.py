"""Write metrics in the text format of Prometheus.

See https://prometheus.io/docs/instrumenting/exposition_formats/. All of them are read from the
database and the queue when they are asked for, so it does not matter which web process answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from app.domain.metrics import Metrics

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def as_text(metrics: Metrics) -> bytes:
    """Return the metrics as the body of an answer of type CONTENT_TYPE."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Known(metrics))
    return bytes(generate_latest(registry))


class _Known(Collector):
    """Metrics that have been read already."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        known, jobs = self._metrics, self._metrics.queue
        yield _gauges("aura_sites", "Sites by connection.", ("connection",), known.sites)
        yield _gauges(
            "aura_calls_last_hour",
            "Calls to sites in the last hour. The outcome of one under way is empty.",
            ("operation", "outcome"),
            known.calls,
        )
        yield _gauge("aura_syncs_open", "Syncs that wait or run.", known.open_syncs)
        lag = "Age of the oldest last sync of all sites that answer."
        yield _gauge("aura_sync_lag_seconds", lag, known.sync_lag_s)
        yield _gauge("aura_queue_up", "Whether Redis answers.", int(jobs is not None))
        by_state = (
            {"waiting": jobs.waiting, "delayed": jobs.delayed, "failed": jobs.failed}
            if jobs
            else {}
        )
        yield _gauges("aura_jobs", "Jobs by state.", ("state",), by_state)
        yield _gauge("aura_workers", "Worker processes.", jobs.workers if jobs else None)
        waits = "How long the first job in the queue has waited."
        yield _gauge("aura_job_waits_seconds", waits, known.job_waits_s)
        silent = "Time since the scheduler last ran."
        yield _gauge("aura_scheduler_silent_seconds", silent, known.scheduler_silent_s)


def _gauge(name: str, what: str, value: float | None) -> Metric:
    """Return a gauge; without a value, Prometheus shows a gap."""
    return _gauges(name, what, (), {} if value is None else {(): value})


def _gauges(
    name: str,
    what: str,
    labels: Sequence[str],
    values: Mapping[Any, float],
) -> Metric:
    """Return a gauge for each of `values`, whose keys are a label, or as many as `labels`."""
    family = GaugeMetricFamily(name, what, labels=labels)
    for key, value in sorted(values.items()):
        family.add_metric([key] if isinstance(key, str) else key, value)
    return family
