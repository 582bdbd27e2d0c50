"""Command line: `flask --app wsgi <command>`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import click
from flask import Flask, current_app
from flask.cli import AppGroup, with_appcontext

from app.config import Config
from app.domain import backup, plugin_package, plugin_release
from app.domain.accounts import one_time_links, second_factors
from app.domain.accounts import users as accounts
from app.domain.actor import SYSTEM
from app.domain.audit import export, redaction, search_index, verification
from app.domain.connection import rotation
from app.domain.diagnostics import runs
from app.domain.errors import AuditLogUnreadable, AuraError, Invalid
from app.domain.sites import clients, sites
from app.domain.vulnerabilities import source, upkeep
from app.formats import counted
from app.models import migrate
from app.models.base import db, use_database, utcnow
from app.models.database_copy import is_unused
from app.models.vulnerabilities import VulnerabilityFeed
from app.protocol import b64u
from app.run import data_folder
from app.views.diagnostics import as_text


def register(app: Flask) -> None:
    """Add the commands to the application."""
    for command in (
        migrate_,
        setup_link,
        password_link,
        users,
        audit_log,
        build_plugin,
        plugin,
        keys,
        backups,
        test_connection,
        vulnerabilities,
    ):
        app.cli.add_command(command)


@contextmanager
def _database(*, may_be_empty: bool = False) -> Iterator[Config]:
    """Open a connection to a database of the newest schema, since no other command may have run.

    A refusal ends the command with its message. An empty database is one unless it `may_be_empty`.
    """
    config: Config = current_app.config["AURA"]
    if not may_be_empty:
        _require_data(config)
    _migrate(config)
    try:
        with db.connection_context():
            yield config
    except AuraError as refusal:
        raise click.ClickException(refusal.message) from refusal


class NoData(click.ClickException):
    """The database is empty, most likely because the shell lacks the settings of the service.

    The exit status is not 1, which `audit verify` has for an audit log that was changed.
    """

    exit_code = 2


def _require_data(config: Config) -> None:
    """Check that there is data, or a backup would be one of nothing, and no entries be intact.

    Raises: NoData.
    """
    use_database(config.database_url)
    with db.connection_context():
        has_data = not is_unused()
    if not has_data:
        raise NoData(
            f"The database of the Aura with its data in {config.var_dir} is empty. Set AURA_VAR, "
            "DATABASE_URL and the other settings for this command as they are for Aura itself."
        )


def _migrate(config: Config) -> list[str]:
    try:
        return migrate.to_newest(config.database_url, config.var_dir)
    except migrate.DatabaseRefused as why:
        raise click.ClickException(str(why)) from why


@click.command("migrate")
@with_appcontext
def migrate_() -> None:
    """Update the database schema."""
    applied = _migrate(current_app.config["AURA"])
    click.echo("\n".join(applied) if applied else "The database schema is up to date.")


@click.command()
@with_appcontext
def setup_link() -> None:
    """Print a link to create the first owner, valid for one hour."""
    with _database(may_be_empty=True) as config:
        link = one_time_links.setup_link(config.as_served())
    if link is None:
        raise click.ClickException(
            f"The Aura with its data in {config.var_dir} already has an owner. Use password-link "
            "for a new password, or set AURA_VAR to the folder of another Aura."
        )
    click.echo(link)


@click.command()
@click.argument("email")
@with_appcontext
def password_link(email: str) -> None:
    """Print a link to choose a new password for EMAIL, and end their sessions."""
    with _database() as config:
        link = accounts.recovery_link(email, config=config.as_served(), now=utcnow())
    click.echo(link)


users = AppGroup("users", help="Help people who cannot sign in.")


@users.command("reset-second-factor")
@click.argument("email")
def reset_second_factor(email: str) -> None:
    """Remove all second factors of EMAIL, who lost them, and end their sessions."""
    with _database():
        user = accounts.find_by_email(email)
        second_factors.reset_factors_from_cli(user, now=utcnow())
    click.echo(
        f"Second factor of {user.email} removed. They sign in with the password, and add a new one "
        "where their role needs it."
    )


audit_log = AppGroup("audit", help="Verify, export and maintain the audit log.")


@audit_log.command("verify")
@click.pass_context
def verify_audit_log(context: click.Context) -> None:
    """Verify the whole audit log.

    Exit status 0: intact. 1: changed; the first affected entry is named. 2: unreadable.
    """
    with _database():
        try:
            found = verification.verify_now(by=SYSTEM, now=utcnow())
        except AuditLogUnreadable as why:
            click.echo(why.message, err=True)
            context.exit(2)
    if found.broken_at is not None:
        raise click.ClickException(f"Audit log changed at entry {found.broken_at}: {found.reason}.")
    click.echo(f"Audit log verified: {found.entries} entries, intact. Newest hash {found.head}")


@audit_log.command("reindex")
def reindex_audit_log() -> None:
    """Rebuild the search index of the audit log. The log itself does not change."""
    with _database():
        count = search_index.rebuild_index()
    click.echo(f"Search index rebuilt for {count} entries.")


@audit_log.command("export")
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--form", type=click.Choice(export.FORMS), default=export.ZIP, help="Format.")
@click.option("--client", help="Only entries of the client with this name.")
@click.option("--site", help="Only entries of the site at this address.")
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), help="First day.")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="First day that is not included.")
@click.option("--without-private", is_flag=True, help="Leave out names, IP addresses and comments.")
def export_audit_log(
    path: Path,
    form: str,
    client: str | None,
    site: str | None,
    since: datetime | None,
    until: datetime | None,
    without_private: bool,
) -> None:
    """Export the audit log to PATH. A zip can be verified without Aura."""
    with _database() as config:
        covered = export.make_scope(
            client=clients.client_named(client) if client else None,
            site=sites.find_by_address(site) if site else None,
            since=since.replace(tzinfo=UTC) if since else None,
            until=until.replace(tzinfo=UTC) if until else None,
            private=not without_private,
        )
        count = export.export_to_path(path, form, covered, by=SYSTEM, config=config, now=utcnow())
    click.echo(f"{path}: {counted(count, 'entry', 'entries')}")


@audit_log.command("erase")
@click.argument("email")
@click.option("--reason", required=True, help="Reason, recorded in the audit log.")
def erase_person(email: str, reason: str) -> None:
    """Erase the personal data of the disabled account EMAIL from the audit log."""
    with _database():
        user = accounts.find_by_email(email)
        count = redaction.erase_user_from_cli(user, reason=reason, by=SYSTEM, now=utcnow())
    click.echo(f"Personal data erased from {counted(count, 'entry', 'entries')}.")


@click.command()
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path))
@with_appcontext
def build_plugin(path: Path) -> None:
    """Write the SiteAgent plugin to PATH as a zip to upload in wp-admin."""
    try:
        packed = plugin_package.build_plugin_zip()
    except FileNotFoundError as why:
        raise click.ClickException(f"{why}.") from why
    path.write_bytes(packed)
    click.echo(f"{path}: {len(packed)} bytes")


plugin = AppGroup("plugin", help="Sign releases of SiteAgent.")


@plugin.command("new-key")
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path))
def new_release_key(path: Path) -> None:
    """Create a private key to sign releases, in a new file at PATH."""
    try:
        public = plugin_release.make_key(path)
    except OSError as why:
        raise click.ClickException(f"{path} could not be written: {why.strerror}.") from why
    click.echo(f"{path}: keep this key secret and not on this server. Public key: {b64u(public)}.")


@plugin.command("release")
@click.option(
    "--key",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The private key, as plugin new-key made it.",
)
@click.option(
    "--to",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder to write to. By default that of AURA_PLUGIN_RELEASE.",
)
def release_plugin(key: Path, folder: Path | None) -> None:
    """Build and sign a release of SiteAgent for the sites of this Aura."""
    folder = folder or current_app.config["AURA"].plugin_release
    try:
        release = plugin_release.make_release(plugin_release.read_key(key), folder)
    except (plugin_release.ReleaseError, OSError, ValueError) as why:
        raise click.ClickException(str(why)) from why
    click.echo(
        f"{folder}: SiteAgent {release.version}, {len(release.package)} bytes, {release.sha256}"
    )


keys = AppGroup("keys", help="Renew the keys of sites.")


@keys.command("rotate-all")
def rotate_all() -> None:
    """Renew the keys of every paired site. The worker does this one site at a time."""
    with _database() as config:
        rotations = rotation.rotate_all_keys(by=SYSTEM, config=config, now=utcnow())
    click.echo(f"Key renewal queued for {counted(len(rotations), 'site')}.")


backups = AppGroup("backup", help="Back up this installation, and restore it.")
_passphrase_file = click.option(
    "--passphrase-file",
    type=click.File(encoding="utf-8"),
    help="Read the passphrase from the first line of this file.",
)


def _passphrase(file: TextIO | None, *, is_new: bool) -> str:
    if file is not None:
        return file.readline().rstrip("\n")
    typed: str = click.prompt("Passphrase", hide_input=True, confirmation_prompt=is_new)
    return typed


@backups.command("create")
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path))
@_passphrase_file
def create_backup(path: Path, passphrase_file: TextIO | None) -> None:
    """Write the database and the keys to PATH, while Aura runs.

    The keys are encrypted with a passphrase. Keep it somewhere else: without it, the backup cannot
    be restored.
    """
    with _database() as config:
        passphrase = _passphrase(passphrase_file, is_new=True)
        try:
            made = backup.create_backup(path, passphrase, config=config, now=utcnow())
        except backup.BackupRefused as refusal:
            raise click.ClickException(str(refusal)) from refusal
    click.echo(f"{path}: {path.stat().st_size} bytes, the audit log up to entry {made.entries}")


@backups.command("restore")
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--replace", is_flag=True, help="Rename a SQLite database that is there.")
@_passphrase_file
@with_appcontext
def restore_backup(path: Path, replace: bool, passphrase_file: TextIO | None) -> None:
    """Restore the backup at PATH. Stop Aura first."""
    config: Config = current_app.config["AURA"]
    passphrase = _passphrase(passphrase_file, is_new=False)
    try:
        with data_folder.locked(config):
            done = backup.restore_backup(
                path, passphrase, config=config, now=utcnow(), replaces=replace
            )
    except (backup.BackupRefused, data_folder.InUse) as refusal:
        raise click.ClickException(str(refusal)) from refusal
    made = done.backup
    click.echo(f"Restored: the backup from {made.made_at:%Y-%m-%d %H:%M} UTC.")
    if done.aside:
        click.echo(f"The database that was there: {done.aside}")
    if done.settings:
        click.echo(f"Aura's keys are settings here. Take over those in {done.settings}.")
    click.echo(
        "Start Aura. Sites whose access was revoked since then say so at the next sync. Sites that "
        "Aura called since then refuse updates until an administrator accepts this Aura in "
        "wp-admin."
    )


@click.command("test-connection")
@click.argument("url")
@click.pass_context
@with_appcontext
def test_connection(context: click.Context, url: str) -> None:
    """Test the connection to the site at URL, paired or not.

    Exit status 0: no problem found. 1: a problem was found, or the result is unknown. 2: URL is
    not a valid address.
    """
    with _database(may_be_empty=True) as config:
        try:
            found = runs.diagnose_address(url, config=config)
        except Invalid as refusal:
            raise click.BadParameter(refusal.message, param_hint="URL") from refusal
    click.echo(as_text(found).rstrip())
    context.exit(0 if found.is_clear else 1)


vulnerabilities = AppGroup("vulnerabilities", help="Known vulnerabilities of plugins and themes.")


@vulnerabilities.command("import")
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def import_vulnerabilities(path: Path) -> None:
    """Import the feed at PATH, in the format of Wordfence Intelligence, version 3.

    It replaces what is known. A file that is refused changes nothing.
    """
    with _database() as config:
        with path.open("rb") as file:
            source.accept_file_from_cli(file, by=SYSTEM, config=config, now=utcnow())
        state = upkeep.update(config)
        feed = VulnerabilityFeed.read()
    if state == "busy":
        raise click.ClickException("An update is running. The file is imported after it.")
    if state != "imported":
        raise click.ClickException(f"The file was refused. {feed.problem_detail}")
    click.echo(f"{path}: {feed.records} records, {feed.kept} about the plugins and themes of sites")
