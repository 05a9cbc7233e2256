"""Numbers of a workspace: import, read, change, delete (contract §8). Rentals come from elsewhere; imports are BYO.

Values arrive checked for shape; here are the checks that need what is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from engine.directory import NumberDirectory
from engine.errors import Conflict, FieldError, NotFound, ValidationFailed
from engine.idempotency import Keep, no_key
from engine.ids import new_carrier_username, new_password, new_uuid
from engine.model import Number, NumberKind, NumberSip, NumberStatus, Page, Route, RouteKind, SipAuth, SipOutbound
from engine.phone import country_of
from engine.sealing import seal_number, unseal_number
from engine.secrets import SecretBox
from engine.store import Store, run_rows
from engine.store import numbers as queries
from engine.store.applications import get_application
from engine.store.inbound_trunks import get_trunk

SipChanges = Mapping[str, Any]
"""Members of a NumberSip to change. `auth` and `outbound` are None, or mappings of their own members to change."""


@dataclass(frozen=True, slots=True)
class NewNumber:
    """What a number is imported from; `country` None is derived from the number."""

    e164: str
    label: str | None = None
    country: str | None = None
    inbound_enabled: bool = True
    outbound_enabled: bool = True
    destination: Route | None = None
    sip: SipChanges = field(default_factory=dict)


class Numbers:
    """The numbers of every workspace; each method acts within the one it is given. `realm` is that of challenges."""

    def __init__(
        self,
        store: Store,
        secrets: SecretBox,
        directory: NumberDirectory,
        *,
        realm: Callable[[], str],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._secrets = secrets
        self._directory = directory
        self._clock = clock
        self.realm = realm

    async def import_(self, workspace_id: str, new: NewNumber, keep: Keep[Number] = no_key) -> Number:
        """A new BYO number, active at once.

        Raises Conflict when it exists anywhere on this server, ValidationFailed for an incomplete `sip`.
        """
        now = self._clock()
        number = Number(
            id=new_uuid(),
            workspace_id=workspace_id,
            e164=new.e164,
            label=new.label,
            kind="byo",
            country=new.country or country_of(new.e164),
            status="active",
            inbound_enabled=new.inbound_enabled,
            outbound_enabled=new.outbound_enabled,
            destination=new.destination,
            channels=None,
            rental_id=None,
            sip=change_sip(NumberSip(), new.sip),
            created_at=now,
            updated_at=now,
        )
        sealed = seal_number(self._secrets, number)

        async def work(connection: AsyncConnection) -> None:
            if await queries.e164_taken(connection, number.e164):
                raise _taken(number.e164)
            await queries.insert_number(connection, sealed)
            await run_rows(connection, keep(number))

        try:
            await self._store.write(work)
        except Conflict:
            # The constraint has the last word: on a shared database another process may have been quicker.
            raise _taken(number.e164) from None
        await self._directory.refresh()
        return number

    async def get(self, workspace_id: str, number_id: str) -> Number:
        """One number. Raises NotFound when this workspace has none with the id."""
        sealed = await self._store.read(lambda connection: queries.get_number(connection, workspace_id, number_id))
        if sealed is None:
            raise NotFound("Number not found")
        return unseal_number(self._secrets, sealed)

    async def page(
        self,
        workspace_id: str,
        page: int,
        limit: int,
        search: str | None = None,
        kind: NumberKind | None = None,
        status: NumberStatus | None = None,
    ) -> Page[Number]:
        """A page of numbers, newest first; their passwords are left encrypted."""
        return await self._store.read(
            lambda connection: queries.page_of_numbers(connection, workspace_id, page, limit, search, kind, status)
        )

    async def destination_error(self, workspace_id: str, kind: RouteKind, destination_id: str) -> str | None:
        """Why calls cannot be routed there: it is not of this workspace. None when they can."""
        if kind == "trunk":
            trunk = await self._store.read(lambda connection: get_trunk(connection, workspace_id, destination_id))
            return None if trunk is not None else "must be an inbound trunk of this workspace"
        found = await self._store.read(lambda connection: get_application(connection, workspace_id, destination_id))
        return None if found is not None else "must be an application of this workspace"

    async def update(
        self, workspace_id: str, number_id: str, changes: Mapping[str, Any], sip: SipChanges | None = None
    ) -> Number:
        """Changes `label`, `destination`, `inbound_enabled`, `outbound_enabled` where given, and members of `sip`.

        Raises NotFound, and ValidationFailed for `sip` on a rental or when it would be incomplete.
        """

        async def work(connection: AsyncConnection) -> Number:
            sealed = await queries.get_number(connection, workspace_id, number_id, lock=True)
            if sealed is None:
                raise NotFound("Number not found")
            current = unseal_number(self._secrets, sealed)
            changed = replace(current, **changes, updated_at=self._clock())
            if sip is not None:
                if current.sip is None:
                    raise ValidationFailed.of("sip", "a rented number has no SIP configuration")
                changed = replace(changed, sip=change_sip(current.sip, sip))
            await queries.update_number(connection, seal_number(self._secrets, changed))
            return changed

        number = await self._store.write(work)
        await self._directory.refresh()
        return number

    async def credentials(self, workspace_id: str, number_id: str) -> Number:
        """A BYO number, whose `sip.auth` is what its carrier is challenged for.

        Raises NotFound, and Conflict for a rental, which has no SIP configuration.
        """
        number = await self.get(workspace_id, number_id)
        if number.sip is None:
            raise Conflict("A rented number has no SIP configuration")
        return number

    async def set_credentials(
        self, workspace_id: str, number_id: str, username: str | None, password: str | None
    ) -> Number:
        """New credentials for the carrier; what is None is generated. Raises as `credentials`."""
        await self.credentials(workspace_id, number_id)
        auth = {"username": username or new_carrier_username(), "password": password or new_password()}
        return await self.update(workspace_id, number_id, {}, {"auth": auth})

    async def rotate_credentials(self, workspace_id: str, number_id: str) -> Number:
        """A new password for the username there is. Raises as `credentials`, and Conflict where there is none."""
        number = await self.credentials(workspace_id, number_id)
        if number.sip is None or number.sip.auth is None:
            raise Conflict("The number has no SIP credentials")
        return await self.update(workspace_id, number_id, {}, {"auth": {"password": new_password()}})

    async def delete_credentials(self, workspace_id: str, number_id: str) -> None:
        """The carrier is challenged no more: its addresses alone authenticate it. Raises as `credentials`."""
        await self.credentials(workspace_id, number_id)
        await self.update(workspace_id, number_id, {}, {"auth": None})

    async def delete(self, workspace_id: str, number_id: str) -> None:
        """Deletes a BYO number. Raises NotFound, and Conflict for a rental, which is released instead."""

        async def work(connection: AsyncConnection) -> None:
            number = await queries.get_number(connection, workspace_id, number_id, lock=True)
            if number is None:
                raise NotFound("Number not found")
            if number.kind == "rental":
                raise Conflict("A rented number cannot be deleted; release its rental instead")
            await queries.delete_number(connection, number_id)

        await self._store.write(work)
        await self._directory.refresh()


def change_sip(current: NumberSip, changes: SipChanges) -> NumberSip:
    """`current` with the members in `changes`; what is not mentioned stays, passwords included.

    Raises ValidationFailed, with every field, when credentials or the outbound host would be incomplete.
    """
    errors: list[FieldError] = []
    changed = current
    if "allowed_source_ips" in changes:
        changed = replace(changed, allowed_source_ips=tuple(dict.fromkeys(changes["allowed_source_ips"])))
    if "auth" in changes:
        changed = replace(changed, auth=_change_auth(current.auth, changes["auth"], errors))
    if "outbound" in changes:
        changed = replace(changed, outbound=_change_outbound(current.outbound, changes["outbound"], errors))
    if errors:
        raise ValidationFailed(errors)
    return changed


def _change_auth(
    current: SipAuth | None, changes: Mapping[str, Any] | None, errors: list[FieldError]
) -> SipAuth | None:
    if changes is None:
        return None
    values = {} if current is None else {"username": current.username, "password": current.password}
    values.update(changes)
    missing = [name for name in ("username", "password") if name not in values]
    errors.extend(FieldError(f"sip.auth.{name}", "is required") for name in missing)
    return current if missing else SipAuth(**values)


def _change_outbound(
    current: SipOutbound | None, changes: Mapping[str, Any] | None, errors: list[FieldError]
) -> SipOutbound | None:
    if changes is None:
        return None
    if current is None and "host" not in changes:
        errors.append(FieldError("sip.outbound.host", "is required"))
        return None
    changed = SipOutbound(**changes) if current is None else replace(current, **changes)
    if changed.username is None:
        if changes.get("password") is not None:
            errors.append(FieldError("sip.outbound.username", "is required with password"))
        return replace(changed, password=None)
    if changed.password is None:
        errors.append(FieldError("sip.outbound.password", "is required with username"))
    return changed


def _taken(e164: str) -> Conflict:
    return Conflict(f"The number {e164} already exists on this server")
