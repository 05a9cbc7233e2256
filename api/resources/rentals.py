"""`/v1/rentals` (contract §15.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from api.operation import ApiRequest, Operation, PathKind
from api.schemas.common import Envelope, pagination
from api.schemas.rental import CountryOut, KycIn, RentalCreate, RentalOut, RentalQuery, RentalUpdate
from engine.billing.kyc import BODY_BYTES
from engine.billing.rentals import OrderedRental, RentalOrder
from engine.store.rentals import Rental


async def _shown(request: ApiRequest, rental: Rental) -> RentalOut:
    currency = (await request.services.billing.wallet(request.workspace_id)).wallet.currency
    return RentalOut.of(rental, currency, await request.services.rentals.missing(rental))


async def list_countries(request: ApiRequest) -> list[CountryOut]:
    """Where numbers can be rented."""
    currency = (await request.services.billing.wallet(request.workspace_id)).wallet.currency
    return [CountryOut.of(country, currency) for country in await request.services.rentals.countries()]


async def list_rentals(request: ApiRequest) -> Envelope[RentalOut]:
    """A page of rentals."""
    query = request.query(RentalQuery)
    page = await request.services.rentals.page(request.workspace_id, query.page, query.limit, query.status)
    data = [await _shown(request, rental) for rental in page.items]
    return Envelope[RentalOut](data=data, pagination=pagination(page))


async def get_rental(request: ApiRequest) -> RentalOut:
    """One rental."""
    return await _shown(request, await request.services.rentals.get(request.workspace_id, request.path["id"]))


async def create_rental(request: ApiRequest) -> RentalOut:
    """Rents a number."""
    body = request.body(RentalCreate)
    kyc = body.kyc or KycIn()
    order = RentalOrder(body.country, body.channels, body.area_code, kyc.fields, kyc.files())
    currency = (await request.services.billing.wallet(request.workspace_id)).wallet.currency

    def answer(ordered: OrderedRental) -> RentalOut:
        return RentalOut.of(ordered.rental, currency, ordered.missing)

    rental = await request.services.rentals.order(request.workspace_id, order, request.keep(answer))
    return await _shown(request, rental)


async def pay_rental(request: ApiRequest) -> RentalOut:
    """Pays the first month."""
    return await _shown(request, await request.services.rentals.pay(request.workspace_id, request.path["id"]))


async def put_kyc(request: ApiRequest) -> RentalOut:
    """Sets fields and documents."""
    body = request.body(KycIn)
    rentals = request.services.rentals
    rental = await rentals.put_kyc(request.workspace_id, request.path["id"], body.fields, body.files())
    return await _shown(request, rental)


async def update_rental(request: ApiRequest) -> RentalOut:
    """Changes the channels."""
    channels = request.body(RentalUpdate).channels
    rentals = request.services.rentals
    return await _shown(request, await rentals.set_channels(request.workspace_id, request.path["id"], channels))


async def delete_rental(request: ApiRequest) -> None:
    """Gives a rental up."""
    await request.services.rentals.cancel(request.workspace_id, request.path["id"])


async def resume_rental(request: ApiRequest) -> RentalOut:
    """Takes the giving up back."""
    return await _shown(request, await request.services.rentals.resume(request.workspace_id, request.path["id"]))


_TAG: Final = "Rentals"
_ID: Final[Mapping[str, PathKind]] = {"id": "uuid"}

OPERATIONS: Final[Sequence[Operation]] = (
    Operation(
        "GET",
        "/v1/rentals/countries",
        "listRentalCountries",
        "List countries with numbers for rent",
        _TAG,
        list_countries,
        description="With their prices, and what they want to know of whoever rents a number there.",
        out=list[CountryOut],
    ),
    Operation(
        "GET",
        "/v1/rentals",
        "listRentals",
        "List rentals",
        _TAG,
        list_rentals,
        query=RentalQuery,
        out=Envelope[RentalOut],
    ),
    Operation(
        "POST",
        "/v1/rentals",
        "createRental",
        "Rent a number",
        _TAG,
        create_rental,
        access="change_billing",
        status=201,
        description=(
            "The first month is paid from the wallet at once. Where that does not cover it the answer is 402 with a "
            "`rentalId`: the rental waits, and `POST /v1/rentals/{id}/pay` tries again."
        ),
        body=RentalCreate,
        body_bytes=BODY_BYTES,
        out=RentalOut,
        errors=(402,),
    ),
    Operation(
        "GET",
        "/v1/rentals/{id}",
        "getRental",
        "Get a rental",
        _TAG,
        get_rental,
        path_parameters=_ID,
        out=RentalOut,
    ),
    Operation(
        "POST",
        "/v1/rentals/{id}/pay",
        "payRental",
        "Pay a rental's first month",
        _TAG,
        pay_rental,
        access="change_billing",
        path_parameters=_ID,
        out=RentalOut,
        errors=(402, 409),
    ),
    Operation(
        "PUT",
        "/v1/rentals/{id}/kyc",
        "putRentalKyc",
        "Set fields and documents",
        _TAG,
        put_kyc,
        access="change_billing",
        description="Documents replace those with the same names; what is complete goes to review.",
        path_parameters=_ID,
        body=KycIn,
        body_bytes=BODY_BYTES,
        out=RentalOut,
        errors=(409,),
    ),
    Operation(
        "PATCH",
        "/v1/rentals/{id}",
        "updateRental",
        "Change a rental's channels",
        _TAG,
        update_rental,
        access="change_billing",
        description="The difference for the rest of the paid month is charged or refunded, by days.",
        path_parameters=_ID,
        body=RentalUpdate,
        out=RentalOut,
        errors=(402, 409),
    ),
    Operation(
        "DELETE",
        "/v1/rentals/{id}",
        "deleteRental",
        "Give a rental up",
        _TAG,
        delete_rental,
        access="change_billing",
        status=204,
        description="A live number goes at the end of the paid month. One that is not there yet is refunded.",
        path_parameters=_ID,
        errors=(409,),
    ),
    Operation(
        "POST",
        "/v1/rentals/{id}/resume",
        "resumeRental",
        "Keep a rental after all",
        _TAG,
        resume_rental,
        access="change_billing",
        description="Takes back that it was given up, until its month ends.",
        path_parameters=_ID,
        out=RentalOut,
        errors=(409,),
    ),
)
