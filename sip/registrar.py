"""The registrar: bindings of addresses of record to contacts (RFC 3261 §10.3, RFC 3327 Path, RFC 5626 §6 outbound).

No I/O, no clock, and no notion of who may register: it is given a key for the account that has proven itself, the
request, where it came from and the time, and returns what to answer and what has changed. Each request is carried out
whole or not at all.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sip.binding import Binding, BindingChange, UnboundReason, parse_q
from sip.endpoint import Endpoint
from sip.errors import SipParseError
from sip.fields import NameAddr, parse_addresses
from sip.message import Request
from sip.uri import SipUri

DEFAULT_EXPIRES: Final = 3600
MIN_EXPIRES: Final = 60
MAX_EXPIRES: Final = 3600
"""Contract §14.4: 60 to 3600 s, default 3600. Less is answered 423, more is cut."""

MAX_CONTACTS: Final = 10
"""Bindings of one address of record; above it: 403."""

MAX_BINDINGS: Final = 100_000
"""Bindings in all; above it: 503."""

MAX_PATH: Final = 8
"""Path values kept with a binding; above it: 400."""

MAX_CONTACT_CHARS: Final = 2048
"""A contact with its Path, as kept in memory; above it: 400."""

MAX_INSTANCE_CHARS: Final = 256
MAX_REG_ID: Final = 2**31 - 1  # RFC 5626 §4.2

_HEAP_SLACK: Final = 1024  # expiry entries that may be out of date before the heap is built again
_EXTENSIONS: Final = ("outbound", "path")


@dataclass(frozen=True, slots=True)
class RegistrarConfig:
    """Limits and answers of a registrar. Times are seconds."""

    default_expires: int = DEFAULT_EXPIRES
    min_expires: int = MIN_EXPIRES
    max_expires: int = MAX_EXPIRES
    max_contacts: int = MAX_CONTACTS
    max_bindings: int = MAX_BINDINGS
    flow_timer: int = 120  # RFC 5626 §4.4.1: how often an outbound client has to speak on its connection
    service_route: tuple[str, ...] = ()  # RFC 3608: Route values that registered phones put into their requests


@dataclass(frozen=True, slots=True)
class RegistrarAnswer:
    """The response to a REGISTER, and what it changed: nothing unless the status is 200."""

    status: int
    reason: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    changes: tuple[BindingChange, ...] = ()


class _Refused(Exception):
    def __init__(self, status: int, reason: str | None = None, *headers: tuple[str, str]) -> None:
        super().__init__(status)
        self.answer = RegistrarAnswer(status, reason, headers)


@dataclass(frozen=True, slots=True)
class _Wish:
    """One Contact of a request: what shall become of it. `expires` 0 removes."""

    contact: SipUri
    expires: int
    q: int
    instance: str | None
    reg_id: int | None


class Registrar:
    """All bindings. Not asked about passwords; whoever calls `register` has checked them."""

    def __init__(self, config: RegistrarConfig | None = None) -> None:
        self.config = config or RegistrarConfig()
        self._bindings: dict[str, list[Binding]] = {}
        self._count = 0
        self._expiries: list[tuple[float, int, Binding]] = []
        self._sequence = 0
        self._flows: dict[tuple[Endpoint, Endpoint], set[str]] = {}  # addresses of record by connection

    def __len__(self) -> int:
        """Bindings in all, those included whose expiry has not been noticed yet."""
        return self._count

    def bindings(self, aor: str, now: float) -> tuple[Binding, ...]:
        """The contacts of an address of record, most wanted first: by q, then the one heard of last."""
        return tuple(binding for binding in self._bindings.get(aor, ()) if binding.expires_at > now)

    def all_bindings(self) -> Iterable[Binding]:
        """Every binding there is, in no order."""
        for bindings in self._bindings.values():
            yield from bindings

    def register(self, aor: str, request: Request, source: Endpoint, local: Endpoint, now: float) -> RegistrarAnswer:
        """Carry out a REGISTER for the account `aor`, an opaque key. `source` and `local` are the flow it came by.

        Nothing that the peer writes raises.
        """
        changes = self._expire_of(aor, now)
        try:
            headers, more = self._carry_out(aor, request, source, local, now)
        except _Refused as refused:
            return replace(refused.answer, changes=tuple(changes))
        except SipParseError as error:
            return RegistrarAnswer(error.status, error.reason, (), tuple(changes))
        return RegistrarAnswer(200, None, headers, (*changes, *more))

    def next_expiry(self) -> float | None:
        """When `expire` has something to do next; None when nothing is bound."""
        while self._expiries:
            expires_at, _, binding = self._expiries[0]
            if self._is_current(binding):
                return expires_at
            heapq.heappop(self._expiries)
        return None

    def expire(self, now: float) -> list[BindingChange]:
        """Remove what has run out."""
        changes: list[BindingChange] = []
        while (due := self.next_expiry()) is not None and due <= now:
            _, _, binding = heapq.heappop(self._expiries)
            self._remove(binding)
            changes.append(BindingChange("unbound", binding, "expired"))
        return changes

    def connection_lost(self, source: Endpoint, local: Endpoint) -> list[BindingChange]:
        """Remove the bindings whose requests would have gone over this connection (RFC 5626 §5.3): it is gone.

        A binding with a Path stays: it is reached by way of a proxy. So does one over UDP, which has no connection.
        """
        return [
            change
            for aor in sorted(self._flows.get((source, local), ()))
            for change in self._drop(aor, lambda it: _is_on(it, source, local), "connection lost")
        ]

    def remove_all(self, aor: str) -> list[BindingChange]:
        """Remove all bindings of an account: it was deleted, or has a new password."""
        return self._drop(aor, lambda _binding: True, "removed")

    def snapshot(self, now: float) -> list[dict[str, Any]]:
        """All bindings as plain data, for `restore` in a later process."""
        return [binding.to_record(now) for binding in self.all_bindings() if binding.expires_at > now]

    def restore(self, records: Iterable[Mapping[str, Any]], now: float, elapsed: float = 0.0) -> int:
        """Take back what `snapshot` gave `elapsed` seconds ago; returns how many bindings are still good.

        Those over a connection are not: it ended with the process. Raises ValueError for what is no record.
        """
        taken = 0
        for record in records:
            binding = Binding.from_record(record, now - elapsed)
            connection = binding.source.reliable and not binding.path
            if connection or binding.expires_at <= now or self._count >= self.config.max_bindings:
                continue
            if len(self._bindings.get(binding.aor, ())) < self.config.max_contacts:
                self._add(binding)
                taken += 1
        return taken

    def _carry_out(
        self, aor: str, request: Request, source: Endpoint, local: Endpoint, now: float
    ) -> tuple[tuple[tuple[str, str], ...], list[BindingChange]]:
        wildcard = request.contact_wildcard
        contacts = request.contacts
        path = self._path_of(request)
        if wildcard:
            changes = self._remove_by_wildcard(aor, request)
        elif contacts:
            changes = self._update(aor, request, contacts, path, source, local, now)
        else:
            changes = []  # §10.3 step 5: a question
        kept = self.bindings(aor, now)
        outbound = any(
            change.kind != "unbound" and change.binding.outbound and change.binding in kept for change in changes
        )
        return self._answer_headers(request, kept, path, now, outbound=outbound), changes

    def _remove_by_wildcard(self, aor: str, request: Request) -> list[BindingChange]:
        if request.expires != 0:
            raise _Refused(400, "Contact * Needs Expires 0")  # §10.3 step 6
        for binding in self._bindings.get(aor, ()):
            self._check_order(binding, request)
        return self.remove_all(aor)

    def _update(
        self,
        aor: str,
        request: Request,
        contacts: Sequence[NameAddr],
        path: tuple[NameAddr, ...],
        source: Endpoint,
        local: Endpoint,
        now: float,
    ) -> list[BindingChange]:
        """§10.3 step 7. All is checked against the state as it was before any of it is changed."""
        wishes = [self._wish(contact, request) for contact in contacts]
        flows = [wish for wish in wishes if wish.reg_id is not None and wish.expires]
        if len(flows) > 1:
            raise _Refused(400, "More Than One Flow")  # RFC 5626 §6
        direct = len(request.via) == 1
        outbound = bool(flows) and "outbound" in request.supported
        if outbound and not direct and not _starts_with_edge(path):
            raise _Refused(439)  # RFC 5626 §6: the first hop would not keep the flow
        # Over UDP an edge has to answer STUN (RFC 5626 §4.4.2), which is not spoken here: no promise is made then.
        outbound = outbound and (source.reliable or not direct)
        agent = request.headers.get("User-Agent")
        before = self._bindings.get(aor, [])
        after = list(before)
        changes: list[BindingChange] = []
        for wish in wishes:
            old = _match(after, wish)
            if old is not None and old in before:
                self._check_order(old, request)
            if not wish.expires:
                if old is not None:
                    after.remove(old)
                    changes.append(BindingChange("unbound", old, "removed"))
                continue
            new = Binding(
                aor=aor,
                contact=wish.contact,
                expires_at=now + wish.expires,
                call_id=request.call_id,
                cseq=request.cseq.number,
                source=source,
                local=local,
                q=wish.q,
                path=path,
                instance=wish.instance,
                reg_id=wish.reg_id,
                outbound=outbound and wish.reg_id is not None,
                user_agent=None if agent is None else agent[:MAX_INSTANCE_CHARS],
            )
            if old is not None:
                after.remove(old)
            after.append(new)
            if old is not None and old.contact.equivalent(new.contact):
                changes.append(BindingChange("refreshed", new, None, old))
                continue
            if old is not None:
                changes.append(BindingChange("unbound", old, "replaced"))
            changes.append(BindingChange("bound", new))
        if len(after) > self.config.max_contacts:
            raise _Refused(403, "Too Many Contacts")
        if self._count + len(after) - len(before) > self.config.max_bindings:
            raise _Refused(503, None, ("Retry-After", str(self.config.min_expires)))
        gone = [binding for binding in before if binding not in after]
        new_ones = [binding for binding in after if binding not in before]
        for binding in gone:
            self._remove(binding)
        for binding in new_ones:
            self._add(binding)
        return changes

    def _wish(self, contact: NameAddr, request: Request) -> _Wish:
        uri = contact.uri
        if not isinstance(uri, SipUri):
            raise _Refused(400, "Contact Is No SIP URI")
        if len(str(uri)) > MAX_CONTACT_CHARS:
            raise _Refused(400, "Contact Too Long")
        expires = self._expires_of(contact, request)
        if 0 < expires < self.config.min_expires:
            raise _Refused(423, None, ("Min-Expires", str(self.config.min_expires)))
        instance = contact.param("+sip.instance")
        if instance is not None and (not instance or len(instance) > MAX_INSTANCE_CHARS or '"' in instance):
            raise _Refused(400, "Malformed +sip.instance")
        # RFC 5626 §6: without an instance a reg-id says nothing
        reg_id = _reg_id(contact) if instance is not None else None
        return _Wish(uri, min(expires, self.config.max_expires), parse_q(contact.param("q")), instance, reg_id)

    def _expires_of(self, contact: NameAddr, request: Request) -> int:
        """§10.2.1.1: the contact's own parameter, else the header field, else ours; a malformed one means ours."""
        text = contact.param("expires")
        if text is not None:
            if not (text.isascii() and text.isdigit()):
                return self.config.default_expires
            return int(text) if len(text) <= 10 else self.config.max_expires
        if request.expires is not None:
            return request.expires
        return self.config.default_expires

    def _path_of(self, request: Request) -> tuple[NameAddr, ...]:
        lines = request.headers.get_all("Path")
        if not lines:
            return ()
        path = tuple(parse_addresses(lines, "Path"))
        if len(path) > MAX_PATH or sum(map(len, lines)) > MAX_CONTACT_CHARS:
            raise _Refused(400, "Path Too Long")
        if not all(isinstance(hop.uri, SipUri) for hop in path):
            raise _Refused(400, "Path Is No SIP URI")
        return path

    def _check_order(self, binding: Binding, request: Request) -> None:
        """§10.3 steps 6 and 7: a request that was overtaken by a later one of the same client changes nothing."""
        if binding.call_id == request.call_id and request.cseq.number <= binding.cseq:
            raise _Refused(500, "REGISTER Out Of Order")

    def _answer_headers(
        self, request: Request, kept: tuple[Binding, ...], path: tuple[NameAddr, ...], now: float, *, outbound: bool
    ) -> tuple[tuple[str, str], ...]:
        fields = [("Contact", binding.header_value(now)) for binding in kept]
        if path and "path" in request.supported:
            fields += [("Path", value) for value in request.headers.get_all("Path")]  # RFC 3327 §5.3
        fields += [("Service-Route", value) for value in self.config.service_route]
        if outbound:
            fields.append(("Require", "outbound"))  # RFC 5626 §6
            if len(request.via) == 1:
                fields.append(("Flow-Timer", str(self.config.flow_timer)))  # §5.4: we are the edge
        supported = [name for name in _EXTENSIONS if name in request.supported]
        if supported:
            fields.append(("Supported", ", ".join(supported)))
        return tuple(fields)

    def _expire_of(self, aor: str, now: float) -> list[BindingChange]:
        return self._drop(aor, lambda binding: binding.expires_at <= now, "expired")

    def _drop(self, aor: str, wanted: Callable[[Binding], bool], reason: UnboundReason) -> list[BindingChange]:
        gone = [binding for binding in self._bindings.get(aor, ()) if wanted(binding)]
        for binding in gone:
            self._remove(binding)
        return [BindingChange("unbound", binding, reason) for binding in gone]

    def _is_current(self, binding: Binding) -> bool:
        return any(binding is other for other in self._bindings.get(binding.aor, ()))

    def _add(self, binding: Binding) -> None:
        bindings = self._bindings.setdefault(binding.aor, [])
        # Behind nothing that is wanted less, before everything that is wanted as much
        place = next((i for i, other in enumerate(bindings) if other.q <= binding.q), len(bindings))
        bindings.insert(place, binding)
        self._count += 1
        self._sequence += 1
        heapq.heappush(self._expiries, (binding.expires_at, self._sequence, binding))
        if len(self._expiries) > 2 * self._count + _HEAP_SLACK:
            self._expiries = [entry for entry in self._expiries if self._is_current(entry[2])]
            heapq.heapify(self._expiries)
        if _has_connection(binding):
            self._flows.setdefault((binding.source, binding.local), set()).add(binding.aor)

    def _remove(self, binding: Binding) -> None:
        bindings = self._bindings[binding.aor]
        bindings[:] = [other for other in bindings if other is not binding]
        self._count -= 1
        if not bindings:
            del self._bindings[binding.aor]
        if _has_connection(binding) and not any(_is_on(other, binding.source, binding.local) for other in bindings):
            flow = (binding.source, binding.local)
            aors = self._flows.get(flow)
            if aors is not None:
                aors.discard(binding.aor)
                if not aors:
                    del self._flows[flow]


def _match(bindings: Sequence[Binding], wish: _Wish) -> Binding | None:
    """The binding that a Contact is about: the same flow of the same device (RFC 5626 §6), else an equal URI
    (RFC 3261 §19.1.4)."""
    if wish.reg_id is not None:
        for binding in bindings:
            if binding.instance == wish.instance and binding.reg_id == wish.reg_id:
                return binding
    return next((binding for binding in bindings if binding.contact.equivalent(wish.contact)), None)


def _reg_id(contact: NameAddr) -> int | None:
    text = contact.param("reg-id")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > 10 or not 0 < int(text) <= MAX_REG_ID:
        raise _Refused(400, "Malformed reg-id")
    return int(text)


def _starts_with_edge(path: tuple[NameAddr, ...]) -> bool:
    """Whether the proxy next to the client keeps its flow: the `ob` parameter of the last Path value pushed first."""
    return bool(path) and isinstance(path[-1].uri, SipUri) and path[-1].uri.has_param("ob")


def _has_connection(binding: Binding) -> bool:
    return binding.source.reliable and not binding.path


def _is_on(binding: Binding, source: Endpoint, local: Endpoint) -> bool:
    return _has_connection(binding) and binding.source == source and binding.local == local
