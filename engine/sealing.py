"""Applications, numbers, agents and trunks with their secrets encrypted, as they are stored, and back.

A sealed value has the same type; only these functions stand between the two forms.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from engine.model import (
    Agent,
    Application,
    InboundDestination,
    InboundTrunk,
    Number,
    NumberSip,
    OutboundTrunk,
    Webhook,
)
from engine.secrets import SecretBox
from engine.store import Store
from engine.store.meta import get_or_set_text

KEY_CHECK_NAME: Final = "secret_check"
_KEY_CHECK_TEXT: Final = "voylo"


async def check_key(store: Store, secrets: SecretBox) -> None:
    """Compares the key with the one this database was first used with.

    Raises SecretUnreadable: better no start than one in which every carrier's password is wrong.
    """
    token = secrets.encrypt(_KEY_CHECK_TEXT, KEY_CHECK_NAME)
    stored = await store.write(lambda connection: get_or_set_text(connection, KEY_CHECK_NAME, token))
    secrets.decrypt(stored, KEY_CHECK_NAME)


def seal_application(secrets: SecretBox, application: Application) -> Application:
    """The application as it is stored."""
    return replace(
        application, signing_secret=secrets.encrypt(application.signing_secret, _application_context(application))
    )


def unseal_application(secrets: SecretBox, application: Application) -> Application:
    """The application as it is used. Raises SecretUnreadable."""
    return replace(
        application, signing_secret=secrets.decrypt(application.signing_secret, _application_context(application))
    )


def seal_number(secrets: SecretBox, number: Number) -> Number:
    """The number as it is stored."""
    return replace(number, sip=_with_passwords(number, secrets.encrypt))


def unseal_number(secrets: SecretBox, number: Number) -> Number:
    """The number as it is used. Raises SecretUnreadable."""
    return replace(number, sip=_with_passwords(number, secrets.decrypt))


def seal_agent(secrets: SecretBox, agent: Agent) -> Agent:
    """The agent as it is stored."""
    return replace(agent, password=secrets.encrypt(agent.password, _agent_context(agent)))


def unseal_agent(secrets: SecretBox, agent: Agent) -> Agent:
    """The agent as it is used. Raises SecretUnreadable."""
    return replace(agent, password=secrets.decrypt(agent.password, _agent_context(agent)))


def seal_trunk(secrets: SecretBox, trunk: OutboundTrunk) -> OutboundTrunk:
    """The trunk as it is stored."""
    return replace(trunk, password=secrets.encrypt(trunk.password, _trunk_context(trunk)))


def unseal_trunk(secrets: SecretBox, trunk: OutboundTrunk) -> OutboundTrunk:
    """The trunk as it is used. Raises SecretUnreadable."""
    return replace(trunk, password=secrets.decrypt(trunk.password, _trunk_context(trunk)))


def seal_webhook(secrets: SecretBox, webhook: Webhook) -> Webhook:
    """The webhook as it is stored."""
    return _with_secrets(webhook, secrets.encrypt)


def unseal_webhook(secrets: SecretBox, webhook: Webhook) -> Webhook:
    """The webhook as it is used. Raises SecretUnreadable."""
    return _with_secrets(webhook, secrets.decrypt)


def _with_secrets(webhook: Webhook, change: Callable[[str, str], str]) -> Webhook:
    context, previous = f"webhook {webhook.id} secret", webhook.previous_secret
    return replace(
        webhook,
        secret=change(webhook.secret, context),
        previous_secret=None if previous is None else change(previous, context),
    )


def seal_destination(secrets: SecretBox, trunk_id: str, destination: InboundDestination) -> InboundDestination:
    """The destination of an inbound trunk as it is stored."""
    return _with_password(trunk_id, destination, secrets.encrypt)


def unseal_inbound_trunk(secrets: SecretBox, trunk: InboundTrunk) -> InboundTrunk:
    """The inbound trunk as it is used. Raises SecretUnreadable."""
    clear = tuple(_with_password(trunk.id, destination, secrets.decrypt) for destination in trunk.destinations)
    return replace(trunk, destinations=clear)


def _with_password(
    trunk_id: str, destination: InboundDestination, change: Callable[[str, str], str]
) -> InboundDestination:
    if destination.password is None:
        return destination
    context = f"inbound trunk {trunk_id} destination {destination.id} password"
    return replace(destination, password=change(destination.password, context))


def _agent_context(agent: Agent) -> str:
    return f"agent {agent.id} password"


def _trunk_context(trunk: OutboundTrunk) -> str:
    return f"outbound trunk {trunk.id} password"


def _application_context(application: Application) -> str:
    return f"application {application.id} signing secret"


def _with_passwords(number: Number, change: Callable[[str, str], str]) -> NumberSip | None:
    sip = number.sip
    if sip is None:
        return None
    auth, outbound = sip.auth, sip.outbound
    if auth is not None:
        auth = replace(auth, password=change(auth.password, f"number {number.id} inbound password"))
    if outbound is not None and outbound.password is not None:
        outbound = replace(outbound, password=change(outbound.password, f"number {number.id} outbound password"))
    return replace(sip, auth=auth, outbound=outbound)
