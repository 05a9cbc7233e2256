"""`voylo serve --demo` (contract §22.3): a sample application with a number and a softphone account, and one real call.

The flow is an action URL like any customer's: a small web application on a loopback port of its own, asked over HTTP
like every other. The call to it is placed by a second SIP user agent of this process, through UDP and RTP on
127.0.0.1, and told step by step on stdout.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from ipaddress import ip_network
from typing import TYPE_CHECKING

from engine.applications import NewApplication
from engine.ids import new_password
from engine.model import Application, Number, Route
from engine.numbers import NewNumber
from server.demo_caller import DemoCaller
from server.demo_flow import DemoFlow

if TYPE_CHECKING:
    from server.process import EngineProcess

LOCAL_NUMBER = "+15550100"
PHONE_NUMBER = "+15550101"
PHONE_USER = "demo"
APPLICATION_NAME = "Demo menu"
LOOPBACK = ("127.0.0.0/8", "::1/128")


@dataclass(frozen=True, slots=True)
class DemoSetup:
    """What the demo created or found again."""

    application: Application
    local: Number
    phone: Number


async def run_demo(process: EngineProcess) -> None:
    """Creates the sample resources, prints what to dial, and places the demonstration call."""
    flow = DemoFlow()
    url = await flow.start()
    process.on_stop(flow.stop)
    setup = await create_resources(process, url)
    print_instructions(process, setup)
    began = time.monotonic()
    caller = DemoCaller(process.plane, lambda text: print(f"  {time.monotonic() - began:6.2f} s  {text}", flush=True))
    print(f"demo call to {LOCAL_NUMBER}, through SIP and RTP on loopback:", flush=True)
    try:
        passed = await caller.call(*process.loopback_sip(), LOCAL_NUMBER)
    finally:
        await caller.close()
    print("demo call: it works" if passed else "demo call: FAILED, see the log above and `voylo doctor`", flush=True)


async def create_resources(process: EngineProcess, flow_url: str) -> DemoSetup:
    """The demo application, its two numbers and the softphone account; what exists is kept, pointed at `flow_url`."""
    workspace = (await process.accounts.list_workspaces())[0]
    found = await process.applications.page(workspace.id, 1, 100, APPLICATION_NAME)
    ours = next((item for item in found.items if item.name == APPLICATION_NAME), None)
    if ours is not None:
        application = await process.applications.update(workspace.id, ours.id, {"action_url": flow_url})
    else:
        application = await process.applications.create(
            workspace.id, NewApplication(name=APPLICATION_NAME, action_url=flow_url)
        )
    destination = Route("application", application.id)
    sources = tuple(ip_network(network) for network in (*LOOPBACK, *_own_address(process)))
    local = process.directory.lookup(LOCAL_NUMBER) or await process.numbers.import_(
        workspace.id,
        NewNumber(
            e164=LOCAL_NUMBER,
            label="Demo, from this machine",
            destination=destination,
            sip={"allowed_source_ips": sources},
        ),
    )
    phone = process.directory.lookup(PHONE_NUMBER) or await process.numbers.import_(
        workspace.id,
        NewNumber(
            e164=PHONE_NUMBER,
            label="Demo, with the softphone account",
            destination=destination,
            sip={"auth": {"username": PHONE_USER, "password": new_password()}},
        ),
    )
    return DemoSetup(application, local, phone)


def _own_address(process: EngineProcess) -> list[str]:
    bind = process.config.sip.udp
    return [] if bind is None or bind.is_wildcard else [bind.host]


def print_instructions(process: EngineProcess, setup: DemoSetup) -> None:
    """What to dial, from where, with which account."""
    host, port = process.loopback_sip()
    reachable = process.realm()
    suffix = "" if port == 5060 else f":{port}"
    auth = setup.phone.sip.auth if setup.phone.sip is not None else None
    print(f"demo  from this machine, no account:  sip:{LOCAL_NUMBER.lstrip('+')}@{host}{suffix}")
    if auth is not None:
        print(f"demo  from any softphone:             sip:{PHONE_NUMBER.lstrip('+')}@{reachable}{suffix}")
        print(f"demo  softphone account:              user {auth.username}  password {auth.password}")
    print("demo  no registration needed; press 1, 2, 3 or 9 in the menu", flush=True)
