"""`/v1/auth`: signing in to the console (contract §2) and accepting an invitation (§16)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from api.authentication import session_cookie
from api.operation import ApiRequest, Operation
from api.schemas.session import InvitationAccept, Login, SignedInOut, UserOut
from api.schemas.workspace import WorkspaceOut
from engine.model import User
from engine.sessions import SESSION_SECONDS


async def login(request: ApiRequest) -> SignedInOut:
    """Begins a session."""
    body = request.body(Login)
    user = await request.services.sessions.check_password(body.email, body.password)
    return await _begin(request, user)


async def accept_invitation(request: ApiRequest) -> SignedInOut:
    """Makes the invited user a member and begins a session."""
    body = request.body(InvitationAccept)
    user = await request.services.members.accept(body.token, body.password, body.name)
    return await _begin(request, user)


async def logout(request: ApiRequest) -> None:
    """Ends the session."""
    await request.services.sessions.end(request.principal.id)
    request.answer_headers.append(session_cookie("", 0, secure=_secure(request)))


async def get_me(request: ApiRequest) -> SignedInOut:
    """Who is signed in."""
    return await _signed_in(request, request.user)


async def _begin(request: ApiRequest, user: User) -> SignedInOut:
    session = await request.services.sessions.begin(user)
    request.answer_headers.append(session_cookie(session.token, SESSION_SECONDS, secure=_secure(request)))
    return await _signed_in(request, user)


async def _signed_in(request: ApiRequest, user: User) -> SignedInOut:
    workspaces = await request.services.workspaces.of_user(user.id)
    return SignedInOut(
        user=UserOut.model_validate(user),
        workspaces=[WorkspaceOut.of(workspace, role) for workspace, role in workspaces],
    )


def _secure(request: ApiRequest) -> bool:
    return request.services.public_url.startswith("https://")


_TAG: Final = "Sessions"
_COOKIE: Final = "Sets the cookie `voylo_session`, which together with `X-Workspace-Id` does what a key does."

OPERATIONS: Final[Sequence[Operation]] = (
    Operation(
        "POST",
        "/v1/auth/login",
        "login",
        "Sign in",
        _TAG,
        login,
        access="public",
        description=_COOKIE,
        body=Login,
        out=SignedInOut,
        errors=(401, 429, 503),
    ),
    Operation(
        "POST",
        "/v1/auth/logout",
        "logout",
        "Sign out",
        _TAG,
        logout,
        access="user",
        status=204,
    ),
    Operation(
        "GET",
        "/v1/auth/me",
        "getMe",
        "Who is signed in",
        _TAG,
        get_me,
        access="user",
        out=SignedInOut,
    ),
    Operation(
        "POST",
        "/v1/auth/invitations/accept",
        "acceptInvitation",
        "Accept an invitation",
        _TAG,
        accept_invitation,
        access="public",
        description=f"A user who exists gives their password, a new one chooses it. {_COOKIE}",
        body=InvitationAccept,
        out=SignedInOut,
        errors=(401, 404, 429, 503),
    ),
)
