"""Queries about applications. Signing secrets pass through here encrypted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from sqlalchemy import Row, and_, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model import Application, Page, RecordingMode
from engine.store.config import record_change
from engine.store.json_text import dump_json, load_json
from engine.store.tables import applications
from engine.store.times import from_ms, to_ms


async def insert_application(connection: AsyncConnection, application: Application) -> None:
    """Stores a new application, its signing secret as it is given."""
    await connection.execute(insert(applications).values(_values(application)))
    await record_change(connection, "application", application.id)


async def get_application(
    connection: AsyncConnection, workspace_id: str, application_id: str, *, lock: bool = False
) -> Application | None:
    """One application of a workspace; `lock` keeps others from changing it until the end of the transaction."""
    query = select(applications).where(applications.c.id == application_id, applications.c.workspace_id == workspace_id)
    row = (await connection.execute(query.with_for_update() if lock else query)).first()
    return None if row is None else _application(row)


async def trunk_taken(connection: AsyncConnection, trunk_id: str, *, by_another_than: str) -> bool:
    """Whether another application hangs on this inbound trunk."""
    query = select(applications.c.id).where(
        applications.c.inbound_trunk_id == trunk_id, applications.c.id != by_another_than
    )
    return (await connection.execute(query)).first() is not None


async def update_application(connection: AsyncConnection, application: Application) -> None:
    """Stores every value of an existing application."""
    await connection.execute(
        update(applications).where(applications.c.id == application.id).values(_values(application))
    )
    await record_change(connection, "application", application.id)


async def delete_application(connection: AsyncConnection, workspace_id: str, application_id: str) -> bool:
    """Deletes an application; false when the workspace has none with this id."""
    found = await connection.execute(
        delete(applications).where(applications.c.id == application_id, applications.c.workspace_id == workspace_id)
    )
    if found.rowcount == 0:
        return False
    await record_change(connection, "application", application_id)
    return True


async def page_of_applications(
    connection: AsyncConnection, workspace_id: str, page: int, limit: int, search: str | None
) -> Page[Application]:
    """A page, newest first; `search` is a substring of the name in any case."""
    condition = applications.c.workspace_id == workspace_id
    if search:
        condition = and_(condition, applications.c.search_text.contains(search.casefold(), autoescape=True))
    total = (await connection.execute(select(func.count()).select_from(applications).where(condition))).scalar_one()
    if (page - 1) * limit >= total:
        return Page((), page, limit, total)
    rows = await connection.execute(
        select(applications)
        .where(condition)
        .order_by(applications.c.created_at.desc(), applications.c.id.desc())
        .limit(limit)
        .offset((page - 1) * limit)
    )
    return Page(tuple(_application(row) for row in rows), page, limit, total)


async def load_applications(connection: AsyncConnection, ids: Iterable[str] | None) -> list[Application]:
    """The applications with these ids, or all of the server."""
    query = select(applications)
    if ids is not None:
        query = query.where(applications.c.id.in_(list(ids)))
    return [_application(row) for row in await connection.execute(query)]


def _values(application: Application) -> dict[str, object]:
    return {
        "id": application.id,
        "workspace_id": application.workspace_id,
        "name": application.name,
        "search_text": application.name.casefold(),
        "action_url": application.action_url,
        "action_url_headers": dump_json(application.action_url_headers),
        "xml_template": application.xml_template,
        "finished_url": application.finished_url,
        "finished_url_headers": dump_json(application.finished_url_headers),
        "inbound_trunk_id": application.inbound_trunk_id,
        "recording": application.recording,
        "allowed_caller_ids": dump_json(application.allowed_caller_ids),
        "signing_secret": application.signing_secret,
        "created_at": to_ms(application.created_at),
        "updated_at": to_ms(application.updated_at),
    }


def _application(row: Row[Any]) -> Application:
    return Application(
        id=row.id,
        workspace_id=row.workspace_id,
        name=row.name,
        action_url=row.action_url,
        action_url_headers=load_json(row.action_url_headers),
        xml_template=row.xml_template,
        finished_url=row.finished_url,
        finished_url_headers=load_json(row.finished_url_headers),
        inbound_trunk_id=row.inbound_trunk_id,
        recording=cast(RecordingMode, row.recording),
        allowed_caller_ids=tuple(load_json(row.allowed_caller_ids)),
        signing_secret=row.signing_secret,
        created_at=from_ms(row.created_at),
        updated_at=from_ms(row.updated_at),
    )
