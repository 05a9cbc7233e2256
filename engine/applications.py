"""Applications of a workspace: create, read, change, delete, and their signing secrets (contract §7).

Values arrive checked for shape; here are the checks that need the store or the language. A change is in the call
directory before the method returns, while calls in progress keep the version they started with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final, TypedDict

from sqlalchemy.ext.asyncio import AsyncConnection

from engine.directory import NumberDirectory
from engine.errors import Conflict, FieldError, NotFound
from engine.idempotency import Keep, no_key
from engine.ids import new_signing_secret, new_uuid
from engine.limits import Limits
from engine.model import Application, Page, RecordingMode, VariableValue
from engine.sealing import seal_application, unseal_application
from engine.secrets import SecretBox
from engine.store import Store, run_rows
from engine.store import applications as queries
from engine.store.deliveries import stop_pending
from voyloml import LanguageLimits, LintResult, VariableError, lint, lint_template, validate_variables

TEMPLATE_ERRORS_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class NewApplication:
    """What an application is created from; defaults of contract §7.1."""

    name: str
    action_url: str | None = None
    action_url_headers: Mapping[str, str] = field(default_factory=dict)
    xml_template: str | None = None
    finished_url: str | None = None
    finished_url_headers: Mapping[str, str] = field(default_factory=dict)
    inbound_trunk_id: str | None = None
    recording: RecordingMode = "per_call"
    allowed_caller_ids: tuple[str, ...] = ()


class ApplicationChanges(TypedDict, total=False):
    """The members of an application to change."""

    name: str
    action_url: str | None
    action_url_headers: Mapping[str, str]
    xml_template: str | None
    finished_url: str | None
    finished_url_headers: Mapping[str, str]
    inbound_trunk_id: str | None
    recording: RecordingMode
    allowed_caller_ids: tuple[str, ...]


class Applications:
    """The applications of every workspace; each method acts within the one it is given."""

    def __init__(
        self,
        store: Store,
        secrets: SecretBox,
        directory: NumberDirectory,
        limits: Limits,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._secrets = secrets
        self._directory = directory
        self._language = language_limits(limits)
        self._clock = clock

    async def create(self, workspace_id: str, new: NewApplication, keep: Keep[Application] = no_key) -> Application:
        """A new application with a signing secret of its own. Raises Conflict when its trunk has another one."""
        now = self._clock()
        application = Application(
            id=new_uuid(),
            workspace_id=workspace_id,
            name=new.name,
            action_url=new.action_url,
            action_url_headers=new.action_url_headers,
            xml_template=new.xml_template,
            finished_url=new.finished_url,
            finished_url_headers=new.finished_url_headers,
            inbound_trunk_id=new.inbound_trunk_id,
            recording=new.recording,
            allowed_caller_ids=new.allowed_caller_ids,
            signing_secret=new_signing_secret(),
            created_at=now,
            updated_at=now,
        )
        sealed = seal_application(self._secrets, application)

        async def work(connection: AsyncConnection) -> None:
            await _check_trunk_free(connection, application)
            await queries.insert_application(connection, sealed)
            await run_rows(connection, keep(application))

        await self._store.write(work)
        await self._directory.refresh()
        return application

    async def get(self, workspace_id: str, application_id: str) -> Application:
        """One application. Raises NotFound when this workspace has none with the id."""
        sealed = await self._store.read(
            lambda connection: queries.get_application(connection, workspace_id, application_id)
        )
        if sealed is None:
            raise NotFound("Application not found")
        return unseal_application(self._secrets, sealed)

    async def page(self, workspace_id: str, page: int, limit: int, search: str | None = None) -> Page[Application]:
        """A page of applications, newest first; their signing secrets are left encrypted."""
        return await self._store.read(
            lambda connection: queries.page_of_applications(connection, workspace_id, page, limit, search)
        )

    async def exists(self, workspace_id: str, application_id: str) -> bool:
        """Whether this workspace has the application."""
        found = await self._store.read(
            lambda connection: queries.get_application(connection, workspace_id, application_id)
        )
        return found is not None

    async def update(self, workspace_id: str, application_id: str, changes: ApplicationChanges) -> Application:
        """Changes the members that are given. Raises NotFound, and Conflict when its trunk has another one."""
        return await self._change(workspace_id, application_id, lambda current: replace(current, **changes))

    async def rotate_signing_secret(self, workspace_id: str, application_id: str) -> str:
        """A new signing secret, in use from the next request on. Raises NotFound."""
        secret = new_signing_secret()
        await self._change(workspace_id, application_id, lambda current: replace(current, signing_secret=secret))
        return secret

    async def delete(self, workspace_id: str, application_id: str) -> None:
        """Deletes the application; numbers keep pointing at its id. Raises NotFound."""

        async def work(connection: AsyncConnection) -> None:
            if not await queries.delete_application(connection, workspace_id, application_id):
                raise NotFound("Application not found")
            await stop_pending(connection, application_id, "The application was deleted")

        await self._store.write(work)
        await self._directory.refresh()

    async def _change(
        self, workspace_id: str, application_id: str, change: Callable[[Application], Application]
    ) -> Application:
        async def work(connection: AsyncConnection) -> Application:
            sealed = await queries.get_application(connection, workspace_id, application_id, lock=True)
            if sealed is None:
                raise NotFound("Application not found")
            changed = replace(change(unseal_application(self._secrets, sealed)), updated_at=self._clock())
            await _check_trunk_free(connection, changed)
            await queries.update_application(connection, seal_application(self._secrets, changed))
            if sealed.finished_url is not None and changed.finished_url is None:
                await stop_pending(connection, application_id, "The application has no finished URL any more")
            return changed

        application = await self._store.write(work)
        await self._directory.refresh()
        return application

    def template_errors(self, xml: str) -> list[str]:
        """Why `xml` cannot be an `xmlTemplate`: one message per fault, with line and column (contract §7.1)."""
        result = lint_template(xml, limits=self._language)
        return [
            f"line {fault.line}, column {fault.column}: {fault.message}"
            for fault in result.errors[:TEMPLATE_ERRORS_SHOWN]
        ]

    def validate_document(
        self, xml: str | bytes, *, tts_available: bool, variables: Mapping[str, VariableValue] | None = None
    ) -> LintResult:
        """The faults of a document (contract §10.9)."""
        return lint(xml, limits=self._language, tts_available=tts_available, variables=variables)

    def variable_errors(self, variables: Mapping[str, object]) -> list[FieldError]:
        """Why `variables` cannot be given to a call (contract §12)."""
        try:
            validate_variables(variables, self._language)
        except VariableError as error:
            return [FieldError(name, message) for name, message in error.problems]
        return []


async def _check_trunk_free(connection: AsyncConnection, application: Application) -> None:
    trunk_id = application.inbound_trunk_id
    if trunk_id is not None and await queries.trunk_taken(connection, trunk_id, by_another_than=application.id):
        raise Conflict("The inbound trunk has another application")


def language_limits(limits: Limits) -> LanguageLimits:
    """The limits of the language among all limits."""
    return LanguageLimits(
        document_bytes=limits.document_bytes,
        document_elements=limits.document_elements,
        document_depth=limits.document_depth,
        verbs_per_call=limits.verbs_per_call,
        redirects=limits.redirects,
        action_connect_seconds=limits.action_connect_seconds,
        action_seconds=limits.action_seconds,
        action_retries=limits.action_retries,
        variables=limits.variables,
        variable_chars=limits.variable_chars,
        variables_bytes=limits.variables_bytes,
    )
