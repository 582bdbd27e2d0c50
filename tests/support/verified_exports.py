"""Shared by the tests of the verifier: names of files in an export, and its shapes."""

from __future__ import annotations

from hypothesis import HealthCheck

from tests.support.audit_log_exports import SITE

AUDIT_LOG = "audit_log.jsonl"

SITE_FILE = f"sites/{SITE}.jsonl"

SHAPES = [{}, {"client": 1}, {"site": 8}, {"from": "2026-11-24T10:05:00+00:00"}]

SHARED = {"suppress_health_check": [HealthCheck.function_scoped_fixture]}
