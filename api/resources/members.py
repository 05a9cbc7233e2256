"""`/v1/members` (contract §16)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from api.operation import ApiRequest, Operation
from api.schemas.common import Envelope, PageQuery, envelope
from api.schemas.member import InvitationCreate, InvitationCreated, InvitationOut, MemberOut, MemberUpdate
from engine.members import CreatedInvitation


async def list_members(request: ApiRequest) -> Envelope[MemberOut]:
    """A page of the workspace's members."""
    query = request.query(PageQuery)
    page = await request.services.members.page(request.workspace_id, query.page, query.limit)
    return envelope(MemberOut, page)


async def update_member(request: ApiRequest) -> MemberOut:
    """Gives a member another role."""
    body = request.body(MemberUpdate)
    member = await request.services.members.set_role(
        request.workspace_id, request.path["id"], body.role, request.principal.role
    )
    return MemberOut.model_validate(member)


async def delete_member(request: ApiRequest) -> None:
    """Removes a member."""
    await request.services.members.remove(request.workspace_id, request.path["id"], request.principal.role)


async def list_invitations(request: ApiRequest) -> Envelope[InvitationOut]:
    """A page of the workspace's invitations."""
    query = request.query(PageQuery)
    page = await request.services.members.invitations(request.workspace_id, query.page, query.limit)
    return envelope(InvitationOut, page)


async def create_invitation(request: ApiRequest) -> InvitationCreated:
    """Invites somebody and shows the token."""
    body, role = request.body(InvitationCreate), request.principal.role
    members = request.services.members
    return _created(await members.invite(request.workspace_id, body.email, body.role, role, request.keep(_created)))


def _created(created: CreatedInvitation) -> InvitationCreated:
    shown = InvitationOut.model_validate(created.invitation)
    return InvitationCreated(**shown.model_dump(), token=created.token)


async def delete_invitation(request: ApiRequest) -> None:
    """Withdraws an invitation."""
    await request.services.members.withdraw(request.workspace_id, request.path["id"])


_TAG: Final = "Members"

OPERATIONS: Final[Sequence[Operation]] = (
    Operation(
        "GET",
        "/v1/members",
        "listMembers",
        "List members",
        _TAG,
        list_members,
        access="members",
        description="Newest first.",
        query=PageQuery,
        out=Envelope[MemberOut],
    ),
    Operation(
        "GET",
        "/v1/members/invitations",
        "listInvitations",
        "List invitations",
        _TAG,
        list_invitations,
        access="members",
        description="Those that nobody has accepted, newest first.",
        query=PageQuery,
        out=Envelope[InvitationOut],
    ),
    Operation(
        "POST",
        "/v1/members/invitations",
        "createInvitation",
        "Invite somebody",
        _TAG,
        create_invitation,
        access="change_members",
        status=201,
        description=(
            "The token is in this answer only and lasts seven days; the engine sends no mail. "
            "Inviting an address again takes the earlier invitation back."
        ),
        body=InvitationCreate,
        out=InvitationCreated,
        errors=(409,),
    ),
    Operation(
        "DELETE",
        "/v1/members/invitations/{id}",
        "deleteInvitation",
        "Withdraw an invitation",
        _TAG,
        delete_invitation,
        access="change_members",
        status=204,
        path_parameters={"id": "uuid"},
    ),
    Operation(
        "PATCH",
        "/v1/members/{id}",
        "updateMember",
        "Give a member another role",
        _TAG,
        update_member,
        access="change_members",
        description="The last owner of a workspace stays owner.",
        path_parameters={"id": "uuid"},
        body=MemberUpdate,
        out=MemberOut,
        errors=(409,),
    ),
    Operation(
        "DELETE",
        "/v1/members/{id}",
        "deleteMember",
        "Remove a member",
        _TAG,
        delete_member,
        access="change_members",
        status=204,
        description="The last owner of a workspace stays. API keys that the member made stay as well.",
        path_parameters={"id": "uuid"},
        errors=(409,),
    ),
)
