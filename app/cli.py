"""Aura's own commands: `flask --app wsgi <command>`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click
from flask import Flask, current_app
from flask.cli import AppGroup, with_appcontext

from app.config import Config
from app.domain import plugin_package, plugin_release
from app.domain.accounts import one_time_links, users
from app.domain.actor import SYSTEM
from app.domain.audit import export, redaction, search_index, verification
from app.domain.connection import rotation
from app.domain.diagnostics import runs
from app.domain.errors import AuditLogUnreadable, AuraError, Invalid
from app.domain.sites import clients, sites
from app.models import migrate
from app.models.base import db, utcnow
from app.protocol import b64u
from app.views.diagnostics import as_text


def register(app: Flask) -> None:
    """Add the commands to the application."""
    for command in (
        migrate_,
        setup_link,
        password_link,
        trail,
        build_plugin,
        plugin,
        keys,
        doctor,
    ):
        app.cli.add_command(command)


@contextmanager
def _database() -> Iterator[Config]:
    """Open a connection to a database of the newest schema, since no other command may have run."""
    config: Config = current_app.config["AURA"]
    _migrate(config)
    with db.connection_context():
        yield config


def _migrate(config: Config) -> list[str]:
    try:
        return migrate.to_newest(config.database_url, config.var_dir)
    except migrate.DatabaseRefused as why:
        raise click.ClickException(str(why)) from why


@click.command("migrate")
@with_appcontext
def migrate_() -> None:
    """Bring the database to the newest schema."""
    applied = _migrate(current_app.config["AURA"])
    click.echo("\n".join(applied) if applied else "Nothing to do.")


@click.command()
@with_appcontext
def setup_link() -> None:
    """Print a link that makes the first owner, good for an hour."""
    with _database() as config:
        link = one_time_links.setup_link(config.as_served())
    if link is None:
        raise click.ClickException(
            f"The Aura with its data in {config.var_dir} has an owner already. For a new password "
            "use password-link; for another Aura set AURA_VAR to its folder."
        )
    click.echo(link)


@click.command()
@click.argument("email")
@with_appcontext
def password_link(email: str) -> None:
    """Print a link by which EMAIL chooses a new password; ends their sessions."""
    with _database() as config:
        try:
            link = users.recovery_link(email, config=config.as_served(), now=utcnow())
        except AuraError as refusal:
            raise click.ClickException(refusal.message) from refusal
    click.echo(link)


trail = AppGroup("audit", help="The audit trail.")


@trail.command("verify")
@click.pass_context
def verify_trail(context: click.Context) -> None:
    """Read the whole trail again and recompute every link.

    Status 0: it is as it was written. 1: it is not; the first entry that does not fit is named.
    2: it could not be read.
    """
    with _database():
        try:
            found = verification.verify_now(by=SYSTEM, now=utcnow())
        except AuditLogUnreadable as why:
            click.echo(why.message, err=True)
            context.exit(2)
    if found.broken_at is not None:
        raise click.ClickException(f"Broken at entry {found.broken_at}: {found.reason}.")
    click.echo(f"Whole: {found.entries} entries, head {found.head}")


@trail.command("reindex")
def reindex_trail() -> None:
    """Make anew what searching the trail needs; the trail itself stays as it is."""
    with _database():
        count = search_index.rebuild_index()
    click.echo(f"{count} entries can be found again.")


@trail.command("export")
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--form", type=click.Choice(export.FORMS), default=export.ZIP)
@click.option("--client", help="Only of the client of this name.")
@click.option("--site", help="Only of the site at this address.")
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), help="From this day on.")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="Before this day.")
@click.option("--without-private", is_flag=True, help="Without names and addresses.")
def export_trail(
    path: Path,
    form: str,
    client: str | None,
    site: str | None,
    since: datetime | None,
    until: datetime | None,
    without_private: bool,
) -> None:
    """Write the trail to PATH, ready to be checked by a stranger."""
    with _database() as config:
        try:
            covered = export.make_scope(
                client=clients.client_named(client) if client else None,
                site=sites.find_by_address(site) if site else None,
                since=since.replace(tzinfo=UTC) if since else None,
                until=until.replace(tzinfo=UTC) if until else None,
                private=not without_private,
            )
            count = export.export_to_path(
                path, form, covered, by=SYSTEM, config=config, now=utcnow()
            )
        except AuraError as refusal:
            raise click.ClickException(refusal.message) from refusal
    click.echo(f"{path}: {count} {'entry' if count == 1 else 'entries'}")


@trail.command("erase")
@click.argument("email")
@click.option("--reason", required=True, help="Why; it stands in the trail.")
def erase_person(email: str, reason: str) -> None:
    """Erase what is private about whoever signed in as EMAIL and is disabled."""
    with _database():
        try:
            member = users.find_by_email(email)
            count = redaction.erase_user_from_cli(member, reason=reason, by=SYSTEM, now=utcnow())
        except AuraError as refusal:
            raise click.ClickException(refusal.message) from refusal
    click.echo(f"Erased from {count} {'entry' if count == 1 else 'entries'}.")


@click.command()
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path))
@with_appcontext
def build_plugin(path: Path) -> None:
    """Write the plugin to PATH, ready to upload in wp-admin."""
    try:
        packed = plugin_package.build_plugin_zip()
    except FileNotFoundError as why:
        raise click.ClickException(f"{why}.") from why
    path.write_bytes(packed)
    click.echo(f"{path}: {len(packed)} bytes")


plugin = AppGroup("plugin", help="Signed releases of SiteAgent.")


@plugin.command("new-key")
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path))
def new_release_key(path: Path) -> None:
    """Make the private key that releases are signed with, in a new file at PATH."""
    try:
        public = plugin_release.make_key(path)
    except OSError as why:
        raise click.ClickException(f"{path} could not be written: {why.strerror}.") from why
    click.echo(f"{path}: keep it secret and off this machine. Its public key is {b64u(public)}.")


@plugin.command("release")
@click.option("--key", required=True, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--to", "folder", type=click.Path(file_okay=False, path_type=Path))
def release_plugin(key: Path, folder: Path | None) -> None:
    """Pack and sign SiteAgent, for this dashboard to offer to its sites."""
    folder = folder or current_app.config["AURA"].plugin_release
    try:
        made = plugin_release.make_release(plugin_release.read_key(key), folder)
    except (plugin_release.ReleaseError, OSError, ValueError) as why:
        raise click.ClickException(str(why)) from why
    click.echo(f"{folder}: SiteAgent {made.version}, {len(made.package)} bytes, {made.sha256}")


keys = AppGroup("keys", help="The keys of the sites.")


@keys.command("rotate-all")
def rotate_all() -> None:
    """Have every paired site agree on new keys; the worker does it, one by one."""
    with _database() as config:
        asked = rotation.rotate_all_keys(config=config, now=utcnow())
    click.echo(f"Asked {len(asked)} {'site' if len(asked) == 1 else 'sites'} for new keys.")


@click.command()
@click.argument("url")
@click.pass_context
@with_appcontext
def doctor(context: click.Context, url: str) -> None:
    """Look for what stands between Aura and the site at URL, paired or not.

    Status 0: nothing is in the way. 1: something is, or that could not be proven. 2: URL is
    no address.
    """
    with _database() as config:
        try:
            found = runs.examine_address(url, config=config)
        except Invalid as refusal:
            raise click.BadParameter(refusal.message, param_hint="URL") from refusal
    click.echo(as_text(found).rstrip())
    context.exit(0 if found.is_clear else 1)
