"""The `voylo` program: its commands, options and exit status (contract §22.1).

Only the shape of the command line is here. The body of each command is loaded when it runs, so that `--help` and a
wrong option answer at once.
"""

from __future__ import annotations

from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from server.admin_cli import admin_commands

app = typer.Typer(
    name="voylo",
    help="A self-hosted telephony engine: SIP and RTP, call flows in VoyloML, a /v1 REST API.",
    epilog="Exit status: 0 done, 1 the work failed, 2 wrong usage or configuration.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
key_commands = typer.Typer(help="API keys, without HTTP.", no_args_is_help=True, rich_markup_mode=None)
workspace_commands = typer.Typer(help="Workspaces.", no_args_is_help=True, rich_markup_mode=None)
user_commands = typer.Typer(help="Console users.", no_args_is_help=True, rich_markup_mode=None)
database_commands = typer.Typer(help="The database's schema.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(key_commands, name="key")
app.add_typer(workspace_commands, name="workspace")
app.add_typer(user_commands, name="user")
app.add_typer(database_commands, name="db")
app.add_typer(admin_commands, name="admin")


class KeyRole(StrEnum):
    """The roles of contract §16."""

    OWNER = "owner"
    ADMIN = "admin"
    DEVELOPER = "developer"
    BILLING = "billing"
    VIEWER = "viewer"


ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="Configuration file; otherwise $VOYLO_CONFIG, ./config.toml if it exists, or built-in defaults.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, nothing else.")]
RoleOption = Annotated[KeyRole, typer.Option("--role", help="What it may do.")]


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"voylo {version('voylo-engine')}")
        raise typer.Exit


@app.callback()
def voylo(
    _version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and exit.")
    ] = False,
) -> None:
    """A self-hosted telephony engine: SIP and RTP, call flows in VoyloML, a /v1 REST API."""


@app.command(short_help="Run the engine until SIGINT or SIGTERM.")
def serve(
    config: ConfigOption = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="Add a sample application, number and softphone account; place one call.")
    ] = False,
) -> None:
    """Run the engine in the foreground until SIGINT or SIGTERM; calls may finish first."""
    from server.commands.serve import serve as run

    raise typer.Exit(run(config, demo=demo))


@app.command(short_help="Create database, workspace, owner and key.")
def init(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Create the data directory, the database and the first workspace, owner and key; print them once.

    `voylo serve` does the same by itself when the database is empty.
    """
    from server.commands.accounts import init as run

    run(config, as_json=as_json)


@key_commands.command("create")
def key_create(
    workspace: Annotated[str, typer.Option("--workspace", metavar="WS", help="The workspace it belongs to (ws_…).")],
    name: Annotated[str, typer.Option("--name", help="What the key is for.")],
    role: RoleOption = KeyRole.DEVELOPER,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Create an API key and print it, this once."""
    from server.commands.accounts import create_key as run

    run(config, workspace, name, role.value, as_json=as_json)


@key_commands.command("list")
def key_list(
    workspace: Annotated[
        str | None, typer.Option("--workspace", metavar="WS", help="Only the keys of this workspace.")
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List API keys, newest first, revoked ones too."""
    from server.commands.accounts import list_keys as run

    run(config, workspace, as_json=as_json)


@key_commands.command("revoke")
def key_revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The key's id, as `voylo key list` prints it.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Revoke an API key for good, effective at once."""
    from server.commands.accounts import revoke_key as run

    run(config, key_id, as_json=as_json)


@workspace_commands.command("create")
def workspace_create(
    name: Annotated[str, typer.Argument(help="What people call it.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Create a workspace in the server's account."""
    from server.commands.accounts import create_workspace as run

    run(config, name, as_json=as_json)


@user_commands.command("create")
def user_create(
    email: Annotated[str, typer.Argument(help="The address the user signs in with.")],
    workspace: Annotated[
        str | None,
        typer.Option(
            "--workspace", metavar="WS", help="The workspace to join; may be left out when there is one only."
        ),
    ] = None,
    role: RoleOption = KeyRole.OWNER,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Create a console user with a generated password and print it, this once."""
    from server.commands.accounts import create_user as run

    run(config, email, workspace, role.value, as_json=as_json)


@app.command(short_help="Lint VoyloML documents.")
def validate(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="VoyloML documents; - is stdin.")],
    twiml: Annotated[
        bool, typer.Option("--twiml", help="Also say of each name of Twilio's how it stands here.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Lint VoyloML documents; print `file:line:column: severity code message`."""
    from server.commands.validate import validate as run

    raise typer.Exit(run(files, as_json=as_json, twiml=twiml))


@app.command(short_help="Run a document against a scripted caller, or with the terminal as the phone.")
def simulate(
    source: Annotated[str, typer.Argument(metavar="FILE", help="A VoyloML document; with --http, an action URL.")],
    script: Annotated[
        str | None, typer.Option("--script", metavar="S", help="What the caller and the others do; else the terminal.")
    ] = None,
    http: Annotated[
        bool, typer.Option("--http", help="FILE is a URL: ask the server there, over the network.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Run a document against a scripted caller on a virtual clock; print what happened, moment by moment."""
    from server.commands.simulate import run_simulation as run

    raise typer.Exit(run(source, script, as_json=as_json, http=http))


@app.command(short_help="Place a call through the API.")
def call(
    from_: Annotated[str, typer.Option("--from", metavar="NUMBER", help="A number of the workspace.")],
    to: Annotated[str, typer.Option("--to", metavar="WHOM", help="An E.164 number or a SIP URI.")],
    app_id: Annotated[str, typer.Option("--app", metavar="ID", help="The application that runs when it is answered.")],
    variables: Annotated[
        list[str] | None, typer.Option("--var", metavar="NAME=VALUE", help="A variable of the call; may be repeated.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Place a call and print its id. Asks the engine at $VOYLO_API_URL with $VOYLO_API_KEY."""
    from server.commands.client import place_call as run

    raise typer.Exit(run(from_, to, app_id, variables or [], as_json=as_json))


@app.command(short_help="List calls through the API.")
def calls(
    limit: Annotated[int, typer.Option("--limit", min=1, max=100, help="How many.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """List calls, newest first. Asks the engine at $VOYLO_API_URL with $VOYLO_API_KEY."""
    from server.commands.client import list_calls as run

    raise typer.Exit(run(limit, as_json=as_json))


@app.command(short_help="Tell what happened in a call.")
def trace(
    call_id: Annotated[str, typer.Argument(metavar="CALL", help="The call's public id, or its UUID.")],
    as_json: JsonOption = False,
) -> None:
    """Print the log of a call. Asks the engine at $VOYLO_API_URL with $VOYLO_API_KEY."""
    from server.commands.client import trace_call as run

    raise typer.Exit(run(call_id, as_json=as_json))


@database_commands.command("upgrade")
def db_upgrade(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Bring the database's schema up to this program's. `voylo serve` does the same when it starts."""
    from server.commands.data import upgrade_database as run

    run(config, as_json=as_json)


@app.command(short_help="Write everything the engine keeps into one file.")
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The tar file to write; it must not exist.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write database, keys and recordings into one file, also while the engine runs."""
    from server.commands.data import back_up as run

    run(config, file, as_json=as_json)


@app.command(short_help="Put a backup into an empty data directory.")
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `voylo backup` wrote.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put a backup into the data directory, which must be empty; the engine must not run on it."""
    from server.commands.data import restore as run

    run(config, file, as_json=as_json)


@app.command(short_help="Measure what this machine carries.")
def bench(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Which measurements; all when none is named.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Short runs: good for a look, not for a claim.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Generate load and print what the engine carries on this machine, beside what it is measured against."""
    from server.commands.bench import bench as run

    raise typer.Exit(run(names or [], quick=quick, as_json=as_json))


@app.command(short_help="Check this machine, say what to change.")
def doctor(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Check addresses, ports, speech, database, priority and clock; say what to change."""
    from server.commands.doctor import doctor as run

    raise typer.Exit(run(config, as_json=as_json))


def main() -> None:
    """Run the program; never returns."""
    app()


if __name__ == "__main__":
    main()
