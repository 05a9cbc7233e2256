"""`/v1/admin/rentals`: the operator's review (contract §15.2), and the settling of top-ups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from api.file_answer import FilePart, open_part
from api.operation import ApiRequest, Operation, PathKind
from api.schemas.billing import TopUpSettlement, TransactionOut
from api.schemas.common import Envelope, pagination
from api.schemas.rental import RentalApproval, RentalNote, RentalQuery, ReviewedRentalOut
from engine.store.rentals import Rental


async def _shown(request: ApiRequest, rental: Rental) -> ReviewedRentalOut:
    currency = (await request.services.billing.wallet(rental.workspace_id)).wallet.currency
    return ReviewedRentalOut.of(rental, currency, await request.services.rentals.missing(rental))


async def list_all(request: ApiRequest) -> Envelope[ReviewedRentalOut]:
    """A page of the rentals of every account."""
    query = request.query(RentalQuery)
    page = await request.services.rental_review.page(query.page, query.limit, query.status)
    data = [await _shown(request, rental) for rental in page.items]
    return Envelope[ReviewedRentalOut](data=data, pagination=pagination(page))


async def get_document(request: ApiRequest) -> FilePart:
    """The file of a document."""
    path = await request.services.rental_review.document(request.path["id"], request.path["documentId"])
    return await open_part(path, request.range)


async def approve(request: ApiRequest) -> ReviewedRentalOut:
    """Gives a rental its number."""
    e164 = request.body(RentalApproval).e164
    return await _shown(request, await request.services.rental_review.approve(request.path["id"], e164))


async def request_changes(request: ApiRequest) -> ReviewedRentalOut:
    """Asks for other answers."""
    note = request.body(RentalNote).note
    return await _shown(request, await request.services.rental_review.request_changes(request.path["id"], note))


async def reject(request: ApiRequest) -> ReviewedRentalOut:
    """Refuses a rental."""
    note = request.body(RentalNote).note
    return await _shown(request, await request.services.rental_review.reject(request.path["id"], note))


async def settle_topup(request: ApiRequest) -> TransactionOut:
    """Puts the money of a top-up into its wallet."""
    reference = request.body(TopUpSettlement).reference
    return TransactionOut.model_validate(await request.services.billing.settle(request.path["id"], reference))


_TAG: Final = "Operator"
_ID: Final[Mapping[str, PathKind]] = {"id": "uuid"}

OPERATIONS: Final[Sequence[Operation]] = (
    Operation(
        "GET",
        "/v1/admin/rentals",
        "listAllRentals",
        "List the rentals of every account",
        _TAG,
        list_all,
        access="operator",
        query=RentalQuery,
        out=Envelope[ReviewedRentalOut],
    ),
    Operation(
        "GET",
        "/v1/admin/rentals/{id}/documents/{documentId}",
        "getRentalDocument",
        "Get a document of a rental",
        _TAG,
        get_document,
        access="operator",
        path_parameters={"id": "uuid", "documentId": "uuid"},
        out=bytes,
        media_type="application/octet-stream",
        example="%PDF-1.7 …",
        file=True,
    ),
    Operation(
        "POST",
        "/v1/admin/rentals/{id}/approve",
        "approveRental",
        "Approve a rental",
        _TAG,
        approve,
        access="operator",
        description="The number is live at once, and its first month begins.",
        path_parameters=_ID,
        body=RentalApproval,
        out=ReviewedRentalOut,
        errors=(409,),
    ),
    Operation(
        "POST",
        "/v1/admin/rentals/{id}/request-changes",
        "requestRentalChanges",
        "Ask for other fields or documents",
        _TAG,
        request_changes,
        access="operator",
        path_parameters=_ID,
        body=RentalNote,
        out=ReviewedRentalOut,
        errors=(409,),
    ),
    Operation(
        "POST",
        "/v1/admin/rentals/{id}/reject",
        "rejectRental",
        "Reject a rental",
        _TAG,
        reject,
        access="operator",
        description="The first month is refunded.",
        path_parameters=_ID,
        body=RentalNote,
        out=ReviewedRentalOut,
        errors=(409,),
    ),
    Operation(
        "POST",
        "/v1/admin/topups/{id}/settle",
        "settleTopUp",
        "Settle a top-up",
        _TAG,
        settle_topup,
        access="operator",
        description="Puts its money into the wallet, once however often it is called.",
        path_parameters=_ID,
        body=TopUpSettlement,
        out=TransactionOut,
    ),
)
