"""Create the Flask application of Aura."""

from __future__ import annotations

from flask import Flask, g
from werkzeug.middleware.proxy_fix import ProxyFix

from app import cli, queue
from app.config import Config
from app.models import kept_connection
from app.models.base import use_database
from app.views import (
    access_log,
    account,
    agency,
    agent_api,
    alerts,
    audit,
    auth,
    authorization,
    auto_update_rules,
    batches,
    brand,
    bulk_sites,
    calls,
    changes,
    client_reports,
    clients,
    components,
    connections,
    csrf,
    diagnostics,
    email,
    errors,
    exports,
    file_checks,
    filters,
    notifications,
    overview,
    page_context,
    password_resets,
    plugin_updates,
    plugins,
    privacy,
    probes,
    releases,
    reports,
    request_validation,
    rollouts,
    search,
    second_factors,
    security,
    security_headers,
    settings,
    sign_in_steps,
    single_sign_on,
    site_csv,
    site_pages,
    site_tabs,
    sites,
    system,
    team,
    updates,
    uptime,
    vulnerabilities,
    vulnerability_feed,
    webhooks,
    windows,
)

_BLUEPRINTS = (
    page_context,
    auth,
    sign_in_steps,
    password_resets,
    single_sign_on,
    account,
    second_factors,
    notifications,
    team,
    overview,
    sites,
    site_tabs,
    site_pages,
    bulk_sites,
    site_csv,
    connections,
    components,
    updates,
    uptime,
    batches,
    rollouts,
    plugins,
    vulnerabilities,
    file_checks,
    changes,
    clients,
    auto_update_rules,
    diagnostics,
    reports,
    client_reports,
    alerts,
    audit,
    calls,
    exports,
    search,
    settings,
    agency,
    email,
    webhooks,
    vulnerability_feed,
    windows,
    brand,
    privacy,
    security,
    system,
    agent_api,
    plugin_updates,
    probes,
    releases,
)

# Enough for a form with text fields; request_validation has the larger limits.
MAX_FORM_BYTES = 32 * 1024


def create_app(config: Config) -> Flask:
    """Create the application with its database and queue; neither is opened yet."""
    app = errors.AuraFlask(__name__)
    app.config.update(_settings(config))
    if config.proxy_hops:
        hops = config.proxy_hops
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]  # as Flask documents
    use_database(config.database_url)
    queue.use(queue.RedisBackend(config.redis_url))
    access_log.register(app)
    app.before_request(request_validation.prepare)
    app.before_request(_find_connection)
    app.teardown_request(_leave_connection)
    app.before_request(authorization.allow_large_upload)
    security_headers.register(app, config)
    csrf.register(app)
    request_validation.register(app)
    authorization.register(app)
    errors.register(app)
    filters.register(app)
    for room in _BLUEPRINTS:
        app.register_blueprint(room.bp)
    cli.register(app)
    return app


def _settings(config: Config) -> dict[str, object]:
    return {
        "AURA": config,
        "TESTING": config.testing,
        "SECRET_KEY": config.secret_key,
        "TRUSTED_HOSTS": list(config.trusted_hosts),
        "MAX_CONTENT_LENGTH": MAX_FORM_BYTES,
        # With this prefix browsers accept the cookie only from this host.
        "SESSION_COOKIE_NAME": "__Host-aura" if config.is_https else "aura",
        "SESSION_COOKIE_SECURE": config.is_https,
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        # A form is valid as long as its session.
        "WTF_CSRF_TIME_LIMIT": None,
        # Flask-WTF would require a Referer under https; app/views/csrf.py checks Origin instead.
        "WTF_CSRF_SSL_STRICT": False,
    }


def _find_connection() -> None:
    g.is_callers_connection = kept_connection.begin()


def _leave_connection(error: BaseException | None) -> None:
    if not g.get("is_callers_connection", True):
        kept_connection.end(has_failed=error is not None)
