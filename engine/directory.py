"""Numbers, applications and inbound trunks in memory, so that routing a call waits for no query (contract §14.2).

Changes made in this process are taken over before the request that made them is answered, those of other processes
within `engine.polling.POLL_SECONDS`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import structlog

from engine.model import Application, InboundTrunk, Network, Number, NumberSip
from engine.number_registrations import NumberRegistrations
from engine.polling import ConfigPolling
from engine.sealing import check_key, unseal_application, unseal_inbound_trunk, unseal_number
from engine.secrets import SecretBox, SecretUnreadable
from engine.store import Store
from engine.store.applications import load_applications
from engine.store.config import Changes, ConfigFollower
from engine.store.inbound_trunks import load_trunks
from engine.store.numbers import load_numbers
from engine.trunk_directory import InboundTrunkDirectory
from engine.trusted_sources import TrustedSources

logger = structlog.get_logger(__name__)


class NumberDirectory:
    """`start` loads everything and keeps it fresh; the look-ups are plain dictionary accesses.

    A rented number has `rental_carrier` as its SIP side here, and none of its own.

    `registrations` are the numbers that want to be registered with their carrier, and tells when that changes;
    `inbound_trunks` are the trunks.
    """

    def __init__(self, store: Store, secrets: SecretBox, rental_carrier: NumberSip | None = None) -> None:
        self._rental_carrier = rental_carrier
        self._store = store
        self._secrets = secrets
        self._follower = ConfigFollower(store, self._load)
        self._by_e164: dict[str, Number] = {}
        self._numbers: dict[str, Number] = {}
        self._applications: dict[str, Application] = {}
        self._sources = TrustedSources(self._networks)
        self._polling = ConfigPolling(self._follower, "number directory")
        self._by_trunk: dict[str, Application] = {}
        self.registrations = NumberRegistrations()
        self.inbound_trunks = InboundTrunkDirectory()

    def lookup(self, e164: str) -> Number | None:
        """The number in its stored form (`+` and digits), of whatever workspace and status."""
        return self._by_e164.get(e164)

    def number(self, number_id: str) -> Number | None:
        """The number with this id."""
        return self._numbers.get(number_id)

    def application(self, application_id: str) -> Application | None:
        """The application with this id, of whatever workspace."""
        return self._applications.get(application_id)

    def application_on(self, trunk_id: str) -> Application | None:
        """The application that hangs on the inbound trunk with this id (contract §5)."""
        return self._by_trunk.get(trunk_id)

    def trusts(self, host: str) -> bool:
        """Whether some number may be called from this address by the address alone, and not from half the world."""
        return self._sources.trusts(host)

    async def start(self) -> None:
        """Loads everything and begins to poll for changes.

        Raises SecretUnreadable when the key file is not that of the database, Unavailable when it does not answer.
        """
        await check_key(self._store, self._secrets)
        await self._follower.refresh()
        self._polling.start()

    async def close(self) -> None:
        """Stops polling."""
        await self._polling.close()

    async def refresh(self) -> None:
        """Takes over every change that was committed before this call."""
        await self._follower.refresh()

    async def _load(self, changes: Changes | None) -> None:
        number_ids = None if changes is None else changes.ids("number")
        application_ids = None if changes is None else changes.ids("application")
        trunk_ids = None if changes is None else changes.ids("inbound_trunk")
        numbers = await self._store.read(lambda connection: load_numbers(connection, number_ids))
        applications = await self._store.read(lambda connection: load_applications(connection, application_ids))
        trunks: list[InboundTrunk] = []
        if trunk_ids != []:
            trunks = await self._store.read(lambda connection: load_trunks(connection, trunk_ids))
        self._drop(number_ids, application_ids)
        self._sources.forget()
        for number in numbers:
            self._add_number(number)
        for application in applications:
            self._add_application(application)
        self._take_trunks(trunk_ids, trunks)
        if number_ids is None:
            self.registrations.replaced(self._numbers.values())
            return
        for number_id in number_ids:
            self.registrations.changed(number_id, self._numbers.get(number_id))

    def _networks(self) -> Iterator[Network]:
        for number in self._by_e164.values():
            if number.sip is not None:
                yield from number.sip.allowed_source_ips

    def _drop(self, number_ids: list[str] | None, application_ids: list[str] | None) -> None:
        if number_ids is None or application_ids is None:
            self._by_e164.clear()
            self._numbers.clear()
            self._applications.clear()
            self._by_trunk.clear()
            return
        for number_id in number_ids:
            number = self._numbers.pop(number_id, None)
            if number is not None:
                self._by_e164.pop(number.e164, None)
        for application_id in application_ids:
            application = self._applications.pop(application_id, None)
            if application is not None and application.inbound_trunk_id is not None:
                self._by_trunk.pop(application.inbound_trunk_id, None)

    def _add_number(self, sealed: Number) -> None:
        try:
            number = unseal_number(self._secrets, sealed)
        except SecretUnreadable as error:
            logger.error("directory.secret_unreadable", number=sealed.e164, reason=error.message)  # noqa: TRY400
            return
        if number.kind == "rental" and self._rental_carrier is not None:
            number = replace(number, sip=self._rental_carrier)
        self._by_e164[number.e164] = number
        self._numbers[number.id] = number

    def _add_application(self, sealed: Application) -> None:
        try:
            application = unseal_application(self._secrets, sealed)
        except SecretUnreadable as error:
            logger.error("directory.secret_unreadable", application=sealed.id, reason=error.message)  # noqa: TRY400
            return
        self._applications[application.id] = application
        if application.inbound_trunk_id is not None:
            self._by_trunk[application.inbound_trunk_id] = application

    def _take_trunks(self, trunk_ids: list[str] | None, sealed: list[InboundTrunk]) -> None:
        trunks: dict[str, InboundTrunk] = {}
        for trunk in sealed:
            try:
                trunks[trunk.id] = unseal_inbound_trunk(self._secrets, trunk)
            except SecretUnreadable as error:
                logger.error("directory.secret_unreadable", trunk=trunk.id, reason=error.message)  # noqa: TRY400
        if trunk_ids is None:
            self.inbound_trunks.replaced(trunks.values())
            return
        for trunk_id in trunk_ids:
            self.inbound_trunks.changed(trunk_id, trunks.get(trunk_id))
